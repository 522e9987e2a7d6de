//! A ledger held against its own entries: every count, sum and balance made anew, and compared with what it keeps.

use std::error::Error as _;
use std::path::Path;

use billing_ledger::{Checked, DifferenceKind, Error, ErrorKind, Report};

use crate::file::{self, LedgerFile};
use crate::ledger::SqliteLedger;
use crate::look;
use crate::schema;

mod account;
mod block;
mod blocks;
mod difference;
mod entry;
mod files;
mod findings;
mod numbers;
mod record;
mod removed;
mod sequences;
mod words;

use findings::Findings;

/// A file that cannot be read: there is nothing to compare.
fn report_damage(error: &Error) -> Report {
    let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let difference = difference::of_damage("the file", &words);
    Report { found: [(difference.kind, 1)].into(), differences: vec![difference], ..Report::default() }
}

/// A file that lacks what every ledger has: there is nothing to compare.
fn report_missing(missing: &[String]) -> Report {
    let differences: Vec<_> = missing.iter().map(|what| difference::of_missing(what)).collect();
    Report {
        found: [(DifferenceKind::Integrity, differences.len() as u64)].into(),
        differences,
        ..Report::default()
    }
}

impl SqliteLedger {
    /// Checks the ledger at a path: that its file is whole, and that everything it keeps of its entries is what they come
    /// to. That is each count, rollup and balance, to the last digit; each block, with its digests; that each entry, also one
    /// that was taken out, can be read, has its numbers and other fields in their one form, belongs to an account and to a
    /// block, and has the texts that it names; that no sequence number is missing, or there twice, or yet to come; and that
    /// keys, receipts and what is kept of imported files can be what they say.
    ///
    /// It sees one moment of the ledger, writes nothing to it, and holds nobody up; what others record meanwhile stays in
    /// the log until it ends. Entries are read in their order, once but for days with very many sums and accounts with very
    /// many blocks, and its memory does not grow with the ledger. `progress` is called every now and then.
    ///
    /// What is kept once cannot be made anew: when entries were taken out, and which came with a receipt. So a receipt is
    /// only known to be wrong when fewer entries came into the account than its receipts speak of.
    ///
    /// ```
    /// use billing_sqlite::SqliteLedger;
    /// # use billing_ledger::Ledger;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("ledger.db");
    /// # let ledger = SqliteLedger::open_or_create(&path)?;
    /// # let entry = r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"notes":"","amount":-1e-2,"currency":"USD",
    /// #   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01}"#;
    /// # let mut import = ledger.import(ledger.create_account("default")?)?;
    /// # import.write(&[billing_model::UsageEntry::from_json(entry)?])?;
    /// # import.finish()?;
    /// let report = SqliteLedger::check(&path, |checked| eprintln!("{} entries", checked.entries))?;
    /// for difference in &report.differences {
    ///     eprintln!("{difference}");
    /// }
    /// assert!(report.is_clean());
    /// assert_eq!((report.checked.entries, report.checked.blocks, report.checked.counts), (1, 1, 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`SqliteLedger::open`]; [`ErrorKind::Replaced`] when another file came to the path meanwhile, and
    /// [`ErrorKind::OlderVersion`] for a ledger that is still to be taken forward. Never [`ErrorKind::Corrupt`]: damage is
    /// what the report is for.
    pub fn check(path: &Path, progress: impl FnMut(&Checked)) -> Result<Report, Error> {
        let file = LedgerFile::new(path)?;
        let opened = match look::open(&file) {
            // Nothing can be read of it, and that is what was asked.
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(report_damage(&error)),
            opened => opened?,
        };
        let fail = |cause| file.fail(cause);
        let missing = schema::missing(&opened.connection).unwrap_or_default();
        if !missing.is_empty() {
            return Ok(report_missing(&missing));
        }
        let mut findings = Findings::new(&opened.connection, progress);
        findings.look().map_err(fail)?;
        let report = findings.report;
        // What was found is true of a file that is not at the path any more.
        if file::has_moved(&opened.connection).map_err(fail)? {
            return Err(file.error(ErrorKind::Replaced, file.advice()));
        }
        Ok(report)
    }
}
