//! Times and windows as people type them: `2026-06`, `7d`, `yesterday`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, TimeDelta, Utc};

use crate::day::Day;
use crate::error::ValueError;
use crate::timestamp::Timestamp;
use crate::window::TimeWindow;

const S_PER_HOUR: i64 = 60 * 60;
const S_PER_DAY: i64 = 24 * S_PER_HOUR;

/// A time as people type it. It may depend on the present, which is passed in when the time is asked for.
///
/// Read from RFC 3339; from `YYYY-MM-DD` and `YYYY-MM`, their first instant in UTC; from `today` and `yesterday`, 00:00 UTC
/// of these days; and from a span back from the present in hours, days or weeks, `12h`, `7d`, `2w`. There is no `m`: it
/// would be a month to one reader and a minute to another.
///
/// ```
/// use billing_model::{Timestamp, TypedTime};
/// let now: Timestamp = "2026-06-15T12:30:00Z".parse()?;
/// for (typed, at) in [
///     ("2026-06", "2026-06-01T00:00:00.000Z"),
///     ("yesterday", "2026-06-14T00:00:00.000Z"),
///     ("7d", "2026-06-08T12:30:00.000Z"),
/// ] {
///     assert_eq!(typed.parse::<TypedTime>()?.at(now), Some(at.parse()?));
/// }
/// assert!("7m".parse::<TypedTime>().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedTime {
    /// An instant, whatever the present is.
    At(Timestamp),
    /// So long before the present.
    Back(Duration),
    /// 00:00 UTC of a day, so many days before the day of the present: 0 is today, 1 yesterday.
    Midnight(u32),
}

impl TypedTime {
    /// The present.
    pub const NOW: Self = Self::Back(Duration::ZERO);

    /// The instant, when it is `now`; `None` for a span that leads to before 1970: services write no such time.
    pub fn at(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Back(span) => DateTime::<Utc>::from(now)
                .checked_sub_signed(TimeDelta::from_std(span).ok()?)
                .filter(|at| *at >= DateTime::UNIX_EPOCH)
                .map(Timestamp::from),
            Self::Midnight(days) => Some(Day(Day::containing(now).0 - i64::from(days)).start()),
        }
    }
}

impl FromStr for TypedTime {
    type Err = TimeWordError;

    fn from_str(text: &str) -> Result<Self, TimeWordError> {
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Ok(Self::At(timestamp));
        }
        if let Some(day) = first_of_month(text).or_else(|| date(text)) {
            return Ok(Self::At(midnight(day)));
        }
        match text {
            "today" => return Ok(Self::Midnight(0)),
            "yesterday" => return Ok(Self::Midnight(1)),
            _ => {}
        }
        let is_minutes_or_months = || text.strip_suffix('m').is_some_and(is_digits);
        span(text).map(Self::Back).ok_or_else(|| match is_minutes_or_months() {
            true => TimeWordError::new(Expected::SpanWithoutM, text),
            false => TimeWordError::new(Expected::Time, text),
        })
    }
}

/// A window as people type it: two times, a month, or the last days. Half open, as [`TimeWindow`].
///
/// ```
/// use billing_model::{Timestamp, TypedWindow};
/// let now: Timestamp = "2026-06-15T12:30:00Z".parse()?;
/// let yesterday = TypedWindow { since: Some("yesterday".parse()?), until: Some("today".parse()?) };
/// assert_eq!(yesterday.window(now)?.to_string(), "2026-06-14T00:00:00.000Z to 2026-06-15T00:00:00.000Z");
/// assert_eq!(
///     TypedWindow::month("2026-06")?.window(now)?.to_string(),
///     "2026-06-01T00:00:00.000Z to 2026-07-01T00:00:00.000Z"
/// );
/// assert_eq!(
///     TypedWindow::last_days(7).window(now)?.to_string(),
///     "2026-06-08T12:30:00.000Z to 2026-06-15T12:30:00.000Z"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TypedWindow {
    /// The first instant inside; `None` is the beginning of all.
    pub since: Option<TypedTime>,
    /// The first instant after; `None` is the present.
    pub until: Option<TypedTime>,
}

impl TypedWindow {
    /// A month in UTC, whole: `2026-06`.
    ///
    /// # Errors
    /// [`TimeWordError`] for another text, and for December 9999: no year after it has four digits.
    pub fn month(text: &str) -> Result<Self, TimeWordError> {
        let first = first_of_month(text);
        let next = first.and_then(|first| first.checked_add_months(Months::new(1)));
        match first.zip(next.filter(|next| next.year() <= 9999)) {
            Some((first, next)) => {
                let at = |day| Some(TypedTime::At(midnight(day)));
                Ok(Self { since: at(first), until: at(next) })
            }
            None => Err(TimeWordError::new(Expected::Month, text)),
        }
    }

    /// The last days up to the present, each of 24 hours.
    pub fn last_days(days: u32) -> Self {
        let span = Duration::from_secs(u64::from(days) * S_PER_DAY.unsigned_abs());
        Self { since: Some(TypedTime::Back(span)), until: None }
    }

    /// True when the window depends on the present.
    pub fn needs_clock(self) -> bool {
        let is_fixed = |time: TypedTime| matches!(time, TypedTime::At(_));
        !(self.since.is_none_or(is_fixed) && self.until.is_some_and(is_fixed))
    }

    /// True when nothing can lie in the window, whatever the present is. A window whose ends the present moves against each
    /// other may be empty too: only [`TypedWindow::window`] tells that.
    pub fn is_always_empty(self) -> bool {
        use TypedTime::{At, Back, Midnight};
        match (self.since, self.until) {
            (Some(At(since)), Some(At(until))) => until <= since,
            (Some(Back(since)), Some(Back(until))) => since <= until,
            (Some(Midnight(since)), Some(Midnight(until))) => since <= until,
            _ => false,
        }
    }

    /// The window, when it is `now`. A span that leads to before 1970 leads to its start.
    ///
    /// # Errors
    /// [`EmptyWindow`](crate::ValueErrorKind::EmptyWindow) unless the end is later than the start.
    pub fn window(self, now: Timestamp) -> Result<TimeWindow, ValueError> {
        let at = |time: TypedTime| time.at(now).unwrap_or(Timestamp::EPOCH);
        TimeWindow::new(self.since.map(at), Some(at(self.until.unwrap_or(TypedTime::NOW))))
    }
}

/// Reads a length of time: hours, days or weeks as a span back, `12h`, or seconds, `90s`.
///
/// ```
/// use billing_model::parse_length;
/// assert_eq!(parse_length("7d")?.as_secs(), 604_800);
/// # Ok::<(), billing_model::TimeWordError>(())
/// ```
///
/// # Errors
/// [`TimeWordError`] for a text without a unit, with another one, or with more than a whole number.
pub fn parse_length(text: &str) -> Result<Duration, TimeWordError> {
    let seconds = || text.strip_suffix('s').filter(|digits| is_digits(digits))?.parse().ok();
    span(text)
        .or_else(|| seconds().map(Duration::from_secs))
        .ok_or_else(|| TimeWordError::new(Expected::Length, text))
}

/// A text that is not the time, the month or the length that it should be. Its words say what to give.
///
/// The text is kept whole. A service that shows it to somebody else than its sender puts it through
/// [`one_line`](crate::one_line) first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeWordError {
    expected: Expected,
    text: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Time,
    /// `7m` was given.
    SpanWithoutM,
    Month,
    Length,
}

impl TimeWordError {
    fn new(expected: Expected, text: &str) -> Self {
        Self { expected, text: text.into() }
    }
}

impl fmt::Display for TimeWordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        match self.expected {
            Expected::Time => write!(
                f,
                "`{text}` is not a time; give 2026-06-15T19:05:10Z, 2026-06-15, 2026-06, 7d, 12h or yesterday"
            ),
            Expected::SpanWithoutM => write!(
                f,
                "`{text}` is not a time: m could be months or minutes; give days or hours, as 30d or 1h"
            ),
            Expected::Month => write!(f, "`{text}` is not a month; give it as 2026-06"),
            Expected::Length => write!(f, "`{text}` is not a length of time; give 7d, 12h or 90s"),
        }
    }
}

impl std::error::Error for TimeWordError {}

fn midnight(day: NaiveDate) -> Timestamp {
    Timestamp::from(day.and_time(NaiveTime::MIN).and_utc())
}

/// The first day of `YYYY-MM`.
fn first_of_month(text: &str) -> Option<NaiveDate> {
    (text.len() == 7).then(|| date(&format!("{text}-01")))?
}

/// Reads `YYYY-MM-DD`.
fn date(text: &str) -> Option<NaiveDate> {
    // chrono reads `2026-6-1` too; a date is eight digits, so that a slip is not taken for another date.
    let is_plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| is_plain)
}

/// Reads `12h`, `7d`, `2w`.
fn span(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "h" => S_PER_HOUR,
        "d" => S_PER_DAY,
        "w" => 7 * S_PER_DAY,
        _ => return None,
    };
    let count: i64 = digits.parse().ok().filter(|_| is_digits(digits))?;
    // What is more than a calendar's arithmetic holds is no span.
    TimeDelta::try_seconds(count.checked_mul(unit_s)?)?.to_std().ok()
}

/// True for digits alone: the standard library's numbers may have a sign.
fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn check(text: &str, expect: Option<&str>) {
        let now = at("2026-06-15T12:30:00Z");
        let found = text.parse::<TypedTime>().ok().and_then(|time| time.at(now)).map(|at| at.to_string());
        assert_eq!(found.as_deref(), expect, "{text}");
    }

    #[test]
    fn a_length_has_a_unit() {
        for (text, seconds) in [("90s", 90), ("0s", 0), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)] {
            assert_eq!(parse_length(text), Ok(Duration::from_secs(seconds)));
        }
        for text in
            ["", "s", "90", "-1s", "+1s", "1.5h", "5m", "1 h", "99999999999999999999s", "99999999999999999w"]
        {
            let error = parse_length(text).unwrap_err();
            assert_eq!(error.to_string(), format!("`{text}` is not a length of time; give 7d, 12h or 90s"));
        }
    }

    #[test]
    fn times_are_read_as_people_type_them() {
        for (text, instant) in [
            ("2026-06-15T19:05:10.504Z", "2026-06-15T19:05:10.504Z"),
            ("2026-06-15T19:05:10+02:00", "2026-06-15T17:05:10.000Z"),
            ("2026-06-15", "2026-06-15T00:00:00.000Z"),
            ("2026-06", "2026-06-01T00:00:00.000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000Z"),
            ("today", "2026-06-15T00:00:00.000Z"),
            ("yesterday", "2026-06-14T00:00:00.000Z"),
            ("7d", "2026-06-08T12:30:00.000Z"),
            ("12h", "2026-06-15T00:30:00.000Z"),
            ("1w", "2026-06-08T12:30:00.000Z"),
            ("0h", "2026-06-15T12:30:00.000Z"),
        ] {
            check(text, Some(instant));
        }
        for text in [
            "",
            "d",
            "-7d",
            "+7d",
            "7",
            "7x",
            "2026",
            "2026-6",
            "2026-6-1",
            "1m",
            "30s",
            "+2026-06-1",
            " 2026-6-1",
            "2026-13",
            "2026-02-30",
            "tomorrow",
            "Today",
            "7é",
            "99999999999999999999d",
            "9999999999999w",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn what_is_no_time_is_told_what_would_be_one() {
        let said = |text: &str| text.parse::<TypedTime>().unwrap_err().to_string();
        assert_eq!(
            said("7m"),
            "`7m` is not a time: m could be months or minutes; give days or hours, as 30d or 1h"
        );
        for text in ["m", "-7m", "June"] {
            let times = "2026-06-15T19:05:10Z, 2026-06-15, 2026-06, 7d, 12h or yesterday";
            assert_eq!(said(text), format!("`{text}` is not a time; give {times}"));
        }
    }

    #[test]
    fn a_month_ends_where_the_next_begins() {
        for (month, next) in [("2026-06", "2026-07"), ("2026-12", "2027-01"), ("2024-02", "2024-03")] {
            let time = |text: &str| Some(text.parse::<TypedTime>().unwrap());
            let window = TypedWindow { since: time(month), until: time(next) };
            assert_eq!(TypedWindow::month(month), Ok(window));
        }
        for text in [
            "",
            "june",
            "2026",
            "2026-6",
            "2026-13",
            "2026-00",
            "2026-06-01",
            "9999-12",
            "+026-06",
            "2026/06",
        ] {
            let error = TypedWindow::month(text).unwrap_err();
            assert_eq!(error.to_string(), format!("`{text}` is not a month; give it as 2026-06"));
        }
    }

    #[test]
    fn a_window_knows_when_it_depends_on_the_present_and_when_it_is_empty() {
        for (since, until, needs_clock, is_always_empty) in [
            ("", "", true, false),
            ("2026-06", "", true, false),
            ("", "2026-06", false, false),
            ("2026-06", "2026-07", false, false),
            ("2026-07", "2026-06", false, true),
            ("2026-06", "2026-06-01", false, true),
            ("7d", "12h", true, false),
            ("12h", "7d", true, true),
            ("7d", "1w", true, true),
            ("yesterday", "today", true, false),
            ("today", "today", true, true),
            ("today", "yesterday", true, true),
            // Which of them is earlier, depends on the present.
            ("today", "12h", true, false),
            ("2026-06", "7d", true, false),
        ] {
            let time = |text: &str| (!text.is_empty()).then(|| text.parse::<TypedTime>().unwrap());
            let window = TypedWindow { since: time(since), until: time(until) };
            assert_eq!(
                (window.needs_clock(), window.is_always_empty()),
                (needs_clock, is_always_empty),
                "{window:?}"
            );
        }
    }

    #[test]
    fn a_span_to_before_1970_leads_to_no_time() {
        let now = at("2026-06-15T12:30:00Z");
        let time: TypedTime = "99999d".parse().unwrap();
        assert_eq!(time.at(now), None);
        let window = TypedWindow { since: Some(time), until: None }.window(now).unwrap();
        assert_eq!(window.since(), Some(Timestamp::EPOCH));
        assert!(TypedWindow { since: Some(time), until: Some(time) }.window(now).is_err());
    }

    fn any_time() -> impl Strategy<Value = TypedTime> {
        let at =
            (0..4_000_000_000i64).prop_map(|s| TypedTime::At(Timestamp::from_unix_ns(s * 1_000_000_000)));
        let back = (0..400_000u64).prop_map(|s| TypedTime::Back(Duration::from_secs(s)));
        prop_oneof![at, back, (0..5u32).prop_map(TypedTime::Midnight)]
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text: String, digits in "[0-9]{0,25}[hdwms]?") {
            for text in [text, digits] {
                let _ = (text.parse::<TypedTime>(), parse_length(&text), TypedWindow::month(&text));
            }
        }

        #[test]
        fn a_unit_is_so_many_of_the_next_smaller_one(count in 0..100_000u64) {
            let length = |unit: &str, count| parse_length(&format!("{count}{unit}")).unwrap();
            prop_assert_eq!(length("w", count), length("d", count * 7));
            prop_assert_eq!(length("d", count), length("h", count * 24));
            prop_assert_eq!(length("h", count), length("s", count * 3600));
            prop_assert_eq!(format!("{count}d").parse(), Ok(TypedTime::Back(length("d", count))));
        }

        #[test]
        fn a_window_is_what_lies_between_its_times(
            since in proptest::option::of(any_time()),
            until in proptest::option::of(any_time()),
            now_s in 1_000_000_000..4_000_000_000i64,
        ) {
            let (typed, now) = (TypedWindow { since, until }, Timestamp::from_unix_ns(now_s * 1_000_000_000));
            let ends = (since.and_then(|time| time.at(now)), until.map_or(Some(now), |time| time.at(now)));
            match typed.window(now) {
                Ok(window) => prop_assert_eq!((window.since(), window.until()), ends),
                Err(_) => prop_assert!(ends.1 <= ends.0),
            }
            prop_assert!(!typed.is_always_empty() || typed.window(now).is_err());
            if !typed.needs_clock() {
                prop_assert_eq!(typed.window(now), typed.window(Timestamp::EPOCH));
            }
        }
    }
}
