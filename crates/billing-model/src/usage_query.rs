//! `GET /billing/usage`: the query of the ledger by page number.

use std::fmt;
use std::num::NonZeroU32;

use crate::currency::Currency;
use crate::fault::{FaultCode, Faults, QueryError};
use crate::raw_query::RawQuery;
use crate::timestamp::Timestamp;
use crate::window::TimeWindow;

/// The currencies that the endpoint filters by.
const CURRENCIES: [&str; 4] = ["USD", "VCU", "DIEM", "BUNDLED_CREDITS"];

/// What to ask of `GET /billing/usage`, all but the page number. Checked: one that exists is one that the API takes.
///
/// ```
/// use billing_model::{SortOrder, UsageQuery};
/// let (query, page) = UsageQuery::parse("startDate=2026-05-01T00:00:00Z&limit=50&page=3")?;
/// assert_eq!((query.limit(), query.sort_order(), page.get()), (50, SortOrder::Desc, 3));
/// # Ok::<(), billing_model::QueryError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    currency: Option<Currency>,
    start_date: Option<Timestamp>,
    end_date: Option<Timestamp>,
    limit: u32,
    sort_order: SortOrder,
}

/// The order of entries, by the time of their creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Oldest first.
    Asc,
    /// Newest first: the endpoint's default. Its pages shift when entries arrive, so do not walk them.
    #[default]
    Desc,
}

impl SortOrder {
    /// The order as the API spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }
}

impl fmt::Display for SortOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl UsageQuery {
    /// Entries on a page, at most.
    pub const MAX_LIMIT: u32 = 500;
    /// Entries on a page when nothing is asked for.
    pub const DEFAULT_LIMIT: u32 = 200;

    /// A query with the endpoint's defaults.
    pub fn builder() -> UsageQueryBuilder {
        UsageQueryBuilder::default()
    }

    /// Reads query and page number from a raw query string, `limit=50&page=3`. Unknown parameters are ignored, as
    /// upstream does on this endpoint.
    ///
    /// # Errors
    /// [`QueryError`] with every fault of every parameter.
    pub fn parse(raw: &str) -> Result<(Self, NonZeroU32), QueryError> {
        let mut raw = RawQuery::new(raw);
        let currency = raw.take("currency").map(|name| Currency::from(&*name));
        let start_date = raw.take_timestamp("startDate");
        let end_date = raw.take_timestamp("endDate");
        let limit = raw.take_number("limit").unwrap_or(Self::DEFAULT_LIMIT);
        let page = raw.take_number("page").unwrap_or(1);
        let sort_order = match raw.take("sortOrder").as_deref() {
            Some("asc") => SortOrder::Asc,
            None | Some("desc") => SortOrder::Desc,
            Some(other) => {
                raw.faults.check_one_of("sortOrder", other, &["asc", "desc"]);
                SortOrder::Desc
            }
        };
        let mut faults = raw.faults;
        faults.check_range("page", page, 1, u32::MAX);
        let query = Self { currency, start_date, end_date, limit, sort_order }.check(faults)?;
        Ok((query, NonZeroU32::new(page).unwrap_or(NonZeroU32::MIN)))
    }

    /// Notes what is wrong between and with typed values.
    fn check(self, mut faults: Faults) -> Result<Self, QueryError> {
        if let Some(currency) = &self.currency {
            faults.check_one_of("currency", currency.as_str(), &CURRENCIES);
        }
        faults.check_range("limit", self.limit, 1, Self::MAX_LIMIT);
        if let (Some(start), Some(end)) = (self.start_date, self.end_date)
            && start > end
        {
            faults.push(Some("endDate"), FaultCode::Custom, format!("{end} is before startDate, {start}"));
        }
        faults.none(self)
    }

    /// The query string for a page, parameters in alphabetical order.
    pub fn query_string(&self, page: u32) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        if let Some(currency) = &self.currency {
            out.append_pair("currency", currency.as_str());
        }
        if let Some(end) = self.end_date {
            out.append_pair("endDate", &end.to_string());
        }
        out.append_pair("limit", &self.limit.to_string());
        out.append_pair("page", &page.to_string());
        out.append_pair("sortOrder", self.sort_order.as_str());
        if let Some(start) = self.start_date {
            out.append_pair("startDate", &start.to_string());
        }
        out.finish()
    }

    /// Only entries charged in this currency.
    pub fn currency(&self) -> Option<&Currency> {
        self.currency.as_ref()
    }

    /// Entries on a page, 1 to 500.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The order of the entries.
    pub fn sort_order(&self) -> SortOrder {
        self.sort_order
    }

    /// The span asked for. The endpoint's end is inclusive, so the window ends a nanosecond later.
    pub fn window(&self) -> TimeWindow {
        // The end is not before the start, so the instant after it is later than the start.
        TimeWindow::new(self.start_date, self.end_date.map(Timestamp::next)).unwrap_or_default()
    }
}

/// Builds a [`UsageQuery`].
#[derive(Clone, Debug)]
#[must_use]
pub struct UsageQueryBuilder(UsageQuery);

impl Default for UsageQueryBuilder {
    fn default() -> Self {
        Self(UsageQuery {
            currency: None,
            start_date: None,
            end_date: None,
            limit: UsageQuery::DEFAULT_LIMIT,
            sort_order: SortOrder::default(),
        })
    }
}

impl UsageQueryBuilder {
    /// Only entries charged in this currency: `USD`, `VCU`, `DIEM` or `BUNDLED_CREDITS`.
    pub fn currency(mut self, currency: impl Into<Option<Currency>>) -> Self {
        self.0.currency = currency.into();
        self
    }

    /// Only entries at or after this instant.
    pub fn start_date(mut self, start: impl Into<Option<Timestamp>>) -> Self {
        self.0.start_date = start.into();
        self
    }

    /// Only entries at or before this instant: the endpoint's end is inclusive.
    pub fn end_date(mut self, end: impl Into<Option<Timestamp>>) -> Self {
        self.0.end_date = end.into();
        self
    }

    /// Entries on a page, 1 to 500.
    pub fn limit(mut self, limit: u32) -> Self {
        self.0.limit = limit;
        self
    }

    /// The order of the entries.
    pub fn sort_order(mut self, order: SortOrder) -> Self {
        self.0.sort_order = order;
        self
    }

    /// The query, when the API takes it.
    ///
    /// # Errors
    /// [`QueryError`] with every fault.
    pub fn build(self) -> Result<UsageQuery, QueryError> {
        self.0.check(Faults::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(raw: &str) -> Vec<String> {
        UsageQuery::parse(raw).unwrap_err().faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults_are_those_of_the_endpoint() {
        let (query, page) = UsageQuery::parse("").unwrap();
        assert_eq!(query, UsageQuery::builder().build().unwrap());
        assert_eq!((query.limit(), query.sort_order(), page.get()), (200, SortOrder::Desc, 1));
        assert_eq!(query.window(), TimeWindow::ALL);
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        assert_eq!(
            faults("currency=EUR&startDate=yesterday&endDate=&limit=501&page=0&sortOrder=up"),
            [
                "startDate: `yesterday` is not an RFC 3339 date-time such as 2026-06-15T19:05:10.504Z",
                "endDate: `` is not an RFC 3339 date-time such as 2026-06-15T19:05:10.504Z",
                "sortOrder: `up` is not one of asc, desc",
                "page: `0` is out of range: this endpoint takes 1 to 4294967295",
                "currency: `EUR` is not one of USD, VCU, DIEM, BUNDLED_CREDITS",
                "limit: `501` is out of range: this endpoint takes 1 to 500",
            ]
        );
    }

    #[test]
    fn single_faults() {
        for (raw, fault) in [
            ("limit=0", "limit: `0` is out of range: this endpoint takes 1 to 500"),
            ("limit=-1", "limit: `-1` is not a whole number"),
            ("limit=1.5", "limit: `1.5` is not a whole number"),
            ("limit=", "limit: `` is not a whole number"),
            ("limit=5&limit=6", "limit: is given more than once"),
            ("currency=usd", "currency: `usd` is not one of USD, VCU, DIEM, BUNDLED_CREDITS"),
            ("page=99999999999999999999", "page: `99999999999999999999` is out of range: it is too large"),
            (
                "startDate=2026-05-02T00:00:00Z&endDate=2026-05-01T00:00:00Z",
                "endDate: 2026-05-01T00:00:00.000Z is before startDate, 2026-05-02T00:00:00.000Z",
            ),
        ] {
            assert_eq!(faults(raw), [fault], "{raw}");
        }
    }

    #[test]
    fn a_query_survives_its_query_string() {
        let query = UsageQuery::builder()
            .currency(Currency::BundledCredits)
            .start_date("2026-05-01T00:00:00.000001Z".parse::<Timestamp>().unwrap())
            .end_date("2026-05-01T00:00:00.000001Z".parse::<Timestamp>().unwrap())
            .limit(1)
            .sort_order(SortOrder::Asc)
            .build()
            .unwrap();
        let raw = query.query_string(7);
        assert_eq!(UsageQuery::parse(&raw).unwrap(), (query.clone(), NonZeroU32::new(7).unwrap()));
        assert!(query.window().contains("2026-05-01T00:00:00.000001Z".parse().unwrap()));
    }

    #[test]
    fn unknown_parameters_are_ignored() {
        assert!(UsageQuery::parse("tenant=1&Limit=900").is_ok());
    }
}
