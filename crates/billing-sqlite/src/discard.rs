//! Removes a ledger: a new one that was never used, or one that nobody wants.

use std::fs;
use std::path::Path;

use billing_ledger::{Error, ErrorKind};

use crate::file::LedgerFile;
use crate::ledger::SqliteLedger;
use crate::paths::{real, remove_files};
use crate::pending;
use crate::restore::Turn;

impl SqliteLedger {
    /// Removes the ledger if [`SqliteLedger::open_or_create`] made it and nothing was recorded in it since, by anybody: no entry,
    /// no key, no allocation, no source, and one account at most. Every other ledger stays. True when it was removed; then every call
    /// fails with [`ErrorKind::Replaced`].
    ///
    /// This is for a failed import into a new ledger: where no ledger was before, none is left.
    ///
    /// # Errors
    /// When the ledger cannot be written, or its file cannot be removed.
    pub fn remove_if_unused(&self) -> Result<bool, Error> {
        let connections = &self.0.connections;
        if !connections.is_new() {
            return Ok(false);
        }
        // An import that is under way is about to record something.
        let Some(_lock) = pending::lock(connections)? else { return Ok(false) };
        // With this, nobody can write until the file is gone. A writer that comes then is told so before anything is
        // stored.
        let writer = connections.begin()?;
        let sql = "SELECT (SELECT COUNT(*) FROM accounts) <= 1
                   AND NOT EXISTS (SELECT 1 FROM accounts WHERE diem_allocation IS NOT NULL)
                   AND NOT EXISTS (SELECT 1 FROM keys) AND NOT EXISTS (SELECT 1 FROM imports)
                   AND NOT EXISTS (SELECT 1 FROM entries) AND NOT EXISTS (SELECT 1 FROM receipts)
                   AND NOT EXISTS (SELECT 1 FROM files) AND NOT EXISTS (SELECT 1 FROM blocks)
                   AND NOT EXISTS (SELECT 1 FROM sources)";
        let is_unused =
            writer.query_row(sql, [], |row| row.get(0)).map_err(|cause| connections.fail(cause))?;
        if is_unused {
            let file = fs::canonicalize(connections.path());
            file.and_then(|file| remove_files(&file))
                .map_err(|cause| connections.error(ErrorKind::CannotOpen).caused_by(cause))?;
        }
        Ok(is_unused)
    }

    /// Removes a ledger, for good. Nothing is done where there is none.
    ///
    /// # Errors
    /// [`ErrorKind::InUse`] while anybody has it open, and when its file cannot be removed.
    pub fn discard(path: &Path) -> Result<(), Error> {
        let ledger = LedgerFile::new(path)?;
        let _turn = if ledger.id()?.is_some() { Some(Turn::take(&ledger)?) } else { None };
        remove_files(&real(ledger.file()))
            .map_err(|cause| ledger.error(ErrorKind::CannotOpen, "").caused_by(cause))
    }
}
