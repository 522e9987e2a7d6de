//! Checks what is kept of an account that is a copy of a service: where it comes from, and what was walked there.

use billing_engine::check::{Findings as _, HeldRecord, HeldSum, Values, is_wrong_source, record_place};
use billing_ledger::{Checked, DifferenceKind};
use rusqlite::{Connection, Row, Statement};

use super::findings::Findings;
use super::words::{held, held_sum, held_text};

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

/// The records of an account, from the statement [`RECORDS`].
pub(super) fn records<'s>(
    connection: &'s Connection,
    account: i64,
    select: &'s mut Statement<'_>,
) -> rusqlite::Result<impl Iterator<Item = rusqlite::Result<HeldRecord<i64>>> + 's> {
    select.query_map([account], move |row| {
        let (since_ns, mut sums) = (row.get(0)?, connection.prepare_cached(SUMS)?);
        let sum = |row: &Row<'_>| Ok((row.get(0)?, held_sum(row.get_ref(1)?)));
        Ok(HeldRecord {
            since_ns,
            until_ns: row.get(1)?,
            whole_set: held_text(row.get_ref(2)?),
            sums: sums.query_map((account, since_ns), sum)?.collect::<rusqlite::Result<_>>()?,
        })
    })
}

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// Checks where an account comes from, and gives whether it is a copy of a service.
    pub(super) fn look_at_source(&mut self, id: i64) -> rusqlite::Result<bool> {
        let connection = self.connection;
        let mut select = connection.prepare_cached(SOURCE)?;
        let mut rows = select.query([id])?;
        let Some(row) = rows.next()? else { return Ok(false) };
        self.notes.report.checked.sources += 1;
        for (at, field) in ["base_url", "key_fingerprint"].into_iter().enumerate() {
            let text = row.get_ref(at)?;
            if text.as_str().is_err() {
                is_wrong_source(field, held(text), "a text in UTF-8", self);
            }
        }
        if !row.get::<_, bool>(2)? {
            is_wrong_source("account", format!("account {id}"), "an account that is there", self);
        }
        for (field, sql) in FOREIGN {
            let count: i64 = connection.prepare_cached(sql)?.query_row([id], |row| row.get(0))?;
            if count != 0 {
                is_wrong_source(field, count.to_string(), "0, because it takes nothing from elsewhere", self);
            }
        }
        Ok(true)
    }

    /// Notes sums of records that are not there.
    pub(super) fn look_at_sums_of_no_record(&mut self, id: i64) -> rusqlite::Result<()> {
        let connection = self.connection;
        let mut select = connection.prepare_cached(ORPHANS)?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let (since_ns, currency): (i64, i64) = (row.get(0)?, row.get(1)?);
            let sum: HeldSum = held_sum(row.get_ref(2)?);
            let had = sum.map_or_else(|words| words, |total| total.to_string());
            let values = Values::new("amount", Some(had), None);
            let place =
                |findings: &Self| format!("{}, {}", record_place(since_ns, None), findings.text(&currency));
            self.add(DifferenceKind::Coverage, place, values);
        }
        Ok(())
    }
}
