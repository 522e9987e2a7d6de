//! Makes the blocks of a window anew, from the entries that an account has now.

use std::pin::pin;

use billing_engine::repair::{self, BlockRow, Parts};
use billing_engine::{Share, Span};
use billing_ledger::{AccountId, Position};
use futures::TryStreamExt as _;
use tokio_postgres::Row;

use super::numbers::{self, Runs};
use crate::blocks::BlockRows;
use crate::failure::Failure;
use crate::row::{self, COLUMNS, Scratch};
use crate::session::Session;
use crate::strings::Strings;

/// Blocks that are made anew, as rows, and those whose place they take.
pub(super) struct Anew {
    account: AccountId,
    /// Their first numbers.
    gone: Vec<i64>,
    /// Those that keep a number come first.
    numbers: Vec<Option<i64>>,
    rows: BlockRows,
}

/// The parts of an account's numbers below `end`. The first number of each block is one.
pub(super) async fn of(session: Session<'_>, account: AccountId, end: i64) -> Result<Parts, Failure> {
    let sql = "SELECT DISTINCT removal FROM removed WHERE account = $1";
    let removals = session.rows(sql, &[&account.0]).await?;
    let removals = removals.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<_, Failure>>()?;
    let sql = "SELECT number, first_sequence, entries, removed_ns, first_ns, last_ns FROM blocks
         WHERE account = $1 ORDER BY first_sequence";
    let blocks = session.rows(sql, &[&account.0]).await?;
    let blocks = blocks.iter().map(block).collect::<Result<Vec<_>, _>>()?;
    Ok(Parts::of(&blocks, removals, end))
}

/// Notes the blocks of the rows in a span of time.
pub(super) async fn touch_rows(
    parts: &mut Parts,
    session: Session<'_>,
    account: AccountId,
    span: Span,
) -> Result<(), Failure> {
    for sql in [
        "SELECT sequence FROM entries WHERE account = $1 AND timestamp_ns BETWEEN $2 AND $3",
        "SELECT sequence FROM removed WHERE account = $1 AND timestamp_ns BETWEEN $2 AND $3",
        "SELECT removal FROM removed WHERE account = $1 AND timestamp_ns BETWEEN $2 AND $3",
    ] {
        let mut rows = pin!(session.stream(sql, &[&account.0, &span.first_ns, &span.last_ns]).await?);
        while let Some(row) = rows.try_next().await? {
            parts.touch(row.try_get(0)?);
        }
    }
    Ok(())
}

/// Makes the blocks that were noted anew, of the entries that are there now, and those that have not just their numbers. What no entry
/// has of all numbers becomes unused. A removal that lost its block is of `removed_ns`.
pub(super) async fn make_anew(
    parts: &Parts,
    session: Session<'_>,
    account: AccountId,
    removed_ns: i64,
) -> Result<Anew, Failure> {
    let runs = Runs::of(session, account).await?;
    let mut anew = parts.anew(|range| runs.within(range), removed_ns);
    numbers::leave_unused(session, account, &parts.unused(runs.within(&(0..parts.end())))).await?;
    let mut strings = Strings::default();
    fill(&mut anew, session, account, &mut strings).await?;
    let gone = anew.gone.iter().map(|block| block.first_sequence).collect();
    let (mut numbers, mut rows) = (Vec::new(), BlockRows::default());
    for (number, draft) in anew.blocks() {
        numbers.push(number);
        rows.push(account, draft, &strings);
    }
    Ok(Anew { account, gone, numbers, rows })
}

/// Adds to each block the entries with its numbers, wherever in time they stand, and to each removal what it took out.
async fn fill(
    anew: &mut repair::Anew,
    session: Session<'_>,
    account: AccountId,
    strings: &mut Strings,
) -> Result<(), Failure> {
    let mut scratch = Scratch::default();
    for table in ["entries", "removed"] {
        let Some((first, last)) = anew.numbers() else { break };
        let sql = format!("SELECT {COLUMNS} FROM {table} WHERE account = $1 AND sequence BETWEEN $2 AND $3");
        let mut rows = pin!(session.stream(&sql, &[&account.0, &first, &last]).await?);
        while let Some(row) = rows.try_next().await? {
            if let Some(draft) = anew.draft_of(row.try_get(1)?) {
                draft.add(&share(&row, &mut scratch, strings)?);
            }
        }
    }
    let sql = format!("SELECT {COLUMNS} FROM removed WHERE account = $1 AND removal = $2");
    for (removal, draft) in anew.removals() {
        for row in session.rows(&sql, &[&account.0, &removal]).await? {
            draft.add(&share(&row, &mut scratch, strings)?);
        }
    }
    Ok(())
}

impl Anew {
    /// Stores them. Nobody else stores blocks meanwhile.
    pub(super) async fn store(&self, session: Session<'_>) -> Result<(), Failure> {
        let sql = "DELETE FROM blocks WHERE account = $1 AND first_sequence = ANY ($2::bigint[])";
        session.execute(sql, &[&self.account.0, &self.gone]).await?;
        self.rows.store_under(session, &self.numbers).await
    }
}

/// Numbers the blocks of the whole ledger without gaps: the last ones get the numbers that are missing. Of blocks with one number, one of
/// another account rather keeps it. Nobody else stores blocks meanwhile.
pub(super) async fn close_gaps(session: Session<'_>, account: AccountId) -> Result<(), Failure> {
    let sql = "
        WITH counted AS (SELECT count(*) AS blocks FROM blocks), ranked AS (
            SELECT account, first_sequence, number,
                row_number() OVER (PARTITION BY number ORDER BY account = $1, account, first_sequence) AS rank
            FROM blocks
        ), outside AS (
            SELECT account, first_sequence, row_number() OVER (ORDER BY number, account, first_sequence) AS place
            FROM ranked, counted WHERE rank > 1 OR number < 1 OR number > counted.blocks
        ), missing AS (
            SELECT free, row_number() OVER (ORDER BY free) AS place
            FROM counted, generate_series(1::bigint, counted.blocks) AS free
            WHERE NOT EXISTS (SELECT FROM blocks WHERE number = free)
        )
        UPDATE blocks SET number = free FROM outside JOIN missing USING (place)
        WHERE blocks.account = outside.account AND blocks.first_sequence = outside.first_sequence";
    session.execute(sql, &[&account.0]).await?;
    let sql = "INSERT INTO numbers (name, last) SELECT 'block', count(*) FROM blocks
         ON CONFLICT (name) DO UPDATE SET last = excluded.last";
    session.execute(sql, &[]).await.map(drop)
}

fn block(row: &Row) -> Result<BlockRow, Failure> {
    Ok(BlockRow {
        number: row.try_get(0)?,
        first_sequence: row.try_get(1)?,
        entries: row.try_get(2)?,
        removed_ns: row.try_get(3)?,
        span_ns: (row.try_get(4)?, row.try_get(5)?),
    })
}

/// What the entry of a row of [`COLUMNS`] adds to a block.
fn share(row: &Row, scratch: &mut Scratch, strings: &mut Strings) -> Result<Share, Failure> {
    let position: Position = row::position(row)?;
    let entry = row::owned(row, scratch)?;
    Ok(Share::of(&entry, position, strings.number(entry.currency.as_str())))
}
