//! What an engine offers beside the contract so that a ledger can be copied into another one, of whatever engine.
//!
//! A server never has these: they tell the ledger's secret, and write what no client may write. `billing-copy` is the job over them.

use std::fmt;
use std::ops::ControlFlow;

use billing_model::{LentEntry, UsageEntry, WholeSet};

use crate::account::AccountId;
use crate::change::Amendment;
use crate::copied::{CopiedBlock, CopiedFile, CopiedKey, CopiedReceipt, LedgerSecret, Outline};
use crate::error::Error;
use crate::ledger::Ledger;
use crate::packed::PackedEntries;
use crate::position::{Position, Sequences};
use crate::source::{Coverage, Source};

/// Takes an entry that is lent for the call, and its place. A break ends the page with this entry, an error the call.
pub type LendToCopy<'a> = dyn FnMut(Position, LentEntry<'_>) -> Result<ControlFlow<()>, Error> + 'a;

/// Takes a removed entry that is lent for the call, with the number of its removal. An error ends the call that lends.
pub type LendTaken<'a> = dyn FnMut(Taken, LentEntry<'_>) -> Result<(), Error> + 'a;

/// Takes a receipt. An error ends the call that lends.
pub type LendReceipt<'a> = dyn FnMut(CopiedReceipt) -> Result<(), Error> + 'a;

/// Takes a file. An error ends the call that lends.
pub type LendFile<'a> = dyn FnMut(CopiedFile) -> Result<(), Error> + 'a;

/// Where an entry stands that was taken out. They are in the order of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// The number of the removal, which is a sequence of the account.
    pub removal: u64,
    /// The place that the entry had.
    pub position: Position,
}

/// Which entries of an account are read for a copy.
#[derive(Clone, Copy, Debug)]
pub struct EntriesToCopy {
    /// Whose entries.
    pub account: AccountId,
    /// The first and the last instant, both included, in nanoseconds since 1970.
    pub span_ns: (i64, i64),
    /// The lowest and the highest sequence.
    pub sequences: Sequences,
    /// Where the call before ended.
    pub after: Option<Position>,
    /// Entries that were taken out by removals with this number and higher ones come too, as if they had not been.
    pub removed_since: Option<u64>,
    /// How many entries at most, beside those that were taken out.
    pub limit: u32,
}

/// A ledger that can be copied. What a call reads is of one moment.
///
/// # Errors
/// Every call may fail as those of [`Ledger`].
pub trait CopyFrom: Send + Sync + fmt::Debug {
    /// The same as everybody sees it.
    fn ledger(&self) -> &dyn Ledger;

    /// What the ledger's keys and signatures are derived from.
    fn secret(&self) -> LedgerSecret;

    /// True when anybody else has the ledger open: a server, say. It is a help, no proof: a server that has lost its connections to a
    /// database is not seen before it has new ones. Whoever moves a ledger stops the servers first.
    fn is_in_use(&self) -> Result<bool, Error>;

    /// How far it is.
    fn outline(&self) -> Result<Outline, Error>;

    /// All keys, by their ids.
    fn keys_to_copy(&self) -> Result<Vec<CopiedKey>, Error>;

    /// The blocks with greater numbers than this one, in their order: so many at most.
    fn blocks_to_copy(&self, after: u64, limit: u32) -> Result<Vec<CopiedBlock>, Error>;

    /// The blocks of an account from a sequence on, in the order of their first sequences: so many at most.
    fn blocks_of(&self, account: AccountId, from: u64, limit: u32) -> Result<Vec<CopiedBlock>, Error>;

    /// Lends a page of entries in the order of their positions. Those that were taken out come last, in any order, and whatever the
    /// borrower says. Returns where the next page goes on, or `None` at the end.
    fn entries_to_copy(
        &self,
        which: &EntriesToCopy,
        lend: &mut LendToCopy<'_>,
    ) -> Result<Option<Position>, Error>;

    /// Lends entries that were taken out by removals with these numbers, in their order, so many at most. Returns where the next call
    /// goes on, or `None` at the end.
    fn taken_to_copy(
        &self,
        account: AccountId,
        removals: Sequences,
        after: Option<Taken>,
        limit: u32,
        lend: &mut LendTaken<'_>,
    ) -> Result<Option<Taken>, Error>;

    /// How many entries an account has, and how many were taken out of it, counted one by one.
    fn count_to_copy(&self, account: AccountId) -> Result<(u64, u64), Error>;

    /// Lends the receipts that came at this instant or later, in any order.
    fn receipts_to_copy(&self, since_ns: i64, lend: &mut LendReceipt<'_>) -> Result<(), Error>;

    /// Lends the files that were imported, by account, SHA-256 and copy.
    fn files_to_copy(&self, lend: &mut LendFile<'_>) -> Result<(), Error>;
}

/// A ledger into which another one is copied, which has the other's secret. Nobody else can open it before
/// [`finish`](CopyInto::finish).
///
/// Each call is one transaction, which also keeps how far the copy is, in words of the copying job. A crash may take the last calls before
/// `finish` back, always all from one on.
///
/// # Errors
/// Every call may fail as those of [`Ledger`] that write.
pub trait CopyInto: Send + Sync + fmt::Debug {
    /// What is there so far.
    fn so_far(&self) -> &dyn CopyFrom;

    /// True when an earlier run has ended the copy: it is a ledger by now, which may be compared, and nothing is written to it.
    fn has_ended(&self) -> bool {
        false
    }

    /// How far the copy is, in the job's words; empty at its begin.
    fn state(&self) -> Result<String, Error>;

    /// When the latest receipt that is kept came, in nanoseconds since 1970.
    fn last_receipt_ns(&self) -> Result<Option<i64>, Error>;

    /// Makes accounts and their numbers what these are. An account that is not among them goes, with what belongs to it.
    fn put_accounts(&self, outline: &Outline, state: &str) -> Result<(), Error>;

    /// Keeps blocks, which are behind those that are there.
    fn put_blocks(&self, blocks: &[CopiedBlock], state: &str) -> Result<(), Error>;

    /// Keeps entries of an account, each with the sequence at its place in the list.
    fn put_entries(
        &self,
        account: AccountId,
        sequences: &[u64],
        entries: &PackedEntries,
        state: &str,
    ) -> Result<(), Error>;

    /// Keeps entries that were taken out, and takes them out where they are still in.
    fn put_taken(&self, account: AccountId, taken: &[(Taken, UsageEntry)], state: &str) -> Result<(), Error>;

    /// Amends entries, and replaces what a block says of all that its entries have.
    fn put_amended(
        &self,
        account: AccountId,
        amended: &[Amendment],
        block: u64,
        whole_set: WholeSet,
    ) -> Result<(), Error>;

    /// Keeps receipts, but for those that are there.
    fn put_receipts(&self, receipts: &[CopiedReceipt]) -> Result<(), Error>;

    /// Keeps files, but for those that are there.
    fn put_files(&self, files: &[CopiedFile]) -> Result<(), Error>;

    /// Makes keys and sources what these are.
    fn put_keys(&self, keys: &[CopiedKey], sources: &[(AccountId, Source)]) -> Result<(), Error>;

    /// Makes the records of what was walked of an account what these are.
    fn put_coverage(&self, account: AccountId, records: &[Coverage]) -> Result<(), Error>;

    /// Forgets all counts and sums, which are made anew then.
    fn begin_sums(&self) -> Result<(), Error>;

    /// Adds entries of an account to counts and sums.
    fn add_sums(&self, account: AccountId, entries: &PackedEntries) -> Result<(), Error>;

    /// Ends the copy. Everything is durable, and the ledger can be opened.
    fn finish(self: Box<Self>) -> Result<(), Error>;
}
