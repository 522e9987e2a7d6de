//! A ledger held against its own entries: every count, sum and balance made anew, and compared with what it keeps.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::file::{self, LedgerFile};
use crate::ledger::Ledger;
use crate::look;
use crate::schema;

mod account;
mod difference;
mod files;
mod findings;
mod numbers;
mod record;
mod sequences;

pub use difference::{Difference, DifferenceKind};

use findings::Findings;

/// What a check looked at, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was looked at.
    pub checked: Checked,
    /// What differs, in the order in which it was found: of each kind the first [`Report::LISTED`].
    pub differences: Vec<Difference>,
    /// How many there are of each kind, those that are not listed too.
    pub found: BTreeMap<DifferenceKind, u64>,
}

/// How much of each was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Accounts, also those that only entries or sums speak of.
    pub accounts: u64,
    /// Entries that there are to see.
    pub entries: u64,
    /// Entries that an import has stored which has not ended: nobody sees them, and no sum has them.
    pub hidden_entries: u64,
    /// Counts of entries in a span of time.
    pub counts: u64,
    /// Sums of a day, product, currency and API key.
    pub rollups: u64,
    /// Sums of a currency over all time.
    pub balances: u64,
    /// Receipts of batches.
    pub receipts: u64,
    /// Files that were imported.
    pub files: u64,
    /// API keys.
    pub keys: u64,
    /// Texts that entries share.
    pub texts: u64,
}

impl Report {
    /// Differences of one kind that are listed; one lost account can make millions.
    pub const LISTED: u64 = 50;

    /// True when nothing differs.
    pub fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    fn of_damage(error: &Error) -> Self {
        let words = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        let difference = Difference::of_damage("the file", &words);
        Self { found: [(difference.kind, 1)].into(), differences: vec![difference], ..Self::default() }
    }

    /// A file that lacks what every ledger has: there is nothing to compare.
    fn of_missing(missing: &[String]) -> Self {
        let differences: Vec<_> = missing.iter().map(|what| Difference::of_missing(what)).collect();
        Self {
            found: [(DifferenceKind::Integrity, differences.len() as u64)].into(),
            differences,
            ..Self::default()
        }
    }

    /// How many differences there are, those that are not listed too.
    pub fn total(&self) -> u64 {
        self.found.values().sum()
    }
}

impl Ledger {
    /// Checks the ledger at a path: that its file is whole, and that everything it keeps of its entries is what they come
    /// to. That is each count, rollup and balance, to the last digit; that each entry can be read, belongs to an account
    /// and has the texts that it names; that no sequence number is missing, or there twice, or yet to come; and that keys,
    /// receipts and what is kept of imported files can be what they say.
    ///
    /// It sees one moment of the ledger, writes nothing to it, and holds nobody up; what others record meanwhile stays in
    /// the log until it ends. Entries are read in their order, once but for days with very many sums, and its memory does
    /// not grow with the ledger. `progress` is called every now and then.
    ///
    /// What is kept once cannot be made anew: price, notes, request id and the other details of an entry are read and not
    /// compared, and which entries came with a receipt is not recorded. So a receipt is only known to be wrong when the
    /// account has fewer entries than its receipts speak of.
    ///
    /// ```
    /// use billing_store::Ledger;
    /// # use billing_model::Sink;
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("ledger.db");
    /// # let ledger = Ledger::open_or_create(&path)?;
    /// # let entry = r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"notes":"","amount":-1e-2,"currency":"USD",
    /// #   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01}"#;
    /// # let mut import = ledger.import(ledger.create_account("default")?)?;
    /// # import.write(&[billing_model::UsageEntry::from_json(entry)?])?;
    /// # import.finish()?;
    /// let report = Ledger::check(&path, |checked| eprintln!("{} entries", checked.entries))?;
    /// for difference in &report.differences {
    ///     eprintln!("{difference}");
    /// }
    /// assert!(report.is_clean());
    /// assert_eq!((report.checked.entries, report.checked.rollups, report.checked.counts), (1, 1, 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Ledger::open`]; [`ErrorKind::Replaced`] when another file came to the path meanwhile, and
    /// [`ErrorKind::OlderVersion`] for a ledger that is still to be taken forward. Never [`ErrorKind::Corrupt`]: damage is
    /// what the report is for.
    pub fn check(path: &Path, progress: impl FnMut(&Checked)) -> Result<Report, Error> {
        let file = LedgerFile::new(path)?;
        let opened = match look::open(&file) {
            // Nothing can be read of it, and that is what was asked.
            Err(error) if error.kind() == ErrorKind::Corrupt => return Ok(Report::of_damage(&error)),
            opened => opened?,
        };
        let fail = |cause| file.fail(cause);
        let missing = schema::missing(&opened.connection).unwrap_or_default();
        if !missing.is_empty() {
            return Ok(Report::of_missing(&missing));
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
