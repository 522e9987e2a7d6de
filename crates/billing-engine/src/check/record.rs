//! Compares a kept table with the same made anew from the entries. Both are in the same order, so it goes through them
//! step by step.

use std::collections::BTreeMap;
use std::iter::Peekable;
use std::mem;

use billing_model::Total;

use super::findings::{Facts, Findings, HeldSum, Values};
use super::table::Table;

/// Rows that are summed at a time, about 3 MiB. A day or a slot that has more is read again for the rest.
const MOST_OPEN: usize = 1 << 14;

/// The counts and sums of some entries.
#[derive(Default)]
struct Sums {
    entries: u64,
    amount: Total,
    units: Total,
}

/// A kept row.
pub struct Held<K> {
    /// Its key.
    pub key: K,
    /// How many entries it is of.
    pub entries: i64,
    /// The sums of amounts and of units, where it has them.
    pub totals: [Option<HeldSum>; 2],
    /// What is wrong with the row by itself.
    pub fault: Option<Values>,
}

/// A table of one account, compared with its entries.
pub struct Record<T: Table<F::Text>, F: Findings, R: Iterator<Item = Result<Held<T::Key>, F::Error>>> {
    table: T,
    account: i64,
    rows: Peekable<R>,
    /// The new rows of the present slot or day, or of the whole table. When there are too many, only the first of them.
    open: BTreeMap<T::Key, Sums>,
    /// The first row that there was no room for.
    beyond: Option<T::Key>,
    /// The slot or day of these rows.
    slot: Option<i64>,
}

impl<T: Table<F::Text>, F: Findings, R: Iterator<Item = Result<Held<T::Key>, F::Error>>> Record<T, F, R> {
    /// Begins a comparison with the account's rows, which come in the order of their keys.
    pub fn new(table: T, account: i64, rows: R) -> Self {
        let (rows, open, beyond, slot) = (rows.peekable(), BTreeMap::new(), None, None);
        Self { table, account, rows, open, beyond, slot }
    }

    /// Adds an entry. If it begins a new slot or day, the rows of the one before are compared first, because they are
    /// complete.
    ///
    /// # Errors
    /// When rows cannot be read; as the other calls.
    pub fn add(&mut self, facts: &Facts<F::Text>, findings: &mut F) -> Result<(), F::Error> {
        let key = self.table.key(facts);
        let slot = self.table.slot(&key);
        if self.slot != slot {
            self.settle(findings)?;
            self.slot = slot;
        }
        self.add_to_open(key, facts);
        Ok(())
    }

    fn add_to_open(&mut self, key: T::Key, facts: &Facts<F::Text>) {
        if self.beyond.as_ref().is_some_and(|beyond| key >= *beyond) {
            return;
        }
        let sums = self.open.entry(key).or_default();
        sums.entries += 1;
        if T::HAS_TOTALS.0 {
            sums.amount.add(facts.amount);
        }
        if T::HAS_TOTALS.1 {
            sums.units.add(facts.units);
        }
        // The first rows stay, because they are compared first.
        if self.open.len() > MOST_OPEN {
            self.beyond = self.open.pop_last().map(|(key, _)| key);
        }
    }

    /// Compares the new rows with the kept ones up to there.
    fn settle(&mut self, findings: &mut F) -> Result<(), F::Error> {
        loop {
            for (key, sums) in mem::take(&mut self.open) {
                self.pass_over(Some(&key), findings)?;
                match self.take_if(|held| *held == key)? {
                    Some(held) => self.compare(&held, &sums, findings),
                    None => {
                        let values = Values::new("entries", None, Some(sums.entries.to_string()));
                        self.differs(&key, values, findings);
                    }
                }
            }
            let Some(from) = self.beyond.take() else { return Ok(()) };
            // The entries of the present slot or day are read again, and the rows from there on are summed.
            let (table, span) = (self.table, self.table.span(self.slot));
            findings.read_again(self.account, span, &mut |facts| {
                let key = table.key(facts);
                if key >= from {
                    self.add_to_open(key, facts);
                }
            })?;
        }
    }

    /// Compares the rest of the rows.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn close(mut self, findings: &mut F) -> Result<(), F::Error> {
        self.settle(findings)?;
        self.pass_over(None, findings)
    }

    /// Notes the kept rows before a key, or all that are left, as rows that have no entries.
    fn pass_over(&mut self, end: Option<&T::Key>, findings: &mut F) -> Result<(), F::Error> {
        while let Some(held) = self.take_if(|key| end.is_none_or(|end| key < end))? {
            self.count(findings);
            let values = Values::new("entries", Some(held.entries.to_string()), None);
            self.differs(&held.key, values, findings);
        }
        Ok(())
    }

    fn take_if(&mut self, fits: impl FnOnce(&T::Key) -> bool) -> Result<Option<Held<T::Key>>, F::Error> {
        let is_next = self.rows.peek().is_some_and(|row| row.as_ref().map_or(true, |held| fits(&held.key)));
        if is_next { self.rows.next().transpose() } else { Ok(None) }
    }

    fn compare(&self, held: &Held<T::Key>, sums: &Sums, findings: &mut F) {
        self.count(findings);
        if u64::try_from(held.entries) != Ok(sums.entries) {
            let (had, expected) = (held.entries.to_string(), sums.entries.to_string());
            self.differs(&held.key, Values::new("entries", Some(had), Some(expected)), findings);
        }
        let sums = [("amount", &sums.amount), ("units", &sums.units)];
        for ((field, sum), had) in sums.into_iter().zip(&held.totals) {
            let had = match had {
                None => continue,
                Some(Ok(total)) if total == sum => continue,
                Some(Ok(total)) => total.to_string(),
                Some(Err(text)) => text.clone(),
            };
            self.differs(&held.key, Values::new(field, Some(had), Some(sum.to_string())), findings);
        }
        if let Some(fault) = &held.fault {
            self.differs(&held.key, fault.clone(), findings);
        }
    }

    fn count(&self, findings: &mut F) {
        *self.table.checked(&mut findings.notes().report.checked) += 1;
    }

    fn differs(&self, key: &T::Key, values: Values, findings: &mut F) {
        findings.add(T::KIND, |findings| self.table.place(key, findings), values);
    }
}
