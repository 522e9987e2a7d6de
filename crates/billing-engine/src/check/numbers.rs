//! The sequence numbers of an account's entries and removals: which were given out, which are hidden, which are free.

use std::ops::Range;

use billing_ledger::DifferenceKind;

use super::findings::{Findings, Values};
use super::sequences::{Seen, Sequences};
use super::words::numbered;

/// The numbers of an account's entries.
pub struct Numbers {
    /// The number that its next entry gets, if there is such an account.
    pub next: Option<i64>,
    /// The numbers of an import that has not ended: its entries are stored and do not count.
    hidden: Option<Range<i64>>,
    /// The numbers that no entry needs to have, in order: those that an import reserved and did not use, or may still
    /// use.
    free: Vec<Range<i64>>,
}

impl Numbers {
    /// The numbers below the next one, of which some are hidden and some unused.
    pub fn new(next: Option<i64>, hidden: Option<Range<i64>>, unused: Vec<Range<i64>>) -> Self {
        let mut free = unused;
        free.extend(hidden.clone());
        free.sort_by_key(|range| range.start);
        Self { next, hidden, free }
    }

    fn were_given(&self, sequence: i64) -> bool {
        let is_free = || {
            let at = self.free.partition_point(|free| free.end <= sequence);
            self.free.get(at).is_some_and(|free| free.contains(&sequence))
        };
        self.next.is_none_or(|end| (0..end).contains(&sequence)) && (self.are_hidden(sequence) || !is_free())
    }

    /// True when each of these is the number of a removal, or of an entry that was ever visible.
    pub fn are_seen(&self, stretch: &Range<i64>) -> bool {
        let at = self.free.partition_point(|free| free.end <= stretch.start);
        let is_free = self.free.get(at).is_some_and(|free| free.start < stretch.end);
        stretch.start >= 0 && self.next.is_none_or(|end| stretch.end <= end) && !is_free
    }

    /// True when the entry with this number is of an import that has not ended.
    pub fn are_hidden(&self, sequence: i64) -> bool {
        self.hidden.as_ref().is_some_and(|hidden| hidden.contains(&sequence))
    }

    /// The first and the last hidden number. When none is hidden, the last is lower than the first.
    pub fn hidden(&self) -> (i64, i64) {
        self.hidden.as_ref().map_or((0, -1), |hidden| (hidden.start, hidden.end - 1))
    }

    /// The parts of a stretch that some entry or removal should have.
    pub(super) fn without_free(&self, stretch: Range<i64>, mut part: impl FnMut(Range<i64>)) {
        let mut from = stretch.start;
        for free in &self.free {
            if free.start > from && free.start < stretch.end {
                part(from..free.start);
            }
            if free.start < stretch.end {
                from = from.max(free.end);
            }
        }
        if from < stretch.end {
            part(from..stretch.end);
        }
    }

    /// Looks at the sequence number of an entry: it must have been given out, and no other entry may have it.
    pub fn look_at<F: Findings>(
        &self,
        sequence: i64,
        sequences: &mut Sequences,
        place: impl FnOnce() -> String,
        findings: &mut F,
    ) {
        if !self.were_given(sequence) {
            let expected = self.next.map(|end| format!("one of the {end} that were given"));
            let values = Values::new("sequence", Some(sequence.to_string()), expected);
            findings.add(DifferenceKind::Sequence, |_| place(), values);
        } else if sequences.see(sequence) == Seen::Again {
            is_doubled(sequence, place, findings);
        }
    }

    /// Ends a pass: notes the numbers that no entry has had in it. A very long ledger needs a further pass, which is given.
    pub fn close<F: Findings>(&self, pass: Sequences, end: i64, findings: &mut F) -> Option<Sequences> {
        pass.close(end, |missing| {
            self.without_free(missing, |missing| {
                let count = missing.end.saturating_sub(missing.start);
                let values = Values::new("entries", None, Some(count.to_string()));
                findings.add(DifferenceKind::Sequence, |_| numbered("sequence", &missing), values);
            });
        })
    }
}

/// Notes that a number is there once more.
pub fn is_doubled<F: Findings>(sequence: i64, place: impl FnOnce() -> String, findings: &mut F) {
    let values =
        Values::new("sequence", Some(format!("{sequence}, once more")), Some("there once".to_owned()));
    findings.add(DifferenceKind::Sequence, |_| place(), values);
}
