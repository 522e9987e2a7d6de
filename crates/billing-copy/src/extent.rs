//! Where the entries of blocks lie: in which days, and under which sequences.

use std::collections::{BTreeMap, BTreeSet};

use billing_ledger::{CopiedBlock, Sequences};

const NS_PER_DAY: i64 = 86_400_000_000_000;

/// Where the entries of some blocks of one account lie. Its size is bounded by the days that they have entries in, and by how often others
/// stand between them.
#[derive(Debug, Default)]
pub(crate) struct Extent {
    /// The sequences of recorded entries and of removals, as stretches without gaps: the first of each, and the one behind its last.
    stretches: BTreeMap<u64, u64>,
    /// The numbers of removals.
    removals: BTreeSet<u64>,
    /// The days of recorded entries, as stretches without gaps: the first of each, and the one behind its last.
    days: BTreeMap<i64, i64>,
    /// How many entries are recorded in the blocks.
    pub(crate) entries: u64,
}

impl Extent {
    /// Adds a block.
    pub(crate) fn add(&mut self, CopiedBlock { block, span_ns: (first_ns, last_ns) }: &CopiedBlock) {
        let first = block.first_sequence;
        if block.removed_at.is_some() {
            self.removals.insert(first);
            return insert(&mut self.stretches, first, first.saturating_add(1));
        }
        self.entries += block.entries();
        insert(&mut self.stretches, first, first.saturating_add(block.entries()));
        let day = |ns: &i64| ns.div_euclid(NS_PER_DAY);
        insert(&mut self.days, day(first_ns), day(last_ns).max(day(first_ns)) + 1);
    }

    /// True when one of the blocks has the entry with this sequence.
    pub(crate) fn has(&self, sequence: u64) -> bool {
        let stretch = self.stretches.range(..=sequence).next_back();
        stretch.is_some_and(|(_, end)| sequence < *end)
    }

    /// True when one of the blocks is the removal with this number.
    pub(crate) fn has_removal(&self, removal: u64) -> bool {
        self.removals.contains(&removal)
    }

    /// The lowest and the highest sequence of an entry or a removal; `None` without blocks.
    pub(crate) fn sequences(&self) -> Option<Sequences> {
        let (first, (_, end)) = (self.stretches.first_key_value()?.0, self.stretches.last_key_value()?);
        Some(Sequences { first: *first, last: end - 1 })
    }

    /// The lowest and the highest number of a removal; `None` without any.
    pub(crate) fn removals(&self) -> Option<Sequences> {
        Some(Sequences { first: *self.removals.first()?, last: *self.removals.last()? })
    }

    /// The spans of time in which its entries lie, in their order: the first and the last instant of each, in nanoseconds since 1970.
    pub(crate) fn spans_ns(&self) -> impl Iterator<Item = (i64, i64)> {
        self.days.iter().map(|(first, end)| {
            let end_ns = end.saturating_mul(NS_PER_DAY);
            // The last day that a ledger holds ends in its middle.
            let last_ns = if end_ns == i64::MAX { end_ns } else { end_ns - 1 };
            (first.saturating_mul(NS_PER_DAY), last_ns)
        })
    }
}

/// Puts a stretch in, and joins it with those that it touches.
fn insert<N: Copy + Ord>(stretches: &mut BTreeMap<N, N>, first: N, end: N) {
    let (mut first, mut end) = (first, end);
    while let Some((before, until)) = stretches.range(..=end).next_back().map(|(from, to)| (*from, *to)) {
        if until < first {
            break;
        }
        stretches.remove(&before);
        (first, end) = (first.min(before), end.max(until));
    }
    stretches.insert(first, end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_ledger::{AccountId, Block};
    use billing_model::{EntrySet, Timestamp, WholeSet};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stretches_are_the_numbers_that_were_put_in(all in prop::collection::vec((0..60u64, 1..6u64), 0..30)) {
            let (mut stretches, mut numbers) = (BTreeMap::new(), BTreeSet::new());
            for (first, length) in all {
                insert(&mut stretches, first, first + length);
                numbers.extend(first..first + length);
            }
            let found: Vec<u64> = stretches.iter().flat_map(|(first, end)| *first..*end).collect();
            prop_assert_eq!(found, numbers.into_iter().collect::<Vec<_>>());
            let ends: Vec<_> = stretches.iter().collect();
            prop_assert!(ends.windows(2).all(|pair| pair[0].1 < pair[1].0), "they are joined: {ends:?}");
        }
    }

    fn block(first_sequence: u64, entries: u64, removed_ns: Option<i64>, span_ns: (i64, i64)) -> CopiedBlock {
        let entry_set: EntrySet = format!("v1:{entries}:{:032x}", 1).parse().unwrap();
        let whole_set: WholeSet = entry_set.to_string().parse().unwrap();
        let removed_at = removed_ns.map(Timestamp::from_unix_ns);
        let (number, account, sums) = (1, AccountId(1), Vec::new());
        CopiedBlock {
            block: Block { number, account, first_sequence, removed_at, sums, entry_set, whole_set },
            span_ns,
        }
    }

    #[test]
    fn it_has_the_sequences_and_days_of_blocks_and_their_removals_apart() {
        let mut extent = Extent::default();
        assert_eq!((extent.sequences(), extent.removals()), (None, None));
        extent.add(&block(10, 5, None, (-1, 0)));
        extent.add(&block(15, 3, Some(9), (5, i64::MAX)));
        extent.add(&block(16, 2, None, (3 * NS_PER_DAY, 3 * NS_PER_DAY + 5)));
        extent.add(&block(40, 1, None, (i64::MAX, i64::MAX)));
        extent.add(&block(41, 1, None, (i64::MIN, i64::MIN)));
        let has: Vec<u64> = (0..50).filter(|sequence| extent.has(*sequence)).collect();
        assert_eq!(has, [10, 11, 12, 13, 14, 15, 16, 17, 40, 41]);
        assert!(extent.has_removal(15) && !extent.has_removal(16));
        assert_eq!(extent.removals(), Some(Sequences { first: 15, last: 15 }));
        assert_eq!((extent.sequences(), extent.entries), (Some(Sequences { first: 10, last: 41 }), 9));
        let spans: Vec<_> = extent.spans_ns().collect();
        let day = i64::MAX / NS_PER_DAY * NS_PER_DAY;
        assert_eq!(
            spans,
            [
                (i64::MIN, -106_751 * NS_PER_DAY - 1),
                (-NS_PER_DAY, NS_PER_DAY - 1),
                (3 * NS_PER_DAY, 4 * NS_PER_DAY - 1),
                (day, i64::MAX),
            ]
        );
    }
}
