//! Checks what is kept of an account that is a copy of a service: where it comes from, and what was walked there.

use std::collections::BTreeMap;

use billing_ledger::{Checked, DifferenceKind};
use billing_model::{Total, WholeSet};
use rusqlite::{Row, Rows, Statement};

use super::entry::Share;
use super::findings::{Findings, Values};
use super::words::{held, held_sum, instant, total};

/// The records of an account in the order of time.
pub(super) const RECORDS: &str =
    "SELECT since_ns, until_ns, whole_set FROM coverage WHERE account = ?1 ORDER BY since_ns";

const SUMS: &str =
    "SELECT currency, amount FROM coverage_sums WHERE account = ?1 AND since_ns = ?2 ORDER BY currency";

/// Sums of no record.
const ORPHANS: &str = "
    SELECT since_ns, currency, amount FROM coverage_sums AS sums WHERE account = ?1
    AND NOT EXISTS (SELECT 1 FROM coverage WHERE coverage.account = sums.account AND coverage.since_ns = sums.since_ns)";

const SOURCE: &str = "
    SELECT base_url, key_fingerprint, EXISTS (SELECT 1 FROM accounts WHERE id = account) FROM sources WHERE account = ?1";

/// What a copy of a service never has, each with a statement that counts it.
const FOREIGN: [(&str, &str); 3] = [
    ("receipts", "SELECT COUNT(*) FROM receipts WHERE account = ?1"),
    ("files", "SELECT COUNT(*) FROM files WHERE account = ?1"),
    ("imports", "SELECT COUNT(*) FROM imports WHERE account = ?1"),
];

/// A record as it is kept, and the same made anew from its entries.
struct Record {
    since_ns: i64,
    until_ns: i64,
    held_set: String,
    /// False when an entry could not be read: then its set is not known.
    has_set: bool,
    set: WholeSet,
    sums: BTreeMap<i64, Total>,
}

/// The records of an account beside its entries, which come in the order of time.
pub(super) struct Walked<'s> {
    account: i64,
    is_synced: bool,
    rows: Rows<'s>,
    /// The record that began last, if any has.
    present: Option<Record>,
    next: Option<Record>,
    /// Where the records so far end.
    end_ns: i64,
}

impl<'s> Walked<'s> {
    /// Begins with the statement [`RECORDS`].
    pub(super) fn new(
        account: i64,
        is_synced: bool,
        select: &'s mut Statement<'_>,
    ) -> rusqlite::Result<Self> {
        let rows = select.query([account])?;
        let mut walked = Self { account, is_synced, rows, present: None, next: None, end_ns: i64::MIN };
        walked.step()?;
        Ok(walked)
    }

    /// True when each entry is to be in a record.
    pub(super) fn is_synced(&self) -> bool {
        self.is_synced
    }

    /// Adds an entry to its record. `place` says which entry it is.
    pub(super) fn add<F: FnMut(&Checked)>(
        &mut self,
        share: &Share,
        place: impl FnOnce() -> String,
        findings: &mut Findings<'_, F>,
    ) -> rusqlite::Result<()> {
        if !self.is_synced {
            return Ok(());
        }
        while self.next.as_ref().is_some_and(|next| next.since_ns <= share.timestamp_ns) {
            self.settle(findings)?;
        }
        match self.present.as_mut().filter(|record| share.timestamp_ns < record.until_ns) {
            Some(record) => record.add(share),
            None => {
                let values = Values::new("coverage", None, Some("there".to_owned()));
                findings.add(DifferenceKind::Coverage, |_| place(), values);
            }
        }
        Ok(())
    }

    /// Compares the rest of the records.
    pub(super) fn close<F: FnMut(&Checked)>(
        mut self,
        findings: &mut Findings<'_, F>,
    ) -> rusqlite::Result<()> {
        while self.present.is_some() || self.next.is_some() {
            self.settle(findings)?;
        }
        Ok(())
    }

    /// Compares the present record, and begins the next one.
    fn settle<F: FnMut(&Checked)>(&mut self, findings: &mut Findings<'_, F>) -> rusqlite::Result<()> {
        if let Some(record) = self.present.take().filter(|_| self.is_synced) {
            record.compare(self.account, findings)?;
        }
        self.present = self.next.take();
        self.step()?;
        let Some(record) = &self.present else { return Ok(()) };
        findings.report.checked.coverage += 1;
        let Record { since_ns, until_ns, .. } = *record;
        let wrong = |field, held: i64, expected: Option<String>, findings: &mut Findings<'_, F>| {
            let values = Values::new(field, Some(instant(held)), expected);
            findings.add(DifferenceKind::Coverage, |_| record.place(), values);
        };
        if !self.is_synced {
            wrong("since_ns", since_ns, None, findings);
            return Ok(());
        }
        if since_ns >= until_ns {
            wrong("until_ns", until_ns, Some("later than its begin".to_owned()), findings);
        }
        if since_ns < self.end_ns {
            let expected = format!("{} or later, where the record before ends", instant(self.end_ns));
            wrong("since_ns", since_ns, Some(expected), findings);
        }
        self.end_ns = self.end_ns.max(until_ns);
        Ok(())
    }

    fn step(&mut self) -> rusqlite::Result<()> {
        self.next = self.rows.next()?.map(Record::of).transpose()?;
        Ok(())
    }
}

impl Record {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let set = row.get_ref(2)?;
        Ok(Self {
            since_ns: row.get(0)?,
            until_ns: row.get(1)?,
            held_set: set.as_str().map_or_else(|_| held(set), str::to_owned),
            has_set: true,
            set: WholeSet::EMPTY,
            sums: BTreeMap::new(),
        })
    }

    fn add(&mut self, share: &Share) {
        self.sums.entry(share.currency).or_default().add(share.amount);
        match share.digests {
            Some((_, whole)) => self.set.add(whole),
            None => self.has_set = false,
        }
    }

    /// Compares it with its entries. A sum of zero need not be kept.
    fn compare<F: FnMut(&Checked)>(
        mut self,
        account: i64,
        findings: &mut Findings<'_, F>,
    ) -> rusqlite::Result<()> {
        let place = self.place();
        let made = self.set.to_string();
        if self.has_set && made != self.held_set {
            let values = Values::new("whole_set", Some(self.held_set), Some(made));
            findings.add(DifferenceKind::Coverage, |_| place.clone(), values);
        }
        let is_wrong = |currency: i64, values: Values, findings: &mut Findings<'_, F>| {
            let of_currency = |findings: &Findings<'_, F>| format!("{place}, {}", findings.text(currency));
            findings.add(DifferenceKind::Coverage, of_currency, values);
        };
        let mut select = findings.connection.prepare_cached(SUMS)?;
        let mut rows = select.query((account, self.since_ns))?;
        while let Some(row) = rows.next()? {
            let (currency, amount) = (row.get(0)?, row.get_ref(1)?);
            let sum = self.sums.remove(&currency).unwrap_or_default();
            if total(amount).as_ref() != Some(&sum) {
                let values = Values::new("amount", Some(held_sum(amount)), Some(sum.to_string()));
                is_wrong(currency, values, findings);
            }
        }
        for (currency, sum) in self.sums.into_iter().filter(|(_, sum)| !sum.is_zero()) {
            is_wrong(currency, Values::new("amount", None, Some(sum.to_string())), findings);
        }
        Ok(())
    }

    fn place(&self) -> String {
        place(self.since_ns, Some(self.until_ns))
    }
}

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// Checks where an account comes from, and gives whether it is a copy of a service.
    pub(super) fn look_at_source(&mut self, id: i64) -> rusqlite::Result<bool> {
        let connection = self.connection;
        let mut select = connection.prepare_cached(SOURCE)?;
        let mut rows = select.query([id])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        self.report.checked.sources += 1;
        for (at, field) in ["base_url", "key_fingerprint"].into_iter().enumerate() {
            let text = row.get_ref(at)?;
            if text.as_str().is_err() {
                self.is_wrong_source(field, held(text), "a text in UTF-8");
            }
        }
        if !row.get::<_, bool>(2)? {
            self.is_wrong_source("account", format!("account {id}"), "an account that is there");
        }
        for (field, sql) in FOREIGN {
            let count: i64 = connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
            if count != 0 {
                self.is_wrong_source(field, count.to_string(), "0, because it takes nothing from elsewhere");
            }
        }
        Ok(true)
    }

    fn is_wrong_source(&mut self, field: &'static str, held: String, expected: &str) {
        let values = Values::new(field, Some(held), Some(expected.to_owned()));
        self.add(DifferenceKind::Source, |_| "the source".to_owned(), values);
    }

    /// Notes sums of records that are not there.
    pub(super) fn look_at_sums_of_no_record(&mut self, id: i64) -> rusqlite::Result<()> {
        let connection = self.connection;
        let mut select = connection.prepare_cached(ORPHANS)?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let (since_ns, currency): (i64, i64) = (row.get(0)?, row.get(1)?);
            let values = Values::new("amount", Some(held_sum(row.get_ref(2)?)), None);
            let place = |findings: &Self| format!("{}, {}", place(since_ns, None), findings.text(currency));
            self.add(DifferenceKind::Coverage, place, values);
        }
        Ok(())
    }
}

/// Which record it is: its time.
fn place(since_ns: i64, until_ns: Option<i64>) -> String {
    let since = match since_ns {
        i64::MIN => "the beginning".to_owned(),
        ns => instant(ns),
    };
    let until = until_ns.map_or(String::new(), |ns| format!(" to {}", instant(ns)));
    format!("from {since}{until}")
}
