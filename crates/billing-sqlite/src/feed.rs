//! Reads blocks and their entries, with which other systems are fed.

use std::ops::ControlFlow;

use billing_ledger::{AccountId, Block, Error, LendBlock, LendEntry};
use billing_model::{Currency, Timestamp, Total};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::ledger::SqliteLedger;
use crate::row::{self, COLUMNS, Scratch, count, parse, signed};
use crate::strings::Texts;

/// Where the entries of a block stand.
struct BlockRow {
    account: i64,
    first_sequence: i64,
    is_removal: bool,
    entries: i64,
    span_ns: (i64, i64),
}

impl SqliteLedger {
    pub(crate) fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error> {
        self.0.connections.read(|connection| {
            let mut texts = Texts::default();
            let mut select = connection
                .prepare_cached(&format!("SELECT {BLOCK} FROM blocks WHERE number > ?1 ORDER BY number"))?;
            let mut rows = select.query([signed(after)])?;
            while let Some(row) = rows.next()? {
                if lend(&block(connection, &mut texts, row)?) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }

    pub(crate) fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error> {
        let refused = self.0.connections.read(|connection| {
            let Some(block) = block_row(connection, number)? else { return Ok(None) };
            lend_entries(connection, &block, lend)
        })?;
        refused.map_or(Ok(()), Err)
    }
}

/// The columns of a block.
pub(crate) const BLOCK: &str = "number, account, first_sequence, removed_ns, entry_set, whole_set";

/// The block of a row of [`BLOCK`].
pub(crate) fn block(connection: &Connection, texts: &mut Texts, row: &Row<'_>) -> rusqlite::Result<Block> {
    Ok(Block {
        number: count(row, 0)?,
        account: AccountId(row.get(1)?),
        first_sequence: count(row, 2)?,
        removed_at: row.get::<_, Option<i64>>(3)?.map(Timestamp::from_unix_ns),
        sums: sums(connection, texts, row.get(0)?)?,
        entry_set: parse(row, 4, str::parse)?,
        whole_set: parse(row, 5, str::parse)?,
    })
}

fn sums(connection: &Connection, texts: &mut Texts, block: i64) -> rusqlite::Result<Vec<(Currency, Total)>> {
    let mut select = connection.prepare_cached("SELECT currency, amount FROM block_sums WHERE block = ?1")?;
    row::currency_sums(connection, texts, select.query([block])?)
}

fn block_row(connection: &Connection, number: u64) -> rusqlite::Result<Option<BlockRow>> {
    connection
        .prepare_cached(
            "SELECT account, first_sequence, removed_ns IS NOT NULL, entries, first_ns, last_ns FROM blocks
             WHERE number = ?1",
        )?
        .query_row([signed(number)], |row: &Row<'_>| {
            Ok(BlockRow {
                account: row.get(0)?,
                first_sequence: row.get(1)?,
                is_removal: row.get(2)?,
                entries: row.get(3)?,
                span_ns: (row.get(4)?, row.get(5)?),
            })
        })
        .optional()
}

/// Lends entries. Returns the error of the borrower, if it has one.
fn lend_entries(
    connection: &Connection,
    block: &BlockRow,
    lend: &mut LendEntry<'_>,
) -> rusqlite::Result<Option<Error>> {
    let BlockRow { account, first_sequence, is_removal, entries, span_ns: (first_ns, last_ns) } = *block;
    let mut select = connection.prepare_cached(&match is_removal {
        true => format!(
            "SELECT {COLUMNS} FROM removed WHERE account = ?1 AND removal = ?2
             AND timestamp_ns BETWEEN ?4 AND ?5 AND ?3 >= ?2 ORDER BY timestamp_ns, sequence"
        ),
        false => format!(
            "SELECT {COLUMNS} FROM entries WHERE account = ?1 AND sequence BETWEEN ?2 AND ?3
             AND timestamp_ns BETWEEN ?4 AND ?5
             UNION ALL
             SELECT {COLUMNS} FROM removed WHERE account = ?1 AND sequence BETWEEN ?2 AND ?3
             AND timestamp_ns BETWEEN ?4 AND ?5
             ORDER BY timestamp_ns, sequence"
        ),
    })?;
    let last_sequence = first_sequence + entries - 1;
    let mut rows = select.query(params![account, first_sequence, last_sequence, first_ns, last_ns])?;
    let mut scratch = Scratch::default();
    while let Some(row) = rows.next()? {
        let position = row::position(row)?;
        if let Err(refused) = lend(position, row::lend(row, position, connection, &mut scratch)?) {
            return Ok(Some(refused));
        }
    }
    Ok(None)
}
