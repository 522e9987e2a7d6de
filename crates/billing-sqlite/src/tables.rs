//! Which tables sums, counts and blocks go to.

use std::fmt;

use rusqlite::Connection;

/// The place of the tables `counts`, `rollups`, `blocks` and `block_sums`. It is displayed as the prefix of their
/// names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tables {
    /// The ledger's tables.
    Ledger,
    /// An import's own tables until it ends. Only its connection has them, in a temporary file that is gone with the
    /// connection.
    Gathered,
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ledger => "main.",
            Self::Gathered => "temp.gathered_",
        })
    }
}

/// Makes the tables of [`Tables::Gathered`], as those of the ledger are.
pub(crate) fn create_gathered(connection: &Connection) -> rusqlite::Result<()> {
    let sql = "SELECT sql FROM main.sqlite_schema
               WHERE type = 'table' AND name IN ('counts', 'rollups', 'blocks', 'block_sums')";
    let tables = connection
        .prepare(sql)?
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for table in tables {
        connection.execute_batch(&table.replacen("CREATE TABLE ", "CREATE TEMP TABLE gathered_", 1))?;
    }
    Ok(())
}
