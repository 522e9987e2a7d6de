//! A span of time with an end.

use billing_model::{TimeWindow, Timestamp};

/// A span of time from a start, inclusive, to an end, exclusive. It is never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Timestamp,
}

impl Span {
    /// A span, unless it is empty.
    pub(crate) fn new(since: Option<Timestamp>, until: Timestamp) -> Option<Self> {
        since.is_none_or(|since| since < until).then_some(Self { since, until })
    }

    /// The first instant of it; `None` when it begins before every entry.
    pub fn since(self) -> Option<Timestamp> {
        self.since
    }

    /// The first instant after it.
    pub fn until(self) -> Timestamp {
        self.until
    }

    pub(crate) fn window(self) -> TimeWindow {
        // It is not empty, so this never falls back.
        TimeWindow::new(self.since, Some(self.until)).unwrap_or_default()
    }

    /// True when some instant is in both.
    pub(crate) fn meets(self, other: Self) -> bool {
        self.since < Some(other.until) && other.since < Some(self.until)
    }
}

/// Puts spans together that overlap or touch. They come in the order of their starts.
pub(crate) fn joined(spans: impl IntoIterator<Item = Span>) -> Vec<Span> {
    let mut joined: Vec<Span> = Vec::new();
    for span in spans {
        match joined.last_mut().filter(|last| span.since <= Some(last.until)) {
            Some(last) => last.until = last.until.max(span.until),
            None => joined.push(span),
        }
    }
    joined
}
