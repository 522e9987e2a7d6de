//! A run of pages that follow one another.

use billing_model::{PageRequest, Timestamp};

use crate::circles::Circles;
use crate::planner::unix_ns;
use crate::resume::Overlap;

/// One run of pages.
pub(crate) struct Pass {
    /// The next request; `None` before the first and after the last.
    pub(crate) request: Option<PageRequest>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    pub(crate) overlap: Overlap,
    /// Limit and total, as the first page of the pass says them (by page number only).
    pub(crate) numbers: Option<(u32, u64)>,
    /// Entries that came.
    pub(crate) received: u64,
    /// The first timestamp that came.
    pub(crate) first: Option<Timestamp>,
    /// Entries that the service sent from beyond the pass: the end of `usage` is inclusive.
    pub(crate) beyond: u64,
    pub(crate) circles: Circles,
    /// Pages in a row without an entry.
    pub(crate) empty_pages: u32,
    /// False for the pass over all of the window, true for one that goes on within it.
    pub(crate) resumed: bool,
}

impl Pass {
    pub(crate) fn new(
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        overlap: Overlap,
        resumed: bool,
    ) -> Self {
        Self {
            request: None,
            since,
            until,
            overlap,
            numbers: None,
            received: 0,
            first: None,
            beyond: 0,
            circles: Circles::default(),
            empty_pages: 0,
            resumed,
        }
    }

    /// Entries that are still to come after `last`: as the service counts them, or as dense as they were so far.
    pub(crate) fn left(&self, last: Timestamp) -> Option<u64> {
        if let Some((_, total)) = self.numbers {
            return Some(total.saturating_sub(self.received));
        }
        let walked_ns = unix_ns(last) - unix_ns(self.since.or(self.first)?);
        let left_ns = unix_ns(self.until?) - unix_ns(last);
        let left = i128::from(self.received) * left_ns / walked_ns.max(1);
        Some(u64::try_from(left).unwrap_or(u64::MAX))
    }
}
