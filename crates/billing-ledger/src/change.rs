//! Entries that are taken out, changed in place and put in, at once.

use billing_model::{OtherFields, Timestamp};

use crate::account::AccountId;
use crate::packed::PackedEntries;
use crate::position::Position;

/// What becomes of an account's entries in one transaction.
///
/// This is how an account is brought in line with its source: entries that the source has no more are taken out, in the
/// transaction that puts the others in, so that there is no moment at which sums or pages have both or neither.
#[derive(Clone, Debug)]
pub struct Change {
    /// Whose entries they are.
    pub account: AccountId,
    /// When they are taken out, for the record.
    pub at: Timestamp,
    /// Entries that are taken out, each named once. They are kept apart, see [`Ledger::removed`](crate::Ledger::removed).
    pub remove: Vec<Position>,
    /// Entries of which something changed that is not what they are; none that is taken out. Of two for one entry the last counts.
    pub amend: Vec<Amendment>,
    /// Entries that are put in, behind all others in the order of storing.
    pub add: PackedEntries,
}

/// What an entry has beside its documented fields, as it is from now on. Its place and its
/// [`EntryDigest`](billing_model::EntryDigest) stay, and whoever walks meanwhile sees it once, as it was or as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Which entry.
    pub position: Position,
    /// The API key that was charged; `None` takes away the one that it has. Text/csv of a service does not know it.
    pub api_key_id: Option<String>,
    /// What else the service says; `None` takes away what it has. Text/csv of a service does not know it.
    pub other_fields: Option<OtherFields>,
}

/// When and from where an entry was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    /// The place that it had.
    pub position: Position,
    /// When it was taken out, as [`Change::at`] said.
    pub removed_at: Timestamp,
}
