//! The days whose counts and sums are made anew.

use std::collections::BTreeSet;

use billing_ledger::{Amendment, Change, Position};
use billing_model::TimeWindow;

use crate::counts::LEVELS;
use crate::span::{NS_PER_DAY, Span, day_of_unix_ns};

/// Days of a slot of the coarsest level.
pub const DAYS_PER_SLOT: i64 = LEVELS[0].1 / NS_PER_DAY;

/// Days whose counts and sums are made anew: the first and the last of each stretch, in order.
#[derive(Debug)]
pub struct Days(Vec<(i64, i64)>);

/// Slots of the coarsest level, from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coarse {
    /// The first and the last slot.
    pub slots: (i64, i64),
    /// The first and the last day in them.
    pub days: (i64, i64),
}

impl Days {
    /// The days of a window, and those outside of it of what is taken out, amended and added. Beyond an open end of the window there may
    /// be rows of days that no ledger holds; they are meant too.
    pub fn of(window: TimeWindow, remove: &[Position], amend: &[Amendment], change: &Change) -> Self {
        let whole = Span::of(window).map(|span| {
            let first_day = window.since().map_or(i64::MIN, |_| day_of_unix_ns(span.first_ns).0);
            let last_day = window.until().map_or(i64::MAX, |_| day_of_unix_ns(span.last_ns).0);
            (first_day, last_day)
        });
        let mut others = BTreeSet::new();
        let is_outside = |day: i64| whole.is_none_or(|(first, last)| day < first || day > last);
        let mut note = |at_ns: i64| {
            let day = day_of_unix_ns(at_ns).0;
            if is_outside(day) {
                others.insert(day);
            }
        };
        remove.iter().for_each(|position| note(position.timestamp_ns));
        amend.iter().for_each(|amendment| note(amendment.position.timestamp_ns));
        let mut rows = change.add.rows();
        while let Some(entry) = rows.next() {
            entry.timestamp.unix_ns().into_iter().for_each(&mut note);
        }
        let mut stretches: Vec<_> =
            whole.into_iter().chain(others.into_iter().map(|day| (day, day))).collect();
        stretches.sort_unstable();
        Self(stretches)
    }

    /// The first and the last day of each stretch, in order.
    pub fn stretches(&self) -> &[(i64, i64)] {
        &self.0
    }

    /// The instants of each stretch that a ledger can hold, in order.
    pub fn spans(&self) -> impl Iterator<Item = Span> {
        self.0.iter().map(|(first, last)| Span {
            first_ns: Span::of_slot(*first, NS_PER_DAY).first_ns,
            last_ns: Span::of_slot(*last, NS_PER_DAY).last_ns,
        })
    }

    /// The slots that have something of a stretch: the level, the first and the last one.
    pub fn slots(first_day: i64, last_day: i64) -> impl Iterator<Item = (i64, i64, i64)> {
        let coarse = (LEVELS[0].0, slot_of(first_day), slot_of(last_day));
        let finer = LEVELS.iter().skip(1).map(move |(level, width)| {
            let slots = NS_PER_DAY / width;
            let last = last_day.saturating_add(1).saturating_mul(slots).saturating_sub(1);
            (*level, first_day.saturating_mul(slots), last)
        });
        std::iter::once(coarse).chain(finer)
    }

    /// The slots of the coarsest level that have something of the days, each once.
    pub fn coarse(&self) -> Vec<Coarse> {
        let (mut found, mut after) = (Vec::new(), None);
        for (first, last) in &self.0 {
            let (first, last) = (slot_of(*first).max(after.unwrap_or(i64::MIN)), slot_of(*last));
            // Two stretches of days may share a slot.
            if first > last {
                continue;
            }
            after = last.checked_add(1);
            let first_day = first.saturating_mul(DAYS_PER_SLOT);
            let last_day = last.saturating_mul(DAYS_PER_SLOT).saturating_add(DAYS_PER_SLOT - 1);
            found.push(Coarse { slots: (first, last), days: (first_day, last_day) });
        }
        found
    }
}

/// The slot of the coarsest level that a day is in.
fn slot_of(day: i64) -> i64 {
    day.div_euclid(DAYS_PER_SLOT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_stretches_share_is_made_once() {
        let days = Days(vec![(-70, -60), (-3, -1), (0, 5), (6, 6), (63, 64), (200, 200)]);
        let slots: Vec<_> = days.coarse().iter().map(|coarse| coarse.slots).collect();
        assert_eq!(slots, [(-2, -1), (0, 0), (1, 1), (3, 3)]);
        let days: Vec<_> = days.coarse().iter().map(|coarse| coarse.days).collect();
        assert_eq!(days, [(-128, -1), (0, 63), (64, 127), (192, 255)]);
        assert_eq!(Days(vec![(i64::MIN, i64::MAX)]).coarse().len(), 1);
    }

    #[test]
    fn every_level_has_slots_of_a_day() {
        let slots: Vec<_> = Days::slots(65, 66).collect();
        assert_eq!(slots, [(0, 1, 1), (1, 65, 66), (2, 65 * 24, 67 * 24 - 1), (3, 65 * 1440, 67 * 1440 - 1)]);
    }
}
