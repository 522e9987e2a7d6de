//! Makes the blocks of a window anew, from the entries that an account has now.

use billing_engine::repair::{Anew, BlockRow, Parts};
use billing_engine::{Share, Span};
use billing_ledger::{AccountId, Position};
use billing_model::UsageEntry;
use rusqlite::{Connection, Row};

use super::numbers::Numbers;
use crate::blocks;
use crate::row::{self, COLUMNS, Scratch, signed};
use crate::tables::Tables;

/// The parts of an account's numbers below `end`. No block is [impossible](forget_impossible).
pub(super) fn parts(writer: &Connection, account: AccountId, end: i64) -> rusqlite::Result<Parts> {
    let mut select = writer.prepare("SELECT DISTINCT removal FROM removed WHERE account = ?1")?;
    let removals = select.query_map([account.0], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut select = writer.prepare(
        "SELECT number, first_sequence, entries, removed_ns, first_ns, last_ns FROM blocks
         WHERE account = ?1 ORDER BY first_sequence",
    )?;
    let block = |row: &Row<'_>| {
        Ok(BlockRow {
            number: row.get(0)?,
            first_sequence: row.get(1)?,
            entries: row.get(2)?,
            removed_ns: row.get(3)?,
            span_ns: (row.get(4)?, row.get(5)?),
        })
    };
    let blocks = select.query_map([account.0], block)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Parts::of(&blocks, removals, end))
}

/// Notes the blocks of the rows in a span of time.
pub(super) fn touch_rows(
    parts: &mut Parts,
    writer: &Connection,
    account: AccountId,
    span: Span,
) -> rusqlite::Result<()> {
    for sql in [
        "SELECT sequence FROM entries WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3",
        "SELECT sequence FROM removed WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3",
        "SELECT removal FROM removed WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3",
    ] {
        let mut select = writer.prepare(sql)?;
        let mut rows = select.query((account.0, span.first_ns, span.last_ns))?;
        while let Some(row) = rows.next()? {
            parts.touch(row.get(0)?);
        }
    }
    Ok(())
}

/// Makes the blocks that were noted anew, of the entries that are there now, and those that have not just their numbers. `numbers` are
/// those of entries. What no entry has of all numbers becomes unused. A removal that lost its block is of `removed_ns`.
pub(super) fn make_anew(
    parts: &Parts,
    writer: &Connection,
    account: AccountId,
    numbers: &Numbers,
    removed_ns: i64,
    hidden: (i64, i64),
) -> rusqlite::Result<()> {
    let mut anew = parts.anew(|range| numbers.runs(range), removed_ns);
    anew.gone.iter().try_for_each(|block| delete(writer, block.number))?;
    leave_unused(parts, writer, account, numbers, hidden)?;
    fill(&mut anew, writer, account, hidden)?;
    anew.blocks()
        .try_for_each(|(number, draft)| blocks::store(draft, number, writer, Tables::Ledger, account))
}

/// Adds to each block the entries with its numbers, wherever in time they stand, and to each removal what it took out.
fn fill(
    anew: &mut Anew,
    writer: &Connection,
    account: AccountId,
    hidden: (i64, i64),
) -> rusqlite::Result<()> {
    let mut scratch = Scratch::default();
    for table in ["entries", "removed"] {
        let Some((first, last)) = anew.numbers() else { break };
        let mut select = writer.prepare(&format!(
            "SELECT {COLUMNS} FROM {table} WHERE account = ?1 AND sequence BETWEEN ?2 AND ?3
             AND sequence NOT BETWEEN ?4 AND ?5"
        ))?;
        let mut rows = select.query((account.0, first, last, hidden.0, hidden.1))?;
        while let Some(row) = rows.next()? {
            let position = row::position(row)?;
            if let Some(draft) = anew.draft_of(signed(position.sequence)) {
                draft.add(&share(row, position, writer, &mut scratch)?);
            }
        }
    }
    let mut select =
        writer.prepare(&format!("SELECT {COLUMNS} FROM removed WHERE account = ?1 AND removal = ?2"))?;
    for (removal, draft) in anew.removals() {
        let mut rows = select.query((account.0, removal))?;
        while let Some(row) = rows.next()? {
            draft.add(&share(row, row::position(row)?, writer, &mut scratch)?);
        }
    }
    Ok(())
}

/// Notes which numbers no entry has for good: those of no row, no removal and no import that is under way.
fn leave_unused(
    parts: &Parts,
    writer: &Connection,
    account: AccountId,
    numbers: &Numbers,
    hidden: (i64, i64),
) -> rusqlite::Result<()> {
    let mut taken = numbers.runs(&(0..parts.end()));
    taken.push(hidden.0..hidden.1.saturating_add(1));
    writer.execute("DELETE FROM unused WHERE account = ?1", [account.0])?;
    let mut insert =
        writer.prepare("INSERT INTO unused (account, first_sequence, last_sequence) VALUES (?1, ?2, ?3)")?;
    parts
        .unused(taken)
        .into_iter()
        .try_for_each(|unused| insert.execute((account.0, unused.start, unused.end - 1)).map(drop))
}

/// What the entry of a row of [`COLUMNS`] adds to a block.
pub(super) fn share(
    row: &Row<'_>,
    position: Position,
    connection: &Connection,
    scratch: &mut Scratch,
) -> rusqlite::Result<Share> {
    let currency = row::text_ids(row)?.currency;
    let entry: UsageEntry = row::owned(row, connection, scratch)?;
    Ok(Share::of(&entry, position, currency))
}

fn delete(writer: &Connection, number: i64) -> rusqlite::Result<()> {
    writer.prepare_cached("DELETE FROM blocks WHERE number = ?1")?.execute([number])?;
    writer.prepare_cached("DELETE FROM block_sums WHERE block = ?1")?.execute([number]).map(drop)
}

/// Removes an account's blocks whose first number is none, and sums of blocks that are not there.
pub(super) fn forget_impossible(writer: &Connection, account: AccountId, end: i64) -> rusqlite::Result<()> {
    let sql = "DELETE FROM blocks WHERE account = ?1 AND first_sequence NOT BETWEEN 0 AND ?2 - 1";
    writer.execute(sql, (account.0, end))?;
    let sql = "DELETE FROM block_sums WHERE NOT EXISTS (SELECT 1 FROM blocks WHERE number = block)";
    writer.execute(sql, []).map(drop)
}

/// Numbers the blocks of the whole ledger without gaps: the last ones get the numbers that are missing.
pub(super) fn close_gaps(writer: &Connection) -> rusqlite::Result<()> {
    let mut select = writer.prepare("SELECT number FROM blocks ORDER BY number")?;
    let numbers = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()?;
    let end = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
    let (inside, outside): (Vec<i64>, Vec<i64>) =
        numbers.into_iter().partition(|number| (1..=end).contains(number));
    let mut there = inside.into_iter().peekable();
    let missing = (1..=end).filter(|number| there.next_if_eq(number).is_none());
    for (from, to) in outside.into_iter().zip(missing) {
        writer.prepare_cached("UPDATE blocks SET number = ?2 WHERE number = ?1")?.execute((from, to))?;
        writer.prepare_cached("UPDATE block_sums SET block = ?2 WHERE block = ?1")?.execute((from, to))?;
    }
    Ok(())
}
