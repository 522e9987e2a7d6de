//! Checks blocks: they must be numbered without gaps, have each entry once, and agree with their entries.

use std::ops::Range;

use billing_ledger::{Block, Checked, DifferenceKind};
use billing_model::Total;
use rusqlite::Row;

use super::block::{Made, Portion};
use super::entry::Reader;
use super::findings::{Findings, Values};
use super::numbers::Numbers;
use super::words::{held, held_sum, instant, total};
use crate::row::signed;

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
        let mut expect = 1;
        while let Some(row) = rows.next()? {
            self.report.checked.blocks += 1;
            let number: i64 = row.get(0)?;
            if number < expect {
                let values = Values::new("number", Some(number.to_string()), Some("1 or more".to_owned()));
                self.add(DifferenceKind::Block, |_| format!("block {number}"), values);
                continue;
            }
            if number > expect {
                let values = Values::new("number", None, Some("there".to_owned()));
                self.add(DifferenceKind::Block, |_| numbered("block", &(expect..number)), values);
            }
            expect = number.saturating_add(1);
        }
        let mut select = connection.prepare(ORPHANS)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let (block, currency): (i64, i64) = (row.get(0)?, row.get(1)?);
            let values = Values::new("amount", Some(held(row.get_ref(2)?)), None);
            let place = |findings: &Self| format!("block {block}, {}", findings.text(currency));
            self.add(DifferenceKind::Block, place, values);
        }
        Ok(())
    }

    /// Checks the blocks of an account. The first portion has its entries already.
    pub(super) fn look_at_blocks(
        &mut self,
        id: i64,
        first: Portion,
        numbers: &Numbers,
        reader: &mut Reader<'_>,
    ) -> rusqlite::Result<()> {
        let (mut portion, mut end) = (first, 0);
        loop {
            for block in &portion.blocks {
                self.look_at_place(block, end, numbers);
                end = block.numbers.end;
                self.compare_block(block)?;
            }
            let Some(next) = portion.next else { break };
            portion = Portion::from(self.connection, id, next)?;
            portion.fill(id, reader)?;
        }
        if let Some(next) = numbers.next {
            self.are_in_no_block(end..next, numbers);
        }
        Ok(())
    }

    /// Checks that each sequence number is in one block. `end` is where the block before ends.
    fn look_at_place(&mut self, block: &Made, end: i64, numbers: &Numbers) {
        let Made { numbers: stretch, is_removal, .. } = block;
        if numbers.next.is_some() {
            self.are_in_no_block(end..stretch.start, numbers);
        }
        // For a block without numbers, the fault is reported with its entries.
        if stretch.is_empty() || (stretch.start >= end && numbers.are_seen(stretch)) {
            return;
        }
        let (held, expected) = match is_removal {
            true => (stretch.start.to_string(), "a number of this removal alone"),
            false => (
                format!("{}, of {} entries", stretch.start, stretch.end - stretch.start),
                "the first number of so many entries of this block alone",
            ),
        };
        let values = Values::new("first_sequence", Some(held), Some(expected.to_owned()));
        self.add(DifferenceKind::Block, |_| block.place(), values);
    }

    fn are_in_no_block(&mut self, stretch: Range<i64>, numbers: &Numbers) {
        numbers.without_free(stretch, |part| {
            let values = Values::new("block", None, Some("there".to_owned()));
            self.add(DifferenceKind::Block, |_| numbered("sequence", &part), values);
        });
    }

    /// Compares what a block says with its entries.
    fn compare_block(&mut self, block: &Made) -> rusqlite::Result<()> {
        let mut select = self.connection.prepare_cached(HELD)?;
        let mut rows = select.query([block.number])?;
        let Some(row) = rows.next()? else { return Ok(()) };
        let entries: i64 = row.get(0)?;
        let expected = match block.entries {
            0 => None,
            made if signed(made) != entries => Some(made.to_string()),
            made if made > Block::MOST_ENTRIES => Some(format!("{} or less", Block::MOST_ENTRIES)),
            _ => Some(entries.to_string()),
        };
        self.differs(block, "entries", entries.to_string(), expected);
        if block.entries == 0 {
            return Ok(());
        }
        for (field, held, made) in
            [("first_ns", row.get(1)?, block.span_ns.0), ("last_ns", row.get(2)?, block.span_ns.1)]
        {
            if held != made {
                self.differs(block, field, instant(held), Some(instant(made)));
            }
        }
        if block.has_sets {
            self.differs(block, "entry_set", text(row, 3)?, Some(block.entry_set.to_string()));
            self.differs(block, "whole_set", text(row, 4)?, Some(block.whole_set.to_string()));
        }
        self.compare_sums(block)
    }

    fn differs(&mut self, block: &Made, field: &'static str, held: String, expected: Option<String>) {
        if expected.as_ref() != Some(&held) {
            self.add(DifferenceKind::Block, |_| block.place(), Values::new(field, Some(held), expected));
        }
    }

    fn compare_sums(&mut self, block: &Made) -> rusqlite::Result<()> {
        let connection = self.connection;
        let mut made = block.sums();
        let mut select = connection.prepare_cached(HELD_SUMS)?;
        let mut rows = select.query([block.number])?;
        while let Some(row) = rows.next()? {
            let (currency, amount) = (row.get(0)?, row.get_ref(1)?);
            let sum = made.remove(&currency);
            if sum.is_none_or(|sum| total(amount).as_ref() != Some(sum)) {
                let values = Values::new("amount", Some(held_sum(amount)), sum.map(Total::to_string));
                self.is_wrong_sum(block, currency, values);
            }
        }
        for (currency, sum) in made {
            self.is_wrong_sum(block, currency, Values::new("amount", None, Some(sum.to_string())));
        }
        Ok(())
    }

    fn is_wrong_sum(&mut self, block: &Made, currency: i64, values: Values) {
        let place = |findings: &Self| format!("{}, {}", block.place(), findings.text(currency));
        self.add(DifferenceKind::Block, place, values);
    }
}

impl Made {
    fn place(&self) -> String {
        match self.is_removal {
            true => format!("block {}, a removal", self.number),
            false => format!("block {}", self.number),
        }
    }
}

/// One of them or several.
fn numbered(noun: &str, numbers: &Range<i64>) -> String {
    let (first, last) = (numbers.start, numbers.end - 1);
    match first == last {
        true => format!("{noun} {first}"),
        false => format!("{noun}s {first} to {last}"),
    }
}

/// A text for comparison, or a description of what is there in its place.
fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let value = row.get_ref(column)?;
    Ok(value.as_str().map_or_else(|_| held(value), str::to_owned))
}
