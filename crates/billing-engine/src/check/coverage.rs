//! Compares what was walked of an account that is a copy of a service with its entries.

use std::collections::BTreeMap;
use std::iter::Peekable;

use billing_ledger::DifferenceKind;
use billing_model::{Total, WholeSet};

use super::findings::{Findings, HeldSum, Values};
use super::reader::Share;
use super::words::instant;

/// A record of coverage as it is kept.
pub struct HeldRecord<T> {
    /// The first instant of its window, in nanoseconds since 1970.
    pub since_ns: i64,
    /// The end of its window, which is not in it.
    pub until_ns: i64,
    /// The text of the set of its entries.
    pub whole_set: String,
    /// Its sums by currency, in any order.
    pub sums: Vec<(T, HeldSum)>,
}

/// A record, and the same made anew from its entries.
struct Record<T> {
    held: HeldRecord<T>,
    /// False when an entry could not be read: then its set is not known.
    has_set: bool,
    set: WholeSet,
    sums: BTreeMap<T, Total>,
}

/// The records of an account beside its entries, which come in the order of time.
pub struct Walked<F: Findings, R: Iterator<Item = Result<HeldRecord<F::Text>, F::Error>>> {
    is_synced: bool,
    rows: Peekable<R>,
    /// The record that began last, if any has.
    present: Option<Record<F::Text>>,
    /// Where the records so far end.
    end_ns: i64,
}

impl<F: Findings, R: Iterator<Item = Result<HeldRecord<F::Text>, F::Error>>> Walked<F, R> {
    /// Begins with the records of an account in the order of time.
    pub fn new(is_synced: bool, rows: R) -> Self {
        Self { is_synced, rows: rows.peekable(), present: None, end_ns: i64::MIN }
    }

    /// True when each entry is to be in a record.
    pub fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Adds an entry to its record. `place` says which entry it is.
    ///
    /// # Errors
    /// When records cannot be read; as the other call.
    pub fn add(
        &mut self,
        share: &Share<F::Text>,
        place: impl FnOnce() -> String,
        findings: &mut F,
    ) -> Result<(), F::Error> {
        if !self.is_synced {
            return Ok(());
        }
        while self.rows.peek().is_some_and(|next| {
            // An error is passed on by who takes it.
            next.as_ref().map_or(true, |next| next.since_ns <= share.timestamp_ns)
        }) {
            self.settle(findings)?;
        }
        match self.present.as_mut().filter(|record| share.timestamp_ns < record.held.until_ns) {
            Some(record) => record.add(share),
            None => {
                let values = Values::new("coverage", None, Some("there".to_owned()));
                findings.add(DifferenceKind::Coverage, |_| place(), values);
            }
        }
        Ok(())
    }

    /// Compares the rest of the records.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn close(mut self, findings: &mut F) -> Result<(), F::Error> {
        while self.present.is_some() || self.rows.peek().is_some() {
            self.settle(findings)?;
        }
        Ok(())
    }

    /// Compares the present record, and begins the next one.
    fn settle(&mut self, findings: &mut F) -> Result<(), F::Error> {
        if let Some(record) = self.present.take().filter(|_| self.is_synced) {
            record.compare(findings);
        }
        self.present = self.rows.next().transpose()?.map(Record::of);
        let Some(record) = &self.present else { return Ok(()) };
        findings.notes().report.checked.coverage += 1;
        let HeldRecord { since_ns, until_ns, .. } = record.held;
        let mut wrong = |field, held: i64, expected: Option<String>| {
            let values = Values::new(field, Some(instant(held)), expected);
            findings.add(DifferenceKind::Coverage, |_| record.place(), values);
        };
        if !self.is_synced {
            wrong("since_ns", since_ns, None);
            return Ok(());
        }
        if since_ns >= until_ns {
            wrong("until_ns", until_ns, Some("later than its begin".to_owned()));
        }
        if since_ns < self.end_ns {
            let expected = format!("{} or later, where the record before ends", instant(self.end_ns));
            wrong("since_ns", since_ns, Some(expected));
        }
        self.end_ns = self.end_ns.max(until_ns);
        Ok(())
    }
}

impl<T: Ord + Clone> Record<T> {
    fn of(held: HeldRecord<T>) -> Self {
        Self { held, has_set: true, set: WholeSet::EMPTY, sums: BTreeMap::new() }
    }

    fn add(&mut self, share: &Share<T>) {
        self.sums.entry(share.currency.clone()).or_default().add(share.amount);
        match share.digests {
            Some((_, whole)) => self.set.add(whole),
            None => self.has_set = false,
        }
    }

    /// Compares it with its entries. A sum of zero need not be kept.
    fn compare<F: Findings<Text = T>>(mut self, findings: &mut F) {
        let (place, made) = (self.place(), self.set.to_string());
        if self.has_set && made != self.held.whole_set {
            let values = Values::new("whole_set", Some(self.held.whole_set), Some(made));
            findings.add(DifferenceKind::Coverage, |_| place.clone(), values);
        }
        let mut is_wrong = |currency: T, had: Option<String>, sum: Total| {
            let of_currency = |findings: &F| format!("{place}, {}", findings.text(&currency));
            let values = Values::new("amount", had, Some(sum.to_string()));
            findings.add(DifferenceKind::Coverage, of_currency, values);
        };
        for (currency, had) in self.held.sums {
            let sum = self.sums.remove(&currency).unwrap_or_default();
            if had.as_ref() != Ok(&sum) {
                is_wrong(currency, Some(had.map_or_else(|words| words, |total| total.to_string())), sum);
            }
        }
        for (currency, sum) in self.sums.into_iter().filter(|(_, sum)| !sum.is_zero()) {
            is_wrong(currency, None, sum);
        }
    }

    fn place(&self) -> String {
        record_place(self.held.since_ns, Some(self.held.until_ns))
    }
}

/// Which record it is: its time, in nanoseconds since 1970.
pub fn record_place(since_ns: i64, until_ns: Option<i64>) -> String {
    let since = match since_ns {
        i64::MIN => "the beginning".to_owned(),
        ns => instant(ns),
    };
    let until = until_ns.map_or(String::new(), |ns| format!(" to {}", instant(ns)));
    format!("from {since}{until}")
}
