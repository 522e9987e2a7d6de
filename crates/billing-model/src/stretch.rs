//! What a walk hands out.

use crate::entry::UsageEntry;
use crate::timestamp::Timestamp;

/// A stretch of a walk: entries in the order of the ledger, and how far the walk is complete with them.
///
/// A walk may be cut and taken up again wherever it is complete: what lies before that instant has been handed out, all
/// of it, and what lies at it or after it has not been.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Entries, ascending by time. May be empty.
    pub entries: Vec<UsageEntry>,
    /// The first instant after everything that was handed out so far, when this stretch ends at such a place; `None` in
    /// between, where more entries of the same instants may follow.
    pub complete_until: Option<Timestamp>,
}
