//! The records of what was walked, in the order of time.

use std::ops::ControlFlow;
use std::time::Duration;

use billing_ledger::{AccountId, Coverage, Error, Ledger};
use billing_model::{TimeWindow, Timestamp};

use crate::span::{Span, joined};

/// What of a synced account's source was walked, by the records of it: which spans the account holds, what is missing between
/// them, and what is provisional. They are of the moment at which they were read.
#[derive(Clone, Debug, Default)]
pub struct Records(Vec<Coverage>);

impl Records {
    /// Reads the records of an account.
    ///
    /// # Errors
    /// As [`Ledger::coverage`].
    pub fn load(ledger: &dyn Ledger, account: AccountId) -> Result<Self, Error> {
        let mut records = Vec::new();
        ledger.coverage(account, &mut |record| {
            records.push(record.clone());
            ControlFlow::Continue(())
        })?;
        Ok(Self(records))
    }

    /// How many records there are.
    pub fn count(&self) -> u64 {
        self.0.len() as u64
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Coverage> {
        self.0.iter()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.0.iter().map(span).collect()
    }

    /// What is held, in the order of time and in as few spans as it is.
    pub fn held(&self) -> Vec<Span> {
        joined(self.spans())
    }

    /// The end of what is held.
    pub fn until(&self) -> Option<Timestamp> {
        self.0.last().map(|record| record.until)
    }

    /// What is missing between the spans that are held.
    pub fn gaps(&self) -> Vec<Span> {
        let between = |pair: &[Span]| Span::new(Some(pair.first()?.until), pair.last()?.since?);
        self.held().windows(2).filter_map(between).collect()
    }

    /// What is held and final, in as few spans as it is, with what is to be walked again only because it was doubted.
    pub(crate) fn settled(&self, settle: Duration) -> Vec<Span> {
        joined(self.0.iter().filter_map(|record| {
            let until = match is_doubted(record) {
                true => record.until,
                false => record.until.min(before(record.as_of, settle)),
            };
            Span::new(record.since, until)
        }))
    }

    /// All that is not held: before, between and behind the spans that are.
    pub(crate) fn outside(&self) -> Vec<Span> {
        let held = self.held();
        let starts = std::iter::once(None).chain(held.iter().map(|span| Some(span.until)));
        let last = Some(Timestamp::from_unix_ns(i64::MAX));
        let ends = held.iter().map(|span| span.since).chain(std::iter::once(last));
        starts.zip(ends).filter_map(|(since, until)| Span::new(since, until?)).collect()
    }

    /// The first part of a window that is not held. Without a start the window begins before every entry.
    pub fn first_gap(&self, since: Option<Timestamp>, until: Timestamp) -> Option<Span> {
        let mut from = since;
        for span in self.held().into_iter().filter(|span| since < Some(span.until)) {
            if span.since > from {
                return Span::new(from, span.since.map_or(until, |since| since.min(until)));
            }
            if span.until >= until {
                return None;
            }
            from = Some(span.until);
        }
        Span::new(from, until)
    }

    /// The records that have an instant of a span.
    pub(crate) fn touching(&self, with: Span) -> &[Coverage] {
        let first = self.0.partition_point(|record| Some(record.until) <= with.since);
        let rest = self.0.get(first..).unwrap_or_default();
        rest.get(..rest.partition_point(|record| record.since < Some(with.until))).unwrap_or_default()
    }

    /// Puts records in the place of those that have an instant of their span.
    pub(crate) fn replace(&mut self, new: Vec<Coverage>) {
        let (Some(first), Some(last)) = (new.first(), new.last()) else { return };
        let (since, until) = (first.since, last.until);
        let from = self.0.partition_point(|record| Some(record.until) <= since);
        let to = self.0.partition_point(|record| record.since < Some(until));
        self.0.splice(from..to.max(from), new);
    }

    /// The instant from which on entries may still arrive as a matter of course, when they may need this time
    /// ([`Source::settle`](billing_ledger::Source::settle)). `None` when all that is held is final.
    pub fn provisional_from(&self, settle: Duration) -> Option<Timestamp> {
        self.provisional_in(TimeWindow::ALL, settle)
    }

    /// The first such instant in a window.
    pub fn provisional_in(&self, window: TimeWindow, settle: Duration) -> Option<Timestamp> {
        let open = self.0.iter().filter(|record| is_provisional(record, settle) && !is_doubted(record));
        let since =
            |record: &Coverage| record.since.max(Some(before(record.as_of, settle))).max(window.since());
        let first = open.filter(|record| window.since() < Some(record.until)).filter_map(since);
        first.filter(|first| window.until().is_none_or(|until| *first < until)).min()
    }
}

pub(crate) fn span(record: &Coverage) -> Span {
    Span { since: record.since, until: record.until }
}

/// A record that is to be walked again whole: as if it had been walked before all of its time.
pub(crate) fn doubted(record: Coverage) -> Coverage {
    Coverage { as_of: beginning(&record), ..record }
}

/// True for a record that is to be walked again whole.
fn is_doubted(record: &Coverage) -> bool {
    record.as_of <= beginning(record)
}

fn beginning(record: &Coverage) -> Timestamp {
    record.since.unwrap_or(Timestamp::from_unix_ns(i64::MIN))
}

/// True when a part of a record was walked too soon after its time for all of its entries to be there.
pub(crate) fn is_provisional(record: &Coverage, settle: Duration) -> bool {
    record.until > before(record.as_of, settle)
}

/// So long before an instant; at the beginning of what a ledger holds at the earliest.
pub(crate) fn before(at: Timestamp, span: Duration) -> Timestamp {
    let span_ns = i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_unix_ns(at.unix_ns().unwrap_or(i64::MAX).saturating_sub(span_ns))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// So many minutes after the first instant of these tests.
    pub(crate) fn minute(minutes: i64) -> Timestamp {
        Timestamp::from_unix_ns(1_780_272_000_000_000_000 + minutes * 60_000_000_000)
    }

    pub(crate) fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(minutes * 60)
    }

    /// A span of these minutes.
    pub(crate) fn between(since: Option<i64>, until: i64) -> Span {
        Span { since: since.map(minute), until: minute(until) }
    }

    /// An empty record: from, to, and when it was walked.
    pub(crate) type Walked = (Option<i64>, i64, i64);

    fn record((since, until, as_of): Walked) -> Coverage {
        let (sums, whole_set) = Default::default();
        Coverage { since: since.map(minute), until: minute(until), as_of: minute(as_of), sums, whole_set }
    }

    pub(crate) fn records(records: &[Walked]) -> Records {
        Records(records.iter().copied().map(record).collect())
    }

    /// Some records that do not overlap, from before every entry or from an instant on. Some are walked long after their time, some
    /// too soon, some by a clock that ran ahead.
    pub(crate) fn any_records() -> impl Strategy<Value = Vec<Walked>> {
        let gap = prop_oneof![3 => Just(0i64), 1 => 1i64..400];
        let age = prop_oneof![2 => 15i64..5_000, 1 => 0i64..15];
        let one = (gap, 1i64..1_500, age);
        (any::<bool>(), prop::collection::vec(one, 0..9)).prop_map(|(is_open, lots)| {
            let mut end = 0;
            lots.into_iter()
                .enumerate()
                .map(|(at, (gap, length, age))| {
                    let since = end + gap;
                    end = since + length;
                    ((!is_open || at > 0).then_some(since), end, end + age)
                })
                .collect()
        })
    }

    fn has_instant_of(one: &Coverage, since: Option<Timestamp>, until: Timestamp) -> bool {
        one.since.is_none_or(|start| start < until) && since.is_none_or(|since| since < one.until)
    }

    proptest! {
        #[test]
        fn records_are_found_and_replaced_as_plain_filters_do(
            old in any_records(),
            since in prop::option::of(0i64..6_000),
            lengths in prop::collection::vec(1i64..2_000, 1..4),
        ) {
            let mut all = records(&old);
            let mut end = since.unwrap_or(0);
            let mut new = Vec::new();
            for length in lengths {
                let start = if new.is_empty() { since } else { Some(end) };
                end += length;
                new.push(record((start, end, end + 7)));
            }
            let span = between(since, end);
            let meets = |record: &Coverage| has_instant_of(record, span.since, span.until);
            let touching: Vec<_> = all.iter().filter(|record| meets(record)).cloned().collect();
            prop_assert_eq!(all.touching(span), touching);

            let mut expected: Vec<_> = all.iter().filter(|record| !meets(record)).cloned().collect();
            expected.extend(new.iter().cloned());
            expected.sort_by_key(|record| record.since);
            all.replace(new);
            prop_assert_eq!(&all.0, &expected);
            all.replace(Vec::new());
            prop_assert_eq!(&all.0, &expected);
        }

        #[test]
        fn provisional_is_what_was_walked_too_soon(old in any_records(), settle in 0u64..40) {
            let all = records(&old);
            let settle_min = i64::try_from(settle).unwrap();
            let too_soon = old.iter().filter(|(_, until, as_of)| *until > as_of - settle_min);
            let from = too_soon.map(|(since, _, as_of)| since.unwrap_or(i64::MIN).max(as_of - settle_min));
            prop_assert_eq!(all.provisional_from(minutes(settle)), from.min().map(minute));
        }
    }

    #[test]
    fn an_open_record_is_provisional_from_its_settling_on() {
        let check = |all: &[Walked], expect: Option<i64>| {
            assert_eq!(records(all).provisional_from(minutes(15)), expect.map(minute), "{all:?}");
        };
        check(&[], None);
        check(&[(None, 100, 115)], None);
        check(&[(None, 100, 114)], Some(99));
        check(&[(None, 100, 100)], Some(85));
        check(&[(Some(95), 100, 100)], Some(95));
        check(&[(Some(0), 50, 50), (Some(50), 100, 300)], Some(35));
    }
}
