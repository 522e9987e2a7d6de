//! A ledger that tells a test of each change before and after it is stored: there a writer may be killed, or another one come between.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use billing_ledger::{
    Account, AccountId, Batch, Change, Error, Funds, Import, ImportedFile, Key, KeyDigest, KeyMaterial,
    Ledger, LendBlock, LendCharges, LendCoverage, LendEntry, LendRemoved, LendRollup, NewKey, NumberedQuery,
    Principal, Receipt, Source, Turn, WalkPage, WalkQuery,
};
use billing_model::{Day, Decimal, TimeWindow, Timestamp};

/// Where a change stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it is stored. An error ends it here, as a kill does before the commit.
    Before,
    /// All of it is stored. An error is what the writer hears instead, as after a kill behind the commit.
    After,
}

/// Any ledger, whose changes and repairs are told to a watcher.
///
/// ```
/// use billing_ledger::{Change, Error, ErrorKind, Ledger};
/// use billing_testkit::{MemoryLedger, Moment, WatchedLedger};
/// use std::sync::Arc;
/// let ledger = WatchedLedger::new(Arc::new(MemoryLedger::new()?), |moment| match moment {
///     Moment::Before => Err(Error::new(ErrorKind::Io, "killed")),
///     Moment::After => Ok(()),
/// });
/// let account = ledger.create_account("a")?;
/// let change = Change::of(account, "2026-06-14T19:52:45.087Z".parse().unwrap());
/// assert_eq!(ledger.change(&change).unwrap_err().kind(), ErrorKind::Io);
/// # Ok::<(), Error>(())
/// ```
pub struct WatchedLedger {
    ledger: Arc<dyn Ledger>,
    watch: Box<dyn Fn(Moment) -> Result<(), Error> + Send + Sync>,
}

impl WatchedLedger {
    /// A ledger, and who watches it.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        watch: impl Fn(Moment) -> Result<(), Error> + Send + Sync + 'static,
    ) -> Self {
        Self { ledger, watch: Box::new(watch) }
    }

    fn watched(&self, store: impl FnOnce(&dyn Ledger) -> Result<(), Error>) -> Result<(), Error> {
        (self.watch)(Moment::Before)?;
        store(&*self.ledger)?;
        (self.watch)(Moment::After)
    }
}

impl fmt::Debug for WatchedLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WatchedLedger").field(&self.ledger).finish()
    }
}

/// Calls that are the ledger's.
macro_rules! of_the_ledger {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $out:ty;)*) => {
        $(fn $name(&self, $($argument: $type),*) -> $out {
            self.ledger.$name($($argument),*)
        })*
    };
}

impl Ledger for WatchedLedger {
    fn change(&self, change: &Change) -> Result<(), Error> {
        self.watched(|ledger| ledger.change(change))
    }

    fn repair(&self, change: &Change, window: TimeWindow) -> Result<(), Error> {
        self.watched(|ledger| ledger.repair(change, window))
    }

    of_the_ledger! {
        fn concurrent_reads() -> usize;
        fn key_material() -> &KeyMaterial;
        fn principal(digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error>;
        fn add_key(key: &NewKey<'_>) -> Result<String, Error>;
        fn keys() -> Result<Vec<Key>, Error>;
        fn revoke_key(id: &str, at: Timestamp) -> Result<bool, Error>;
        fn record_key_uses(uses: &[(&str, Timestamp)]) -> Result<(), Error>;
        fn key_descriptions(account: AccountId) -> Result<HashMap<String, String>, Error>;
        fn account(name: &str) -> Result<Option<AccountId>, Error>;
        fn create_account(name: &str) -> Result<AccountId, Error>;
        fn accounts() -> Result<Vec<Account>, Error>;
        fn set_diem_allocation(account: AccountId, allocation: Option<Decimal>) -> Result<(), Error>;
        fn remove_account(account: AccountId) -> Result<(), Error>;
        fn funds(account: AccountId, day: Day) -> Result<Funds, Error>;
        fn page_by_number(query: &NumberedQuery<'_>, lend: &mut LendEntry<'_>) -> Result<u64, Error>;
        fn page_by_position(query: &WalkQuery<'_>, lend: &mut LendEntry<'_>) -> Result<WalkPage, Error>;
        fn rollups(account: AccountId, days: Option<(Day, Day)>, lend: &mut LendRollup<'_>) -> Result<(), Error>;
        fn charges(account: AccountId, days: (Day, Day), lend: &mut LendCharges<'_>) -> Result<(), Error>;
        fn store_batches(batches: &[Batch]) -> Result<Vec<Receipt>, Error>;
        fn find_batch(account: AccountId, idempotency_key: &str, digest: &[u8; 32]) -> Result<Option<u64>, Error>;
        fn source(account: AccountId) -> Result<Option<Source>, Error>;
        fn set_source(account: AccountId, source: &Source) -> Result<(), Error>;
        fn coverage(account: AccountId, lend: &mut LendCoverage<'_>) -> Result<(), Error>;
        fn take_turn(account: AccountId, holder: &str) -> Result<Turn, Error>;
        fn removed(account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error>;
        fn blocks(after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error>;
        fn block_entries(number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error>;
        fn import(account: AccountId) -> Result<Box<dyn Import>, Error>;
        fn imported_file(account: AccountId, sha256: &[u8; 32]) -> Result<Option<ImportedFile>, Error>;
        fn has_imported_files(account: AccountId) -> Result<bool, Error>;
        fn remove_unfinished_import() -> Result<u64, Error>;
        fn try_writing(room: usize) -> Result<(), Error>;
    }
}
