//! Checks blocks: they must be numbered without gaps, have each entry once, and agree with their entries.

use billing_engine::check::{
    self, BlockNumbers, Findings as _, Numbers, Values, are_in_no_block, compare_block, look_at_place,
};
use billing_ledger::{Checked, DifferenceKind};

use crate::failure::Failure;

use super::entry::{Reader, columns, sequence};
use super::findings::{Findings, Text};
use super::kept::{block_of, place_of};
use super::moment::Moment;
use super::tables::Tables;

/// The last numbers that were given, and the highest number of an account.
const LAST: &str = "
    SELECT (SELECT last FROM numbers WHERE name = 'block'), (SELECT last FROM numbers WHERE name = 'account'),
        (SELECT max(id) FROM accounts)";

/// Blocks side by side in the order of storing.
pub(super) type Portion = check::Portion<Text>;

/// The next blocks of an account, without their entries.
pub(super) fn portion(most: usize, account: i64, tables: &mut Tables<'_>) -> Result<Portion, Failure> {
    let mut portion = Portion::of(most);
    while let Some(row) = tables.places.peek_of(account)? {
        if !portion.push(&place_of(row)?) {
            break;
        }
        tables.places.next()?;
    }
    Ok(portion)
}

/// Adds the entries that belong to these blocks.
fn fill(
    portion: &mut Portion,
    account: i64,
    reader: &mut Reader,
    moment: &Moment<'_>,
) -> Result<(), Failure> {
    let ((first, last), (first_ns, last_ns)) = (portion.numbers(), portion.span_ns);
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
        [&account, &first, &last, &first_ns, &last_ns];
    let sql = format!(
        "SELECT {} FROM entries WHERE account = $1 AND sequence BETWEEN $2 AND $3
         AND timestamp_ns BETWEEN $4 AND $5",
        columns()
    );
    moment.each(&sql, &values, |row| {
        if let Some(block) = portion.recorded(sequence(row)?) {
            block.add(&reader.share(row)?);
        }
        Ok(())
    })?;
    // The number of a removal is higher than those of its entries.
    let sql = format!(
        "SELECT {}, removal FROM removed WHERE account = $1 AND removal >= $2
         AND (sequence BETWEEN $2 AND $3 OR removal <= $3) AND timestamp_ns BETWEEN $4 AND $5",
        columns()
    );
    moment.each(&sql, &values, |row| {
        let share = reader.share(row)?;
        portion.add_removed(sequence(row)?, row.try_get("removal")?, &share);
        Ok(())
    })
}

impl<'m, F: FnMut(&Checked)> Findings<'m, F> {
    /// Checks what belongs to no account: the numbers of blocks, and the last numbers that were given.
    pub(super) fn look_at_numbers(&mut self) -> Result<(), Failure> {
        let mut numbers = BlockNumbers::START;
        let mut rows = self.moment.rows("SELECT number FROM blocks ORDER BY number");
        while let Some(row) = rows.next()? {
            numbers.look_at(row.try_get(0)?, self);
        }
        let row = self.moment.row(LAST, &[])?;
        let (block, account): (Option<i64>, Option<i64>) = (row.try_get(0)?, row.try_get(1)?);
        let (last, most) = (numbers.next().saturating_sub(1), row.try_get::<_, Option<i64>>(2)?.unwrap_or(0));
        if block != Some(last) {
            let values = Values::new("last", block.map(|last| last.to_string()), Some(last.to_string()));
            self.add(DifferenceKind::Block, |_| "the number of the last block".to_owned(), values);
        }
        if account.is_none_or(|account| account < most) {
            let held = account.map(|last| last.to_string());
            let values = Values::new("last", held, Some(format!("{most} or more")));
            self.add(DifferenceKind::Account, |_| "the number of the last account".to_owned(), values);
        }
        Ok(())
    }

    /// Checks the blocks of an account. The first portion has its entries already.
    pub(super) fn look_at_blocks(
        &mut self,
        id: i64,
        first: Portion,
        numbers: &Numbers,
        tables: &mut Tables<'m>,
        reader: &mut Reader,
    ) -> Result<(), Failure> {
        let (mut portion_now, mut end) = (first, 0);
        loop {
            for block in &portion_now.blocks {
                look_at_place(block, end, numbers, self);
                end = block.numbers.end;
                // Both come in one order, of one moment.
                if let Some(row) = tables.blocks.next_of(id)? {
                    compare_block(block, block_of(&row, &mut reader.texts)?, self);
                }
            }
            if portion_now.next.is_none() {
                break;
            }
            portion_now = portion(self.most_blocks, id, tables)?;
            fill(&mut portion_now, id, reader, self.moment)?;
        }
        if let Some(next) = numbers.next {
            are_in_no_block(end..next, numbers, self);
        }
        Ok(())
    }
}
