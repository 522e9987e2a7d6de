//! The files that an account's entries came from. The content of a file comes in once.

use std::path::Path;

use billing_ledger::{AccountId, Error, ErrorKind, FileContent, ImportedFile};
use billing_model::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::account;
use crate::connections::Connections;
use crate::error::failure;
use crate::file::LedgerFile;
use crate::ledger::SqliteLedger;
use crate::look;
use crate::row::{count, signed};
use crate::schema;

impl SqliteLedger {
    /// The file with this SHA-256, if it was imported into an account. A file without entries is never noted, because
    /// nothing of it can be there twice.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn imported_file(
        &self,
        account: AccountId,
        sha256: &[u8; 32],
    ) -> Result<Option<ImportedFile>, Error> {
        self.0.connections.read(|reader| find(reader, account, sha256))
    }

    /// True when files were imported into an account. Otherwise it is not worth the time to compute a digest.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub(crate) fn has_imported_files(&self, account: AccountId) -> Result<bool, Error> {
        self.0.connections.read(|reader| {
            let sql = "SELECT EXISTS (SELECT 1 FROM files WHERE account = ?1)";
            reader.query_row(sql, [account.0], |row| row.get(0))
        })
    }

    /// What [`imported_file`](billing_ledger::Ledger::imported_file) says of each of these SHA-256, of the account with this name in the
    /// ledger at a path, which is not opened: it is left as it is, also when it is of an older version, and none is made.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`]; never [`ErrorKind::NotFound`], since without a ledger nothing was imported.
    pub fn look_up_files(
        path: &Path,
        account: &str,
        sha256s: &[[u8; 32]],
    ) -> Result<Vec<Option<ImportedFile>>, Error> {
        let file = LedgerFile::new(path)?;
        let opened = match look::open(&file, schema::FILES_SINCE) {
            // A ledger of such an old version kept no record of its imports.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::OlderVersion) => {
                return Ok(vec![None; sha256s.len()]);
            }
            opened => opened?,
        };
        let reader = &opened.connection;
        let found = account::find(reader, account).and_then(|account| {
            let find = |sha256| account.map_or(Ok(None), |account| find(reader, account, sha256));
            sha256s.iter().map(find).collect()
        });
        found.map_err(|cause| file.fail(cause))
    }

    /// Whether the ledger at a path has an account of this name. It is not opened: it is left as it is, also when it is of an older
    /// version, and none is made.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`]; never [`ErrorKind::NotFound`], since without a ledger there is no account.
    pub fn has_account(path: &Path, name: &str) -> Result<bool, Error> {
        let file = LedgerFile::new(path)?;
        match look::open(&file, 1) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            opened => {
                let found = account::find(&opened?.connection, name).map_err(|cause| file.fail(cause))?;
                Ok(found.is_some())
            }
        }
    }
}

/// A file of an import, and which of the import's entries came from it.
#[derive(Clone, Debug)]
pub(crate) struct FileEntries {
    pub(crate) content: FileContent,
    /// How many entries of the import come before it.
    pub(crate) before: u64,
    pub(crate) entries: u64,
}

/// Keeps the files of an import, in the transaction that shows its entries, the first of which has this number. Refuses one
/// that the account has by now, unless it is to come again; then the transaction is of no further use.
pub(crate) fn record(
    connections: &Connections,
    writer: &Connection,
    account: AccountId,
    first_sequence: u64,
    files: &[FileEntries],
) -> Result<(), Error> {
    let fail = |cause| connections.fail(cause);
    for FileEntries { content, before, entries } in files {
        let FileContent { name, sha256, imported_at, again } = content;
        let found = if *again { None } else { find(writer, account, sha256).map_err(fail)? };
        if let Some(found) = found {
            let detail = format!("`{name}` was imported before: {found}");
            return Err(failure(ErrorKind::AlreadyImported, connections.path(), detail));
        }
        let imported_ns = imported_at.unix_ns().ok_or_else(|| Error::timestamp(*imported_at))?;
        // `copy` is the number of times that the same content was imported before.
        writer
            .prepare_cached(
                "INSERT INTO files (account, sha256, copy, name, imported_ns, entries, first_sequence)
                 SELECT ?1, ?2, COUNT(*), ?3, ?4, ?5, ?6 FROM files WHERE account = ?1 AND sha256 = ?2",
            )
            .and_then(|mut insert| {
                let (entries, first) = (signed(*entries), signed(first_sequence + before));
                insert.execute((account.0, sha256, name, imported_ns, entries, first))
            })
            .map_err(fail)?;
    }
    Ok(())
}

fn find(
    connection: &Connection,
    account: AccountId,
    sha256: &[u8; 32],
) -> rusqlite::Result<Option<ImportedFile>> {
    connection
        .prepare_cached(
            "SELECT name, imported_ns, entries FROM files WHERE account = ?1 AND sha256 = ?2
             ORDER BY copy DESC LIMIT 1",
        )?
        .query_row((account.0, sha256), |row| {
            let imported_at = Timestamp::from_unix_ns(row.get(1)?);
            Ok(ImportedFile { name: row.get(0)?, imported_at, entries: count(row, 2)? })
        })
        .optional()
}
