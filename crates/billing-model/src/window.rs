//! A span of time, half open.

use std::fmt;

use crate::day::{Day, DayRange};
use crate::error::{ValueError, ValueErrorKind};
use crate::timestamp::Timestamp;

/// A span from `since`, inclusive, to `until`, exclusive; either end may be open.
///
/// Half open, so that windows that share a boundary join without gap or overlap.
///
/// ```
/// use billing_model::TimeWindow;
/// let may = TimeWindow::new(Some("2026-05-01T00:00:00Z".parse()?), Some("2026-06-01T00:00:00Z".parse()?))?;
/// assert!(may.contains("2026-05-31T23:59:59.999Z".parse()?));
/// assert!(!may.contains("2026-06-01T00:00:00Z".parse()?));
/// # Ok::<(), billing_model::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeWindow {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl TimeWindow {
    /// All of time.
    pub const ALL: Self = Self { since: None, until: None };

    /// The span between two instants.
    ///
    /// # Errors
    /// [`ValueErrorKind::EmptyWindow`] unless the end is later than the start.
    pub fn new(since: Option<Timestamp>, until: Option<Timestamp>) -> Result<Self, ValueError> {
        match (since, until) {
            (Some(start), Some(end)) if start >= end => {
                Err(ValueError::new(ValueErrorKind::EmptyWindow, &format!("{start} to {end}")))
            }
            _ => Ok(Self { since, until }),
        }
    }

    /// The first instant inside; `None` when the start is open.
    pub fn since(&self) -> Option<Timestamp> {
        self.since
    }

    /// The first instant after the window; `None` when the end is open.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// True when the instant lies inside.
    pub fn contains(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }

    /// The UTC days that the window is made of: the last one is that before `until`. `None` when an end is open or not at
    /// 00:00 UTC, or lies where [`Day::of`] knows no day.
    ///
    /// ```
    /// use billing_model::TypedWindow;
    /// let may = TypedWindow::month("2026-05")?.window("2026-06-15T12:30:00Z".parse()?)?;
    /// let days = may.whole_days().unwrap();
    /// assert_eq!((days.first.to_string(), days.last.to_string()), ("2026-05-01".into(), "2026-05-31".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn whole_days(&self) -> Option<DayRange> {
        let day = |at: Timestamp| Day::of(at).filter(|day| day.start() == at);
        let (first, after) = (day(self.since?)?, day(self.until?)?);
        Some(DayRange { first, last: Day(after.0 - 1) })
    }
}

impl fmt::Display for TimeWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.since, self.until) {
            (Some(since), Some(until)) => write!(f, "{since} to {until}"),
            (Some(since), None) => write!(f, "from {since}"),
            (None, Some(until)) => write!(f, "up to {until}"),
            (None, None) => f.write_str("all of time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_window_of_whole_days_is_days() {
        for (since, until, days) in [
            ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", Some(("2026-05-01", "2026-05-31"))),
            ("2026-05-01T00:00:00Z", "2026-05-02T00:00:00Z", Some(("2026-05-01", "2026-05-01"))),
            ("2026-05-01T02:00:00+02:00", "2026-05-03T00:00:00Z", Some(("2026-05-01", "2026-05-02"))),
            ("2026-05-01T00:00:00Z", "2026-05-31T23:59:59.999Z", None),
            ("2026-05-01T00:00:00.001Z", "2026-06-01T00:00:00Z", None),
            ("1600-05-01T00:00:00Z", "2026-06-01T00:00:00Z", None),
        ] {
            let window = TimeWindow::new(Some(since.parse().unwrap()), Some(until.parse().unwrap())).unwrap();
            let expect = days.map(|(first, last): (&str, &str)| DayRange {
                first: first.parse().unwrap(),
                last: last.parse().unwrap(),
            });
            assert_eq!(window.whole_days(), expect, "{window}");
        }
        assert_eq!(TimeWindow::ALL.whole_days(), None);
    }
}
