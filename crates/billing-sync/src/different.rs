//! The windows that a run found to differ.

use crate::span::Span;
use crate::window_difference::WindowDifference;

/// The windows that differ: the first ones, and the spans of all.
#[derive(Debug, Default)]
pub(crate) struct Different {
    pub(crate) windows: Vec<WindowDifference>,
    pub(crate) spans: Vec<Span>,
}

impl Different {
    /// Windows that are listed.
    pub(crate) const LISTED: usize = 1_000;

    pub(crate) fn count(&self) -> u64 {
        self.spans.len() as u64
    }

    pub(crate) fn note(&mut self, window: &WindowDifference) {
        let (since, until) = (window.window.since(), window.window.until());
        let Some(span) = until.and_then(|until| Span::new(since, until)).filter(|_| !window.is_empty())
        else {
            return;
        };
        if self.windows.len() < Self::LISTED {
            self.windows.push(window.clone());
        }
        self.spans.push(span);
    }

    /// Forgets all but the first ones, because the walk that found them is made again.
    pub(crate) fn truncate(&mut self, windows: usize) {
        self.windows.truncate(windows);
        self.spans.truncate(windows);
    }
}
