//! A run of pages that follow one another.

use billing_model::{PageRequest, Timestamp};

use crate::circles::Circles;
use crate::planner::wider;
use crate::resume::Overlap;

/// One run of pages.
pub(crate) struct Pass {
    /// The next request; `None` before the first and after the last.
    pub(crate) request: Option<PageRequest>,
    /// What is kept of the run: the part of the window that it walks.
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// What its first request asks for: the same, or more.
    pub(crate) asked: Asked,
    /// Entries on a page, where it is not the size that was asked for.
    pub(crate) page_size: Option<u32>,
    pub(crate) overlap: Overlap,
    /// Limit and total, as the first page of the pass says them (by page number only).
    pub(crate) numbers: Option<(u32, u64)>,
    /// The last timestamp that came.
    pub(crate) last: Option<Timestamp>,
    /// Entries that the service sent from before the window of the walk.
    pub(crate) before: u64,
    /// Entries that the service sent from beyond the pass: the end of `usage` is inclusive, and more may have been asked for.
    pub(crate) beyond: u64,
    pub(crate) circles: Circles,
    /// Pages in a row without an entry.
    pub(crate) empty_pages: u32,
}

/// The borders of a first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
}

impl Pass {
    /// A pass that asks for no window so short that the service may hang on it: where its own is, it asks for more.
    pub(crate) fn new(since: Option<Timestamp>, until: Option<Timestamp>, overlap: Overlap) -> Self {
        Self {
            request: None,
            since,
            until,
            asked: Asked { since: wider(since, until), until },
            page_size: None,
            overlap,
            numbers: None,
            last: None,
            before: 0,
            beyond: 0,
            circles: Circles::default(),
            empty_pages: 0,
        }
    }

    /// Asks for exactly what it keeps: the last resort, where everything longer fails.
    pub(crate) fn ask_exactly(&mut self) {
        self.asked = Asked { since: self.since, until: self.until };
    }

    /// Asks without an end: for a window in which nothing may lie.
    pub(crate) fn ask_without_end(&mut self) {
        self.asked.until = None;
    }

    /// True when it was asked for all that lies in a window from its start on.
    pub(crate) fn is_from(&self, start: Option<Timestamp>) -> bool {
        match self.asked.since {
            Some(asked) => start.is_some_and(|start| asked <= start),
            None => true,
        }
    }

    /// True when its end is found by looking at the entries, because the service was not told of it.
    pub(crate) fn ends_on_this_side(&self) -> bool {
        self.asked.until != self.until
    }
}
