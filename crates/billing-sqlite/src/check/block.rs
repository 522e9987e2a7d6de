//! A portion of an account's blocks, made anew from the entries.

use billing_engine::check::{Place, Portion};
use rusqlite::Connection;

use super::entry::Reader;
use crate::row::COLUMNS;

/// The most blocks that are made at a time: about 8 MiB.
const MOST_BLOCKS: usize = 1 << 15;

const BLOCKS: &str = "
    SELECT number, first_sequence, removed_ns IS NOT NULL, entries, first_ns, last_ns,
        (SELECT COUNT(*) FROM block_sums WHERE block = number)
    FROM blocks WHERE account = ?1 AND first_sequence >= ?2 ORDER BY first_sequence";

/// The blocks from a number on, without their entries.
pub(super) fn portion_from(
    connection: &Connection,
    account: i64,
    first: i64,
) -> rusqlite::Result<Portion<i64>> {
    let mut portion = Portion::of(MOST_BLOCKS);
    let mut select = connection.prepare_cached(BLOCKS)?;
    let mut rows = select.query((account, first))?;
    while let Some(row) = rows.next()? {
        let has_room = portion.push(&Place {
            number: row.get(0)?,
            first_sequence: row.get(1)?,
            is_removal: row.get(2)?,
            entries: row.get(3)?,
            span_ns: (row.get(4)?, row.get(5)?),
            sums: row.get::<_, u32>(6)?.into(),
        });
        if !has_room {
            break;
        }
    }
    Ok(portion)
}

/// Adds the entries that belong to these blocks.
pub(super) fn fill(
    portion: &mut Portion<i64>,
    account: i64,
    reader: &mut Reader<'_>,
) -> rusqlite::Result<()> {
    let ((first, last), span_ns) = (portion.numbers(), portion.span_ns);
    let connection = reader.connection();
    let within = (account, first, last, span_ns.0, span_ns.1);
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM entries WHERE account = ?1 AND sequence BETWEEN ?2 AND ?3
         AND timestamp_ns BETWEEN ?4 AND ?5",
    ))?;
    let mut rows = select.query(within)?;
    while let Some(row) = rows.next()? {
        if let Some(block) = portion.recorded(row.get(1)?) {
            block.add(&reader.share(row)?);
        }
    }
    // The number of a removal is higher than those of its entries.
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, removal FROM removed WHERE account = ?1 AND removal >= ?2
         AND (sequence BETWEEN ?2 AND ?3 OR removal <= ?3) AND timestamp_ns BETWEEN ?4 AND ?5",
    ))?;
    let mut rows = select.query(within)?;
    while let Some(row) = rows.next()? {
        let share = reader.share(row)?;
        portion.add_removed(row.get(1)?, row.get("removal")?, &share);
    }
    Ok(())
}
