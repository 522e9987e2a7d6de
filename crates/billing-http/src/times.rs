//! Windows that depend on the present.

use std::time::Duration;

use billing_model::{Day, TimeWindow, Timestamp, TypedTime, TypedWindow, ValueError};

use crate::planner::earlier;

/// The border of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// An instant.
    At(Timestamp),
    /// So long before the present.
    Ago(Duration),
    /// 00:00 UTC of a day, so many days before the day of the present: 0 is today, 1 yesterday.
    Midnight(u32),
}

impl Border {
    /// The present.
    pub const NOW: Self = Self::Ago(Duration::ZERO);

    /// The instant, when it is `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => earlier(now, span),
            // A clock that is centuries off has no day, and then the present is as good as any other time.
            Self::Midnight(days) => Day::of(now).map_or(now, |today| Day(today.0 - i64::from(days)).start()),
        }
    }
}

impl From<TypedTime> for Border {
    fn from(typed: TypedTime) -> Self {
        match typed {
            TypedTime::At(at) => Self::At(at),
            TypedTime::Back(span) => Self::Ago(span),
            TypedTime::Midnight(days) => Self::Midnight(days),
        }
    }
}

/// A window whose borders may depend on the present, which only the service can tell: a local clock may be wrong.
///
/// ```
/// use billing_http::{Border, Times};
/// use std::time::Duration;
/// let last_week = Times { since: Some(Border::Ago(Duration::from_secs(7 * 24 * 60 * 60))), until: Border::NOW };
/// let window = last_week.window("2026-06-15T12:30:00Z".parse()?)?;
/// assert_eq!(window.to_string(), "2026-06-08T12:30:00.000Z to 2026-06-15T12:30:00.000Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The first instant inside; `None` is the beginning of the ledger.
    pub since: Option<Border>,
    /// The first instant after.
    pub until: Border,
}

impl From<TypedWindow> for Times {
    /// Without an end the window ends now.
    fn from(typed: TypedWindow) -> Self {
        Self { since: typed.since.map(Border::from), until: typed.until.map_or(Border::NOW, Border::from) }
    }
}

impl Times {
    /// The window, when it is `now`.
    ///
    /// # Errors
    /// [`EmptyWindow`](billing_model::ValueErrorKind::EmptyWindow) unless the end is later than the start.
    pub fn window(self, now: Timestamp) -> Result<TimeWindow, ValueError> {
        TimeWindow::new(self.since.map(|since| since.at(now)), Some(self.until.at(now)))
    }

    /// True when the present does not matter.
    pub fn are_fixed(self) -> bool {
        let is_fixed = |border: Border| matches!(border, Border::At(_));
        self.since.is_none_or(is_fixed) && is_fixed(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_utc() {
        for (now, days, expect) in [
            ("2026-06-15T12:30:00Z", 0, "2026-06-15T00:00:00.000Z"),
            ("2026-06-15T00:00:00Z", 0, "2026-06-15T00:00:00.000Z"),
            ("2026-06-14T23:59:59.999999999Z", 0, "2026-06-14T00:00:00.000Z"),
            ("2026-06-15T01:00:00+02:00", 0, "2026-06-14T00:00:00.000Z"),
            ("2026-03-01T12:30:00Z", 1, "2026-02-28T00:00:00.000Z"),
        ] {
            assert_eq!(Border::Midnight(days).at(now.parse().unwrap()).to_string(), expect, "{now}");
        }
    }

    #[test]
    fn what_was_typed_is_the_same_time_here() {
        let now: Timestamp = "2026-06-15T12:30:00Z".parse().unwrap();
        let time = |text: &str| Some(text.parse::<TypedTime>().unwrap());
        for (since, until) in [
            (time("2026-06"), time("2026-06-14T19:05:10.504Z")),
            (time("2w"), time("12h")),
            (time("yesterday"), time("today")),
            (time("7d"), None),
            (None, None),
        ] {
            let typed = TypedWindow { since, until };
            let times = Times::from(typed);
            assert_eq!(times.window(now), typed.window(now));
            assert_eq!(times.are_fixed(), !typed.needs_clock());
        }
    }
}
