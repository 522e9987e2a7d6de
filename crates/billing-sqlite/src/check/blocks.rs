//! Checks blocks: they must be numbered without gaps, have each entry once, and agree with their entries.

use billing_engine::check::{
    BlockNumbers, Findings as _, HeldBlock, Made, Numbers, Portion, Values, are_in_no_block, compare_block,
    look_at_place,
};
use billing_ledger::{Checked, DifferenceKind};
use rusqlite::Row;

use super::block::{fill, portion_from};
use super::entry::Reader;
use super::findings::Findings;
use super::words::{held, held_sum, held_text};

const ORPHANS: &str = "
    SELECT block, currency, amount FROM block_sums
    WHERE NOT EXISTS (SELECT 1 FROM blocks WHERE number = block)";

const HELD: &str = "SELECT entries, first_ns, last_ns, entry_set, whole_set FROM blocks WHERE number = ?1";

const HELD_SUMS: &str = "SELECT currency, amount FROM block_sums WHERE block = ?1 ORDER BY currency";

impl<F: FnMut(&Checked)> Findings<'_, F> {
    /// Checks what belongs to no account: the numbers of blocks, and sums of blocks that do not exist.
    pub(super) fn look_at_block_numbers(&mut self) -> rusqlite::Result<()> {
        let connection = self.connection;
        let mut select = connection.prepare("SELECT number FROM blocks ORDER BY number")?;
        let mut rows = select.query([])?;
        let mut numbers = BlockNumbers::START;
        while let Some(row) = rows.next()? {
            numbers.look_at(row.get(0)?, self);
        }
        let mut select = connection.prepare(ORPHANS)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (block, currency): (i64, i64) = (row.get(0)?, row.get(1)?);
            let values = Values::new("amount", Some(held(row.get_ref(2)?)), None);
            let place = |findings: &Self| format!("block {block}, {}", findings.text(&currency));
            self.add(DifferenceKind::Block, place, values);
        }
        Ok(())
    }

    /// Checks the blocks of an account. The first portion has its entries already.
    pub(super) fn look_at_blocks(
        &mut self,
        id: i64,
        first: Portion<i64>,
        numbers: &Numbers,
        reader: &mut Reader<'_>,
    ) -> rusqlite::Result<()> {
        let (mut portion, mut end) = (first, 0);
        loop {
            for block in &portion.blocks {
                look_at_place(block, end, numbers, self);
                end = block.numbers.end;
                if let Some(held) = self.held_block(block)? {
                    compare_block(block, held, self);
                }
            }
            let Some(next) = portion.next else { break };
            portion = portion_from(self.connection, id, next)?;
            fill(&mut portion, id, reader)?;
        }
        if let Some(next) = numbers.next {
            are_in_no_block(end..next, numbers, self);
        }
        Ok(())
    }

    /// What a block says about its entries.
    fn held_block(&self, block: &Made<i64>) -> rusqlite::Result<Option<HeldBlock<i64>>> {
        let mut select = self.connection.prepare_cached(HELD)?;
        let mut rows = select.query([block.number])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut select = self.connection.prepare_cached(HELD_SUMS)?;
        let sum = |row: &Row<'_>| Ok((row.get(0)?, held_sum(row.get_ref(1)?)));
        Ok(Some(HeldBlock {
            entries: row.get(0)?,
            span_ns: (row.get(1)?, row.get(2)?),
            entry_set: held_text(row.get_ref(3)?),
            whole_set: held_text(row.get_ref(4)?),
            sums: select.query_map([block.number], sum)?.collect::<rusqlite::Result<_>>()?,
        }))
    }
}
