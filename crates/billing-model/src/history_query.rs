//! `GET /billing/usage-history`: the query of the ledger by cursor.

use std::fmt;
use std::str::FromStr;

use crate::currency::Currency;
use crate::error::{ValueError, ValueErrorKind};
use crate::fault::{FaultCode, Faults, QueryError};
use crate::raw_query::RawQuery;
use crate::timestamp::Timestamp;
use crate::window::TimeWindow;

/// The currencies that the endpoint filters by; `VCU` is not among them.
const CURRENCIES: [&str; 4] = ["USD", "DIEM", "BUNDLED_CREDITS", "EARNED_CREDITS"];

/// The longest timestamp that the endpoint reads.
const MAX_TIMESTAMP_LEN: usize = 40;

/// What to ask of `GET /billing/usage-history`: the first page, or the page at a cursor.
///
/// A cursor goes alone: it carries the filters of its first page, and one sent beside it is refused.
///
/// ```
/// use billing_model::HistoryRequest;
/// let error = HistoryRequest::parse("cursor=abc&currency=USD").unwrap_err();
/// assert_eq!(error.to_string(), "cursor: goes alone, without `currency`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryRequest {
    /// The first page.
    First(HistoryQuery),
    /// The page that an earlier one pointed to.
    Next(Cursor),
}

impl HistoryRequest {
    /// Reads a raw query string, `currency=USD&pageSize=100`. Unknown parameters are faults, as upstream has it on this
    /// endpoint.
    ///
    /// # Errors
    /// [`QueryError`] with every fault of every parameter.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        let mut raw = RawQuery::new(raw);
        if let Some(token) = raw.take("cursor") {
            let cursor = token.parse::<Cursor>();
            let mut faults = Faults::default();
            if let Err(error) = &cursor {
                faults.push(Some("cursor"), FaultCode::InvalidString, error.to_string());
            }
            for beside in raw.left() {
                let message = format!("goes alone, without `{beside}`");
                faults.push(Some("cursor"), FaultCode::Custom, message);
            }
            let mut all = raw.faults;
            all.append(faults);
            // Without a fault the cursor was read.
            let cursor = cursor.unwrap_or_else(|_| Cursor(Box::default()));
            return all.none(Self::Next(cursor));
        }
        let currency = raw.take("currency").map(|name| Currency::from(&*name));
        let since = take_instant(&mut raw, "startTimestamp");
        let until = take_instant(&mut raw, "endTimestamp");
        let page_size = raw.take_number("pageSize").unwrap_or(HistoryQuery::MAX_PAGE_SIZE);
        raw.refuse_left();
        HistoryQueryBuilder { currency, since, until, page_size }.check(raw.faults).map(Self::First)
    }

    /// The query string, parameters in alphabetical order.
    pub fn query_string(&self) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        match self {
            Self::Next(cursor) => {
                out.append_pair("cursor", cursor.as_str());
            }
            Self::First(query) => {
                if let Some(currency) = &query.currency {
                    out.append_pair("currency", currency.as_str());
                }
                if let Some(until) = query.window.until() {
                    out.append_pair("endTimestamp", &until.to_string());
                }
                out.append_pair("pageSize", &query.page_size.to_string());
                if let Some(since) = query.window.since() {
                    out.append_pair("startTimestamp", &since.to_string());
                }
            }
        }
        out.finish()
    }
}

/// An ISO 8601 date-time in UTC, written with `Z`.
fn take_instant(raw: &mut RawQuery<'_>, field: &'static str) -> Option<Timestamp> {
    let text = raw.take(field)?;
    match text.parse::<Timestamp>() {
        Ok(instant) if text.ends_with('Z') && text.len() <= MAX_TIMESTAMP_LEN => Some(instant),
        Ok(_) => {
            let message = format!("`{text}` must be UTC, end in Z and have at most 40 characters");
            raw.faults.push(Some(field), FaultCode::InvalidString, message);
            None
        }
        Err(error) => {
            raw.faults.push(Some(field), FaultCode::InvalidString, error.to_string());
            None
        }
    }
}

/// The filters of the first page. Checked: one that exists is one that the API takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryQuery {
    currency: Option<Currency>,
    window: TimeWindow,
    page_size: u32,
}

impl HistoryQuery {
    /// Entries on a page, at least.
    pub const MIN_PAGE_SIZE: u32 = 10;
    /// Entries on a page, at most, and when nothing is asked for.
    pub const MAX_PAGE_SIZE: u32 = 1000;

    /// A query with the endpoint's defaults.
    pub fn builder() -> HistoryQueryBuilder {
        HistoryQueryBuilder::default()
    }

    /// Only entries charged in this currency.
    pub fn currency(&self) -> Option<&Currency> {
        self.currency.as_ref()
    }

    /// The span asked for; the endpoint's is half open too.
    pub fn window(&self) -> TimeWindow {
        self.window
    }

    /// Entries on a page, 10 to 1000.
    pub fn page_size(&self) -> u32 {
        self.page_size
    }
}

/// Builds a [`HistoryQuery`].
///
/// ```
/// use billing_model::{HistoryQuery, HistoryRequest};
/// let query = HistoryQuery::builder().since("2026-05-01T00:00:00Z".parse::<billing_model::Timestamp>()?).build()?;
/// assert_eq!(
///     HistoryRequest::First(query).query_string(),
///     "pageSize=1000&startTimestamp=2026-05-01T00%3A00%3A00.000Z"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct HistoryQueryBuilder {
    currency: Option<Currency>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    page_size: u32,
}

impl Default for HistoryQueryBuilder {
    fn default() -> Self {
        Self { currency: None, since: None, until: None, page_size: HistoryQuery::MAX_PAGE_SIZE }
    }
}

impl HistoryQueryBuilder {
    /// Only entries charged in this currency: `USD`, `DIEM`, `BUNDLED_CREDITS` or `EARNED_CREDITS`.
    pub fn currency(mut self, currency: impl Into<Option<Currency>>) -> Self {
        self.currency = currency.into();
        self
    }

    /// Only entries at or after this instant.
    pub fn since(mut self, since: impl Into<Option<Timestamp>>) -> Self {
        self.since = since.into();
        self
    }

    /// Only entries before this instant.
    pub fn until(mut self, until: impl Into<Option<Timestamp>>) -> Self {
        self.until = until.into();
        self
    }

    /// Entries on a page, 10 to 1000.
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = size;
        self
    }

    /// The query, when the API takes it.
    ///
    /// # Errors
    /// [`QueryError`] with every fault.
    pub fn build(self) -> Result<HistoryQuery, QueryError> {
        self.check(Faults::default())
    }

    fn check(self, mut faults: Faults) -> Result<HistoryQuery, QueryError> {
        if let Some(currency) = &self.currency {
            faults.check_one_of("currency", currency.as_str(), &CURRENCIES);
        }
        faults.check_range(
            "pageSize",
            self.page_size,
            HistoryQuery::MIN_PAGE_SIZE,
            HistoryQuery::MAX_PAGE_SIZE,
        );
        let window = TimeWindow::new(self.since, self.until)
            .map_err(|_| {
                faults.push(
                    Some("endTimestamp"),
                    FaultCode::Custom,
                    "must be later than startTimestamp".into(),
                )
            })
            .unwrap_or_default();
        faults.none(HistoryQuery { currency: self.currency, window, page_size: self.page_size })
    }
}

/// The token of a page: opaque, at most 512 characters of `[A-Za-z0-9_-]`.
///
/// Good for going on now, not for keeping: services forget cursors.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor(Box<str>);

impl Cursor {
    /// The most characters that a cursor has.
    pub const MAX_LEN: usize = 512;

    /// The token as it goes over the wire.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Cursor {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(ValueError::new(ValueErrorKind::NotACursor, text))
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expect: &[&str]) {
        let found = match HistoryRequest::parse(raw) {
            Ok(_) => Vec::new(),
            Err(error) => error.faults().iter().map(ToString::to_string).collect(),
        };
        assert_eq!(found, expect, "{raw}");
    }

    #[test]
    fn faults_are_reported_per_field_and_all_at_once() {
        check("", &[]);
        check("pageSize=10&currency=EARNED_CREDITS&startTimestamp=2026-05-01T00:00:00Z", &[]);
        check(
            "currency=VCU&startTimestamp=2026-05-01T00:00:00%2B02:00&pageSize=9&limit=5&page=1",
            &[
                "startTimestamp: `2026-05-01T00:00:00+02:00` must be UTC, end in Z and have at most 40 characters",
                "unrecognized parameter(s): 'limit', 'page'",
                "currency: `VCU` is not one of USD, DIEM, BUNDLED_CREDITS, EARNED_CREDITS",
                "pageSize: `9` is out of range: this endpoint takes 10 to 1000",
            ],
        );
        check("pageSize=1001", &["pageSize: `1001` is out of range: this endpoint takes 10 to 1000"]);
        check(
            "startTimestamp=2026-05-01T00:00:00Z&endTimestamp=2026-05-01T00:00:00Z",
            &["endTimestamp: must be later than startTimestamp"],
        );
        check(
            "startTimestamp=2026-05-01T00:00:00.1230000000000000000000Z",
            &[
                "startTimestamp: `2026-05-01T00:00:00.1230000000000000000000Z` must be UTC, end in Z and have at most 40 characters",
            ],
        );
    }

    #[test]
    fn a_cursor_goes_alone() {
        let longest = "x".repeat(Cursor::MAX_LEN);
        check(&format!("cursor={longest}"), &[]);
        check(
            "cursor=a.b&pageSize=100",
            &[
                "cursor: `a.b` is not a cursor: 1 to 512 characters of A-Z, a-z, 0-9, `_` and `-`",
                "cursor: goes alone, without `pageSize`",
            ],
        );
        check("cursor=", &["cursor: `` is not a cursor: 1 to 512 characters of A-Z, a-z, 0-9, `_` and `-`"]);
        check("cursor=a&cursor=b", &["cursor: is given more than once"]);
        assert!(format!("{longest}x").parse::<Cursor>().is_err());
    }

    #[test]
    fn a_request_survives_its_query_string() {
        let query = HistoryQuery::builder()
            .currency(Currency::Usd)
            .since("2026-05-01T00:00:00Z".parse::<Timestamp>().unwrap())
            .until("2026-05-01T00:00:00.000000001Z".parse::<Timestamp>().unwrap())
            .page_size(333)
            .build()
            .unwrap();
        for request in [HistoryRequest::First(query), HistoryRequest::Next("a-_9".parse().unwrap())] {
            assert_eq!(HistoryRequest::parse(&request.query_string()).unwrap(), request);
        }
    }
}
