//! Makes the blocks of a window anew, from the entries that an account has now.

use std::collections::BTreeSet;
use std::ops::Range;

use billing_engine::{Draft, Share, Span};
use billing_ledger::{AccountId, Block, Position};
use billing_model::UsageEntry;
use rusqlite::{Connection, Row};

use super::numbers::Numbers;
use crate::blocks;
use crate::row::{self, COLUMNS, Scratch, signed};
use crate::tables::Tables;

/// The most entries of a block, as a length of numbers.
const MOST: i64 = Block::MOST_ENTRIES.cast_signed();

/// A stretch of sequence numbers, and the block that says that it has them.
struct Part {
    numbers: Range<i64>,
    block: Option<BlockRow>,
    /// True when it is made anew.
    is_anew: bool,
}

/// What a block says of itself.
#[derive(Clone, Copy)]
struct BlockRow {
    number: i64,
    first_sequence: i64,
    entries: i64,
    removed_ns: Option<i64>,
    span_ns: (i64, i64),
}

/// The numbers of an account before a repair, in parts; and its removals.
pub(super) struct Parts {
    account: AccountId,
    parts: Vec<Part>,
    /// Blocks without numbers of their own.
    without_numbers: Vec<BlockRow>,
    removals: BTreeSet<i64>,
}

/// A block that is made anew.
struct Anew {
    number: Option<i64>,
    numbers: Range<i64>,
    draft: Draft,
}

impl Parts {
    /// The parts of an account's numbers below `end`. No block is [impossible](forget_impossible).
    pub(super) fn of(writer: &Connection, account: AccountId, end: i64) -> rusqlite::Result<Self> {
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
        let mut all = Self { account, parts: Vec::new(), without_numbers: Vec::new(), removals };
        let starts = blocks.iter().skip(1).map(|block| block.first_sequence).chain([end]);
        let mut from = 0;
        for (block, next) in blocks.iter().zip(starts) {
            all.push(from..block.first_sequence, None);
            let length = if all.is_removal(block) { 1 } else { block.entries.clamp(0, MOST) };
            from = block.first_sequence.saturating_add(length).min(next);
            match block.first_sequence == from {
                true => all.without_numbers.push(*block),
                false => all.push(block.first_sequence..from, Some(*block)),
            }
        }
        all.push(from..end, None);
        Ok(all)
    }

    fn push(&mut self, numbers: Range<i64>, block: Option<BlockRow>) {
        if !numbers.is_empty() {
            self.parts.push(Part { numbers, block, is_anew: false });
        }
    }

    fn is_removal(&self, block: &BlockRow) -> bool {
        block.removed_ns.is_some() || self.removals.contains(&block.first_sequence)
    }

    pub(super) fn account(&self) -> AccountId {
        self.account
    }

    /// Notes that the part with a number is made anew.
    pub(super) fn touch(&mut self, number: i64) {
        let behind = self.parts.partition_point(|part| part.numbers.start <= number);
        if let Some(part) = behind.checked_sub(1).and_then(|at| self.parts.get_mut(at)) {
            part.is_anew = true;
        }
    }

    /// Notes each block that says that it has entries in a span of time.
    pub(super) fn touch_span(&mut self, span: Span) {
        for part in &mut self.parts {
            if let Some(BlockRow { span_ns: (first_ns, last_ns), .. }) = part.block {
                let is_possible = first_ns <= last_ns;
                part.is_anew |= !is_possible || (first_ns <= span.last_ns && last_ns >= span.first_ns);
            }
        }
    }

    /// Notes the blocks of the rows in a span of time.
    pub(super) fn touch_rows(&mut self, writer: &Connection, span: Span) -> rusqlite::Result<()> {
        for sql in [
            "SELECT sequence FROM entries WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3",
            "SELECT sequence FROM removed WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3",
            "SELECT removal FROM removed WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3",
        ] {
            let mut select = writer.prepare(sql)?;
            let mut rows = select.query((self.account.0, span.first_ns, span.last_ns))?;
            while let Some(row) = rows.next()? {
                self.touch(row.get(0)?);
            }
        }
        Ok(())
    }

    /// Makes the blocks that were noted anew, of the entries that are there now, and those that have not just their numbers.
    /// `numbers` are those of entries. What no entry has of all numbers becomes unused. A removal that lost its block is of `removed_ns`.
    pub(super) fn make_anew(
        &self,
        writer: &Connection,
        numbers: &Numbers,
        removed_ns: i64,
        hidden: (i64, i64),
    ) -> rusqlite::Result<()> {
        let mut anew = Vec::new();
        for block in &self.without_numbers {
            delete(writer, block.number)?;
        }
        for part in &self.parts {
            let runs = numbers.runs(&part.numbers);
            let removals: Vec<i64> = self.removals.range(part.numbers.clone()).copied().collect();
            if !part.is_anew && part.is_right(&runs, &removals) {
                continue;
            }
            let kept_number = part.block.map(|block| block.number);
            kept_number.map_or(Ok(()), |number| delete(writer, number))?;
            // The first block that is made keeps the number.
            let mut number = kept_number;
            for removal in removals {
                let kept_ns = part.block.and_then(|block| block.removed_ns);
                self.make_removal(writer, number.take(), removal, kept_ns.unwrap_or(removed_ns))?;
            }
            for run in runs {
                for start in run.clone().step_by(usize::try_from(MOST).unwrap_or(usize::MAX)) {
                    let numbers = start..run.end.min(start.saturating_add(MOST));
                    let first = u64::try_from(start).unwrap_or_default();
                    anew.push(Anew { number: number.take(), numbers, draft: Draft::new(first, None) });
                }
            }
        }
        self.leave_unused(writer, numbers, hidden)?;
        self.fill(writer, &mut anew, hidden)?;
        // Those that keep a number come first, so that no other one gets it.
        anew.sort_by_key(|block| block.number.is_none());
        for Anew { number, draft, .. } in &anew {
            blocks::store(draft, *number, writer, Tables::Ledger, self.account)?;
        }
        Ok(())
    }

    /// Adds to each block the entries with its numbers, wherever in time they stand.
    fn fill(&self, writer: &Connection, anew: &mut [Anew], hidden: (i64, i64)) -> rusqlite::Result<()> {
        let (Some(first), Some(last)) = (anew.first(), anew.last()) else { return Ok(()) };
        let within = (self.account.0, first.numbers.start, last.numbers.end - 1, hidden.0, hidden.1);
        let mut scratch = Scratch::default();
        for table in ["entries", "removed"] {
            let mut select = writer.prepare(&format!(
                "SELECT {COLUMNS} FROM {table} WHERE account = ?1 AND sequence BETWEEN ?2 AND ?3
                 AND sequence NOT BETWEEN ?4 AND ?5"
            ))?;
            let mut rows = select.query(within)?;
            while let Some(row) = rows.next()? {
                let position = row::position(row)?;
                let number = signed(position.sequence);
                let behind = anew.partition_point(|block| block.numbers.start <= number);
                let block = behind.checked_sub(1).and_then(|at| anew.get_mut(at));
                if let Some(block) = block.filter(|block| block.numbers.contains(&number)) {
                    block.draft.add(&share(row, position, writer, &mut scratch)?);
                }
            }
        }
        Ok(())
    }

    fn make_removal(
        &self,
        writer: &Connection,
        number: Option<i64>,
        removal: i64,
        removed_ns: i64,
    ) -> rusqlite::Result<()> {
        let first = u64::try_from(removal).unwrap_or_default();
        let mut draft = Draft::new(first, Some(removed_ns));
        let mut select = writer
            .prepare_cached(&format!("SELECT {COLUMNS} FROM removed WHERE account = ?1 AND removal = ?2"))?;
        let mut rows = select.query((self.account.0, removal))?;
        let mut scratch = Scratch::default();
        while let Some(row) = rows.next()? {
            draft.add(&share(row, row::position(row)?, writer, &mut scratch)?);
        }
        blocks::store(&draft, number, writer, Tables::Ledger, self.account)
    }

    /// Notes which numbers no entry has for good: those of no row, no removal and no import that is under way.
    fn leave_unused(
        &self,
        writer: &Connection,
        numbers: &Numbers,
        hidden: (i64, i64),
    ) -> rusqlite::Result<()> {
        let end = self.parts.last().map_or(0, |part| part.numbers.end);
        let mut taken = numbers.runs(&(0..end));
        taken.extend(self.removals.iter().map(|removal| *removal..removal + 1));
        taken.extend([hidden.0..hidden.1.saturating_add(1), end..end]);
        taken.sort_unstable_by_key(|range| range.start);
        writer.execute("DELETE FROM unused WHERE account = ?1", [self.account.0])?;
        let mut insert = writer
            .prepare("INSERT INTO unused (account, first_sequence, last_sequence) VALUES (?1, ?2, ?3)")?;
        let mut from = 0;
        for next in taken {
            if from < next.start {
                insert.execute((self.account.0, from, next.start - 1))?;
            }
            from = from.max(next.end);
        }
        Ok(())
    }
}

impl Part {
    /// Whether the block says that it has just the rows with these numbers, or the removal.
    fn is_right(&self, rows: &[Range<i64>], removals: &[i64]) -> bool {
        match (&self.block, removals) {
            (None, removals) => rows.is_empty() && removals.is_empty(),
            (Some(block), []) => {
                let length = self.numbers.end - self.numbers.start;
                block.removed_ns.is_none() && block.entries == length && rows == [self.numbers.clone()]
            }
            (Some(block), _) => block.removed_ns.is_some() && rows.is_empty(),
        }
    }
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
