//! A ledger in memory: the plainest engine that keeps the contract. It adds up whenever it is asked, so it is also what the sums of
//! another engine are held against.

mod account;
mod blocks;
#[cfg(test)]
mod broken;
mod import;
mod synced;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use billing_ledger::{
    Account, AccountId, Batch, Block, Change, Error, ErrorKind, Funds, Import, ImportedFile, Key, KeyDigest,
    KeyMaterial, Ledger, LendBlock, LendCharges, LendCoverage, LendEntry, LendRemoved, LendRollup, NewKey,
    NumberedQuery, Position, Principal, Receipt, Snapshot, Source, Turn, WalkPage, WalkQuery,
    check_account_name,
};
use billing_model::{Day, Decimal, SortOrder, TimeWindow, Timestamp, decimal_text};

use account::Kept;
use import::MemoryImport;

/// A ledger in memory. It is gone with its last clone.
#[derive(Clone)]
pub struct MemoryLedger {
    key_material: Arc<KeyMaterial>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    accounts: Vec<Kept>,
    /// How many accounts there ever were.
    numbers: i64,
    keys: Vec<(Key, AccountId, KeyDigest)>,
    blocks: Vec<Block>,
    /// Who has which account's turn.
    turns: BTreeMap<AccountId, String>,
}

impl MemoryLedger {
    /// An empty ledger.
    ///
    /// # Errors
    /// [`ErrorKind::NoRandomness`].
    pub fn new() -> Result<Self, Error> {
        let key_material = Arc::new(KeyMaterial::of(&KeyMaterial::random()?));
        Ok(Self { key_material, state: Arc::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(
        &self,
        account: AccountId,
        work: impl FnOnce(&mut Kept) -> Result<T, Error>,
    ) -> Result<T, Error> {
        work(self.state().account(account)?)
    }
}

impl State {
    fn account(&mut self, id: AccountId) -> Result<&mut Kept, Error> {
        let found = self.accounts.iter_mut().find(|account| account.id == id);
        found.ok_or_else(|| {
            Error::new(ErrorKind::UnknownAccount, format!("there is no account with the number {}", id.0))
        })
    }
}

impl Ledger for MemoryLedger {
    fn concurrent_reads(&self) -> usize {
        1
    }

    fn key_material(&self) -> &KeyMaterial {
        &self.key_material
    }

    fn principal(&self, digest: &KeyDigest) -> Result<Option<(Principal, KeyDigest)>, Error> {
        let state = self.state();
        let found = state.keys.iter().find(|(key, _, kept)| kept == digest && key.revoked_at.is_none());
        Ok(found.map(|(key, account, kept)| {
            (Principal { account: *account, kind: key.kind, key_id: key.id.clone() }, *kept)
        }))
    }

    fn add_key(&self, new: &NewKey<'_>) -> Result<String, Error> {
        in_range(new.created_at)?;
        let mut state = self.state();
        let name = state.account(new.account)?.name.clone();
        let key = Key {
            id: new.id.to_owned(),
            account: name.clone(),
            kind: new.kind,
            description: new.description.to_owned(),
            last_six: new.last_six.to_owned(),
            created_at: new.created_at,
            revoked_at: None,
            last_used_at: None,
        };
        state.keys.push((key, new.account, new.digest));
        Ok(name)
    }

    fn keys(&self) -> Result<Vec<Key>, Error> {
        let mut keys: Vec<Key> = self.state().keys.iter().map(|(key, ..)| key.clone()).collect();
        keys.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok(keys)
    }

    fn revoke_key(&self, id: &str, at: Timestamp) -> Result<bool, Error> {
        in_range(at)?;
        let mut state = self.state();
        let found = state.keys.iter_mut().find(|(key, ..)| key.id == id && key.revoked_at.is_none());
        Ok(found.map(|(key, ..)| key.revoked_at = Some(at)).is_some())
    }

    fn record_key_uses(&self, uses: &[(&str, Timestamp)]) -> Result<(), Error> {
        uses.iter().try_for_each(|(_, at)| in_range(*at))?;
        let mut state = self.state();
        for (id, at) in uses {
            if let Some((key, ..)) = state.keys.iter_mut().find(|(key, ..)| key.id == *id) {
                key.last_used_at = key.last_used_at.max(Some(*at));
            }
        }
        Ok(())
    }

    fn key_descriptions(&self, account: AccountId) -> Result<HashMap<String, String>, Error> {
        let state = self.state();
        let of_account =
            state.keys.iter().filter(|(key, of, _)| *of == account && !key.description.is_empty());
        Ok(of_account.map(|(key, ..)| (key.id.clone(), key.description.clone())).collect())
    }

    fn account(&self, name: &str) -> Result<Option<AccountId>, Error> {
        Ok(self.state().accounts.iter().find(|account| account.name == name).map(|account| account.id))
    }

    fn create_account(&self, name: &str) -> Result<AccountId, Error> {
        let mut state = self.state();
        if let Some(account) = state.accounts.iter().find(|account| account.name == name) {
            return Ok(account.id);
        }
        check_account_name(name)?;
        state.numbers += 1;
        let id = AccountId(state.numbers);
        state.accounts.push(Kept::new(id, name));
        Ok(id)
    }

    fn accounts(&self) -> Result<Vec<Account>, Error> {
        let mut accounts: Vec<Account> = self.state().accounts.iter().map(Kept::listed).collect();
        accounts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(accounts)
    }

    fn set_diem_allocation(&self, account: AccountId, allocation: Option<Decimal>) -> Result<(), Error> {
        if let Some(below_zero) = allocation.filter(|allocation| allocation.is_negative()) {
            let message = format!("`{}` is no allocation", decimal_text(below_zero));
            return Err(Error::new(ErrorKind::InvalidAllocation, message));
        }
        self.with(account, |account| {
            account.diem_allocation = allocation;
            Ok(())
        })
    }

    fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        let mut state = self.state();
        let is_in_use = !state.account(account)?.is_empty();
        let has_key = state.keys.iter().any(|(key, of, _)| *of == account && key.revoked_at.is_none());
        if is_in_use || has_key {
            return Err(Error::new(
                ErrorKind::AccountInUse,
                "the account has entries, batches, files or keys",
            ));
        }
        state.keys.retain(|(_, of, _)| *of != account);
        state.accounts.retain(|kept| kept.id != account);
        Ok(())
    }

    fn funds(&self, account: AccountId, day: Day) -> Result<Funds, Error> {
        self.with(account, |account| Ok(account.funds(day)))
    }

    fn page_by_number(&self, query: &NumberedQuery<'_>, lend: &mut LendEntry<'_>) -> Result<u64, Error> {
        let NumberedQuery { account, filter, order, limit, page } = *query;
        self.with(account, |account| {
            let mut found: Vec<_> = account.filtered(filter).collect();
            if order == SortOrder::Desc {
                found.reverse();
            }
            let skip = u64::from(page.saturating_sub(1)).saturating_mul(u64::from(limit));
            let (size, skip) =
                (usize::try_from(limit).unwrap_or(0), usize::try_from(skip).unwrap_or(usize::MAX));
            let of_page = found.iter().skip(skip).take(size);
            of_page.cloned().try_for_each(|(position, row)| lend(position, row.lent()?))?;
            Ok(found.len() as u64)
        })
    }

    fn page_by_position(&self, query: &WalkQuery<'_>, lend: &mut LendEntry<'_>) -> Result<WalkPage, Error> {
        let WalkQuery { account, filter, snapshot, after, limit } = *query;
        self.with(account, |account| {
            if account.is_outdated(query) {
                return Err(Error::new(ErrorKind::WalkOutdated, "begin the walk anew"));
            }
            let present = account.snapshot();
            let snapshot =
                snapshot.map_or(present, |asked| Snapshot { end: asked.end.min(present.end), ..asked });
            let seen = |position: &Position| snapshot.has(position.sequence) && Some(*position) > after;
            let (mut lent, mut last) = (0, None);
            for (position, row) in account.filtered(filter).filter(|(position, _)| seen(position)) {
                if lent == limit.max(1) {
                    return Ok(WalkPage { snapshot, next: last });
                }
                lend(position, row.lent()?)?;
                (lent, last) = (lent + 1, Some(position));
            }
            Ok(WalkPage { snapshot, next: None })
        })
    }

    fn rollups(
        &self,
        account: AccountId,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> Result<(), Error> {
        if let Ok(account) = self.state().account(account) {
            let _ = account.lend_rollups(days, lend);
        }
        Ok(())
    }

    fn charges(&self, account: AccountId, days: (Day, Day), lend: &mut LendCharges<'_>) -> Result<(), Error> {
        if let Ok(account) = self.state().account(account) {
            account.lend_charges(days, lend);
        }
        Ok(())
    }

    fn store_batches(&self, batches: &[Batch]) -> Result<Vec<Receipt>, Error> {
        let mut state = self.state();
        // All that can fail comes first, so that nothing is stored when it does.
        for batch in batches {
            let account = state.account(batch.account)?;
            if account.source.is_none() && account.receipt(&batch.idempotency_key).is_none() {
                in_range(batch.received_at)?;
                let mut rows = batch.entries.rows();
                while let Some(entry) = rows.next() {
                    in_range(entry.timestamp)?;
                }
            }
        }
        batches.iter().map(|batch| state.store(batch)).collect()
    }

    fn find_batch(
        &self,
        account: AccountId,
        idempotency_key: &str,
        digest: &[u8; 32],
    ) -> Result<Option<u64>, Error> {
        let mut state = self.state();
        let receipt = state.account(account).ok().and_then(|account| account.receipt(idempotency_key));
        Ok(receipt.filter(|(kept, _)| kept == digest).map(|(_, entries)| entries))
    }

    // Nothing is kept beside the entries but blocks, which nobody else can write to.
    fn repair(&self, change: &Change, _: TimeWindow) -> Result<(), Error> {
        self.change(change)
    }

    fn source(&self, account: AccountId) -> Result<Option<Source>, Error> {
        self.with(account, |account| Ok(account.source.clone()))
    }

    fn set_source(&self, account: AccountId, source: &Source) -> Result<(), Error> {
        self.with(account, |account| account.set_source(source))
    }

    fn coverage(&self, account: AccountId, lend: &mut LendCoverage<'_>) -> Result<(), Error> {
        self.with(account, |account| {
            let _ = account.coverage.values().try_for_each(lend);
            Ok(())
        })
    }

    fn take_turn(&self, account: AccountId, holder: &str) -> Result<Turn, Error> {
        synced::take_turn(self, account, holder)
    }

    fn change(&self, change: &Change) -> Result<(), Error> {
        self.state().change(change)
    }

    fn removed(&self, account: AccountId, lend: &mut LendRemoved<'_>) -> Result<(), Error> {
        self.with(account, |account| {
            account.removed().try_for_each(|(removed, row)| lend(removed, row.lent()?))
        })
    }

    fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error> {
        let state = self.state();
        let _ = state.blocks.iter().filter(|block| block.number > after).try_for_each(lend);
        Ok(())
    }

    fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error> {
        let mut state = self.state();
        let Some(block) = state.blocks.iter().find(|block| block.number == number).cloned() else {
            return Ok(());
        };
        let account = state.account(block.account)?;
        account.of_block(&block).into_iter().try_for_each(|(position, row)| lend(position, row.lent()?))
    }

    fn import(&self, account: AccountId) -> Result<Box<dyn Import>, Error> {
        self.with(account, |account| account.refuse_synced())?;
        Ok(Box::new(MemoryImport::new(self.clone(), account)))
    }

    fn imported_file(&self, account: AccountId, sha256: &[u8; 32]) -> Result<Option<ImportedFile>, Error> {
        Ok(self.state().account(account).ok().and_then(|account| account.imported_file(sha256)))
    }

    fn has_imported_files(&self, account: AccountId) -> Result<bool, Error> {
        Ok(self.state().account(account).is_ok_and(|account| account.has_files()))
    }

    fn try_writing(&self, _room: usize) -> Result<(), Error> {
        Ok(())
    }
}

impl fmt::Debug for MemoryLedger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLedger").finish_non_exhaustive()
    }
}

/// Refuses an instant that no ledger holds.
fn in_range(at: Timestamp) -> Result<(), Error> {
    at.unix_ns().map(drop).ok_or_else(|| Error::timestamp(at))
}
