//! Compares blocks: they must be numbered without gaps, have each entry once, and agree with their entries.

use std::ops::Range;

use billing_ledger::{Block, DifferenceKind};
use billing_model::Total;

use super::block::Made;
use super::findings::{Findings, HeldSum, Values};
use super::numbers::Numbers;
use super::words::{instant, numbered};

/// What a block says about its entries, as it is kept.
pub struct HeldBlock<T> {
    /// How many entries it has.
    pub entries: i64,
    /// The instants of its earliest and of its latest entry, in nanoseconds since 1970.
    pub span_ns: (i64, i64),
    /// The text of the set of its entries.
    pub entry_set: String,
    /// The text of the set of all that its entries have.
    pub whole_set: String,
    /// Its sums by currency, in any order.
    pub sums: Vec<(T, HeldSum)>,
}

/// The numbers of the blocks of a whole ledger, in order.
pub struct BlockNumbers {
    expect: i64,
}

impl BlockNumbers {
    /// Before the first block.
    pub const START: Self = Self { expect: 1 };

    /// Looks at the next number.
    pub fn look_at<F: Findings>(&mut self, number: i64, findings: &mut F) {
        findings.notes().report.checked.blocks += 1;
        if number < self.expect {
            let (held, expected) = match number < 1 {
                true => (number.to_string(), "1 or more"),
                false => (format!("{number}, once more"), "there once"),
            };
            let values = Values::new("number", Some(held), Some(expected.to_owned()));
            findings.add(DifferenceKind::Block, |_| format!("block {number}"), values);
            return;
        }
        if number > self.expect {
            let values = Values::new("number", None, Some("there".to_owned()));
            findings.add(DifferenceKind::Block, |_| numbered("block", &(self.expect..number)), values);
        }
        self.expect = number.saturating_add(1);
    }

    /// The number that the next block would have.
    pub fn next(&self) -> i64 {
        self.expect
    }
}

/// Checks that each sequence number is in one block. `end` is where the block before ends.
pub fn look_at_place<F: Findings>(block: &Made<F::Text>, end: i64, numbers: &Numbers, findings: &mut F) {
    let Made { numbers: stretch, is_removal, .. } = block;
    if numbers.next.is_some() {
        are_in_no_block(end..stretch.start, numbers, findings);
    }
    // For a block without numbers, the fault is reported with its entries.
    if stretch.is_empty() || (stretch.start >= end && numbers.are_seen(stretch)) {
        return;
    }
    let (held, expected) = match is_removal {
        true => (stretch.start.to_string(), "a number of this removal alone"),
        false => (
            format!("{}, of {} entries", stretch.start, stretch.end.saturating_sub(stretch.start)),
            "the first number of so many entries of this block alone",
        ),
    };
    let values = Values::new("first_sequence", Some(held), Some(expected.to_owned()));
    findings.add(DifferenceKind::Block, |_| block.place(), values);
}

/// Notes those of these numbers that some block should have.
pub fn are_in_no_block<F: Findings>(stretch: Range<i64>, numbers: &Numbers, findings: &mut F) {
    numbers.without_free(stretch, |part| {
        let values = Values::new("block", None, Some("there".to_owned()));
        findings.add(DifferenceKind::Block, |_| numbered("sequence", &part), values);
    });
}

/// Compares what a block says with its entries.
pub fn compare_block<F: Findings>(block: &Made<F::Text>, held: HeldBlock<F::Text>, findings: &mut F) {
    let expected = match block.entries {
        0 => None,
        made if u64::try_from(held.entries) != Ok(made) => Some(made.to_string()),
        made if made > Block::MOST_ENTRIES => Some(format!("{} or less", Block::MOST_ENTRIES)),
        _ => Some(held.entries.to_string()),
    };
    differs(block, "entries", held.entries.to_string(), expected, findings);
    if block.entries == 0 {
        return;
    }
    let spans = [("first_ns", held.span_ns.0, block.span_ns.0), ("last_ns", held.span_ns.1, block.span_ns.1)];
    for (field, had, made) in spans {
        if had != made {
            differs(block, field, instant(had), Some(instant(made)), findings);
        }
    }
    if block.has_sets {
        differs(block, "entry_set", held.entry_set, Some(block.entry_set.to_string()), findings);
        differs(block, "whole_set", held.whole_set, Some(block.whole_set.to_string()), findings);
    }
    compare_sums(block, held.sums, findings);
}

fn differs<F: Findings>(
    block: &Made<F::Text>,
    field: &'static str,
    held: String,
    expected: Option<String>,
    findings: &mut F,
) {
    if expected.as_ref() != Some(&held) {
        findings.add(DifferenceKind::Block, |_| block.place(), Values::new(field, Some(held), expected));
    }
}

fn compare_sums<F: Findings>(block: &Made<F::Text>, held: Vec<(F::Text, HeldSum)>, findings: &mut F) {
    let mut made = block.sums();
    let mut is_wrong = |currency: &F::Text, had: Option<String>, sum: Option<&Total>| {
        let values = Values::new("amount", had, sum.map(Total::to_string));
        let place = |findings: &F| format!("{}, {}", block.place(), findings.text(currency));
        findings.add(DifferenceKind::Block, place, values);
    };
    for (currency, had) in held {
        let sum = made.remove(&currency);
        if sum.is_none_or(|sum| had.as_ref() != Ok(sum)) {
            let had = had.map_or_else(|words| words, |total| total.to_string());
            is_wrong(&currency, Some(had), sum);
        }
    }
    for (currency, sum) in made {
        is_wrong(currency, None, Some(sum));
    }
}
