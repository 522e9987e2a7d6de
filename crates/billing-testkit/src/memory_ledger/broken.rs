//! Engines that each break the contract in one way, to prove that the suite finds it.

use std::any::Any;
use std::collections::HashMap;
use std::panic::catch_unwind;

use billing_ledger::{
    Account, AccountId, Batch, Change, Error, Filter, Funds, Import, ImportedFile, Key, KeyDigest,
    KeyMaterial, Ledger, LendBlock, LendCharges, LendEntry, LendRemoved, LendRollup, NewKey, NumberedQuery,
    Position, Principal, Receipt, WalkPage, WalkQuery,
};
use billing_model::{Day, Decimal, Timestamp};

use super::MemoryLedger;
use crate::ledger_suite::{Make, accounts, batches, changes, keys, numbered_pages, rollups, walks};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// A walk sees what was stored since it began.
    Snapshot,
    /// A page goes on behind all entries of an instant.
    Position,
    /// The total is that of all entries, whatever the filter.
    Total,
    /// A batch that is sent again is stored again.
    Repeat,
    /// A revoked key opens.
    Revoked,
    /// Credits are not summed.
    Credits,
    /// The number of an account that was removed is given again.
    Number,
    /// A walk goes on although entries that it was to see were taken out.
    Outdated,
    /// What is taken out is gone.
    Trace,
    /// An amendment changes nothing.
    Amendment,
    /// Removals are in no block.
    Block,
}

#[derive(Debug)]
struct Broken(MemoryLedger, Fault);

impl Broken {
    fn has(&self, fault: Fault) -> bool {
        self.1 == fault
    }
}

impl Ledger for Broken {
    fn concurrent_reads(&self) -> usize {
        self.0.concurrent_reads()
    }
    fn key_material(&self) -> &KeyMaterial {
        self.0.key_material()
    }
    fn principal(&self, digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error> {
        let state = self.0.state();
        let revoked = state.keys.iter().find(|(_, _, kept)| kept == digest && self.has(Fault::Revoked));
        if let Some((key, account, kept)) = revoked {
            return Ok(Some((
                Principal { account: *account, kind: key.kind, key_id: key.id.clone() },
                *kept,
            )));
        }
        drop(state);
        self.0.principal(digest)
    }
    fn add_key(&self, key: &NewKey<'_>) -> Result<String, Error> {
        self.0.add_key(key)
    }
    fn keys(&self) -> Result<Vec<Key>, Error> {
        self.0.keys()
    }
    fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        self.0.revoke_key(id, at)
    }
    fn record_key_uses(&self, uses: &[(&str, Timestamp)]) -> Result<(), Error> {
        self.0.record_key_uses(uses)
    }
    fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error> {
        self.0.key_descriptions(account)
    }
    fn account(&self, name: &str) -> Result<Option<AccountId>, Error> {
        self.0.account(name)
    }
    fn create_account(&self, name: &str) -> Result<AccountId, Error> {
        self.0.create_account(name)
    }
    fn accounts(&self) -> Result<Vec<Account>, Error> {
        self.0.accounts()
    }
    fn set_diem_allocation(&self, account: AccountId, allocation: Option<Decimal>) -> Result<(), Error> {
        self.0.set_diem_allocation(account, allocation)
    }
    fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        self.0.remove_account(account)?;
        if self.has(Fault::Number) {
            self.0.state().numbers -= 1;
        }
        Ok(())
    }
    fn funds(&self, account: AccountId, day: Day) -> Result<Funds, Error> {
        self.0.funds(account, day)
    }
    fn page_by_number(&self, query: &NumberedQuery<'_>, lend: &mut LendEntry<'_>) -> Result<u64, Error> {
        let total = self.0.page_by_number(query, lend)?;
        let of_all = NumberedQuery { filter: &Filter::default(), limit: 0, page: 1, ..*query };
        match self.has(Fault::Total) {
            true => self.0.page_by_number(&of_all, &mut |_, _| Ok(())),
            false => Ok(total),
        }
    }
    fn page_by_position(&self, query: &WalkQuery<'_>, lend: &mut LendEntry<'_>) -> Result<WalkPage, Error> {
        let mut asked = *query;
        if self.has(Fault::Snapshot) {
            asked.snapshot = None;
        }
        if self.has(Fault::Position) {
            asked.after = query.after.map(|after| Position { sequence: u64::MAX, ..after });
        }
        if self.has(Fault::Outdated) {
            // As if the walk had begun just now, except for its snapshot.
            let fresh = WalkQuery { snapshot: None, ..asked };
            let page = self.0.page_by_position(&fresh, lend)?;
            return Ok(WalkPage { snapshot: query.snapshot.unwrap_or(page.snapshot), ..page });
        }
        let page = self.0.page_by_position(&asked, lend)?;
        Ok(WalkPage { snapshot: query.snapshot.unwrap_or(page.snapshot), ..page })
    }
    fn rollups(
        &self,
        account: AccountId,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> Result<(), Error> {
        self.0.rollups(account, days, &mut |rollup| match rollup.is_credit && self.has(Fault::Credits) {
            true => std::ops::ControlFlow::Continue(()),
            false => lend(rollup),
        })
    }
    fn charges(&self, account: AccountId, days: (Day, Day), lend: &mut LendCharges<'_>) -> Result<(), Error> {
        self.0.charges(account, days, lend)
    }
    fn store_batches(&self, batches: &[Batch]) -> Result<Vec<Receipt>, Error> {
        if self.has(Fault::Repeat) {
            batches.iter().for_each(|batch| {
                let mut state = self.0.state();
                if let Ok(account) = state.account(batch.account) {
                    account.forget_receipt(&batch.idempotency_key);
                }
            });
        }
        self.0.store_batches(batches)
    }
    fn find_batch(
        &self,
        account: AccountId,
        idempotency_key: &str,
        digest: &[u8; 32],
    ) -> Result<Option<u64>, Error> {
        self.0.find_batch(account, idempotency_key, digest)
    }
    fn change(&self, change: &Change) -> Result<(), Error> {
        let mut change = change.clone();
        if self.has(Fault::Trace) {
            self.0.change(&change)?;
            return self.0.with(change.account, |account| {
                account.forget_removed();
                Ok(())
            });
        }
        if self.has(Fault::Amendment) {
            change.amend.clear();
        }
        self.0.change(&change)
    }
    fn removed(&self, account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error> {
        self.0.removed(account, lend)
    }
    fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error> {
        self.0.blocks(after, &mut |block| match self.has(Fault::Block) && block.removed_at.is_some() {
            true => std::ops::ControlFlow::Continue(()),
            false => lend(block),
        })
    }
    fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error> {
        self.0.block_entries(number, lend)
    }
    fn import(&self, account: AccountId) -> Result<Box<dyn Import>, Error> {
        self.0.import(account)
    }
    fn imported_file(&self, account: AccountId, sha256: &[u8; 32]) -> Result<Option<ImportedFile>, Error> {
        self.0.imported_file(account, sha256)
    }
    fn has_imported_files(&self, account: AccountId) -> Result<bool, Error> {
        self.0.has_imported_files(account)
    }
    fn try_writing(&self, room: usize) -> Result<(), Error> {
        self.0.try_writing(room)
    }
}

/// A maker of engines with one fault: makers are plain functions.
macro_rules! broken {
    ($fault:ident) => {{
        fn make() -> (Box<dyn Ledger>, Box<dyn Any>) {
            (Box::new(Broken(MemoryLedger::new().unwrap(), Fault::$fault)), Box::new(()))
        }
        make as Make
    }};
}

#[test]
fn every_break_of_the_contract_is_found() {
    let found = |test: fn(Make), make: Make| catch_unwind(|| test(make)).is_err();
    for (fault, test, make) in [
        (Fault::Snapshot, walks::a_walk_sees_the_ledger_of_its_first_page as fn(Make), broken!(Snapshot)),
        (Fault::Position, walks::a_walk_passes_many_entries_of_one_instant, broken!(Position)),
        (Fault::Total, numbered_pages::pages_are_slices_of_the_whole, broken!(Total)),
        (Fault::Repeat, batches::every_batch_is_there_once, broken!(Repeat)),
        (Fault::Revoked, keys::a_key_opens_its_account_until_it_is_revoked, broken!(Revoked)),
        (Fault::Credits, rollups::sums_equal_a_recount_after_every_import, broken!(Credits)),
        (Fault::Number, accounts::an_account_that_is_removed_is_nobodys_number, broken!(Number)),
        (
            Fault::Outdated,
            walks::a_walk_ends_where_entries_that_it_was_to_see_are_taken_out,
            broken!(Outdated),
        ),
        (Fault::Trace, changes::a_change_is_seen_whole, broken!(Trace)),
        (Fault::Amendment, changes::a_change_is_seen_whole, broken!(Amendment)),
        (Fault::Block, changes::a_change_is_seen_whole, broken!(Block)),
    ] {
        assert!(found(test, make), "{fault:?}");
    }
}

fn empty() -> (Box<dyn Ledger>, Box<dyn Any>) {
    (Box::new(MemoryLedger::new().unwrap()), Box::new(()))
}

crate::ledger_suite!(empty);
