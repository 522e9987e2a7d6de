//! Times as people type them.

use std::time::Duration;

use billing_http::Border;
use billing_model::Timestamp;
use chrono::{DateTime, Datelike, Months, NaiveDate, TimeDelta, Utc};

/// A time, or how long ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instant {
    At(Timestamp),
    /// So long before the present.
    Back(TimeDelta),
    /// 00:00 UTC so many days before today.
    Midnight(u32),
}

impl Instant {
    /// Reads RFC 3339, `YYYY-MM-DD` and `YYYY-MM` (their first instant, UTC), `today` and `yesterday` (theirs too), or a span
    /// back: `7d`, `12h`, `2w`.
    ///
    /// There is no `m`: it would be a month to one reader and a minute to another.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Ok(timestamp) = text.parse::<Timestamp>() {
            return Ok(Self::At(timestamp));
        }
        if let Some(day) = first_of_month(text).or_else(|| date(text)) {
            return Ok(Self::At(Timestamp::from(day.and_time(chrono::NaiveTime::MIN).and_utc())));
        }
        match text {
            "today" => return Ok(Self::Midnight(0)),
            "yesterday" => return Ok(Self::Midnight(1)),
            _ => {}
        }
        span(text).map(Self::Back).ok_or_else(|| match text.strip_suffix('m') {
            Some(digits) if is_digits(digits) => {
                format!(
                    "`{text}` is not a time: m could be months or minutes; give days or hours, as 30d or 1h"
                )
            }
            _ => format!(
                "`{text}` is not a time; give 2026-06-15T19:05:10Z, 2026-06-15, 2026-06, 7d, 12h or yesterday"
            ),
        })
    }

    /// The time, when it is `now`; `None` when it is before 1970.
    pub(crate) fn at(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Midnight(_) => Some(self.border().at(now)),
            // Before 1970 there was no such time as services write.
            Self::Back(span) => DateTime::<Utc>::from(now)
                .checked_sub_signed(span)
                .filter(|at| *at >= DateTime::UNIX_EPOCH)
                .map(Timestamp::from),
        }
    }

    /// The border of a window that it is.
    pub(crate) fn border(self) -> Border {
        match self {
            Self::At(at) => Border::At(at),
            // A span is read without a sign.
            Self::Back(span) => Border::Ago(span.to_std().unwrap_or_default()),
            Self::Midnight(days) => Border::Midnight(days),
        }
    }
}

/// The month after `YYYY-MM`, in the same form: where the month ends.
pub(crate) fn next_month(text: &str) -> Result<String, String> {
    let next = first_of_month(text).and_then(|first| first.checked_add_months(Months::new(1)));
    // A year has four digits.
    let next = next.filter(|next| next.year() <= 9999);
    next.map(|next| next.format("%Y-%m").to_string())
        .ok_or_else(|| format!("`{text}` is not a month; give it as 2026-06"))
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

/// Reads a length of time: as a span back, or in seconds, `90s`.
pub(crate) fn length(text: &str) -> Result<Duration, String> {
    let seconds = || text.strip_suffix('s').filter(|digits| is_digits(digits))?.parse().ok();
    let length =
        span(text).and_then(|span| span.to_std().ok()).or_else(|| seconds().map(Duration::from_secs));
    length.ok_or_else(|| format!("`{text}` is not a length of time; give 7d, 12h or 90s"))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn span(text: &str) -> Option<TimeDelta> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_s = match unit {
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        "w" => 7 * 24 * 60 * 60,
        _ => return None,
    };
    let count: i64 = digits.parse().ok().filter(|_| is_digits(digits))?;
    TimeDelta::try_seconds(count.checked_mul(unit_s)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: Option<&str>) {
        let now = "2026-06-15T12:30:00Z".parse().unwrap();
        let found = Instant::parse(text).ok().and_then(|time| time.at(now)).map(|at| at.to_string());
        assert_eq!(found.as_deref(), expect, "{text}");
    }

    #[test]
    fn a_length_has_a_unit() {
        for (text, seconds) in [("90s", 90), ("0s", 0), ("12h", 43_200), ("7d", 604_800), ("2w", 1_209_600)] {
            assert_eq!(length(text), Ok(Duration::from_secs(seconds)));
        }
        for text in
            ["", "s", "90", "-1s", "+1s", "1.5h", "5m", "1 h", "99999999999999999999s", "99999999999999999w"]
        {
            let error = length(text).unwrap_err();
            assert_eq!(error, format!("`{text}` is not a length of time; give 7d, 12h or 90s"));
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
    fn a_month_ends_where_the_next_begins() {
        for (month, next) in [("2026-06", "2026-07"), ("2026-12", "2027-01"), ("2024-02", "2024-03")] {
            assert_eq!(next_month(month).as_deref(), Ok(next));
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
            assert!(next_month(text).is_err(), "{text}");
        }
    }
}
