//! Makes the blocks of a window anew, from the entries that an account has now.

use std::collections::BTreeSet;
use std::ops::Range;
use std::pin::pin;

use billing_engine::{Draft, Share, Span};
use billing_ledger::{AccountId, Block, Position};
use futures::TryStreamExt as _;
use tokio_postgres::Row;

use super::numbers::Runs;
use crate::blocks::BlockRows;
use crate::failure::Failure;
use crate::row::{self, COLUMNS, Scratch};
use crate::session::Session;
use crate::strings::Strings;

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
    /// The first numbers of blocks that have none of their own.
    without_numbers: Vec<i64>,
    removals: BTreeSet<i64>,
}

/// A block that is made anew.
struct Draught {
    number: Option<i64>,
    numbers: Range<i64>,
    draft: Draft,
}

/// Blocks that are made anew, and those whose place they take.
pub(super) struct Anew {
    account: AccountId,
    gone: Vec<i64>,
    /// Those that keep a number come first.
    numbers: Vec<Option<i64>>,
    rows: BlockRows,
}

impl Parts {
    /// The parts of an account's numbers below `end`. The first number of each block is one.
    pub(super) async fn of(session: Session<'_>, account: AccountId, end: i64) -> Result<Self, Failure> {
        let sql = "SELECT DISTINCT removal FROM removed WHERE account = $1";
        let removals = session.rows(sql, &[&account.0]).await?;
        let removals = removals.iter().map(|row| Ok(row.try_get(0)?)).collect::<Result<_, Failure>>()?;
        let sql = "SELECT number, first_sequence, entries, removed_ns, first_ns, last_ns FROM blocks
             WHERE account = $1 ORDER BY first_sequence";
        let blocks = session.rows(sql, &[&account.0]).await?;
        let blocks = blocks.iter().map(block).collect::<Result<Vec<_>, _>>()?;
        let mut all = Self { account, parts: Vec::new(), without_numbers: Vec::new(), removals };
        let starts = blocks.iter().skip(1).map(|block| block.first_sequence).chain([end]);
        let mut from = 0;
        for (block, next) in blocks.iter().zip(starts) {
            all.push(from..block.first_sequence, None);
            let length = if all.is_removal(block) { 1 } else { block.entries.clamp(0, MOST) };
            from = block.first_sequence.saturating_add(length).min(next);
            match block.first_sequence == from {
                true => all.without_numbers.push(block.first_sequence),
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
    pub(super) async fn touch_rows(&mut self, session: Session<'_>, span: Span) -> Result<(), Failure> {
        for sql in [
            "SELECT sequence FROM entries WHERE account = $1 AND timestamp_ns BETWEEN $2 AND $3",
            "SELECT sequence FROM removed WHERE account = $1 AND timestamp_ns BETWEEN $2 AND $3",
            "SELECT removal FROM removed WHERE account = $1 AND timestamp_ns BETWEEN $2 AND $3",
        ] {
            let account = self.account.0;
            let mut rows = pin!(session.stream(sql, &[&account, &span.first_ns, &span.last_ns]).await?);
            while let Some(row) = rows.try_next().await? {
                self.touch(row.try_get(0)?);
            }
        }
        Ok(())
    }

    /// Makes the blocks that were noted anew, of the entries that are there now, and those that have not just their numbers. A removal
    /// that lost its block is of `removed_ns`.
    pub(super) async fn make_anew(&self, session: Session<'_>, removed_ns: i64) -> Result<Anew, Failure> {
        let all_runs = Runs::of(session, self.account).await?;
        let mut gone = self.without_numbers.clone();
        let (mut draughts, mut removals) = (Vec::new(), Vec::new());
        for part in &self.parts {
            let runs = all_runs.within(&part.numbers);
            let of_removals: Vec<i64> = self.removals.range(part.numbers.clone()).copied().collect();
            if !part.is_anew && part.is_right(&runs, &of_removals) {
                continue;
            }
            gone.extend(part.block.map(|block| block.first_sequence));
            // The first block that is made keeps the number.
            let mut number = part.block.map(|block| block.number);
            let kept_ns = part.block.and_then(|block| block.removed_ns);
            for removal in of_removals {
                let draft = Draft::new(unsigned(removal), Some(kept_ns.unwrap_or(removed_ns)));
                removals.push(Draught { number: number.take(), numbers: removal..removal + 1, draft });
            }
            for run in runs {
                for start in run.clone().step_by(usize::try_from(MOST).unwrap_or(usize::MAX)) {
                    let numbers = start..run.end.min(start.saturating_add(MOST));
                    let draft = Draft::new(unsigned(start), None);
                    draughts.push(Draught { number: number.take(), numbers, draft });
                }
            }
        }
        let end = self.parts.last().map_or(0, |part| part.numbers.end);
        all_runs.leave_unused(session, self.account, &self.removals, end).await?;
        let mut strings = Strings::default();
        self.fill(session, &mut draughts, &mut strings).await?;
        self.fill_removals(session, &mut removals, &mut strings).await?;
        removals.append(&mut draughts);
        removals.sort_by_key(|draught| draught.number.is_none());
        let (mut numbers, mut rows) = (Vec::new(), BlockRows::default());
        for Draught { number, draft, .. } in &removals {
            numbers.push(*number);
            rows.push(self.account, draft, &strings);
        }
        Ok(Anew { account: self.account, gone, numbers, rows })
    }

    /// Adds to each block the entries with its numbers, wherever in time they stand.
    async fn fill(
        &self,
        session: Session<'_>,
        draughts: &mut [Draught],
        strings: &mut Strings,
    ) -> Result<(), Failure> {
        let (Some(first), Some(last)) = (draughts.first(), draughts.last()) else { return Ok(()) };
        let (first, last) = (first.numbers.start, last.numbers.end - 1);
        for table in ["entries", "removed"] {
            let sql =
                format!("SELECT {COLUMNS} FROM {table} WHERE account = $1 AND sequence BETWEEN $2 AND $3");
            let mut rows = pin!(session.stream(&sql, &[&self.account.0, &first, &last]).await?);
            let mut scratch = Scratch::default();
            while let Some(row) = rows.try_next().await? {
                let number = row.try_get(1)?;
                let behind = draughts.partition_point(|draught| draught.numbers.start <= number);
                let draught = behind.checked_sub(1).and_then(|at| draughts.get_mut(at));
                if let Some(draught) = draught.filter(|draught| draught.numbers.contains(&number)) {
                    draught.draft.add(&share(&row, &mut scratch, strings)?);
                }
            }
        }
        Ok(())
    }

    async fn fill_removals(
        &self,
        session: Session<'_>,
        removals: &mut [Draught],
        strings: &mut Strings,
    ) -> Result<(), Failure> {
        let sql = format!("SELECT {COLUMNS} FROM removed WHERE account = $1 AND removal = $2");
        let mut scratch = Scratch::default();
        for Draught { numbers, draft, .. } in removals {
            for row in session.rows(&sql, &[&self.account.0, &numbers.start]).await? {
                draft.add(&share(&row, &mut scratch, strings)?);
            }
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

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
