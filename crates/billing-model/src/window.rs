//! A span of time, half open.

use std::fmt;

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
