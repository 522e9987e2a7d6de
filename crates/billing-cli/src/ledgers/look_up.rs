//! Looks into a ledger that is to stay as it is, if there is one: for a dry run.

use std::path::{Path, PathBuf};

use billing_ledger::{AccountId, ErrorKind, ImportedFile, Ledger, Source};
use billing_postgres::{PostgresLedger, Settings};
use billing_sqlite::SqliteLedger;

use super::password;
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::terminal;

/// An account of this name in a ledger. Neither needs to be there.
pub(crate) enum LookUp {
    /// A file is looked into at each question, and not taken forward.
    File { path: PathBuf, account: String },
    /// The account in a database, where there is one.
    Database(Option<(PostgresLedger, AccountId)>),
}

impl LookUp {
    /// # Errors
    /// When the ledger cannot be opened, but not when there is none.
    pub(crate) fn of(place: &LedgerPlace, account: &str) -> Result<Self, Failure> {
        let target = match place {
            LedgerPlace::File(path) => return Ok(Self::of_file(path, account)),
            LedgerPlace::Database { target, .. } => target,
        };
        let target = password::completed(target, &|text| terminal::note(&format!("note: {text}")));
        let settings = Settings { may_migrate: false, ..Settings::COMMAND };
        let ledger = match PostgresLedger::open(target, settings) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Database(None)),
            ledger => ledger?,
        };
        let account = ledger.account(account)?;
        Ok(Self::Database(account.map(|account| (ledger, account))))
    }

    fn of_file(path: &Path, account: &str) -> Self {
        Self::File { path: path.to_owned(), account: account.to_owned() }
    }

    /// True when there is such an account.
    pub(crate) fn is_there(&self) -> Result<bool, Failure> {
        match self {
            Self::File { path, account } => Ok(SqliteLedger::has_account(path, account)?),
            Self::Database(found) => Ok(found.is_some()),
        }
    }

    /// The service that the account is a copy of.
    pub(crate) fn source(&self) -> Result<Option<Source>, Failure> {
        match self {
            Self::File { path, account } => Ok(SqliteLedger::look_up_source(path, account)?),
            Self::Database(Some((ledger, account))) => Ok(ledger.source(*account)?),
            Self::Database(None) => Ok(None),
        }
    }

    /// What the account knows of files with these SHA-256. Without any, a place that is no ledger is found.
    pub(crate) fn files(&self, sha256s: &[[u8; 32]]) -> Result<Vec<Option<ImportedFile>>, Failure> {
        match self {
            Self::File { path, account } => Ok(SqliteLedger::look_up_files(path, account, sha256s)?),
            Self::Database(Some((ledger, account))) => {
                let find = |sha256| ledger.imported_file(*account, sha256);
                Ok(sha256s.iter().map(find).collect::<Result<_, _>>()?)
            }
            Self::Database(None) => Ok(vec![None; sha256s.len()]),
        }
    }
}
