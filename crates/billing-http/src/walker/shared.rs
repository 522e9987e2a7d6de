//! What the walkers of one walk share.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// What the walkers of one walk share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Requests for pages, of all walkers.
    pub(super) pages: AtomicU64,
    /// Halvings since the service last gave a page to anybody: when nobody gets one, it is not the window.
    pub(super) narrowings: AtomicU32,
    /// Set when the service has said that a window takes it too long.
    pub(super) too_much: AtomicBool,
    /// Cursors that the service has refused, of which whoever sends the walkers does not know yet.
    pub(super) lost_cursors: AtomicU64,
    /// Set when a cursor has come.
    pub(super) has_cursor: AtomicBool,
    /// Set when a window without an end failed as well: it is not tried again.
    pub(super) endless_failed: AtomicBool,
    /// Texts of the service that were said.
    pub(super) warned: Mutex<HashSet<String>>,
}

impl Shared {
    /// Cursors that the service has refused since this was asked last.
    pub(crate) fn take_lost_cursors(&self) -> u64 {
        self.lost_cursors.swap(0, Ordering::Relaxed)
    }
}
