//! The entries of an account, and their sums.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;

use billing_ledger::{
    Account, AccountId, Amendment, Batch, Block, Charges, Coverage, Error, ErrorKind, FileContent, Filter,
    Funds, ImportedFile, LendCharges, LendRollup, Position, Removed, Rollup, Snapshot, Source, WalkQuery,
};
use billing_model::{
    Currency, Day, Decimal, InferenceDetails, LentEntry, NumberText, Timestamp, Total, UsageEntry,
    ValueError, decimal_text, is_credit,
};

pub(super) struct Kept {
    pub(super) id: AccountId,
    pub(super) name: String,
    pub(super) diem_allocation: Option<Decimal>,
    rows: BTreeMap<Position, Row>,
    /// Entries that were taken out, by the number of their removal.
    removed: BTreeMap<(u64, Position), (Removed, Row)>,
    next_sequence: u64,
    receipts: HashMap<String, ([u8; 32], u64)>,
    files: Vec<File>,
    /// The service that it is a copy of, if it is one.
    pub(super) source: Option<Source>,
    /// What was walked, by where it begins.
    pub(super) coverage: BTreeMap<i64, Coverage>,
}

/// An entry, and its numbers as they are lent.
pub(super) struct Row {
    entry: UsageEntry,
    /// Price, units and amount.
    numbers: [String; 3],
    /// Execution time, prompt and completion tokens.
    details: [Option<String>; 3],
}

/// A file of an import, and how many of the entries are its.
#[derive(Debug)]
pub(super) struct File {
    pub(super) content: FileContent,
    pub(super) entries: u64,
}

/// The key by which entries are summed, in the order in which sums are lent.
type Line = (Day, String, Currency, Option<String>, bool);

#[derive(Default)]
struct Sums {
    entries: u64,
    amount: Total,
    units: Total,
}

impl Kept {
    pub(super) fn new(id: AccountId, name: &str) -> Self {
        Self {
            id,
            name: name.to_owned(),
            diem_allocation: None,
            rows: BTreeMap::new(),
            removed: BTreeMap::new(),
            next_sequence: 0,
            receipts: HashMap::new(),
            files: Vec::new(),
            source: None,
            coverage: BTreeMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.next_sequence == 0 && self.receipts.is_empty() && self.files.is_empty()
    }

    /// All that was stored so far.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot { end: self.next_sequence, without: None }
    }

    /// Stores an entry, whose instant a ledger can hold.
    pub(super) fn add(&mut self, entry: &UsageEntry) {
        let Some(timestamp_ns) = entry.timestamp.unix_ns() else { return };
        let position = Position { timestamp_ns, sequence: self.next_sequence };
        self.rows.insert(position, Row::of(entry));
        self.next_sequence += 1;
    }

    pub(super) fn keep_receipt(&mut self, batch: &Batch) {
        let kept = (batch.digest, batch.entries.len());
        self.receipts.insert(batch.idempotency_key.clone(), kept);
    }

    /// The entry at a place, if there is one.
    pub(super) fn entry(&self, position: Position) -> Option<&UsageEntry> {
        self.rows.get(&position).map(|row| &row.entry)
    }

    /// Takes out entries that are there, and gives the number of the removal.
    pub(super) fn remove(&mut self, positions: &[Position], removed_at: Timestamp) -> u64 {
        let removal = self.next_sequence;
        self.next_sequence += 1;
        for position in positions {
            if let Some(row) = self.rows.remove(position) {
                let removed = Removed { position: *position, removed_at };
                self.removed.insert((removal, *position), (removed, row));
            }
        }
        removal
    }

    pub(super) fn amend(&mut self, amendment: &Amendment) {
        let Some(row) = self.rows.get_mut(&amendment.position) else { return };
        row.entry.api_key_id.clone_from(&amendment.api_key_id);
        row.entry.other_fields.clone_from(&amendment.other_fields);
    }

    pub(super) fn removed(&self) -> impl Iterator<Item = (Removed, &Row)> {
        self.removed.values().map(|(removed, row)| (*removed, row))
    }

    /// The entries with these numbers, those that were taken out too; or those of a removal.
    pub(super) fn of_block(&self, block: &Block) -> BTreeMap<Position, &Row> {
        let removed = self.removed.iter().map(|((removal, position), (_, row))| (*removal, *position, row));
        if block.removed_at.is_some() {
            let of_it = removed.filter(|(removal, ..)| *removal == block.first_sequence);
            return of_it.map(|(_, position, row)| (position, row)).collect();
        }
        let numbers = block.first_sequence..block.first_sequence + block.entries();
        let kept = self.rows.iter().map(|(position, row)| (*position, row));
        let all = kept.chain(removed.map(|(_, position, row)| (position, row)));
        all.filter(|(position, _)| numbers.contains(&position.sequence)).collect()
    }

    /// Whether entries that a walk is still to see were taken out since it began.
    pub(super) fn is_outdated(&self, query: &WalkQuery<'_>) -> bool {
        let Some(snapshot) = query.snapshot else { return false };
        self.removed.iter().any(|((removal, position), (_, row))| {
            let is_later = *removal >= snapshot.end;
            let is_to_come = snapshot.has(position.sequence) && Some(*position) > query.after;
            is_later && is_to_come && passes(query.filter, row)
        })
    }

    pub(super) fn receipt(&self, idempotency_key: &str) -> Option<([u8; 32], u64)> {
        self.receipts.get(idempotency_key).copied()
    }

    #[cfg(test)]
    pub(super) fn forget_removed(&mut self) {
        self.removed.clear();
    }

    #[cfg(test)]
    pub(super) fn forget_receipt(&mut self, idempotency_key: &str) {
        self.receipts.remove(idempotency_key);
    }

    pub(super) fn has_files(&self) -> bool {
        !self.files.is_empty()
    }

    pub(super) fn imported_file(&self, sha256: &[u8; 32]) -> Option<ImportedFile> {
        self.files.iter().rfind(|file| file.content.sha256 == *sha256).map(|File { content, entries }| {
            ImportedFile { name: content.name.clone(), imported_at: content.imported_at, entries: *entries }
        })
    }

    /// Notes files, all of them or none.
    pub(super) fn add_files(&mut self, files: &[File]) -> Result<(), Error> {
        for (n, file) in files.iter().enumerate().filter(|(_, file)| !file.content.again) {
            let is_same = |other: &File| other.content.sha256 == file.content.sha256;
            if self.files.iter().chain(&files[..n]).any(is_same) {
                let message = format!("`{}` was imported before", file.content.name);
                return Err(Error::new(ErrorKind::AlreadyImported, message));
            }
        }
        let kept = |file: &File| File { content: file.content.clone(), entries: file.entries };
        self.files.extend(files.iter().map(kept));
        Ok(())
    }

    pub(super) fn listed(&self) -> Account {
        Account {
            id: self.id,
            name: self.name.clone(),
            entries: self.rows.len() as u64,
            diem_allocation: self.diem_allocation,
            nets: self.nets(),
        }
    }

    pub(super) fn funds(&self, day: Day) -> Funds {
        let mut diem_of_day = Total::default();
        let of_day =
            |row: &&Row| row.entry.currency == Currency::Diem && Day::of(row.entry.timestamp) == Some(day);
        self.rows.values().filter(of_day).for_each(|row| diem_of_day.add(row.entry.amount));
        Funds { diem_allocation: self.diem_allocation, diem_of_day, nets: self.nets() }
    }

    fn nets(&self) -> Vec<(Currency, Total)> {
        let mut nets = BTreeMap::<Currency, Total>::new();
        for Row { entry, .. } in self.rows.values() {
            nets.entry(entry.currency.clone()).or_default().add(entry.amount);
        }
        nets.into_iter().collect()
    }

    pub(super) fn filtered(&self, filter: &Filter) -> impl Iterator<Item = (Position, &Row)> {
        self.rows.iter().filter(move |(_, row)| passes(filter, row)).map(|(position, row)| (*position, row))
    }

    pub(super) fn lend_rollups(
        &self,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> ControlFlow<()> {
        let is_asked = |day: Day| days.is_none_or(|(first, last)| first <= day && day <= last);
        self.sums().iter().filter(|((day, ..), _)| is_asked(*day)).try_for_each(|(line, sums)| {
            let (day, sku, currency, api_key_id, is_credit) = line;
            let Sums { entries, amount, units } = sums;
            lend(Rollup {
                day: *day,
                sku,
                currency,
                api_key_id: api_key_id.as_deref(),
                is_credit: *is_credit,
                entries: *entries,
                amount,
                units,
            })
        })
    }

    pub(super) fn lend_charges(&self, days: (Day, Day), lend: &mut LendCharges<'_>) {
        let _ = self.lend_rollups(Some(days), &mut |rollup| match rollup.is_credit {
            true => ControlFlow::Continue(()),
            false => lend(Charges {
                day: rollup.day,
                sku: rollup.sku,
                currency: rollup.currency,
                api_key_id: rollup.api_key_id,
                spend: -rollup.amount.clone(),
                units: rollup.units.clone(),
            }),
        });
    }

    fn sums(&self) -> BTreeMap<Line, Sums> {
        let mut lines: BTreeMap<Line, Sums> = BTreeMap::new();
        for Row { entry, .. } in self.rows.values() {
            let Some(day) = Day::of(entry.timestamp) else { continue };
            let (currency, key) = (entry.currency.clone(), entry.api_key_id.clone());
            let line = (day, entry.sku.clone(), currency, key, is_credit(entry.amount));
            let sums = lines.entry(line).or_default();
            sums.entries += 1;
            sums.amount.add(entry.amount);
            sums.units.add(entry.units);
        }
        lines
    }
}

fn passes(filter: &Filter, row: &Row) -> bool {
    filter.window.contains(row.entry.timestamp)
        && filter.currency.as_ref().is_none_or(|currency| *currency == row.entry.currency)
}

impl Row {
    fn of(entry: &UsageEntry) -> Self {
        let detail = |number: fn(&InferenceDetails) -> Option<Decimal>| {
            entry.inference_details.as_ref().and_then(number).map(decimal_text)
        };
        Self {
            numbers: [entry.price_per_unit_usd, entry.units, entry.amount].map(decimal_text),
            details: [
                detail(|details| details.execution_time_ms),
                detail(|details| details.prompt_tokens),
                detail(|details| details.completion_tokens),
            ],
            entry: entry.clone(),
        }
    }

    pub(super) fn lent(&self) -> Result<LentEntry<'_>, Error> {
        let Self { entry, numbers: [price, units, amount], details: [time, prompt, completion] } = self;
        Ok(LentEntry {
            timestamp: entry.timestamp,
            sku: &entry.sku,
            price_per_unit_usd: NumberText::new(price)?,
            units: NumberText::new(units)?,
            amount: NumberText::new(amount)?,
            currency: entry.currency.as_str(),
            notes: &entry.notes,
            request_id: entry.inference_details.as_ref().and_then(|details| details.request_id.as_deref()),
            execution_time_ms: number(time)?,
            prompt_tokens: number(prompt)?,
            completion_tokens: number(completion)?,
            api_key_id: entry.api_key_id.as_deref(),
            other_fields: entry.other_fields.as_ref(),
        })
    }
}

fn number(text: &Option<String>) -> Result<Option<NumberText<'_>>, ValueError> {
    text.as_deref().map(NumberText::new).transpose()
}
