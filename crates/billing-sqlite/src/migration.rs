//! Takes the entries of an older ledger forward: into their present form, and into blocks.

use std::ops::Range;

use billing_engine::{Draft, Share};
use billing_ledger::{AccountId, Block, Position, Sequences};
use billing_model::{Currency, InferenceDetails, Timestamp, UsageEntry, parse_decimal};
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Row};

use crate::blocks;
use crate::row::{self, INSERT, TextIds, count, parse, signed};
use crate::snapshot::Present;
use crate::strings::Texts;
use crate::tables::Tables;

/// Entries between two calls of `progress`: some milliseconds.
const PROGRESS_EVERY: u64 = 10_000;

/// How far an older ledger was taken forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migration {
    /// Entries that were looked at.
    pub done: u64,
    /// All entries of the ledger.
    pub entries: u64,
}

/// An entry as version 4 kept it.
const ENTRIES_4: &str = "
    SELECT account, timestamp_ns, sequence, sku, currency, notes, api_key, price_per_unit_usd, units, amount,
        execution_time_ms, prompt_tokens, completion_tokens, request_id
    FROM entries_4 ORDER BY account, timestamp_ns, sequence";

/// Takes the entries of an older ledger over into their present form, and puts those of each account into blocks, in
/// the order in which they were stored. Entries of an import that did not end are in no block.
pub(crate) fn take_over_entries(
    writer: &Connection,
    progress: &mut dyn FnMut(&Migration),
) -> rusqlite::Result<()> {
    let sql = "SELECT COUNT(*) FROM entries_4";
    let mut migration = Migration { done: 0, entries: writer.query_row(sql, [], |row| count(row, 0))? };
    let mut insert = writer.prepare(INSERT)?;
    let mut select = writer.prepare(ENTRIES_4)?;
    let mut rows = select.query([])?;
    let (mut texts, mut blocks) = (Texts::default(), AccountBlocks::default());
    while let Some(row) = rows.next()? {
        let account = AccountId(row.get(0)?);
        if blocks.account != Some(account) {
            blocks.store(writer)?;
            blocks = AccountBlocks::of(writer, account)?;
        }
        let (position, ids, entry) = entry_4(row, writer, &mut texts).map_err(|cause| at(row, cause))?;
        row::insert(&mut insert, account, position, ids, &entry)?;
        blocks.add(&entry, position, ids.currency);
        migration.done += 1;
        if migration.done.is_multiple_of(PROGRESS_EVERY) {
            progress(&migration);
        }
    }
    blocks.store(writer)?;
    // A program of an older version that imports meanwhile does not find its import under the old id any more, so it
    // fails. Its entries are in no block, and are removed like those of a killed import.
    writer.execute("UPDATE imports SET id = random()", [])?;
    progress(&migration);
    Ok(())
}

/// Adds to an error which entry is damaged.
fn at(row: &Row<'_>, cause: rusqlite::Error) -> rusqlite::Error {
    let (Ok(timestamp_ns), Ok(sequence)) = (row.get(1), row.get::<_, i64>(2)) else { return cause };
    let timestamp = Timestamp::from_unix_ns(timestamp_ns);
    let why = match cause {
        rusqlite::Error::FromSqlConversionFailure(_, _, cause) => cause.to_string(),
        other => return other,
    };
    let words = format!("the entry at {timestamp}, sequence {sequence}, cannot be read: {why}");
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, words.into())
}

/// Reads a row of [`ENTRIES_4`]. Its numbers may be in another form than today's.
fn entry_4(
    row: &Row<'_>,
    connection: &Connection,
    texts: &mut Texts,
) -> rusqlite::Result<(Position, TextIds, UsageEntry)> {
    let position = Position { timestamp_ns: row.get(1)?, sequence: count(row, 2)? };
    let ids = TextIds { sku: row.get(3)?, currency: row.get(4)?, notes: row.get(5)?, api_key: row.get(6)? };
    let found = texts.look_up(connection, [ids.sku, ids.currency, ids.notes, ids.api_key])?;
    let [Some(sku), Some(currency), Some(notes), api_key_id] = found else {
        return Err(rusqlite::Error::QueryReturnedNoRows);
    };
    let number = |column| parse(row, column, parse_decimal);
    let optional = |column| match row.get_ref(column)? {
        ValueRef::Null => Ok(None),
        _ => number(column).map(Some),
    };
    let details = InferenceDetails {
        execution_time_ms: optional(10)?,
        prompt_tokens: optional(11)?,
        completion_tokens: optional(12)?,
        request_id: row.get(13)?,
    };
    let entry = UsageEntry {
        timestamp: Timestamp::from_unix_ns(position.timestamp_ns),
        sku: sku.to_owned(),
        price_per_unit_usd: number(7)?,
        units: number(8)?,
        amount: number(9)?,
        currency: Currency::from(currency),
        notes: notes.to_owned(),
        inference_details: details.into_option(),
        api_key_id: api_key_id.map(str::to_owned),
        other_fields: None,
    };
    Ok((position, ids, entry))
}

/// The blocks of the present account, in the order of its numbers. At first there is no account.
#[derive(Default)]
struct AccountBlocks {
    account: Option<AccountId>,
    blocks: Vec<Draft>,
    /// The numbers of an import that did not end.
    hidden: Option<Sequences>,
}

impl AccountBlocks {
    fn of(writer: &Connection, account: AccountId) -> rusqlite::Result<Self> {
        let mut blocks = Vec::new();
        let present = Present::of(writer, account)?;
        if let Some(present) = present {
            for stretch in stretches(writer, account, present.next_sequence)? {
                let starts = stretch.step_by(usize::try_from(Block::MOST_ENTRIES).unwrap_or(usize::MAX));
                blocks.extend(starts.map(|first| Draft::new(first, None)));
            }
        }
        let hidden = present.and_then(|present| present.pending);
        Ok(Self { account: Some(account), blocks, hidden })
    }

    fn add(&mut self, entry: &UsageEntry, position: Position, currency: i64) {
        let sequence = position.sequence;
        if self.hidden.is_some_and(|hidden| hidden.contains(sequence)) {
            return;
        }
        let behind = self.blocks.partition_point(|block| block.first_sequence() <= sequence);
        if let Some(block) = behind.checked_sub(1).and_then(|at| self.blocks.get_mut(at)) {
            block.add(&Share::of(entry, position, currency));
        }
    }

    fn store(&self, writer: &Connection) -> rusqlite::Result<()> {
        let Some(account) = self.account else { return Ok(()) };
        let blocks = self.blocks.iter().filter(|block| !block.is_empty());
        blocks.into_iter().try_for_each(|block| blocks::store(block, None, writer, Tables::Ledger, account))
    }
}

/// The sequence numbers of visible entries: all that were given out, without those that an import did not use or that
/// it hides.
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
