//! What takes an older ledger forward, beside its tables: entries into blocks.

use std::ops::Range;

use billing_ledger::{AccountId, Block};
use rusqlite::Connection;

use crate::blocks::{Draft, Share};
use crate::row::{self, COLUMNS, Scratch, count, signed};
use crate::tables::Tables;

/// Entries between two calls of `progress`: some milliseconds.
const PROGRESS_EVERY: u64 = 10_000;

/// How far an older ledger was taken forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Entries that were looked at.
    pub done: u64,
    /// All that there are to look at.
    pub entries: u64,
}

/// Puts the entries of an older ledger into blocks, those of each account in the order in which they were stored. Entries of an
/// import that did not end are in none.
pub(crate) fn put_into_blocks(
    writer: &Connection,
    progress: &mut dyn FnMut(&Migration),
) -> rusqlite::Result<()> {
    let sql = "SELECT COALESCE(SUM(entries), 0) FROM balances";
    let mut migration = Migration { done: 0, entries: writer.query_row(sql, [], |row| count(row, 0))? };
    let accounts = writer
        .prepare("SELECT id, next_sequence FROM accounts ORDER BY id")?
        .query_map([], |row| Ok((AccountId(row.get(0)?), count(row, 1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for (account, end) in accounts {
        let mut blocks = Vec::new();
        for stretch in stretches(writer, account, end)? {
            let starts = stretch.step_by(usize::try_from(Block::MOST_ENTRIES).unwrap_or(usize::MAX));
            blocks.extend(starts.map(|first| Draft::new(first, None)));
        }
        fill(writer, account, &mut blocks, &mut || {
            migration.done += 1;
            if migration.done.is_multiple_of(PROGRESS_EVERY) {
                progress(&migration);
            }
        })?;
        for block in blocks.iter().filter(|block| !block.is_empty()) {
            block.store(writer, Tables::Ledger, account)?;
        }
    }
    progress(&migration);
    Ok(())
}

/// The numbers that entries have: all that were given, without those that an import did not use or hides.
fn stretches(writer: &Connection, account: AccountId, end: u64) -> rusqlite::Result<Vec<Range<u64>>> {
    let mut select = writer.prepare(
        "SELECT first_sequence, last_sequence FROM unused WHERE account = ?1
         UNION ALL SELECT first_sequence, last_sequence FROM imports WHERE account = ?1
         UNION ALL SELECT ?2, ?2
         ORDER BY first_sequence",
    )?;
    let mut rows = select.query((account.0, signed(end)))?;
    let (mut stretches, mut first) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (gap, last) = (count(row, 0)?, count(row, 1)?);
        if first < gap {
            stretches.push(first..gap);
        }
        first = last + 1;
    }
    Ok(stretches)
}

/// Puts each entry of an account into its block.
fn fill(
    writer: &Connection,
    account: AccountId,
    blocks: &mut [Draft],
    count: &mut dyn FnMut(),
) -> rusqlite::Result<()> {
    let mut select = writer.prepare(&format!(
        "SELECT {COLUMNS} FROM entries WHERE account = ?1
         AND NOT EXISTS (SELECT 1 FROM imports WHERE imports.account = ?1
             AND sequence BETWEEN first_sequence AND last_sequence)
         ORDER BY timestamp_ns, sequence"
    ))?;
    let mut rows = select.query([account.0])?;
    let mut scratch = Scratch::default();
    while let Some(row) = rows.next()? {
        let position = row::position(row)?;
        let entry = row::owned(row, writer, &mut scratch)?;
        let share = Share::of(&entry, position, row::text_ids(row)?.currency);
        let behind = blocks.partition_point(|block| block.first_sequence() <= position.sequence);
        if let Some(block) = behind.checked_sub(1).and_then(|at| blocks.get_mut(at)) {
            block.add(&share);
        }
        count();
    }
    Ok(())
}
