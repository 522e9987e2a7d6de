//! Which walks began before a repair gave entries of their account other numbers. Such a walk would not see them any more.

use billing_ledger::AccountId;
use rusqlite::{Connection, OptionalExtension};

/// The row of `meta` with the first of the numbers that the last such repair gave, in eight bytes, big-endian.
fn row_of(account: AccountId) -> String {
    format!("renumbered-{}", account.0)
}

/// The first of the numbers that the last such repair gave, if there was one.
pub(crate) fn first(reader: &Connection, account: AccountId) -> rusqlite::Result<Option<i64>> {
    let mut select = reader.prepare_cached("SELECT value FROM meta WHERE name = ?1")?;
    let first = select.query_row([row_of(account)], |row| row.get::<_, [u8; 8]>(0)).optional()?;
    Ok(first.map(i64::from_be_bytes))
}

/// Notes that entries get numbers from this one on in place of those that they had.
pub(crate) fn note(writer: &Connection, account: AccountId, first: i64) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)";
    writer.execute(sql, (row_of(account), first.to_be_bytes())).map(drop)
}

/// True when entries got other numbers since a walk began whose snapshot ends there.
pub(crate) fn is_since(reader: &Connection, account: AccountId, snapshot_end: i64) -> rusqlite::Result<bool> {
    Ok(first(reader, account)?.is_some_and(|first| snapshot_end <= first))
}
