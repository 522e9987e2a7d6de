//! Entries that are taken out, amended in place and put in, in one step.

use billing_model::{OtherFields, Timestamp};

use crate::account::AccountId;
use crate::packed::PackedEntries;
use crate::position::Position;
use crate::source::Coverage;

/// What becomes of an account's entries in one transaction.
///
/// This brings an account in line with its source. Entries that the source no longer has are taken out in the
/// transaction that puts the others in, so at no moment do sums or pages have both or neither.
#[derive(Clone, Debug)]
pub struct Change {
    /// Whose entries they are.
    pub account: AccountId,
    /// When they are taken out, for the record.
    pub at: Timestamp,
    /// Entries that are taken out, each named once. They are kept apart, see [`Ledger::removed`](crate::Ledger::removed).
    pub remove: Vec<Position>,
    /// Entries of which the key or other fields changed. None of them may be taken out too. When an entry is amended
    /// twice, the last amendment counts.
    pub amend: Vec<Amendment>,
    /// Entries that are put in, behind all others in the order of storing.
    pub add: PackedEntries,
    /// The state of the account that the change was made for: [`Snapshot::end`](crate::Snapshot::end) of the page that was read.
    /// If entries were put in or taken out since, nothing is stored. So a change that puts in or takes out is stored once,
    /// though it be sent twice. An amendment and a record alone do not move the state; made twice they are the same. `None` asks
    /// for no state.
    pub seen: Option<u64>,
    /// What is walked now, in order and without gaps between: each record that begins in this span goes, and these come. It is only for
    /// a synced account.
    pub cover: Vec<Coverage>,
}

impl Change {
    /// A change of nothing.
    pub fn of(account: AccountId, at: Timestamp) -> Self {
        let (remove, amend, add) = (Vec::new(), Vec::new(), PackedEntries::default());
        Self { account, at, remove, amend, add, seen: None, cover: Vec::new() }
    }
}

/// The new key and other fields of an entry. Its place and its [`EntryDigest`](billing_model::EntryDigest) stay. A walk
/// that runs meanwhile sees the entry once, as it was or as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Which entry.
    pub position: Position,
    /// The API key that was charged; `None` removes the one that it has. A service leaves it out of text/csv.
    pub api_key_id: Option<String>,
    /// The fields that nobody documented; `None` removes those that it has. A service leaves them out of text/csv.
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
