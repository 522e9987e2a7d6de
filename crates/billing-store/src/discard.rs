//! A new ledger that came to nothing.

use std::{fs, io};

use crate::error::{Error, ErrorKind};
use crate::file::with_suffix;
use crate::ledger::Ledger;
use crate::pending;

impl Ledger {
    /// Removes the ledger if [`Ledger::open_or_create`] made it and nothing was recorded in it since, by anybody: no entry,
    /// no key, no allocation, and one account at most. Every other ledger stays. True when it was removed; then every call
    /// fails with [`ErrorKind::Replaced`].
    ///
    /// For an import into a new ledger that failed: where none was before, none is left.
    ///
    /// # Errors
    /// When the ledger cannot be written, or its file cannot be removed.
    pub fn remove_if_unused(&self) -> Result<bool, Error> {
        let connections = &self.0.connections;
        if !connections.is_new() {
            return Ok(false);
        }
        // An import that has begun is about to record something.
        let Some(_lock) = pending::lock(connections)? else { return Ok(false) };
        // Nobody writes until the file is gone, and who writes then is told so before anything is stored.
        let writer = connections.begin()?;
        let sql = "SELECT (SELECT COUNT(*) FROM accounts) <= 1
                   AND NOT EXISTS (SELECT 1 FROM accounts WHERE diem_allocation IS NOT NULL)
                   AND NOT EXISTS (SELECT 1 FROM keys) AND NOT EXISTS (SELECT 1 FROM imports)
                   AND NOT EXISTS (SELECT 1 FROM entries) AND NOT EXISTS (SELECT 1 FROM receipts)
                   AND NOT EXISTS (SELECT 1 FROM files)";
        let is_unused =
            writer.query_row(sql, [], |row| row.get(0)).map_err(|cause| connections.fail(cause))?;
        if is_unused {
            // The file first: a log without its file is not read, and a file without its log would be.
            let failed = |cause| connections.error(ErrorKind::CannotOpen).caused_by(cause);
            let file = fs::canonicalize(connections.path()).map_err(failed)?;
            for suffix in ["", "-wal", "-shm"] {
                match fs::remove_file(with_suffix(&file, suffix)) {
                    Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(failed(cause)),
                    _ => {}
                }
            }
        }
        Ok(is_unused)
    }
}
