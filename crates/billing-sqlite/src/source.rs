//! Accounts that are kept in step with a service: which one it is, and whose turn it is to bring them in line.

use std::path::Path;
use std::time::Duration;

use billing_ledger::{AccountId, Error, ErrorKind, Source, TakenTurn, Turn};
use billing_model::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::account;
use crate::connections::Connections;
use crate::error::failure;
use crate::file::LedgerFile;
use crate::ledger::SqliteLedger;
use crate::lock_file::{Lock, LockFile};
use crate::look;
use crate::removal;
use crate::row::count;
use crate::schema;
use crate::snapshot::Present;

/// What is said of a holder that says nothing of itself.
const SOMEBODY: &str = "another process";

impl SqliteLedger {
    pub(crate) fn source(&self, account: AccountId) -> Result<Option<Source>, Error> {
        let found = self.0.connections.read(|reader| {
            let is_there = Present::of(reader, account)?.is_some();
            is_there.then(|| find(reader, account)).transpose()
        })?;
        found.ok_or_else(|| self.unknown_account(account))
    }

    pub(crate) fn set_source(&self, account: AccountId, source: &Source) -> Result<(), Error> {
        let connections = &self.0.connections;
        let fail = |cause| connections.fail(cause);
        let writer = connections.begin()?;
        let name = removal::name(&writer, account).map_err(fail)?;
        let name = name.ok_or_else(|| self.unknown_account(account))?;
        if !is_synced(&writer, account).map_err(fail)? && !removal::is_bare(&writer, account).map_err(fail)? {
            // Counting may take a while, and others are waiting to write.
            drop(writer);
            let obstacles = connections.read(|reader| removal::content(reader, account))?.join(", ");
            let detail =
                format!("the account `{name}` cannot become a copy of a service: it has {obstacles}");
            return Err(failure(ErrorKind::AccountInUse, connections.path(), detail));
        }
        put(&writer, account, source)?.map_err(fail)?;
        connections.commit(writer)
    }

    /// The service that the account with this name in the ledger at a path is kept in step with, if it is. The ledger is not opened:
    /// it is left as it is, also when it is of an older version, and none is made.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`]; never [`ErrorKind::NotFound`], since without a ledger there is no account.
    pub fn look_up_source(path: &Path, account: &str) -> Result<Option<Source>, Error> {
        let file = LedgerFile::new(path)?;
        let opened = match look::open(&file, schema::SOURCES_SINCE) {
            // A ledger of such an old version has no account that is a copy.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::OlderVersion) => {
                return Ok(None);
            }
            opened => opened?,
        };
        let reader = &opened.connection;
        let account = account::find(reader, account).map_err(|cause| file.fail(cause))?;
        let found = account.map(|account| find(reader, account)).transpose();
        Ok(found.map_err(|cause| file.fail(cause))?.flatten())
    }

    pub(crate) fn take_turn(&self, account: AccountId, holder: &str) -> Result<Turn, Error> {
        let connections = &self.0.connections;
        let present = connections.read(|reader| Present::of(reader, account))?;
        present.ok_or_else(|| self.unknown_account(account))?;
        let suffix = format!("-sync-{}", account.0);
        match LockFile::take(connections.path(), &suffix, holder) {
            Ok(Lock::Taken(lock)) => Ok(Turn::Taken(TakenTurn::new(lock))),
            Ok(Lock::HeldBy(nobody)) if nobody.is_empty() => Ok(Turn::HeldBy(SOMEBODY.to_owned())),
            Ok(Lock::HeldBy(holder)) => Ok(Turn::HeldBy(holder)),
            Err(cause) => {
                let detail = format!(
                    "the file that ends in `{suffix}` beside it, by which others see whose turn it is, cannot be written"
                );
                Err(failure(ErrorKind::CannotOpen, connections.path(), detail).caused_by(cause))
            }
        }
    }
}

/// Keeps the source of an account.
pub(crate) fn put(
    writer: &Connection,
    account: AccountId,
    source: &Source,
) -> Result<rusqlite::Result<()>, Error> {
    let in_range = |at: Timestamp| at.unix_ns().ok_or_else(|| Error::timestamp(at));
    let synced_ns = source.synced_at.map(in_range).transpose()?;
    let settle_ns = i64::try_from(source.settle.as_nanos()).unwrap_or(i64::MAX);
    let put = writer.execute(
        "INSERT OR REPLACE INTO sources (account, base_url, key_fingerprint, settle_ns, synced_ns)
         VALUES (?1, ?2, ?3, ?4, ?5)",
        (account.0, &source.base_url, &source.key_fingerprint, settle_ns, synced_ns),
    );
    Ok(put.map(drop))
}

fn find(connection: &Connection, account: AccountId) -> rusqlite::Result<Option<Source>> {
    connection
        .prepare_cached(
            "SELECT base_url, key_fingerprint, settle_ns, synced_ns FROM sources WHERE account = ?1",
        )?
        .query_row([account.0], |row| {
            let synced_at = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_unix_ns);
            let settle = Duration::from_nanos(count(row, 2)?);
            Ok(Source { base_url: row.get(0)?, key_fingerprint: row.get(1)?, settle, synced_at })
        })
        .optional()
}

/// True for an account that is a copy of a service.
pub(crate) fn is_synced(connection: &Connection, account: AccountId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM sources WHERE account = ?1)")?
        .query_row([account.0], |row| row.get(0))
}

/// Refuses an import into an account that is a copy of a service.
pub(crate) fn refuse_synced(
    connections: &Connections,
    writer: &Connection,
    account: AccountId,
) -> Result<(), Error> {
    match is_synced(writer, account).map_err(|cause| connections.fail(cause))? {
        true => Err(synced(connections)),
        false => Ok(()),
    }
}

pub(crate) fn synced(connections: &Connections) -> Error {
    connections.error(ErrorKind::SyncedAccount)
}
