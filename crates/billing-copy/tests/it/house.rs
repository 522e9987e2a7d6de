//! Ledgers of a test's own, of either engine.

use std::path::PathBuf;

use billing_copy::{Copied, copy};
use billing_ledger::{CopyFrom, CopyInto, Error, Ledger, LedgerSecret};
use billing_postgres::{PostgresCopy, PostgresLedger, Settings, Target};
use billing_sqlite::{SqliteCopy, SqliteLedger};
use billing_testkit::Postgres;
use tempfile::TempDir;

/// Where a ledger is, or is to be.
pub(crate) enum Place {
    /// The directory goes with it.
    File(PathBuf, #[expect(dead_code, reason = "it is only dropped")] TempDir),
    Database(String, &'static Postgres),
}

impl Place {
    /// A file where nothing is yet.
    pub(crate) fn file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self::File(directory.path().join("ledger.db"), directory)
    }

    /// A database without anything; `None` leaves the test out.
    #[track_caller]
    pub(crate) fn database() -> Option<Self> {
        let postgres = Postgres::need()?;
        Some(Self::Database(postgres.database(), postgres))
    }

    /// The ledger that is there, which can be copied.
    pub(crate) fn try_open(&self) -> Result<Box<dyn CopyFrom>, Error> {
        Ok(match self {
            Self::File(path, _) => Box::new(SqliteLedger::open(path)?),
            Self::Database(url, _) => Box::new(PostgresLedger::open(target(url), Settings::COMMAND)?),
        })
    }

    pub(crate) fn open(&self) -> Box<dyn CopyFrom> {
        self.try_open().unwrap()
    }

    /// A new ledger.
    pub(crate) fn make(&self) -> Box<dyn CopyFrom> {
        match self {
            Self::File(path, _) => Box::new(SqliteLedger::open_or_create(path).unwrap()),
            Self::Database(url, _) => {
                Box::new(PostgresLedger::open_or_create(target(url), Settings::COMMAND).unwrap())
            }
        }
    }

    /// A copy that begins there, or goes on.
    pub(crate) fn try_begin(&self, secret: LedgerSecret) -> Result<Box<dyn CopyInto>, Error> {
        Ok(match self {
            Self::File(path, _) => Box::new(SqliteCopy::begin(path, secret)?),
            Self::Database(url, _) => Box::new(PostgresCopy::begin(target(url), Settings::COMMAND, secret)?),
        })
    }

    pub(crate) fn begin(&self, secret: LedgerSecret) -> Box<dyn CopyInto> {
        self.try_begin(secret).unwrap()
    }

    /// Changes the tables of a database by hand.
    pub(crate) fn tamper(&self, sql: &str) {
        match self {
            Self::File(path, _) => panic!("{} is no database", path.display()),
            Self::Database(url, postgres) => {
                postgres.sql(url, &format!("SET search_path TO billing; {sql}"));
            }
        }
    }

    /// Everything that it keeps agrees with its entries.
    pub(crate) fn check(&self) {
        let report = match self {
            Self::File(path, _) => SqliteLedger::check(path, |_| {}).unwrap(),
            Self::Database(url, _) => PostgresLedger::check(target(url), Settings::COMMAND, |_| {}).unwrap(),
        };
        assert!(report.is_clean(), "{:#?}", report.differences);
    }
}

fn target(url: &str) -> Target {
    url.parse().unwrap()
}

/// Copies all of a ledger that nobody else has open.
pub(crate) fn copied(from: &dyn CopyFrom, into: &Place) -> Copied {
    let copied = copy(from, into.begin(from.secret()), &|_| ()).unwrap();
    assert_eq!(copied.unfinished, None);
    copied
}

/// The names of all accounts.
pub(crate) fn names(ledger: &dyn Ledger) -> Vec<String> {
    ledger.accounts().unwrap().into_iter().map(|account| account.name).collect()
}
