//! The files that an account's entries came from. The content of a file comes in once.

use billing_ledger::{AccountId, Error, ErrorKind, FileContent, ImportedFile};
use billing_model::Timestamp;

use crate::connections::Limit;
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::row::{count, signed};
use crate::session::Session;
use crate::text;

impl PostgresLedger {
    pub(crate) fn imported_file(
        &self,
        account: AccountId,
        sha256: &[u8; 32],
    ) -> Result<Option<ImportedFile>, Error> {
        self.connections().ask(Limit::Patience, async |session| find(session, account, sha256).await)
    }

    pub(crate) fn has_imported_files(&self, account: AccountId) -> Result<bool, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = "SELECT EXISTS (SELECT FROM files WHERE account = $1)";
            Ok(session.row(sql, &[&account.0]).await?.try_get(0)?)
        })
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

/// Keeps the files of an import, in the transaction that stores its entries, the first of which has this number. Refuses one that the
/// account has by now, unless it is to come again. The account is locked.
pub(crate) async fn record(
    session: Session<'_>,
    account: AccountId,
    first_sequence: u64,
    files: &[FileEntries],
) -> Result<(), Failure> {
    for FileEntries { content, before, entries } in files {
        let FileContent { name, sha256, imported_at, again } = content;
        let found = if *again { None } else { find(session, account, sha256).await? };
        if let Some(found) = found {
            let detail = format!("`{name}` was imported before: {found}");
            return Err(Failure::Kind(ErrorKind::AlreadyImported, detail));
        }
        let imported_ns = imported_at.unix_ns().ok_or_else(|| Error::timestamp(*imported_at))?;
        let (name, first) = (text::kept(name), signed(first_sequence + before));
        // `copy` is the number of times that the same content was imported before.
        let sql = "INSERT INTO files (account, sha256, copy, name, imported_ns, entries, first_sequence)
             SELECT $1, $2, count(*), $3, $4, $5, $6 FROM files WHERE account = $1 AND sha256 = $2";
        session
            .execute(sql, &[&account.0, &sha256.as_slice(), &name, &imported_ns, &signed(*entries), &first])
            .await?;
    }
    Ok(())
}

async fn find(
    session: Session<'_>,
    account: AccountId,
    sha256: &[u8; 32],
) -> Result<Option<ImportedFile>, Failure> {
    let sql = "SELECT name, imported_ns, entries FROM files WHERE account = $1 AND sha256 = $2
         ORDER BY copy DESC LIMIT 1";
    let Some(row) = session.row_if_any(sql, &[&account.0, &sha256.as_slice()]).await? else {
        return Ok(None);
    };
    let (name, imported_at) =
        (text::read(row.try_get(0)?).into_owned(), Timestamp::from_unix_ns(row.try_get(1)?));
    Ok(Some(ImportedFile { name, imported_at, entries: count(&row, 2)? }))
}
