//! A run of pages that follow one another: what it asks for, and what came of it.

use billing_model::{PageRequest, Timestamp};

use crate::circles::Circles;
use crate::planner::wider;
use crate::resume::Overlap;

/// One run of pages. It may ask for more than it is to bring: a service may hang on a short window, or on one in which
/// nothing lies. So what it asks for and what it keeps are two spans, and what lies between them is counted and left out.
pub(crate) struct Pass {
    /// The next request; `None` before the first and after the last.
    pub(crate) request: Option<PageRequest>,
    /// What it keeps: from the anchor at which it began, up to the end of the window or before it.
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// What its first request asks for: what it keeps, or more.
    pub(crate) asked: Asked,
    /// Entries on a page, where it is not the size that was asked for.
    pub(crate) page_size: Option<u32>,
    /// The entries at its start that were handed out before.
    pub(crate) overlap: Overlap,
    /// Limit and total, as the first page of the pass says them (by page number only).
    pub(crate) numbers: Option<(u32, u64)>,
    /// The last timestamp that came, whatever became of its entry.
    pub(crate) last: Option<Timestamp>,
    /// Entries that the service sent from before the window of the walk.
    pub(crate) before: u64,
    /// Entries that the service sent from beyond the pass: the end of `usage` is inclusive, and more may have been asked for.
    pub(crate) beyond: u64,
    /// Sees cursors that come again.
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
    /// A pass from one instant to another. Where they are so close that the service may hang, it asks for more.
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

    /// Asks for exactly what it keeps, however short that is. For where everything longer fails.
    pub(crate) fn ask_exactly(&mut self) {
        self.asked = Asked { since: self.since, until: self.until };
    }

    /// Asks without an end, so that something lies in what it asks for. For where nothing may lie in what it keeps.
    pub(crate) fn ask_without_end(&mut self) {
        self.asked.until = None;
    }

    /// True when it asks for all that lies behind the start of a window.
    pub(crate) fn is_from(&self, start: Option<Timestamp>) -> bool {
        match self.asked.since {
            Some(asked) => start.is_some_and(|start| asked <= start),
            None => true,
        }
    }

    /// True when the service was not told of its end: the pass ends with the first entry behind that.
    pub(crate) fn ends_on_this_side(&self) -> bool {
        self.asked.until != self.until
    }
}
