//! Counts of what was done.

use crate::window_difference::WindowDifference;

/// What a sync or a proof has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Windows that were compared.
    pub windows: u64,
    /// Entries that the source gave in them.
    pub walked: u64,
    /// Entries that were put in, or would be.
    pub added: u64,
    /// Those of them that arrived after their time was final.
    pub late: u64,
    /// Entries whose API key or other fields changed.
    pub changed: u64,
    /// Entries that were taken out and are kept apart, or would be.
    pub vanished: u64,
}

impl Tally {
    pub(crate) fn count(&mut self, window: &WindowDifference) {
        self.windows += 1;
        self.walked += window.found;
        self.added += window.missing;
        self.late += window.late;
        self.changed += window.changed;
        self.vanished += window.vanished;
    }
}
