//! A portion of an account's blocks, made anew from the entries.

use std::collections::BTreeMap;
use std::ops::Range;

use billing_model::{EntrySet, Total, WholeSet};
use rusqlite::Connection;

use super::entry::{Reader, Share};
use crate::row::COLUMNS;

/// The most blocks that are made at a time, and the most sums that they have together: about 8 MiB and 4 MiB.
const MOST_BLOCKS: usize = 1 << 15;
const MOST_SUMS: i64 = 1 << 16;

const BLOCKS: &str = "
    SELECT number, first_sequence, removed_ns IS NOT NULL, entries, first_ns, last_ns,
        (SELECT COUNT(*) FROM block_sums WHERE block = number)
    FROM blocks WHERE account = ?1 AND first_sequence >= ?2 ORDER BY first_sequence";

/// A block, and the same made anew from its entries.
pub(super) struct Made {
    pub(super) number: i64,
    /// The numbers that its entries should have. For a removal, its own number.
    pub(super) numbers: Range<i64>,
    pub(super) is_removal: bool,
    pub(super) entries: u64,
    pub(super) span_ns: (i64, i64),
    /// False when an entry could not be read: then its sets are not known.
    pub(super) has_sets: bool,
    pub(super) entry_set: EntrySet,
    pub(super) whole_set: WholeSet,
    /// Nearly all blocks have one currency.
    first_sum: Option<(i64, Total)>,
    other_sums: BTreeMap<i64, Total>,
}

/// Blocks side by side in the order of storing.
pub(super) struct Portion {
    pub(super) blocks: Vec<Made>,
    /// Where the next portion begins, if there is one.
    pub(super) next: Option<i64>,
    /// The time in which their entries should lie.
    span_ns: (i64, i64),
}

impl Portion {
    /// The blocks from a number on, without their entries.
    pub(super) fn from(connection: &Connection, account: i64, first: i64) -> rusqlite::Result<Self> {
        let mut portion = Self { blocks: Vec::new(), next: None, span_ns: (i64::MAX, i64::MIN) };
        let mut select = connection.prepare_cached(BLOCKS)?;
        let mut rows = select.query((account, first))?;
        let mut sums = 0;
        while let Some(row) = rows.next()? {
            let (first, is_removal): (i64, bool) = (row.get(1)?, row.get(2)?);
            sums += row.get::<_, i64>(6)?;
            let is_full = portion.blocks.len() == MOST_BLOCKS || sums > MOST_SUMS;
            if is_full && !portion.blocks.is_empty() {
                portion.next = Some(first);
                break;
            }
            let length = if is_removal { 1 } else { row.get(3)? };
            portion.blocks.push(Made {
                number: row.get(0)?,
                numbers: first..first.saturating_add(length),
                is_removal,
                entries: 0,
                span_ns: (i64::MAX, i64::MIN),
                has_sets: true,
                entry_set: EntrySet::EMPTY,
                whole_set: WholeSet::EMPTY,
                first_sum: None,
                other_sums: BTreeMap::new(),
            });
            let (first_ns, last_ns) = portion.span_ns;
            portion.span_ns = (first_ns.min(row.get(4)?), last_ns.max(row.get(5)?));
        }
        Ok(portion)
    }

    /// The block in which the entry with this number was recorded, if it is here.
    pub(super) fn recorded(&mut self, sequence: i64) -> Option<&mut Made> {
        self.block_of(sequence).filter(|block| !block.is_removal)
    }

    /// The block of the removal with this number, if it is here.
    pub(super) fn removal(&mut self, removal: i64) -> Option<&mut Made> {
        self.block_of(removal).filter(|block| block.is_removal)
    }

    fn block_of(&mut self, number: i64) -> Option<&mut Made> {
        let behind = self.blocks.partition_point(|block| block.numbers.start <= number);
        let block = self.blocks.get_mut(behind.checked_sub(1)?)?;
        block.numbers.contains(&number).then_some(block)
    }

    /// Adds the entries that belong to these blocks.
    pub(super) fn fill(&mut self, account: i64, reader: &mut Reader<'_>) -> rusqlite::Result<()> {
        let numbers = self.blocks.first().map_or(0, |block| block.numbers.start)
            ..=self.next.map_or(i64::MAX, |next| next.saturating_sub(1));
        let connection = reader.connection();
        let within = (account, numbers.start(), numbers.end(), self.span_ns.0, self.span_ns.1);
        let mut select = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} FROM entries WHERE account = ?1 AND sequence BETWEEN ?2 AND ?3
             AND timestamp_ns BETWEEN ?4 AND ?5",
        ))?;
        let mut rows = select.query(within)?;
        while let Some(row) = rows.next()? {
            if let Some(block) = self.recorded(row.get(1)?) {
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
            self.add_removed(row.get(1)?, row.get("removal")?, &share);
        }
        Ok(())
    }

    /// Adds an entry to the block in which it came, and to the one in which it was taken out.
    pub(super) fn add_removed(&mut self, sequence: i64, removal: i64, share: &Share) {
        if let Some(block) = self.recorded(sequence) {
            block.add(share);
        }
        if let Some(block) = self.removal(removal) {
            block.add(share);
        }
    }
}

impl Made {
    pub(super) fn add(&mut self, share: &Share) {
        let Share { timestamp_ns, currency, amount, digests } = *share;
        self.entries += 1;
        self.span_ns = (self.span_ns.0.min(timestamp_ns), self.span_ns.1.max(timestamp_ns));
        let (first_currency, first_sum) = self.first_sum.get_or_insert_with(|| (currency, Total::default()));
        match *first_currency == currency {
            true => first_sum.add(amount),
            false => self.other_sums.entry(currency).or_default().add(amount),
        }
        match digests {
            None => self.has_sets = false,
            Some((entry, whole)) => {
                self.entry_set.add(entry);
                self.whole_set.add(whole);
            }
        }
    }

    /// The sums of its entries by currency.
    pub(super) fn sums(&self) -> BTreeMap<i64, &Total> {
        let first = self.first_sum.iter().map(|(currency, sum)| (*currency, sum));
        first.chain(self.other_sums.iter().map(|(currency, sum)| (*currency, sum))).collect()
    }
}
