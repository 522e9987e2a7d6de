//! `GET /billing/usage-analytics`: the query of sums by day, model and API key.

use crate::day::{Day, DayRange};
use crate::fault::{FaultCode, Faults, QueryError};
use crate::raw_query::RawQuery;
use crate::timestamp::Timestamp;

/// What to ask of `GET /billing/usage-analytics`. Checked: one that exists is one that the API takes.
///
/// Equal queries are written alike, so with the day that it is asked on, a query is a key for a cache of answers.
///
/// ```
/// use billing_model::AnalyticsQuery;
/// let query = AnalyticsQuery::parse("lookback=30d")?;
/// let days = query.days("2026-06-14T19:52:45.087Z".parse()?);
/// assert_eq!((days.first.to_string(), days.last.to_string()), ("2026-05-16".into(), "2026-06-14".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AnalyticsQuery {
    span: Span,
    top_n: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Span {
    /// Today and the days before it, so many in all.
    Lookback(u32),
    Dates(DayRange),
}

impl AnalyticsQuery {
    /// Days that a lookback spans, at most; one that is read as more is cut to it.
    pub const MAX_LOOKBACK_DAYS: u32 = 90;
    /// Days that are looked back when nothing is asked for.
    pub const DEFAULT_LOOKBACK_DAYS: u32 = 7;
    /// Days from the start date to the end date, both counted, at most. Upstream takes 90; a year is ours.
    pub const MAX_DATE_RANGE_DAYS: usize = 366;
    /// Names that get a number of their own in the daily rows, at most. Upstream has no such parameter.
    pub const MAX_TOP_N: u32 = 50;
    /// Names that get a number of their own when nothing is asked for.
    pub const DEFAULT_TOP: u32 = 8;

    /// A query with the endpoint's defaults.
    pub fn builder() -> AnalyticsQueryBuilder {
        AnalyticsQueryBuilder::default()
    }

    /// Reads a raw query string, `startDate=2026-05-01&endDate=2026-05-31&topN=20`. Unknown parameters are faults.
    ///
    /// As upstream has it, this is more tolerant than [`AnalyticsQueryBuilder::build`]: a lookback of more than 90 days
    /// is one of 90, a single date is ignored, and two dates win over a lookback beside them. A malformed value is a
    /// fault all the same, even where it would be ignored.
    ///
    /// ```
    /// use billing_model::AnalyticsQuery;
    /// let read = |raw| AnalyticsQuery::parse(raw).map(|query| query.period());
    /// assert_eq!(read("lookback=365d")?, "90d");
    /// assert_eq!(read("lookback=30d&startDate=2026-05-01")?, "30d");
    /// assert_eq!(read("lookback=30d&startDate=2026-05-01&endDate=2026-05-31")?, "2026-05-01:2026-05-31");
    /// assert!(read("startDate=1 May 2026").is_err());
    /// # Ok::<(), billing_model::QueryError>(())
    /// ```
    ///
    /// # Errors
    /// [`QueryError`] with every fault of every parameter.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        let mut raw = RawQuery::new(raw);
        let lookback = take_lookback(&mut raw);
        let first = raw.take_value("startDate", str::parse::<Day>);
        let last = raw.take_value("endDate", str::parse::<Day>);
        let top_n = raw.take_number("topN");
        raw.refuse_left();
        let dates = first.zip(last).map(|(first, last)| DayRange { first, last });
        AnalyticsQueryBuilder { lookback, dates, top_n }.check(raw.faults)
    }

    /// The query string, parameters in alphabetical order.
    pub fn query_string(&self) -> String {
        let mut out = form_urlencoded::Serializer::new(String::new());
        match self.span {
            Span::Lookback(_) => {
                out.append_pair("lookback", &self.period());
            }
            Span::Dates(DayRange { first, last }) => {
                out.append_pair("endDate", &last.to_string());
                out.append_pair("startDate", &first.to_string());
            }
        }
        if let Some(top_n) = self.top_n {
            out.append_pair("topN", &top_n.to_string());
        }
        out.finish()
    }

    /// The days asked for. A lookback ends with the UTC day that `now` is in.
    pub fn days(&self, now: Timestamp) -> DayRange {
        match self.span {
            Span::Dates(days) => days,
            Span::Lookback(days) => {
                let last = Day::containing(now);
                DayRange { first: Day(last.0 + 1 - i64::from(days)), last }
            }
        }
    }

    /// The days asked for as an answer says it: `7d`, or `2026-05-01:2026-05-31` when dates are asked for.
    ///
    /// Of a lookback that was cut to 90 days it is `90d`: an answer tells what is in it.
    pub fn period(&self) -> String {
        match self.span {
            Span::Lookback(days) => format!("{days}d"),
            Span::Dates(DayRange { first, last }) => format!("{first}:{last}"),
        }
    }

    /// How many days are looked back, 1 to 90; `None` when dates are asked for.
    pub fn lookback(&self) -> Option<u32> {
        match self.span {
            Span::Lookback(days) => Some(days),
            Span::Dates(_) => None,
        }
    }

    /// The dates asked for; `None` when the query looks back.
    pub fn dates(&self) -> Option<DayRange> {
        match self.span {
            Span::Lookback(_) => None,
            Span::Dates(days) => Some(days),
        }
    }

    /// How many names get a number of their own in the daily rows, 1 to 50, the rest being summed as `Other`; `None`
    /// for the 8 of the documentation, without a rest.
    pub fn top_n(&self) -> Option<u32> {
        self.top_n
    }
}

/// `7d`: digits without a zero in front, and a `d`. A value above the greatest one is read as the greatest, however
/// many digits it has.
fn take_lookback(raw: &mut RawQuery<'_>) -> Option<u32> {
    let text = raw.take("lookback")?;
    let digits = text.strip_suffix('d').filter(
        |digits| matches!(digits.as_bytes(), [b'1'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii_digit)),
    );
    let Some(digits) = digits else {
        let message = format!("`{text}` is not a number of days such as 7d");
        raw.faults.push(Some("lookback"), FaultCode::InvalidString, message);
        return None;
    };
    let most = AnalyticsQuery::MAX_LOOKBACK_DAYS;
    Some(digits.parse().map_or(most, |days: u32| days.min(most)))
}

/// Builds an [`AnalyticsQuery`].
///
/// ```
/// use billing_model::{AnalyticsQuery, DayRange};
/// let may = DayRange { first: "2026-05-01".parse()?, last: "2026-05-31".parse()? };
/// let query = AnalyticsQuery::builder().dates(may).top_n(20).build()?;
/// assert_eq!(query.query_string(), "endDate=2026-05-31&startDate=2026-05-01&topN=20");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct AnalyticsQueryBuilder {
    lookback: Option<u32>,
    dates: Option<DayRange>,
    top_n: Option<u32>,
}

impl AnalyticsQueryBuilder {
    /// Today and the days before it, so many in all, 1 to 90.
    pub fn lookback(mut self, days: impl Into<Option<u32>>) -> Self {
        self.lookback = days.into();
        self
    }

    /// These days, at most 366.
    pub fn dates(mut self, days: impl Into<Option<DayRange>>) -> Self {
        self.dates = days.into();
        self
    }

    /// How many names get a number of their own in the daily rows, 1 to 50.
    pub fn top_n(mut self, names: impl Into<Option<u32>>) -> Self {
        self.top_n = names.into();
        self
    }

    /// The query, when the API takes it.
    ///
    /// More than 90 days back, and a lookback beside dates, are faults here, because the answer would be another one
    /// than was asked for. [`AnalyticsQuery::parse`] takes both.
    ///
    /// # Errors
    /// [`QueryError`] with every fault.
    pub fn build(self) -> Result<AnalyticsQuery, QueryError> {
        let mut faults = Faults::default();
        if self.lookback.is_some() && self.dates.is_some() {
            let message = "goes alone, without startDate and endDate".to_owned();
            faults.push(Some("lookback"), FaultCode::Custom, message);
        }
        self.check(faults)
    }

    /// Notes what is wrong with each of the typed values.
    fn check(self, mut faults: Faults) -> Result<AnalyticsQuery, QueryError> {
        if let Some(days) = self.lookback
            && !(1..=AnalyticsQuery::MAX_LOOKBACK_DAYS).contains(&days)
        {
            let code = if days == 0 { FaultCode::TooSmall } else { FaultCode::TooBig };
            let most = AnalyticsQuery::MAX_LOOKBACK_DAYS;
            let message = format!("`{days}d` is out of range: this endpoint takes 1d to {most}d");
            faults.push(Some("lookback"), code, message);
        }
        if let Some(days) = self.dates {
            check_dates(days, &mut faults);
        }
        if let Some(names) = self.top_n {
            faults.check_range("topN", names, 1, AnalyticsQuery::MAX_TOP_N);
        }
        let lookback = Span::Lookback(self.lookback.unwrap_or(AnalyticsQuery::DEFAULT_LOOKBACK_DAYS));
        let span = self.dates.map_or(lookback, Span::Dates);
        faults.none(AnalyticsQuery { span, top_n: self.top_n })
    }
}

fn check_dates(days: DayRange, faults: &mut Faults) {
    let DayRange { first, last } = days;
    let (code, message) = if first < Day::FIRST || last > Day::LAST {
        (FaultCode::InvalidString, format!("{first} to {last} is not within the years 0001 to 9999"))
    } else if last < first {
        (FaultCode::Custom, format!("{last} is before startDate, {first}"))
    } else if days.count() > AnalyticsQuery::MAX_DATE_RANGE_DAYS {
        let (count, most) = (days.count(), AnalyticsQuery::MAX_DATE_RANGE_DAYS);
        let message = format!("{first} to {last} is out of range: {count} days, this endpoint takes {most}");
        (FaultCode::TooBig, message)
    } else {
        return;
    };
    faults.push(Some("endDate"), code, message);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(raw: &str) -> Vec<String> {
        AnalyticsQuery::parse(raw).unwrap_err().faults().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults_are_those_of_the_endpoint() {
        let query = AnalyticsQuery::parse("").unwrap();
        assert_eq!(query, AnalyticsQuery::builder().build().unwrap());
        assert_eq!(query, AnalyticsQuery::parse("lookback=7d").unwrap());
        assert_eq!((query.lookback(), query.dates(), query.top_n()), (Some(7), None, None));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        assert_eq!(
            faults("lookback=week&startDate=2026-5-1&topN=x&tenant=1&Lookback=7d&topN=5"),
            [
                "lookback: `week` is not a number of days such as 7d",
                "startDate: `2026-5-1` is not a date such as 2026-06-14",
                "topN: is given more than once",
                "topN: `x` is not a whole number",
                "unrecognized parameter(s): 'Lookback', 'tenant'",
            ]
        );
    }

    #[test]
    fn single_faults() {
        for (raw, fault) in [
            ("lookback=0d", "lookback: `0d` is not a number of days such as 7d"),
            ("lookback=07d", "lookback: `07d` is not a number of days such as 7d"),
            ("lookback=7", "lookback: `7` is not a number of days such as 7d"),
            ("lookback=d", "lookback: `d` is not a number of days such as 7d"),
            ("lookback=", "lookback: `` is not a number of days such as 7d"),
            ("lookback=%2B7d", "lookback: `+7d` is not a number of days such as 7d"),
            ("lookback=7d&lookback=7d", "lookback: is given more than once"),
            (
                "startDate=2026-05-02&endDate=2026-05-01",
                "endDate: 2026-05-01 is before startDate, 2026-05-02",
            ),
            (
                "startDate=2025-05-01&endDate=2026-05-02",
                "endDate: 2025-05-01 to 2026-05-02 is out of range: 367 days, this endpoint takes 366",
            ),
            // Each would be ignored if it were well formed.
            ("endDate=2026-02-30", "endDate: `2026-02-30` is not a date such as 2026-06-14"),
            ("startDate=", "startDate: `` is not a date such as 2026-06-14"),
            (
                "lookback=week&startDate=2026-05-01&endDate=2026-05-01",
                "lookback: `week` is not a number of days such as 7d",
            ),
            (
                "lookback=7d&startDate=2026-05-02&endDate=2026-05-01",
                "endDate: 2026-05-01 is before startDate, 2026-05-02",
            ),
            ("topN=0", "topN: `0` is out of range: this endpoint takes 1 to 50"),
            ("topN=51", "topN: `51` is out of range: this endpoint takes 1 to 50"),
            ("currency=USD", "unrecognized parameter(s): 'currency'"),
        ] {
            assert_eq!(faults(raw), [fault], "{raw}");
        }
    }

    #[test]
    fn what_is_too_much_or_not_enough_asks_for_what_there_is() {
        for (raw, same, period) in [
            ("", "lookback=7d", "7d"),
            ("lookback=90d", "lookback=90d", "90d"),
            ("lookback=91d", "lookback=90d", "90d"),
            ("lookback=99999999999999999999d&topN=3", "lookback=90d&topN=3", "90d"),
            ("startDate=2026-05-01", "lookback=7d", "7d"),
            ("endDate=2026-05-01&lookback=30d", "lookback=30d", "30d"),
            (
                "lookback=91d&startDate=2026-05-01&endDate=2026-05-31",
                "endDate=2026-05-31&startDate=2026-05-01",
                "2026-05-01:2026-05-31",
            ),
            (
                "startDate=2025-12-31&endDate=2026-12-31",
                "endDate=2026-12-31&startDate=2025-12-31",
                "2025-12-31:2026-12-31",
            ),
        ] {
            let query = AnalyticsQuery::parse(raw).unwrap();
            assert_eq!((query.query_string().as_str(), query.period().as_str()), (same, period), "{raw}");
        }
    }

    #[test]
    fn a_builder_refuses_what_a_query_string_may_hold() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let may = DayRange { first: day("2026-05-01"), last: day("2026-05-31") };
        let error = AnalyticsQuery::builder().lookback(0).dates(may).top_n(51).build().unwrap_err();
        let fields: Vec<_> = error.faults().iter().map(|fault| (fault.field, fault.code)).collect();
        let [lookback, top_n] = [Some("lookback"), Some("topN")];
        assert_eq!(
            fields,
            [(lookback, FaultCode::Custom), (lookback, FaultCode::TooSmall), (top_n, FaultCode::TooBig)]
        );
        assert_eq!(
            AnalyticsQuery::builder().lookback(91).build().unwrap_err().faults()[0].to_string(),
            "lookback: `91d` is out of range: this endpoint takes 1d to 90d"
        );
        for (first, last) in [(Day(i64::MIN), Day(i64::MAX)), (Day::LAST, Day(Day::LAST.0 + 1))] {
            assert!(AnalyticsQuery::builder().dates(DayRange { first, last }).build().is_err());
        }
    }

    #[test]
    fn a_query_survives_its_query_string() {
        for raw in [
            "lookback=1d",
            "lookback=90d&topN=50",
            "endDate=2026-12-31&startDate=2025-12-31",
            "endDate=0001-01-01&startDate=0001-01-01&topN=1",
        ] {
            let query = AnalyticsQuery::parse(raw).unwrap();
            assert_eq!(query.query_string(), raw);
            let builder = AnalyticsQuery::builder();
            let again = builder.lookback(query.lookback()).dates(query.dates()).top_n(query.top_n()).build();
            assert_eq!(again.unwrap(), query);
        }
    }

    #[test]
    fn a_lookback_ends_with_the_day_of_now() {
        for (raw, now, first, last) in [
            ("lookback=1d", "2026-06-14T00:00:00Z", "2026-06-14", "2026-06-14"),
            ("", "2026-06-14T23:59:59.999999999Z", "2026-06-08", "2026-06-14"),
            ("lookback=90d", "2026-03-01T12:00:00+13:00", "2025-12-01", "2026-02-28"),
            ("lookback=2d", "9999-12-31T23:59:59Z", "9999-12-30", "9999-12-31"),
            ("startDate=2025-01-01&endDate=2025-01-02", "2026-06-14T00:00:00Z", "2025-01-01", "2025-01-02"),
        ] {
            let days = AnalyticsQuery::parse(raw).unwrap().days(now.parse().unwrap());
            assert_eq!(
                (days.first.to_string().as_str(), days.last.to_string().as_str()),
                (first, last),
                "{raw}"
            );
        }
    }
}
