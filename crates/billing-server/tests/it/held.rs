//! A ledger whose writing can be held up.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use billing_ledger::{
    Account, AccountId, Batch, Change, Error, Funds, Import, ImportedFile, Key, KeyDigest, KeyMaterial,
    Ledger, LendBlock, LendCharges, LendCoverage, LendEntry, LendRemoved, LendRollup, NewKey, NumberedQuery,
    Principal, Receipt, Source, Turn, WalkPage, WalkQuery,
};
use billing_model::{Day, Decimal, TimeWindow, Timestamp};
use billing_testkit::MemoryLedger;
use tokio::sync::Notify;

/// No test waits for it; it ends one that failed before it let go.
const LIMIT: Duration = Duration::from_secs(20);

/// Stores no batch while it is held; reads go on.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    ledger: MemoryLedger,
    hold: Arc<Hold>,
}

#[derive(Debug, Default)]
struct Hold {
    is_held: Mutex<bool>,
    ended: Condvar,
    begun: Notify,
}

impl Held {
    pub(crate) fn new() -> Self {
        let hold = Hold { is_held: Mutex::new(true), ..Hold::default() };
        Self { ledger: MemoryLedger::new().unwrap(), hold: Arc::new(hold) }
    }

    /// Waits until a batch is to be stored.
    pub(crate) async fn begun(&self) {
        self.hold.begun.notified().await;
    }

    pub(crate) fn release(&self) {
        *self.hold.is_held.lock().unwrap() = false;
        self.hold.ended.notify_all();
    }
}

impl Ledger for Held {
    fn store_batches(&self, batches: &[Batch]) -> Result<Vec<Receipt>, Error> {
        self.hold.begun.notify_one();
        let is_held = self.hold.is_held.lock().unwrap();
        drop(self.hold.ended.wait_timeout_while(is_held, LIMIT, |is_held| *is_held).unwrap());
        self.ledger.store_batches(batches)
    }
    fn concurrent_reads(&self) -> usize {
        self.ledger.concurrent_reads()
    }
    fn key_material(&self) -> &KeyMaterial {
        self.ledger.key_material()
    }
    fn principal(&self, digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error> {
        self.ledger.principal(digest)
    }
    fn add_key(&self, key: &NewKey<'_>) -> Result<String, Error> {
        self.ledger.add_key(key)
    }
    fn keys(&self) -> Result<Vec<Key>, Error> {
        self.ledger.keys()
    }
    fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        self.ledger.revoke_key(id, at)
    }
    fn record_key_uses(&self, uses: &[(&str, Timestamp)]) -> Result<(), Error> {
        self.ledger.record_key_uses(uses)
    }
    fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error> {
        self.ledger.key_descriptions(account)
    }
    fn account(&self, name: &str) -> Result<Option<AccountId>, Error> {
        self.ledger.account(name)
    }
    fn create_account(&self, name: &str) -> Result<AccountId, Error> {
        self.ledger.create_account(name)
    }
    fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.ledger.accounts()
    }
    fn set_diem_allocation(&self, account: AccountId, allocation: Option<Decimal>) -> Result<(), Error> {
        self.ledger.set_diem_allocation(account, allocation)
    }
    fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        self.ledger.remove_account(account)
    }
    fn funds(&self, account: AccountId, day: Day) -> Result<Funds, Error> {
        self.ledger.funds(account, day)
    }
    fn page_by_number(&self, query: &NumberedQuery<'_>, lend: &mut LendEntry<'_>) -> Result<u64, Error> {
        self.ledger.page_by_number(query, lend)
    }
    fn page_by_position(&self, query: &WalkQuery<'_>, lend: &mut LendEntry<'_>) -> Result<WalkPage, Error> {
        self.ledger.page_by_position(query, lend)
    }
    fn rollups(
        &self,
        account: AccountId,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> Result<(), Error> {
        self.ledger.rollups(account, days, lend)
    }
    fn charges(&self, account: AccountId, days: (Day, Day), lend: &mut LendCharges<'_>) -> Result<(), Error> {
        self.ledger.charges(account, days, lend)
    }
    fn find_batch(
        &self,
        account: AccountId,
        idempotency_key: &str,
        digest: &[u8; 32],
    ) -> Result<Option<u64>, Error> {
        self.ledger.find_batch(account, idempotency_key, digest)
    }
    fn repair(&self, change: &Change, window: TimeWindow) -> Result<(), Error> {
        self.ledger.repair(change, window)
    }
    fn source(&self, account: AccountId) -> Result<Option<Source>, Error> {
        self.ledger.source(account)
    }
    fn set_source(&self, account: AccountId, source: &Source) -> Result<(), Error> {
        self.ledger.set_source(account, source)
    }
    fn coverage(&self, account: AccountId, lend: &mut LendCoverage<'_>) -> Result<(), Error> {
        self.ledger.coverage(account, lend)
    }
    fn take_turn(&self, account: AccountId, holder: &str) -> Result<Turn, Error> {
        self.ledger.take_turn(account, holder)
    }
    fn change(&self, change: &Change) -> Result<(), Error> {
        self.ledger.change(change)
    }
    fn removed(&self, account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error> {
        self.ledger.removed(account, lend)
    }
    fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error> {
        self.ledger.blocks(after, lend)
    }
    fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error> {
        self.ledger.block_entries(number, lend)
    }
    fn import(&self, account: AccountId) -> Result<Box<dyn Import>, Error> {
        self.ledger.import(account)
    }
    fn imported_file(&self, account: AccountId, sha256: &[u8; 32]) -> Result<Option<ImportedFile>, Error> {
        self.ledger.imported_file(account, sha256)
    }
    fn has_imported_files(&self, account: AccountId) -> Result<bool, Error> {
        self.ledger.has_imported_files(account)
    }
    fn try_writing(&self, room: usize) -> Result<(), Error> {
        self.ledger.try_writing(room)
    }
}
