//! Which sequence numbers an account's entries have, those that were taken out too, and how often.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Numbers of a chunk: eight KiB of bits.
const CHUNK: i64 = 1 << 16;
const WORDS: usize = 1 << 10;

/// Numbers that rows have. Its memory grows with the rows: a bit for each where the numbers follow one another.
#[derive(Default)]
pub(super) struct Numbers {
    chunks: BTreeMap<i64, Box<[u64; WORDS]>>,
    /// Those that several rows have, with the number of rows.
    again: HashMap<i64, u64>,
}

impl Numbers {
    /// Notes that a row has a number.
    pub(super) fn add(&mut self, number: i64) {
        let (chunk, word, bit) = place(number);
        let words = self.chunks.entry(chunk).or_insert_with(|| Box::new([0; WORDS]));
        if words[word] & bit != 0 {
            *self.again.entry(number).or_insert(1) += 1;
        }
        words[word] |= bit;
    }

    /// Notes that a row does not have its number any more.
    pub(super) fn remove(&mut self, number: i64) {
        match self.again.get_mut(&number) {
            Some(rows @ 3..) => *rows -= 1,
            Some(_) => drop(self.again.remove(&number)),
            None => {
                let (chunk, word, bit) = place(number);
                if let Some(words) = self.chunks.get_mut(&chunk) {
                    words[word] &= !bit;
                }
            }
        }
    }

    /// True when several rows have the number.
    pub(super) fn is_shared(&self, number: i64) -> bool {
        self.again.contains_key(&number)
    }

    /// The highest number below a limit, which begins a chunk. No number was removed yet.
    pub(super) fn last_below(&self, limit: i64) -> Option<i64> {
        let (chunk, words) = self.chunks.range(..limit.div_euclid(CHUNK)).next_back()?;
        let word = words.iter().rposition(|bits| *bits != 0)?;
        let last_bit = 63 - i64::from(words[word].leading_zeros());
        Some(chunk * CHUNK + i64::try_from(word * 64).unwrap_or_default() + last_bit)
    }

    /// The stretches of a range that rows have, in order.
    pub(super) fn runs(&self, range: &Range<i64>) -> Vec<Range<i64>> {
        let mut runs: Vec<Range<i64>> = Vec::new();
        if range.is_empty() {
            return runs;
        }
        let (first_chunk, last_chunk) = (range.start.div_euclid(CHUNK), (range.end - 1).div_euclid(CHUNK));
        for (chunk, words) in self.chunks.range(first_chunk..=last_chunk) {
            // A short range is a few words, however many there are.
            let (_, first, _) = place(range.start.max(chunk * CHUNK));
            let (_, last, _) = place((range.end - 1).min(chunk * CHUNK + (CHUNK - 1)));
            for (number, bits) in (chunk * CHUNK..).step_by(64).zip(words.iter()).take(last + 1).skip(first) {
                let mut left = *bits;
                while left != 0 {
                    let number = number + i64::from(left.trailing_zeros());
                    left &= left - 1;
                    match runs.last_mut() {
                        _ if !range.contains(&number) => {}
                        Some(run) if run.end == number => run.end += 1,
                        _ => runs.push(number..number + 1),
                    }
                }
            }
        }
        runs
    }
}

fn place(number: i64) -> (i64, usize, u64) {
    let within = number.rem_euclid(CHUNK);
    (number.div_euclid(CHUNK), usize::try_from(within / 64).unwrap_or_default(), 1 << (within % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn they_are_those_that_rows_have(
            added in prop::collection::vec(prop_oneof![-3..40i64, 65_500..65_600i64, any::<i64>()], 0..60),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..20), start in -5..65_580i64, length in 0..70_000i64,
        ) {
            let (mut numbers, mut rows) = (Numbers::default(), added.clone());
            added.iter().for_each(|number| numbers.add(*number));
            for limit in [0, CHUNK, 1 << 62] {
                prop_assert_eq!(numbers.last_below(limit), added.iter().copied().filter(|number| *number < limit).max());
            }
            for at in removed.iter().filter(|_| !added.is_empty()) {
                if !rows.is_empty() {
                    numbers.remove(rows.swap_remove(at.index(rows.len())));
                }
            }
            let times = |number: &i64| rows.iter().filter(|row| *row == number).count();
            for number in &added {
                prop_assert_eq!(numbers.is_shared(*number), times(number) > 1);
            }
            let range = start..start + length;
            let runs = numbers.runs(&range);
            prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
            let mut within: Vec<_> = rows.iter().filter(|row| range.contains(row)).copied().collect();
            within.sort_unstable();
            within.dedup();
            prop_assert_eq!(runs.into_iter().flatten().collect::<Vec<_>>(), within);
        }
    }
}
