//! The sequence numbers of an account's entries, as the file has them.

use std::ops::Range;

use billing_engine::check::Numbers;
use rusqlite::{Connection, Row};

/// The numbers of an account whose next entry gets this one.
pub(super) fn numbers_of(
    connection: &Connection,
    account: i64,
    next: Option<i64>,
) -> rusqlite::Result<Numbers> {
    let ranges = |table: &str| {
        let sql = format!(
            "SELECT first_sequence, last_sequence FROM {table} WHERE account = ?1 ORDER BY first_sequence"
        );
        let mut select = connection.prepare(&sql)?;
        let range = |row: &Row<'_>| Ok(row.get(0)?..row.get::<_, i64>(1)?.saturating_add(1));
        select.query_map([account], range)?.collect::<rusqlite::Result<Vec<Range<i64>>>>()
    };
    let (hidden, unused) = (ranges("imports")?.pop(), ranges("unused")?);
    Ok(Numbers::new(next, hidden, unused))
}
