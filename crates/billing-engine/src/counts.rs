//! How many entries there are in which span of time, in slots of four widths.
//!
//! Entries are counted per currency in slots of 64 days, of a day, of an hour and of a minute. A span is cut into whole
//! slots, as large as fit, with finer slots at both ends. Only within a minute the entries themselves are counted.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use crate::span::Span;

/// A minute in nanoseconds.
pub const NS_PER_MINUTE: i64 = 60_000_000_000;

/// The levels, the coarsest first: the number that tables have for it, and the width of its slots in nanoseconds.
pub const LEVELS: [(i64, i64); 4] = [
    (0, 64 * 24 * 60 * NS_PER_MINUTE),
    (1, 24 * 60 * NS_PER_MINUTE),
    (2, 60 * NS_PER_MINUTE),
    (3, NS_PER_MINUTE),
];

/// Where an entry is: within a minute, after some others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The span, of one minute at most.
    pub within: Span,
    /// How many entries of that span come before it, in the order asked for.
    pub skip: u64,
}

/// A span in the slots of one level: the part before the first whole slot, the whole slots, and the part behind the
/// last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// What lies before the first whole slot; all of the span where there is no whole one.
    pub before: Option<Span>,
    /// The whole slots, by their numbers.
    pub slots: Option<RangeInclusive<i64>>,
    /// What lies behind the last whole slot.
    pub after: Option<Span>,
}

impl Cut {
    /// Cuts a span into slots of this width, in nanoseconds.
    pub fn of(span: Span, width: i64) -> Self {
        let width_wide = i128::from(width);
        let (first, end) = (i128::from(span.first_ns), i128::from(span.last_ns) + 1);
        let first_slot = -(-first).div_euclid(width_wide);
        let end_slot = end.div_euclid(width_wide);
        if first_slot >= end_slot {
            // There is no whole slot, so all of it is left for a finer level.
            return Self { before: Some(span), slots: None, after: None };
        }
        let part = |first: i128, end: i128| Span::between(first, end);
        let (Ok(first_whole), Ok(last_whole)) = (i64::try_from(first_slot), i64::try_from(end_slot - 1))
        else {
            return Self { before: Some(span), slots: None, after: None };
        };
        Self {
            before: part(first, first_slot * width_wide),
            slots: Some(first_whole..=last_whole),
            after: part(end_slot * width_wide, end),
        }
    }
}

/// A change of the count of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotChange {
    /// The number of the level in [`LEVELS`].
    pub level: i64,
    /// The number of the slot on its level; the one that begins at 1970 is 0.
    pub slot: i64,
    /// The number of the currency.
    pub currency: i64,
    /// Entries that come, less those that go. Never 0.
    pub entries: i64,
}

/// The changes of a transaction to the counts, by minute and currency: entries that come, less those that go.
#[derive(Debug, Default)]
pub struct MinuteCounts(HashMap<(i64, i64), i64>);

impl MinuteCounts {
    /// Counts entries of an instant and a currency; a number below zero takes them back out.
    pub fn count(&mut self, timestamp_ns: i64, currency: i64, entries: i64) {
        *self.0.entry((timestamp_ns.div_euclid(NS_PER_MINUTE), currency)).or_default() += entries;
    }

    /// How many minutes are gathered, once for each of their currencies.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing is gathered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the slots of all levels change by, in the order of level, slot and currency. It is empty then.
    pub fn drain_slots(&mut self) -> Vec<SlotChange> {
        let minutes: Vec<_> = self.0.drain().collect();
        let mut changes: Vec<SlotChange> = Vec::new();
        for (level, width) in LEVELS {
            let slot_of = |minute: i64| minute.div_euclid(width / NS_PER_MINUTE);
            let mut slots: Vec<_> = minutes
                .iter()
                .map(|((minute, currency), entries)| ((slot_of(*minute), *currency), *entries))
                .collect();
            // After sorting, changes of one slot are side by side, and neighbours in a table are on the same page.
            slots.sort_unstable();
            for same in slots.chunk_by(|(one, _), (other, _)| one == other) {
                let entries = same.iter().map(|(_, entries)| entries).sum();
                if let Some(((slot, currency), _)) = same.first()
                    && entries != 0
                {
                    changes.push(SlotChange { level, slot: *slot, currency: *currency, entries });
                }
            }
        }
        changes
    }
}

/// True when the wanted entry is among these; otherwise they are skipped.
pub fn passes(skip: &mut u64, entries: u64) -> bool {
    match skip.checked_sub(entries) {
        None => true,
        Some(left) => {
            *skip = left;
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cut_is_the_span_and_its_slots_are_whole(
            one in any::<i64>(), other in any::<i64>(), near: bool, width in prop::sample::select(LEVELS.map(|(_, width)| width).to_vec()),
        ) {
            let other = if near { one.saturating_add(other % (3 * width)) } else { other };
            let span = Span { first_ns: one.min(other), last_ns: one.max(other) };
            let Cut { before, slots, after } = Cut::of(span, width);
            let whole = slots.map(|slots| Span {
                first_ns: slots.start() * width,
                last_ns: slots.end() * width + (width - 1),
            });
            let parts: Vec<Span> = [before, whole, after].into_iter().flatten().collect();
            prop_assert_eq!(parts.first().unwrap().first_ns, span.first_ns);
            prop_assert_eq!(parts.last().unwrap().last_ns, span.last_ns);
            for pair in parts.windows(2) {
                prop_assert_eq!(pair[0].last_ns + 1, pair[1].first_ns);
            }
            prop_assert!([before, after].into_iter().flatten().all(|rest| whole.is_none()
                || i128::from(rest.last_ns) - i128::from(rest.first_ns) < i128::from(width)));
        }
    }

    fn change(level: i64, slot: i64, currency: i64, entries: i64) -> SlotChange {
        SlotChange { level, slot, currency, entries }
    }

    #[test]
    fn each_slot_changes_once_in_order_and_what_cancels_out_is_left_out() {
        let mut minutes = MinuteCounts::default();
        minutes.count(NS_PER_MINUTE, 2, 3);
        minutes.count(2 * NS_PER_MINUTE - 1, 2, 1);
        minutes.count(0, 2, 5);
        minutes.count(-1, 1, -2);
        // These leave their minutes changed, and their hour as it was.
        minutes.count(60 * NS_PER_MINUTE, 7, 1);
        minutes.count(61 * NS_PER_MINUTE, 7, -1);
        // This one leaves nothing.
        minutes.count(0, 9, 1);
        minutes.count(0, 9, -1);
        assert_eq!(minutes.len(), 6);
        let expected = [
            change(0, -1, 1, -2),
            change(0, 0, 2, 9),
            change(1, -1, 1, -2),
            change(1, 0, 2, 9),
            change(2, -1, 1, -2),
            change(2, 0, 2, 9),
            change(3, -1, 1, -2),
            change(3, 0, 2, 5),
            change(3, 1, 2, 4),
            change(3, 60, 7, 1),
            change(3, 61, 7, -1),
        ];
        assert_eq!(minutes.drain_slots(), expected);
        assert!(minutes.is_empty());
        assert_eq!(minutes.drain_slots(), []);
    }

    #[test]
    fn entries_are_skipped_until_the_wanted_one_is_among_them() {
        let mut skip = 5;
        assert!(!passes(&mut skip, 2));
        assert!(!passes(&mut skip, 3), "the wanted one is the first behind them");
        assert_eq!(skip, 0);
        assert!(!passes(&mut skip, 0));
        assert!(passes(&mut skip, 1));
        assert_eq!(skip, 0);
    }
}
