//! Windows that depend on the present.

use std::time::Duration;

use billing_model::{TimeWindow, Timestamp, ValueError};

use crate::planner::earlier;

/// The border of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Border {
    /// An instant.
    At(Timestamp),
    /// So long before the present.
    Ago(Duration),
}

impl Border {
    /// The present.
    pub const NOW: Self = Self::Ago(Duration::ZERO);

    /// The instant, when it is `now`.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(at) => at,
            Self::Ago(span) => earlier(now, span),
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
