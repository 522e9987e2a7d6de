//! Entries in blocks, in the order in which the ledger came to have them.

use billing_model::{Currency, EntrySet, Timestamp, Total, WholeSet};

use crate::account::AccountId;

/// Entries that were recorded, or taken out, in one transaction.
///
/// Blocks have numbers, from 1 on and without gaps, of the whole ledger. A block is there as soon as its entries are, and it stays
/// as it is but for [`whole_set`](Self::whole_set). So another system is fed by asking for the blocks behind the last one that
/// it has, and compared block by block: what was recorded, less what was taken out, is what the ledger has, in number, sums and
/// digests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Whose entries they are.
    pub account: AccountId,
    /// The number of its first entry in the account's order of storing, which the others follow. Of a removal it is the
    /// number of the removal.
    pub first_sequence: u64,
    /// When its entries were taken out; `None` for a block of entries that were recorded.
    pub removed_at: Option<Timestamp>,
    /// The exact sum of the amounts in each currency, the currencies in [`Currency`]'s order.
    pub sums: Vec<(Currency, Total)>,
    /// Which entries they are, and how many: 1 to [`Block::MOST_ENTRIES`].
    pub entry_set: EntrySet,
    /// The same with all that they have. It changes when an entry is [amended](crate::Amendment): then the block is to be read
    /// again.
    pub whole_set: WholeSet,
}

impl Block {
    /// How many entries a block has at most.
    pub const MOST_ENTRIES: u64 = 20_000;

    /// How many entries it has.
    pub fn entries(&self) -> u64 {
        self.entry_set.entries()
    }
}
