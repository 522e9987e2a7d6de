//! A ledger whose calls fail, or between whose calls something happens, and whose pages are short.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};

use billing_ledger::{
    AccountId, Amendment, CopiedBlock, CopiedFile, CopiedKey, CopiedReceipt, CopyFrom, CopyInto, Coverage,
    EntriesToCopy, Error, ErrorKind, Ledger, LedgerSecret, LendFile, LendReceipt, LendTaken, LendToCopy,
    Outline, PackedEntries, Position, Sequences, Source, Taken,
};
use billing_model::{UsageEntry, WholeSet};

/// The copy that fails.
enum Inner<'a> {
    From(&'a dyn CopyFrom),
    Into(Box<dyn CopyInto>),
}

/// What happens between calls that read.
type Between<'a> = Box<dyn Fn() + Send + Sync + 'a>;

/// A ledger in trouble.
pub(crate) struct Trouble<'a> {
    inner: Inner<'a>,
    /// How many rows come at a time, at most.
    limit: u32,
    /// How many calls that write are still done. The one behind them fails, before or after it was done.
    calls: AtomicI64,
    fails_after: bool,
    between: Option<Between<'a>>,
    /// Whether somebody else has it open.
    is_in_use: Option<bool>,
}

impl fmt::Debug for Trouble<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trouble")
    }
}

impl<'a> Trouble<'a> {
    /// A source with short pages.
    pub(crate) fn of(from: &'a dyn CopyFrom, limit: u32) -> Self {
        Self::new(Inner::From(from), limit)
    }

    /// The same, between whose calls something happens, and which is in use as long as it is said.
    pub(crate) fn live(from: &'a dyn CopyFrom, limit: u32, between: impl Fn() + Send + Sync + 'a) -> Self {
        let mut trouble = Self::of(from, limit);
        trouble.between = Some(Box::new(between));
        trouble.is_in_use = Some(true);
        trouble
    }

    /// A copy that fails at the call of this number, from 0 on: before it is done or after.
    pub(crate) fn failing(
        into: Box<dyn CopyInto>,
        limit: u32,
        calls: i64,
        fails_after: bool,
    ) -> Trouble<'static> {
        let mut trouble = Trouble::new(Inner::Into(into), limit);
        (trouble.calls, trouble.fails_after) = (AtomicI64::new(calls), fails_after);
        trouble
    }

    fn new(inner: Inner<'a>, limit: u32) -> Self {
        let (calls, fails_after, between, is_in_use) = (AtomicI64::new(i64::MAX), false, None, None);
        Self { inner, limit, calls, fails_after, between, is_in_use }
    }

    fn from(&self) -> &dyn CopyFrom {
        if let Some(between) = &self.between {
            between();
        }
        match &self.inner {
            Inner::From(from) => *from,
            Inner::Into(into) => into.so_far(),
        }
    }

    fn into(&self) -> &dyn CopyInto {
        match &self.inner {
            Inner::From(_) => unreachable!("nothing is written to the source"),
            Inner::Into(into) => &**into,
        }
    }

    fn put(&self, work: impl FnOnce(&dyn CopyInto) -> Result<(), Error>) -> Result<(), Error> {
        match self.calls.fetch_sub(1, Ordering::Relaxed) {
            0 => {
                if self.fails_after {
                    work(self.into())?;
                }
                Err(killed())
            }
            left if left < 0 => Err(killed()),
            _ => work(self.into()),
        }
    }
}

fn killed() -> Error {
    Error::new(ErrorKind::Engine, "killed")
}

impl CopyFrom for Trouble<'_> {
    fn ledger(&self) -> &dyn Ledger {
        self.from().ledger()
    }

    fn secret(&self) -> LedgerSecret {
        self.from().secret()
    }

    fn is_in_use(&self) -> Result<bool, Error> {
        self.is_in_use.map_or_else(|| self.from().is_in_use(), Ok)
    }

    fn outline(&self) -> Result<Outline, Error> {
        self.from().outline()
    }

    fn keys_to_copy(&self) -> Result<Vec<CopiedKey>, Error> {
        self.from().keys_to_copy()
    }

    fn blocks_to_copy(&self, after: u64, limit: u32) -> Result<Vec<CopiedBlock>, Error> {
        self.from().blocks_to_copy(after, limit.min(self.limit))
    }

    fn blocks_of(&self, account: AccountId, from: u64, limit: u32) -> Result<Vec<CopiedBlock>, Error> {
        self.from().blocks_of(account, from, limit.min(self.limit))
    }

    fn entries_to_copy(
        &self,
        which: &EntriesToCopy,
        lend: &mut LendToCopy<'_>,
    ) -> Result<Option<Position>, Error> {
        let limit = which.limit.min(self.limit);
        self.from().entries_to_copy(&EntriesToCopy { limit, ..*which }, lend)
    }

    fn taken_to_copy(
        &self,
        account: AccountId,
        removals: Sequences,
        after: Option<Taken>,
        limit: u32,
        lend: &mut LendTaken<'_>,
    ) -> Result<Option<Taken>, Error> {
        self.from().taken_to_copy(account, removals, after, limit.min(self.limit), lend)
    }

    fn count_to_copy(&self, account: AccountId) -> Result<(u64, u64), Error> {
        self.from().count_to_copy(account)
    }

    fn receipts_to_copy(&self, since_ns: i64, lend: &mut LendReceipt<'_>) -> Result<(), Error> {
        self.from().receipts_to_copy(since_ns, lend)
    }

    fn files_to_copy(&self, lend: &mut LendFile<'_>) -> Result<(), Error> {
        self.from().files_to_copy(lend)
    }
}

impl CopyInto for Trouble<'static> {
    fn so_far(&self) -> &dyn CopyFrom {
        self
    }

    fn has_ended(&self) -> bool {
        self.into().has_ended()
    }

    fn state(&self) -> Result<String, Error> {
        self.into().state()
    }

    fn last_receipt_ns(&self) -> Result<Option<i64>, Error> {
        self.into().last_receipt_ns()
    }

    fn put_accounts(&self, outline: &Outline, state: &str) -> Result<(), Error> {
        self.put(|into| into.put_accounts(outline, state))
    }

    fn put_blocks(&self, blocks: &[CopiedBlock], state: &str) -> Result<(), Error> {
        self.put(|into| into.put_blocks(blocks, state))
    }

    fn put_entries(
        &self,
        account: AccountId,
        sequences: &[u64],
        entries: &PackedEntries,
        state: &str,
    ) -> Result<(), Error> {
        self.put(|into| into.put_entries(account, sequences, entries, state))
    }

    fn put_taken(&self, account: AccountId, taken: &[(Taken, UsageEntry)], state: &str) -> Result<(), Error> {
        self.put(|into| into.put_taken(account, taken, state))
    }

    fn put_amended(
        &self,
        account: AccountId,
        amended: &[Amendment],
        block: u64,
        whole_set: WholeSet,
    ) -> Result<(), Error> {
        self.put(|into| into.put_amended(account, amended, block, whole_set))
    }

    fn put_receipts(&self, receipts: &[CopiedReceipt]) -> Result<(), Error> {
        self.put(|into| into.put_receipts(receipts))
    }

    fn put_files(&self, files: &[CopiedFile]) -> Result<(), Error> {
        self.put(|into| into.put_files(files))
    }

    fn put_keys(&self, keys: &[CopiedKey], sources: &[(AccountId, Source)]) -> Result<(), Error> {
        self.put(|into| into.put_keys(keys, sources))
    }

    fn put_coverage(&self, account: AccountId, records: &[Coverage]) -> Result<(), Error> {
        self.put(|into| into.put_coverage(account, records))
    }

    fn begin_sums(&self) -> Result<(), Error> {
        self.put(|into| into.begin_sums())
    }

    fn add_sums(&self, account: AccountId, entries: &PackedEntries) -> Result<(), Error> {
        self.put(|into| into.add_sums(account, entries))
    }

    fn finish(self: Box<Self>) -> Result<(), Error> {
        self.put(|_| Ok(()))?;
        match self.inner {
            Inner::From(_) => Err(killed()),
            Inner::Into(into) => into.finish(),
        }
    }
}
