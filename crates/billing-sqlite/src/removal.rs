//! Removes an account that has nothing.

use billing_ledger::{AccountId, Error, ErrorKind};
use rusqlite::{Connection, OptionalExtension};

use crate::error::failure;
use crate::ledger::SqliteLedger;
use crate::row::count;
use crate::schema::LAST_ACCOUNT;

/// What an account may have that prevents its removal: each with its word in the singular and in the plural, and a
/// statement that counts it. Sums and counts without entries are a fault of the ledger. They prevent the removal too,
/// so that no trace of the fault is lost.
const CONTENT: [(&str, &str, &str); 7] = [
    ("entry", "entries", "SELECT COALESCE(SUM(entries), 0) FROM balances WHERE account = ?1"),
    // These exist only in a damaged ledger. An import that has not ended is named below.
    (
        "entry without a sum",
        "entries without a sum",
        "SELECT COUNT(*) FROM entries WHERE account = ?1
            AND NOT EXISTS (SELECT 1 FROM balances WHERE account = ?1)
            AND NOT EXISTS (SELECT 1 FROM imports WHERE account = ?1)",
    ),
    (
        "entry that was taken out",
        "entries that were taken out",
        "SELECT COUNT(*) FROM removed WHERE account = ?1",
    ),
    ("batch", "batches", "SELECT COUNT(*) FROM receipts WHERE account = ?1"),
    ("imported file", "imported files", "SELECT COUNT(*) FROM files WHERE account = ?1"),
    (
        "import that has not ended",
        "imports that have not ended",
        "SELECT COUNT(*) FROM imports WHERE account = ?1",
    ),
    (
        "sum without entries",
        "sums without entries",
        "SELECT COUNT(*) FROM rollups WHERE account = ?1
            AND NOT EXISTS (SELECT 1 FROM entries WHERE account = ?1)",
    ),
];

/// A key prevents a removal only.
const KEYS: (&str, &str, &str) = (
    "key that is not revoked",
    "keys that are not revoked",
    "SELECT COUNT(*) FROM keys WHERE account = ?1 AND revoked_ns IS NULL",
);

/// True for an account without any of these. It only looks for a first row of each, because nobody else can write
/// meanwhile and should not wait long.
const IS_BARE: &str = "
    SELECT NOT EXISTS (SELECT 1 FROM entries WHERE account = ?1)
       AND NOT EXISTS (SELECT 1 FROM receipts WHERE account = ?1)
       AND NOT EXISTS (SELECT 1 FROM files WHERE account = ?1)
       AND NOT EXISTS (SELECT 1 FROM imports WHERE account = ?1)
       AND NOT EXISTS (SELECT 1 FROM balances WHERE account = ?1)
       AND NOT EXISTS (SELECT 1 FROM rollups WHERE account = ?1)
       AND NOT EXISTS (SELECT 1 FROM counts WHERE account = ?1)
       AND NOT EXISTS (SELECT 1 FROM removed WHERE account = ?1)
       AND NOT EXISTS (SELECT 1 FROM blocks WHERE account = ?1)";

const HAS_KEYS: &str = "SELECT EXISTS (SELECT 1 FROM keys WHERE account = ?1 AND revoked_ns IS NULL)";

impl SqliteLedger {
    /// Removes an account that has nothing. Its allocation, its source and its revoked keys go with it. Calls with the account's
    /// number fail with [`ErrorKind::UnknownAccount`] from then on, and no later account gets the number.
    ///
    /// # Errors
    /// [`ErrorKind::AccountInUse`] for one with entries, batches, imported files, an import under way, or a key that is not
    /// revoked: the message says which, and nothing was changed. [`ErrorKind::UnknownAccount`], or when the ledger cannot
    /// be written.
    pub(crate) fn remove_account(&self, account: AccountId) -> Result<(), Error> {
        let connections = &self.0.connections;
        let fail = |cause| connections.fail(cause);
        let writer = connections.begin()?;
        let name = name(&writer, account).map_err(fail)?.ok_or_else(|| self.unknown_account(account))?;
        let has_keys = || writer.query_row(HAS_KEYS, [account.0], |row| row.get::<_, bool>(0));
        if !is_bare(&writer, account).map_err(fail)? || has_keys().map_err(fail)? {
            // Counting may take a while, and others are waiting to write.
            drop(writer);
            let obstacles = connections.read(|reader| obstacles(reader, account))?.join(", ");
            let detail = format!("the account `{name}` cannot be removed: it has {obstacles}");
            return Err(failure(ErrorKind::AccountInUse, connections.path(), detail));
        }
        remove(&writer, account).map_err(fail)?;
        connections.commit(writer)
    }
}

/// The number for the next new account. No account has ever had it, so a batch or a cursor of a removed account never
/// belongs to another one.
pub(crate) fn next_account(writer: &Connection) -> rusqlite::Result<i64> {
    Ok(last_account(writer)? + 1)
}

/// The highest number that any account ever had; 0 when there was none.
pub(crate) fn last_account(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT COALESCE(MAX(id), 0) FROM accounts";
    let last: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(last.max(last_removed(connection)?))
}

/// The highest number of those that were removed.
fn last_removed(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT value FROM meta WHERE name = ?1";
    let bytes = connection.query_row(sql, [LAST_ACCOUNT], |row| row.get::<_, [u8; 8]>(0)).optional()?;
    Ok(bytes.map_or(0, i64::from_be_bytes))
}

fn remove(writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
    note_last(writer, account.0)?;
    forget(writer, account)
}

/// Notes that numbers up to this one were given to accounts.
pub(crate) fn note_last(writer: &Connection, account: i64) -> rusqlite::Result<()> {
    let last = last_removed(writer)?.max(account).to_be_bytes();
    writer
        .execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", (LAST_ACCOUNT, last))
        .map(drop)
}

/// Takes an account out of the tables that it may be in without entries.
pub(crate) fn forget(writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
    // What was walked means nothing without entries, nor do unused numbers.
    for table in ["coverage_sums", "coverage", "sources"] {
        writer.execute(&format!("DELETE FROM {table} WHERE account = ?1"), [account.0])?;
    }
    writer.execute("DELETE FROM unused WHERE account = ?1", [account.0])?;
    writer.execute("DELETE FROM keys WHERE account = ?1", [account.0])?;
    writer.execute("DELETE FROM accounts WHERE id = ?1", [account.0]).map(drop)
}

/// True for an account in which nothing was recorded.
pub(crate) fn is_bare(connection: &Connection, account: AccountId) -> rusqlite::Result<bool> {
    connection.query_row(IS_BARE, [account.0], |row| row.get(0))
}

pub(crate) fn name(connection: &Connection, account: AccountId) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT name FROM accounts WHERE id = ?1", [account.0], |row| row.get(0)).optional()
}

/// What was recorded in the account, in words.
pub(crate) fn content(connection: &Connection, account: AccountId) -> rusqlite::Result<Vec<String>> {
    let mut words = words(connection, account, &CONTENT)?;
    if words.is_empty() {
        words.push("sums that no entry made".to_owned());
    }
    Ok(words)
}

/// What prevents the removal of the account, in words.
fn obstacles(connection: &Connection, account: AccountId) -> rusqlite::Result<Vec<String>> {
    let keys = words(connection, account, &[KEYS])?;
    let content = match is_bare(connection, account)? {
        true => Vec::new(),
        false => content(connection, account)?,
    };
    Ok([content, keys].concat())
}

fn words(
    connection: &Connection,
    account: AccountId,
    of: &[(&str, &str, &str)],
) -> rusqlite::Result<Vec<String>> {
    let mut words = Vec::new();
    for (one, many, sql) in of {
        match connection.query_row(sql, [account.0], |row| count(row, 0))? {
            0 => {}
            1 => words.push(format!("1 {one}")),
            n => words.push(format!("{n} {many}")),
        }
    }
    Ok(words)
}
