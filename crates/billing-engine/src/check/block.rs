//! Blocks side by side in the order of storing, made anew from the entries.

use std::collections::BTreeMap;
use std::ops::Range;

use billing_model::{EntrySet, Total, WholeSet};

use super::reader::Share;

/// The most sums that the blocks of a portion have together: about 4 MiB.
const MOST_SUMS: u64 = 1 << 16;

/// A block, and the same made anew from its entries. It takes about a quarter of a KiB.
pub struct Made<T> {
    /// The number that it has in the ledger.
    pub number: i64,
    /// The numbers that its entries should have. For a removal, its own number.
    pub numbers: Range<i64>,
    /// True for entries that were taken out.
    pub is_removal: bool,
    pub(super) entries: u64,
    pub(super) span_ns: (i64, i64),
    /// False when an entry could not be read: then its sets are not known.
    pub(super) has_sets: bool,
    pub(super) entry_set: EntrySet,
    pub(super) whole_set: WholeSet,
    /// Nearly all blocks have one currency.
    first_sum: Option<(T, Total)>,
    other_sums: BTreeMap<T, Total>,
}

/// Blocks side by side in the order of storing, as many as are made at a time.
pub struct Portion<T> {
    /// The blocks in order.
    pub blocks: Vec<Made<T>>,
    /// Where the next portion begins, if there is one.
    pub next: Option<i64>,
    /// The time in which their entries should lie, in nanoseconds since 1970.
    pub span_ns: (i64, i64),
    most: usize,
    sums: u64,
}

/// Where a block stands, as it is kept.
pub struct Place {
    /// Its number in the ledger.
    pub number: i64,
    /// The number of its first entry, or of its removal.
    pub first_sequence: i64,
    /// True for entries that were taken out.
    pub is_removal: bool,
    /// How many entries it has.
    pub entries: i64,
    /// The instants of its earliest and of its latest entry, in nanoseconds since 1970.
    pub span_ns: (i64, i64),
    /// How many currencies it has sums of.
    pub sums: u64,
}

impl<T: Ord + Clone> Portion<T> {
    /// A portion that has room for so many blocks.
    pub fn of(most: usize) -> Self {
        Self { blocks: Vec::new(), next: None, span_ns: (i64::MAX, i64::MIN), most, sums: 0 }
    }

    /// Puts a block behind the others, without its entries. False when there is no room: the next portion begins with it.
    pub fn push(&mut self, place: &Place) -> bool {
        let Place { number, first_sequence: first, is_removal, entries, span_ns, sums } = *place;
        self.sums += sums;
        if !self.blocks.is_empty() && (self.blocks.len() >= self.most || self.sums > MOST_SUMS) {
            self.next = Some(first);
            return false;
        }
        self.blocks.push(Made {
            number,
            numbers: first..first.saturating_add(if is_removal { 1 } else { entries }),
            is_removal,
            entries: 0,
            span_ns: (i64::MAX, i64::MIN),
            has_sets: true,
            entry_set: EntrySet::EMPTY,
            whole_set: WholeSet::EMPTY,
            first_sum: None,
            other_sums: BTreeMap::new(),
        });
        self.span_ns = (self.span_ns.0.min(span_ns.0), self.span_ns.1.max(span_ns.1));
        true
    }

    /// The numbers of the entries and removals that are in it.
    pub fn numbers(&self) -> (i64, i64) {
        let first = self.blocks.first().map_or(0, |block| block.numbers.start);
        (first, self.next.map_or(i64::MAX, |next| next.saturating_sub(1)))
    }

    /// The block in which the entry with this number was recorded, if it is here.
    pub fn recorded(&mut self, sequence: i64) -> Option<&mut Made<T>> {
        self.block_of(sequence).filter(|block| !block.is_removal)
    }

    /// The block of the removal with this number, if it is here.
    fn removal(&mut self, removal: i64) -> Option<&mut Made<T>> {
        self.block_of(removal).filter(|block| block.is_removal)
    }

    fn block_of(&mut self, number: i64) -> Option<&mut Made<T>> {
        let behind = self.blocks.partition_point(|block| block.numbers.start <= number);
        let block = self.blocks.get_mut(behind.checked_sub(1)?)?;
        block.numbers.contains(&number).then_some(block)
    }

    /// Adds an entry to the block in which it came, and to the one in which it was taken out.
    pub fn add_removed(&mut self, sequence: i64, removal: i64, share: &Share<T>) {
        if let Some(block) = self.recorded(sequence) {
            block.add(share);
        }
        if let Some(block) = self.removal(removal) {
            block.add(share);
        }
    }
}

impl<T: Ord + Clone> Made<T> {
    /// Adds an entry.
    pub fn add(&mut self, share: &Share<T>) {
        let Share { timestamp_ns, currency, amount, digests } = share;
        self.entries += 1;
        self.span_ns = (self.span_ns.0.min(*timestamp_ns), self.span_ns.1.max(*timestamp_ns));
        let (first_currency, first_sum) =
            self.first_sum.get_or_insert_with(|| (currency.clone(), Total::default()));
        match first_currency == currency {
            true => first_sum.add(*amount),
            false => self.other_sums.entry(currency.clone()).or_default().add(*amount),
        }
        match digests {
            None => self.has_sets = false,
            Some((entry, whole)) => {
                self.entry_set.add(*entry);
                self.whole_set.add(*whole);
            }
        }
    }

    /// The sums of its entries by currency.
    pub(super) fn sums(&self) -> BTreeMap<&T, &Total> {
        let first = self.first_sum.iter().map(|(currency, sum)| (currency, sum));
        first.chain(&self.other_sums).collect()
    }

    pub(super) fn place(&self) -> String {
        match self.is_removal {
            true => format!("block {}, a removal", self.number),
            false => format!("block {}", self.number),
        }
    }
}
