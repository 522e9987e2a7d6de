//! The engine as the contract has it. What a call does stands in the file of its subject.

use std::collections::HashMap;
use std::time::Duration;

use billing_ledger::{
    Account, AccountId, Batch, Change, Error, Funds, Import, ImportedFile, Key, KeyDigest, KeyMaterial,
    Ledger, LendBlock, LendCharges, LendCoverage, LendEntry, LendRemoved, LendRollup, NewKey, NumberedQuery,
    Pool, Principal, Receipt, Source, Turn, WalkPage, WalkQuery,
};
use billing_model::{Day, Decimal, TimeWindow, Timestamp};

use crate::batch::Waiting;
use crate::ledger::PostgresLedger;

impl Ledger for PostgresLedger {
    fn concurrent_reads(&self) -> usize {
        // One more is for who writes, and one for keys and accounts.
        self.connections().most().saturating_sub(2).max(1)
    }

    fn pool(&self) -> Option<Pool> {
        Some(self.connections().state())
    }

    fn key_material(&self) -> &KeyMaterial {
        &self.0.key_material
    }

    fn principal(&self, digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error> {
        self.principal(digest)
    }

    fn add_key(&self, key: &NewKey<'_>) -> Result<String, Error> {
        self.add_key(key)
    }

    fn keys(&self) -> Result<Vec<Key>, Error> {
        self.keys()
    }

    fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        self.revoke_key(id, at)
    }

    fn record_key_uses(&self, uses: &[(&str, Timestamp)]) -> Result<(), Error> {
        self.record_key_uses(uses)
    }

    fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error> {
        self.key_descriptions(account)
    }

    fn account(&self, name: &str) -> Result<Option<AccountId>, Error> {
        self.account(name)
    }

    fn create_account(&self, name: &str) -> Result<AccountId, Error> {
        self.create_account(name)
    }

    fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.accounts()
    }

    fn set_diem_allocation(&self, account: AccountId, allocation: Option<Decimal>) -> Result<(), Error> {
        self.set_diem_allocation(account, allocation)
    }

    fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        self.remove_account(account)
    }

    fn funds(&self, account: AccountId, day: Day) -> Result<Funds, Error> {
        self.funds(account, day)
    }

    fn page_by_number(&self, query: &NumberedQuery<'_>, lend: &mut LendEntry<'_>) -> Result<u64, Error> {
        self.page_by_number(query, lend)
    }

    fn page_by_position(&self, query: &WalkQuery<'_>, lend: &mut LendEntry<'_>) -> Result<WalkPage, Error> {
        self.page_by_position(query, lend)
    }

    fn rollups(
        &self,
        account: AccountId,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> Result<(), Error> {
        self.rollups(account, days, lend)
    }

    fn charges(&self, account: AccountId, days: (Day, Day), lend: &mut LendCharges<'_>) -> Result<(), Error> {
        self.charges(account, days, lend)
    }

    fn store_batches(&self, batches: &[Batch]) -> Result<Vec<Receipt>, Error> {
        self.store_batches(batches, Waiting::ForAll)
    }

    fn store_free_batches(&self, batches: &[Batch], wait: Duration) -> Result<Vec<Receipt>, Error> {
        self.store_batches(batches, Waiting::ForOne(wait))
    }

    fn find_batch(
        &self,
        account: AccountId,
        idempotency_key: &str,
        digest: &[u8; 32],
    ) -> Result<Option<u64>, Error> {
        self.find_batch(account, idempotency_key, digest)
    }

    fn change(&self, change: &Change) -> Result<(), Error> {
        self.change(change)
    }

    fn repair(&self, change: &Change, window: TimeWindow) -> Result<(), Error> {
        self.repair(change, window)
    }

    fn source(&self, account: AccountId) -> Result<Option<Source>, Error> {
        self.source(account)
    }

    fn set_source(&self, account: AccountId, source: &Source) -> Result<(), Error> {
        self.set_source(account, source)
    }

    fn coverage(&self, account: AccountId, lend: &mut LendCoverage<'_>) -> Result<(), Error> {
        self.coverage(account, lend)
    }

    fn take_turn(&self, account: AccountId, holder: &str) -> Result<Turn, Error> {
        self.take_turn(account, holder)
    }

    fn removed(&self, account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error> {
        self.removed(account, lend)
    }

    fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error> {
        self.blocks(after, lend)
    }

    fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error> {
        self.block_entries(number, lend)
    }

    fn import(&self, account: AccountId) -> Result<Box<dyn Import>, Error> {
        self.import(account)
    }

    fn imported_file(&self, account: AccountId, sha256: &[u8; 32]) -> Result<Option<ImportedFile>, Error> {
        self.imported_file(account, sha256)
    }

    fn has_imported_files(&self, account: AccountId) -> Result<bool, Error> {
        self.has_imported_files(account)
    }

    fn try_writing(&self, room: usize) -> Result<(), Error> {
        self.try_writing(room)
    }
}
