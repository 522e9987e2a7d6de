//! Entries in blocks, in the order in which the ledger came to have them.

use billing_model::{Currency, EntrySet, Timestamp, Total, WholeSet};

use crate::account::AccountId;

/// Entries that one transaction recorded or took out. In a ledger that an engine has taken forward from an older
/// version, a block may have the entries of several transactions that follow one another.
///
/// Blocks are numbered over the whole ledger, from 1 on and without gaps. A block is there as soon as its entries are,
/// and nothing of it changes but [`whole_set`](Self::whole_set). So another system asks for the blocks behind the last
/// one that it has, and can be compared with the ledger block by block: what was recorded, less what was taken out, is
/// what the ledger has, in number, sums and digests.
///
/// An amendment makes no new block. To learn of it, ask for all blocks and compare `whole_set` with what you kept; when you read such
/// a block again, change only entries that you still have, as those that were taken out since are lent too. A ledger that was
/// [repaired](crate::Ledger::repair) or restored from a backup gives the same numbers to other blocks: keep the `entry_set` of your last one, and start over where it is
/// another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Its number.
    pub number: u64,
    /// Whose entries they are.
    pub account: AccountId,
    /// The sequence of its first entry; those of the others follow it. For a removal it is the sequence that the
    /// removal itself took, and the entries have other ones.
    pub first_sequence: u64,
    /// When its entries were taken out; `None` for a block of entries that were recorded.
    pub removed_at: Option<Timestamp>,
    /// The exact sum of the amounts in each currency, the currencies in [`Currency`]'s order.
    pub sums: Vec<(Currency, Total)>,
    /// Which entries they are, and how many: 1 to [`Block::MOST_ENTRIES`].
    pub entry_set: EntrySet,
    /// The same with all that the entries have. It changes when an entry is [amended](crate::Amendment): then the block
    /// is to be read again.
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
