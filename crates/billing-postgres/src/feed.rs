//! Reads blocks and their entries, with which other systems are fed.

use std::ops::ControlFlow;
use std::pin::pin;

use billing_ledger::{AccountId, Block, Error, LendBlock, LendEntry};
use billing_model::Timestamp;
use futures::TryStreamExt as _;
use tokio_postgres::Row;

use crate::blocks;
use crate::connections::Limit;
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::row::{self, COLUMNS, Scratch, count, signed};
use crate::session::Session;

/// Blocks that are asked for at a time: who wants a few does not wait for all.
const BLOCKS_AT_ONCE: i64 = 500;

/// Where the entries of a block stand.
struct BlockRow {
    account: i64,
    first_sequence: i64,
    is_removal: bool,
    last_sequence: i64,
    span_ns: (i64, i64),
}

impl PostgresLedger {
    pub(crate) fn blocks(&self, after: u64, lend: &mut LendBlock<'_>) -> Result<(), Error> {
        self.connections().read(Limit::None, async |session| {
            let sql = format!("SELECT {BLOCK} FROM blocks WHERE number > $1 ORDER BY number LIMIT $2");
            let mut after = signed(after);
            loop {
                let rows = session.rows(&sql, &[&after, &BLOCKS_AT_ONCE]).await?;
                for row in &rows {
                    after = row.try_get(0)?;
                    if lend(&block(row)?) == ControlFlow::Break(()) {
                        return Ok(());
                    }
                }
                if (rows.len() as i64) < BLOCKS_AT_ONCE {
                    return Ok(());
                }
            }
        })
    }

    pub(crate) fn block_entries(&self, number: u64, lend: &mut LendEntry<'_>) -> Result<(), Error> {
        self.connections().read(Limit::None, async |session| {
            let Some(block) = block_row(session, number).await? else { return Ok(()) };
            lend_entries(session, &block, lend).await
        })
    }
}

/// The columns of a block.
pub(crate) const BLOCK: &str =
    "number, account, first_sequence, removed_ns, currencies, amounts, entry_set, whole_set";

/// The block of a row of [`BLOCK`].
pub(crate) fn block(row: &Row) -> Result<Block, Failure> {
    Ok(Block {
        number: count(row, 0)?,
        account: AccountId(row.try_get(1)?),
        first_sequence: count(row, 2)?,
        removed_at: row.try_get::<_, Option<i64>>(3)?.map(Timestamp::from_unix_ns),
        sums: blocks::read_sums(row, 4)?,
        entry_set: row.try_get::<_, &str>(6)?.parse()?,
        whole_set: row.try_get::<_, &str>(7)?.parse()?,
    })
}

async fn block_row(session: Session<'_>, number: u64) -> Result<Option<BlockRow>, Failure> {
    let sql = "SELECT account, first_sequence, removed_ns IS NOT NULL, first_sequence + entries - 1, first_ns, last_ns
         FROM blocks WHERE number = $1 LIMIT 1";
    let Some(row) = session.row_if_any(sql, &[&signed(number)]).await? else { return Ok(None) };
    Ok(Some(BlockRow {
        account: row.try_get(0)?,
        first_sequence: row.try_get(1)?,
        is_removal: row.try_get(2)?,
        last_sequence: row.try_get(3)?,
        span_ns: (row.try_get(4)?, row.try_get(5)?),
    }))
}

async fn lend_entries(
    session: Session<'_>,
    block: &BlockRow,
    lend: &mut LendEntry<'_>,
) -> Result<(), Failure> {
    let BlockRow { account, first_sequence, is_removal, last_sequence, span_ns: (first_ns, last_ns) } = block;
    let mut rows = pin!(match is_removal {
        true => {
            let sql = format!(
                "SELECT {COLUMNS} FROM removed WHERE account = $1 AND removal = $2
                 AND timestamp_ns BETWEEN $3 AND $4 ORDER BY timestamp_ns, sequence"
            );
            session.stream(&sql, &[account, first_sequence, first_ns, last_ns]).await?
        }
        false => {
            let within = "account = $1 AND sequence BETWEEN $2 AND $3 AND timestamp_ns BETWEEN $4 AND $5";
            let sql = format!(
                "SELECT {COLUMNS} FROM entries WHERE {within} UNION ALL SELECT {COLUMNS} FROM removed WHERE {within}
                 ORDER BY timestamp_ns, sequence"
            );
            session.stream(&sql, &[account, first_sequence, last_sequence, first_ns, last_ns]).await?
        }
    });
    let mut scratch = Scratch::default();
    while let Some(row) = rows.try_next().await? {
        let position = row::position(&row)?;
        lend(position, row::lend(&row, position, &mut scratch)?)?;
    }
    Ok(())
}
