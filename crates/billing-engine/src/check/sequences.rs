//! Checks that each sequence number of an account is there once, however many there are.

use std::ops::Range;

/// How many numbers one pass over the entries looks at: 16 MiB of bits. A longer ledger needs another pass for each
/// further 134 million.
const SPAN: i64 = 1 << 27;

/// One pass: which numbers of a span were seen.
pub struct Sequences {
    first: i64,
    span: i64,
    seen: Vec<u64>,
    /// The smallest number beyond the span.
    beyond: Option<i64>,
}

/// Whether a number was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was not.
    First,
    /// It was.
    Again,
    /// The number is for another pass.
    NotOfThisPass,
}

impl Sequences {
    /// The pass that begins with a number.
    pub fn from(first: i64) -> Self {
        Self::over(first, SPAN)
    }

    fn over(first: i64, span: i64) -> Self {
        Self { first, span, seen: Vec::new(), beyond: None }
    }

    /// Looks at a number.
    pub fn see(&mut self, number: i64) -> Seen {
        let Some(place) = number.checked_sub(self.first).filter(|place| *place >= 0) else {
            return Seen::NotOfThisPass;
        };
        if place >= self.span {
            self.beyond = Some(self.beyond.map_or(number, |least| least.min(number)));
            return Seen::NotOfThisPass;
        }
        let (word, bit) = (usize::try_from(place / 64).unwrap_or_default(), 1u64 << (place % 64));
        if word >= self.seen.len() {
            self.seen.resize(word + 1, 0);
        }
        let was_seen = self.seen[word] & bit != 0;
        self.seen[word] |= bit;
        if was_seen { Seen::Again } else { Seen::First }
    }

    /// Gives the stretches of numbers below `end` that were not seen, up to the next pass or to the end; and that pass.
    pub fn close(self, end: i64, mut missing: impl FnMut(Range<i64>)) -> Option<Self> {
        let mut expect = self.first;
        for (word, bits) in (0..).zip(&self.seen) {
            let mut left = *bits;
            while left != 0 {
                let number = self.first + word * 64 + i64::from(left.trailing_zeros());
                if expect < number {
                    missing(expect..number);
                }
                expect = number + 1;
                left &= left - 1;
            }
        }
        let next = self.beyond.filter(|next| *next < end);
        let end = next.unwrap_or(end);
        if expect < end {
            missing(expect..end);
        }
        next.map(|next| Self::over(next, self.span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn every_number_is_there_once_or_told(
            numbers in prop::collection::vec(-2..400i64, 0..300), far in prop::collection::vec(any::<i64>(), 0..3),
            end in 0..400i64, span in prop::sample::select(vec![1, 7, 64, 100, 1000]),
        ) {
            let numbers: Vec<_> = [numbers, far].concat();
            let mut times = BTreeMap::<i64, u32>::new();
            numbers.iter().filter(|number| (0..end).contains(*number)).for_each(|n| *times.entry(*n).or_default() += 1);
            let (mut missing, mut again) = (Vec::new(), Vec::new());
            let mut pass = Some(Sequences::over(0, span));
            while let Some(mut sequences) = pass {
                for number in numbers.iter().filter(|number| (0..end).contains(*number)) {
                    if sequences.see(*number) == Seen::Again {
                        again.push(*number);
                    }
                }
                pass = sequences.close(end, |range| missing.extend(range));
            }
            again.sort_unstable();
            let expect: Vec<_> = (0..end).filter(|number| !times.contains_key(number)).collect();
            prop_assert_eq!(missing, expect);
            let expect: Vec<_> = times.iter().flat_map(|(n, times)| vec![*n; *times as usize - 1]).collect();
            prop_assert_eq!(again, expect);
        }
    }
}
