//! Blocks of what a ledger in memory came to have.

use std::collections::BTreeMap;

use billing_ledger::{AccountId, Batch, Block, Change, Error, ErrorKind, Receipt};
use billing_model::{Currency, EntrySet, Timestamp, Total, UsageEntry, WholeDigest, WholeSet};

use super::{State, in_range};

/// Entries of a block at most.
const MOST: usize = 20_000;

impl State {
    /// Stores entries, whose instants a ledger can hold, and the blocks of them.
    pub(super) fn add(&mut self, id: AccountId, entries: &[UsageEntry]) -> Result<(), Error> {
        for entries in entries.chunks(MOST) {
            let account = self.account(id)?;
            let first = account.snapshot().end;
            entries.iter().for_each(|entry| account.add(entry));
            self.add_block(id, first, None, entries);
        }
        Ok(())
    }

    pub(super) fn store(&mut self, batch: &Batch) -> Result<Receipt, Error> {
        let account = self.account(batch.account)?;
        if account.source.is_some() {
            return Ok(Receipt::Synced);
        }
        if let Some((digest, entries)) = account.receipt(&batch.idempotency_key) {
            return Ok(if digest == batch.digest { Receipt::Repeated(entries) } else { Receipt::Conflict });
        }
        account.keep_receipt(batch);
        self.add(batch.account, &unpacked(batch.entries.rows()))?;
        Ok(Receipt::Stored(batch.entries.len()))
    }

    pub(super) fn change(&mut self, change: &Change) -> Result<(), Error> {
        let Change { account: id, at, remove, amend, add, seen, cover } = change;
        let add = unpacked(add.rows());
        // All that can fail comes first, so that nothing is changed when it does.
        in_range(*at)?;
        add.iter().try_for_each(|entry| in_range(entry.timestamp))?;
        let account = self.account(*id)?;
        if seen.is_some_and(|seen| seen != account.snapshot().end) {
            return Err(Error::new(ErrorKind::Outdated, "the account was changed meanwhile: read it anew"));
        }
        account.check_cover(cover)?;
        let unknown = || Error::new(ErrorKind::UnknownEntry, "there is no such entry");
        let mut removed = BTreeMap::new();
        for position in remove {
            let entry = account.entry(*position).ok_or_else(unknown)?.clone();
            if removed.insert(*position, entry).is_some() {
                return Err(unknown());
            }
        }
        for amendment in amend {
            let is_there = account.entry(amendment.position).is_some();
            if !is_there || removed.contains_key(&amendment.position) {
                return Err(unknown());
            }
        }
        for positions in remove.chunks(MOST) {
            let removal = self.account(*id)?.remove(positions, *at);
            let entries: Vec<_> = positions.iter().filter_map(|position| removed.remove(position)).collect();
            self.add_block(*id, removal, Some(*at), &entries);
        }
        for amendment in amend {
            let account = self.account(*id)?;
            let whole = |entry: Option<&UsageEntry>| entry.map(WholeDigest::of).ok_or_else(unknown);
            let was = whole(account.entry(amendment.position))?;
            account.amend(amendment);
            let is = whole(account.entry(amendment.position))?;
            let of_it = |block: &&mut Block| {
                let numbers = block.first_sequence..block.first_sequence + block.entries();
                let is_recorded = block.account == *id && block.removed_at.is_none();
                is_recorded && numbers.contains(&amendment.position.sequence)
            };
            if let Some(block) = self.blocks.iter_mut().find(of_it) {
                block.whole_set.remove(was);
                block.whole_set.add(is);
            }
        }
        self.account(*id)?.cover(cover)?;
        self.add(*id, &add)
    }

    fn add_block(
        &mut self,
        account: AccountId,
        first_sequence: u64,
        removed_at: Option<Timestamp>,
        entries: &[UsageEntry],
    ) {
        let mut sums: BTreeMap<Currency, Total> = BTreeMap::new();
        entries.iter().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
        self.blocks.push(Block {
            number: self.blocks.len() as u64 + 1,
            account,
            first_sequence,
            removed_at,
            sums: sums.into_iter().collect(),
            entry_set: entries.iter().collect::<EntrySet>(),
            whole_set: entries.iter().collect::<WholeSet>(),
        });
    }
}

fn unpacked(mut rows: billing_ledger::PackedRows<'_>) -> Vec<UsageEntry> {
    let mut entries = Vec::new();
    while let Some(entry) = rows.next() {
        entries.push(entry.clone());
    }
    entries
}
