//! A ledger in a directory of its own.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use billing_ledger::{AccountId, Filter, Ledger as _};
use billing_model::UsageEntry;
use billing_sqlite::SqliteLedger;
use rusqlite::Connection;
use tempfile::TempDir;

pub(crate) use billing_testkit::ledger_suite::house::{any_mixed_entries, expected, import, walk};

/// SQL that takes a ledger back to version 4.
pub(crate) const BACK_TO_4: &str = include_str!("../back_to_4.sql");

/// A ledger with one account.
pub(crate) struct House {
    pub(crate) ledger: SqliteLedger,
    pub(crate) account: AccountId,
    directory: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap();
        let account = ledger.create_account("ours").unwrap();
        Self { ledger, account, directory }
    }

    /// A new account in a ledger that all property tests share, because making a file for each case would take too long.
    pub(crate) fn shared() -> (&'static SqliteLedger, AccountId) {
        static SHARED: LazyLock<House> = LazyLock::new(House::new);
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let account = SHARED.ledger.create_account(&format!("account {number}")).unwrap();
        (&SHARED.ledger, account)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ledger.db")
    }

    /// Closes the ledger and opens it again.
    pub(crate) fn reopened(self) -> Self {
        let Self { ledger, account, directory } = self;
        drop(ledger);
        Self { ledger: SqliteLedger::open(&directory.path().join("ledger.db")).unwrap(), account, directory }
    }

    /// Closes the ledger, changes its file with another tool, and opens it again.
    pub(crate) fn edited(self, edit: impl FnOnce(&mut Connection)) -> Self {
        let Self { ledger, account, directory } = self;
        drop(ledger);
        let path = directory.path().join("ledger.db");
        edit(&mut Connection::open(&path).unwrap());
        Self { ledger: SqliteLedger::open(&path).unwrap(), account, directory }
    }

    /// A copy of the ledger as it is now, which is not open, in a directory of its own.
    pub(crate) fn copied(&self) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        self.ledger.back_up(&path).unwrap();
        (directory, path)
    }

    /// Closes the ledger, and keeps its directory.
    pub(crate) fn closed(self) -> TempDir {
        self.directory
    }

    /// All entries, the oldest first.
    pub(crate) fn entries(&self) -> Vec<UsageEntry> {
        walk(&self.ledger, self.account, &Filter::default(), 1000)
    }
}
