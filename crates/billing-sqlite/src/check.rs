//! Checks a ledger against its own entries: every count, sum and balance is made anew and compared with what is kept.

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
mod coverage;
mod difference;
mod entry;
mod files;
mod findings;
mod numbers;
mod record;
mod removed;
mod words;

use findings::Findings;

/// The report of a file that cannot be read.
fn report_damage(error: &Error) -> Report {
    let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
    let difference = difference::of_damage("the file", &words);
    Report { found: [(difference.kind, 1)].into(), differences: vec![difference], ..Report::default() }
}

/// The report of a file that lacks what every ledger has.
fn report_missing(missing: &[String]) -> Report {
    let differences: Vec<_> = missing.iter().map(|what| difference::of_missing(what)).collect();
    Report {
        found: [(DifferenceKind::Integrity, differences.len() as u64)].into(),
        differences,
        ..Report::default()
    }
}

impl SqliteLedger {
    /// Checks the ledger at a path: that its file is whole, and that everything it keeps agrees with its entries. Each
    /// count, rollup and balance is compared to the last digit, and each block with its digests. Each entry, also one
    /// that was taken out, must be readable, have its numbers and other fields in their one form, belong to an account
    /// and to a block, and have the texts that it names. No sequence number may be missing, there twice, or higher than
    /// any that was given out. Keys, receipts and records of imported files must be possible. An entry of a synced
    /// account must be in one record of what was walked, which agrees with its entries, and nothing came there from elsewhere.
    ///
    /// It sees one moment of the ledger, writes nothing to it, and keeps nobody waiting. What others record meanwhile
    /// stays in the log until it ends. Entries are read in their order; twice only on days with very many sums and in
    /// accounts with very many blocks. Its memory does not grow with the ledger. `progress` is called every now and
    /// then.
    ///
    /// Some of what is kept cannot be made anew: when entries were taken out, and which of them came with a receipt. So
    /// a receipt is known to be wrong only when fewer entries came into the account than its receipts say.
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
        let opened = match look::open(&file, schema::VERSION) {
            // The file cannot be read, and that is the result of the check.
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
        let report = findings.notes.report;
        // The findings are about a file that is no longer at the path.
        if file::has_moved(&opened.connection).map_err(fail)? {
            return Err(file.error(ErrorKind::Replaced, file.advice()));
        }
        Ok(report)
    }
}
