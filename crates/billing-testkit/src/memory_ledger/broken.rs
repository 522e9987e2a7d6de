//! Engines that each break the contract in one way, to prove that the suite finds it.

use std::any::Any;
use std::collections::HashMap;
use std::panic::catch_unwind;

use billing_ledger::{
    Account, AccountId, Batch, Change, Error, FileContent, Filter, Funds, Import, ImportedFile, Key,
    KeyDigest, KeyMaterial, Ledger, LendBlock, LendCharges, LendCoverage, LendEntry, LendRemoved, LendRollup,
    NewKey, NumberedQuery, Position, Principal, Receipt, Source, TakenTurn, Turn, WalkPage, WalkQuery,
};
use billing_model::{Day, Decimal, TimeWindow, Timestamp, UsageEntry};

use super::MemoryLedger;
use crate::ledger_suite::{Make, accounts, batches, changes, keys, numbered_pages, rollups, synced, walks};

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
    /// A change is stored whatever state it was made for.
    Seen,
    /// What is walked again comes beside what was walked before.
    Cover,
    /// A record that cuts another one in two is stored.
    Cut,
    /// A copy of a service takes batches.
    Synced,
    /// An import that had begun before its account became a copy ends.
    Finish,
    /// Everybody has the turn.
    Turn,
    /// An account becomes a copy whatever it has.
    Copy,
    /// A repair makes no change.
    Repair,
}

#[derive(Debug)]
struct Broken(MemoryLedger, Fault);

impl Broken {
    fn has(&self, fault: Fault) -> bool {
        self.1 == fault
    }

    /// A change after which the records that it was to replace are back. With [`Fault::Cut`] it does not see them either.
    fn change_beside(&self, change: &Change) -> Result<(), Error> {
        let before = self.0.with(change.account, |account| Ok(account.coverage.clone()))?;
        if self.has(Fault::Cut) {
            self.0.state().account(change.account)?.coverage.clear();
        }
        let changed = self.0.change(change);
        let mut state = self.0.state();
        let account = state.account(change.account)?;
        for (since_ns, record) in before {
            account.coverage.entry(since_ns).or_insert(record);
        }
        changed
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
        if self.has(Fault::Synced) {
            let mut state = self.0.state();
            batches.iter().for_each(|batch| {
                if let Ok(account) = state.account(batch.account) {
                    account.source = None;
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
    fn repair(&self, change: &Change, window: TimeWindow) -> Result<(), Error> {
        match self.has(Fault::Repair) {
            true => {
                self.0.repair(&Change { seen: change.seen, ..Change::of(change.account, change.at) }, window)
            }
            false => self.0.repair(change, window),
        }
    }
    fn source(&self, account: AccountId) -> Result<Option<Source>, Error> {
        self.0.source(account)
    }
    fn set_source(&self, account: AccountId, source: &Source) -> Result<(), Error> {
        if self.has(Fault::Copy) {
            return self.0.with(account, |account| {
                account.source = Some(source.clone());
                Ok(())
            });
        }
        self.0.set_source(account, source)
    }
    fn coverage(&self, account: AccountId, lend: &mut LendCoverage<'_>) -> Result<(), Error> {
        self.0.coverage(account, lend)
    }
    fn take_turn(&self, account: AccountId, holder: &str) -> Result<Turn, Error> {
        match self.has(Fault::Turn) {
            true => Ok(Turn::Taken(TakenTurn::new(()))),
            false => self.0.take_turn(account, holder),
        }
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
        if self.has(Fault::Seen) {
            change.seen = None;
        }
        if self.has(Fault::Cover) || self.has(Fault::Cut) {
            return self.change_beside(&change);
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
        let import = self.0.import(account)?;
        match self.has(Fault::Finish) {
            true => Ok(Box::new(Unstoppable { ledger: self.0.clone(), account, import })),
            false => Ok(import),
        }
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

/// An import that ends whatever its account has become.
#[derive(Debug)]
struct Unstoppable {
    ledger: MemoryLedger,
    account: AccountId,
    import: Box<dyn Import>,
}

impl Import for Unstoppable {
    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        self.import.write(entries)
    }
    fn end_file(&mut self, content: FileContent) {
        self.import.end_file(content);
    }
    fn finish(self: Box<Self>) -> Result<u64, Error> {
        self.ledger.state().account(self.account)?.source = None;
        self.import.finish()
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
        (Fault::Seen, synced::a_change_is_for_the_state_that_was_seen, broken!(Seen)),
        (Fault::Cover, synced::records_take_the_place_of_those_that_begin_in_their_time, broken!(Cover)),
        (Fault::Cut, synced::records_that_cannot_be_are_refused, broken!(Cut)),
        (Fault::Synced, synced::a_synced_account_takes_nothing_from_elsewhere, broken!(Synced)),
        (Fault::Finish, synced::a_long_import_and_a_source_exclude_each_other, broken!(Finish)),
        (Fault::Turn, synced::a_turn_is_one_holders_until_it_ends, broken!(Turn)),
        (Fault::Copy, synced::an_account_becomes_a_copy_only_while_it_has_nothing, broken!(Copy)),
        (Fault::Repair, synced::a_repair_of_what_is_right_is_its_change, broken!(Repair)),
    ] {
        assert!(found(test, make), "{fault:?}");
    }
}

fn empty() -> (Box<dyn Ledger>, Box<dyn Any>) {
    (Box::new(MemoryLedger::new().unwrap()), Box::new(()))
}

crate::ledger_suite!(empty);
