//! The numbers of an account in parts, block by block, of which some are made anew.

use std::collections::BTreeSet;
use std::ops::Range;

use billing_ledger::Block;

use crate::blocks::Draft;
use crate::span::Span;

/// The most entries of a block, as a length of numbers.
const MOST: i64 = Block::MOST_ENTRIES.cast_signed();

/// What a block says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRow {
    /// Its number in the ledger.
    pub number: i64,
    /// The first number of its entries, or that of a removal.
    pub first_sequence: i64,
    /// How many entries it has.
    pub entries: i64,
    /// When its entries were taken out, if it is a removal.
    pub removed_ns: Option<i64>,
    /// The first and the last instant of its entries.
    pub span_ns: (i64, i64),
}

/// A stretch of sequence numbers, and the block that says that it has them.
#[derive(Debug)]
struct Part {
    numbers: Range<i64>,
    block: Option<BlockRow>,
    /// True when it is made anew.
    is_anew: bool,
}

/// The numbers of an account before a repair, in parts; and its removals.
#[derive(Debug)]
pub struct Parts {
    parts: Vec<Part>,
    /// Blocks without numbers of their own.
    without_numbers: Vec<BlockRow>,
    removals: BTreeSet<i64>,
}

/// Blocks that are made anew, and those whose place they take.
pub struct Anew {
    /// The blocks that go.
    pub gone: Vec<BlockRow>,
    /// In the order of their numbers.
    entries: Vec<Draught>,
    removals: Vec<Draught>,
}

/// A block that is made anew.
struct Draught {
    /// The number in the ledger that it keeps.
    number: Option<i64>,
    numbers: Range<i64>,
    draft: Draft,
}

impl Parts {
    /// The parts of an account's numbers below `end`, of its blocks in the order of their first numbers, each of which is one, and of the
    /// numbers of its removals.
    pub fn of(blocks: &[BlockRow], removals: BTreeSet<i64>, end: i64) -> Self {
        let mut all = Self { parts: Vec::new(), without_numbers: Vec::new(), removals };
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
        all
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
    pub fn touch(&mut self, number: i64) {
        let behind = self.parts.partition_point(|part| part.numbers.start <= number);
        if let Some(part) = behind.checked_sub(1).and_then(|at| self.parts.get_mut(at)) {
            part.is_anew = true;
        }
    }

    /// Notes each block that says that it has entries in a span of time.
    pub fn touch_span(&mut self, span: Span) {
        for part in &mut self.parts {
            if let Some(BlockRow { span_ns: (first_ns, last_ns), .. }) = part.block {
                let is_possible = first_ns <= last_ns;
                part.is_anew |= !is_possible || (first_ns <= span.last_ns && last_ns >= span.first_ns);
            }
        }
    }

    /// The blocks to make: those that were noted, and those that have not just their numbers. `runs` are the stretches of a range that
    /// rows have, in order. A removal that lost its block is of `removed_ns`.
    pub fn anew(&self, runs: impl Fn(&Range<i64>) -> Vec<Range<i64>>, removed_ns: i64) -> Anew {
        let gone = self.without_numbers.clone();
        let mut anew = Anew { gone, entries: Vec::new(), removals: Vec::new() };
        for part in &self.parts {
            let runs = runs(&part.numbers);
            let removals: Vec<i64> = self.removals.range(part.numbers.clone()).copied().collect();
            if !part.is_anew && part.is_right(&runs, &removals) {
                continue;
            }
            anew.gone.extend(part.block);
            // The first block that is made keeps the number.
            let mut number = part.block.map(|block| block.number);
            let kept_ns = part.block.and_then(|block| block.removed_ns);
            for removal in removals {
                let draft = Draft::new(unsigned(removal), Some(kept_ns.unwrap_or(removed_ns)));
                anew.removals.push(Draught { number: number.take(), numbers: removal..removal + 1, draft });
            }
            for run in runs {
                for start in run.clone().step_by(usize::try_from(MOST).unwrap_or(usize::MAX)) {
                    let numbers = start..run.end.min(start.saturating_add(MOST));
                    let draft = Draft::new(unsigned(start), None);
                    anew.entries.push(Draught { number: number.take(), numbers, draft });
                }
            }
        }
        anew
    }

    /// The stretches of numbers that nobody has for good: no removal, and none of these stretches.
    pub fn unused(&self, mut taken: Vec<Range<i64>>) -> Vec<Range<i64>> {
        let end = self.end();
        taken.extend(self.removals.iter().map(|removal| *removal..removal + 1));
        taken.push(end..end);
        taken.sort_unstable_by_key(|range| range.start);
        let (mut unused, mut from) = (Vec::new(), 0);
        for next in taken {
            if from < next.start {
                unused.push(from..next.start);
            }
            from = from.max(next.end);
        }
        unused
    }

    /// The number behind all of them.
    pub fn end(&self) -> i64 {
        self.parts.last().map_or(0, |part| part.numbers.end)
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
    /// The first and the last number of entries that are in blocks to make.
    pub fn numbers(&self) -> Option<(i64, i64)> {
        Some((self.entries.first()?.numbers.start, self.entries.last()?.numbers.end - 1))
    }

    /// The block for the entry with a number, if it is made anew.
    pub fn draft_of(&mut self, number: i64) -> Option<&mut Draft> {
        let behind = self.entries.partition_point(|draught| draught.numbers.start <= number);
        let draught = behind.checked_sub(1).and_then(|at| self.entries.get_mut(at));
        draught.filter(|draught| draught.numbers.contains(&number)).map(|draught| &mut draught.draft)
    }

    /// The removals to make, and the block for what each took out.
    pub fn removals(&mut self) -> impl Iterator<Item = (i64, &mut Draft)> {
        self.removals.iter_mut().map(|draught| (draught.numbers.start, &mut draught.draft))
    }

    /// The blocks, each with the number in the ledger that it keeps, if it does. Those that keep one come first, so that no other one
    /// gets it.
    pub fn blocks(&self) -> impl Iterator<Item = (Option<i64>, &Draft)> {
        let all = || self.removals.iter().chain(&self.entries);
        let keeping = all().filter(|draught| draught.number.is_some());
        let others = all().filter(|draught| draught.number.is_none());
        keeping.chain(others).map(|draught| (draught.number, &draught.draft))
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: i64, first_sequence: i64, entries: i64, removed_ns: Option<i64>) -> BlockRow {
        BlockRow { number, first_sequence, entries, removed_ns, span_ns: (10 * number, 10 * number + 5) }
    }

    /// The numbers that rows have: of a removal there is none.
    fn within(rows: &[Range<i64>]) -> impl Fn(&Range<i64>) -> Vec<Range<i64>> {
        move |range| {
            let cut = rows.iter().map(|run| run.start.max(range.start)..run.end.min(range.end));
            cut.filter(|run| !run.is_empty()).collect()
        }
    }

    /// Which blocks are made: the number that each keeps, and its numbers.
    fn made(anew: &Anew) -> Vec<(Option<i64>, Range<i64>)> {
        let all = anew.removals.iter().chain(&anew.entries);
        all.map(|draught| (draught.number, draught.numbers.clone())).collect()
    }

    #[test]
    fn what_is_right_stays_and_what_was_touched_is_made() {
        let blocks = [block(1, 0, 4, None), block(2, 4, 2, Some(7)), block(3, 5, 3, None)];
        let mut parts = Parts::of(&blocks, BTreeSet::from([4]), 8);
        let rows = [0..4, 5..8];
        assert_eq!(made(&parts.anew(within(&rows), 9)), []);
        parts.touch(6);
        let anew = parts.anew(within(&rows), 9);
        assert_eq!((made(&anew), anew.numbers()), (vec![(Some(3), 5..8)], Some((5, 7))));
        assert_eq!(anew.gone, [blocks[2]]);
        parts.touch_span(Span { first_ns: 0, last_ns: 12 });
        assert_eq!(made(&parts.anew(within(&rows), 9)), [(Some(1), 0..4), (Some(3), 5..8)]);
    }

    #[test]
    fn each_number_comes_into_one_block_or_is_unused() {
        // The first block has lost an entry, two others have no number of their own, and a removal has lost its block.
        let blocks = [block(1, 0, 4, None), block(5, 2, 9, None), block(6, 2, 0, None)];
        let parts = Parts::of(&blocks, BTreeSet::from([7]), 12);
        let anew = parts.anew(within(&[0..1, 2..6, 8..11]), 9);
        assert_eq!(anew.gone, [blocks[1], blocks[2], blocks[0]]);
        let mut numbers: Vec<_> = made(&anew).into_iter().flat_map(|(_, numbers)| numbers).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 2, 3, 4, 5, 7, 8, 9, 10]);
        assert_eq!(parts.unused(vec![0..1, 2..6, 8..11]), [1..2, 6..7, 11..12]);
        let kept: Vec<_> = anew.blocks().map(|(number, _)| number.is_some()).collect();
        assert!(kept.is_sorted_by(|one, next| one >= next), "{kept:?}");
    }

    #[test]
    fn a_block_has_at_most_so_many_entries() {
        let parts = Parts::of(&[], BTreeSet::new(), 3 * MOST);
        let whole = 0..2 * MOST + 1;
        let mut anew = parts.anew(within(std::slice::from_ref(&whole)), 9);
        let lengths: Vec<_> = made(&anew).iter().map(|(_, numbers)| numbers.end - numbers.start).collect();
        assert_eq!(lengths, [MOST, MOST, 1]);
        assert!(anew.draft_of(2 * MOST).is_some());
        assert!(anew.draft_of(2 * MOST + 1).is_none());
    }
}
