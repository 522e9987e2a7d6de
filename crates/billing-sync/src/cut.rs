//! Cuts a walk into windows, each of which is compared and stored for itself. Everything here is pure.

use billing_model::{Stretch, Timestamp, UsageEntry};

use crate::span::Span;

/// Entries of a window, as soon as it can end. A sync that is killed loses a window at the most, and one window is little enough
/// for a transaction on which others wait.
const ENOUGH: usize = 4_000;

/// Entries of a window that has not come to the end of a record.
const MOST: usize = 16_000;

/// A window that was walked whole.
#[derive(Debug)]
pub(crate) struct Walked {
    pub(crate) span: Span,
    /// Its entries, in the service's order.
    pub(crate) entries: Vec<UsageEntry>,
}

/// What has come of a walk and is in no window yet.
pub(crate) struct Cutter {
    /// What is still to come.
    rest: Span,
    entries: Vec<UsageEntry>,
    /// Before this instant everything has come.
    complete: Option<Timestamp>,
    /// The records that lie in the span. Windows end where they end, so that a record that did not change need not be written.
    records: Vec<Span>,
}

impl Cutter {
    pub(crate) fn new(span: Span, records: &[Span]) -> Self {
        let records = records.iter().copied().filter(|record| record.meets(span)).collect();
        Self { rest: span, entries: Vec::new(), complete: None, records }
    }

    /// Takes a stretch. Returns the windows that are whole with it.
    pub(crate) fn take(&mut self, mut stretch: Stretch) -> Vec<Walked> {
        self.entries.append(&mut stretch.entries);
        let Some(complete) = stretch.complete_until else { return Vec::new() };
        let complete = complete.min(self.rest.until);
        self.complete = Some(complete);
        let mut windows = Vec::new();
        while let Some(at) = self.end(complete) {
            windows.extend(self.cut(at));
        }
        windows
    }

    /// The last window, when the walk has ended.
    pub(crate) fn finish(mut self) -> Option<Walked> {
        self.cut(self.rest.until)
    }

    /// The last window of a walk that broke off: it ends where everything had come, or where a record ended before.
    pub(crate) fn broken(mut self) -> Option<Walked> {
        let complete = self.complete?;
        let at = match self.records.iter().find(|record| is_inside(**record, complete)) {
            Some(record) => record.since?,
            None => complete,
        };
        if self.rest.since >= Some(at) { None } else { self.cut(at) }
    }

    /// Where the next window ends, if it can end before `complete`.
    fn end(&self, complete: Timestamp) -> Option<Timestamp> {
        let from = self.records.partition_point(|record| Some(record.until) <= self.rest.since);
        let records = self.records.get(from..).unwrap_or_default();
        let ends = records.iter().map(|record| record.until).take_while(|until| *until <= complete);
        for until in ends {
            if self.before(until) >= ENOUGH {
                return Some(until);
            }
        }
        let is_in_record = records.iter().any(|record| is_inside(*record, complete));
        let least = if is_in_record { MOST } else { ENOUGH };
        (self.rest.since < Some(complete) && self.before(complete) >= least).then_some(complete)
    }

    /// How many entries came that are earlier than an instant.
    fn before(&self, at: Timestamp) -> usize {
        self.entries.partition_point(|entry| entry.timestamp < at)
    }

    fn cut(&mut self, at: Timestamp) -> Option<Walked> {
        let span = Span::new(self.rest.since, at)?;
        let later = self.entries.split_off(self.before(at));
        let entries = std::mem::replace(&mut self.entries, later);
        self.rest.since = Some(at);
        Some(Walked { span, entries })
    }
}

/// True when an instant lies in a record and is not its start.
fn is_inside(record: Span, at: Timestamp) -> bool {
    record.since < Some(at) && at < record.until
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_testkit::entry_at;
    use proptest::prelude::*;
    use proptest::sample::Index;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_ns(1_780_272_000_000_000_000 + seconds * 1_000_000_000)
    }

    fn span(since: Option<i64>, until: i64) -> Span {
        Span { since: since.map(at), until: at(until) }
    }

    /// How far apart they are, and how many lots of how many at one instant.
    type Burst = (i64, usize, usize);

    /// A walk: its entries, the records that lie there, and how it comes.
    #[derive(Clone, Debug)]
    struct Course {
        bursts: Vec<Burst>,
        is_open: bool,
        /// Seconds between the ends of records, and after each whether a gap follows.
        records: Vec<(i64, bool)>,
        /// After how many entries a stretch ends.
        splits: Vec<Index>,
    }

    fn any_course() -> impl Strategy<Value = Course> {
        let lots = prop_oneof![
            3 => (1usize..40, 1usize..4),
            3 => (100usize..2_500, 1usize..3),
            1 => (1usize..3, 3_000usize..9_000),
        ];
        let burst = (0i64..400, lots).prop_map(|(apart, (lots, each))| (apart, lots, each));
        (
            prop::collection::vec(burst, 0..7),
            any::<bool>(),
            prop::collection::vec((1i64..200_000, prop::bool::weighted(0.2)), 0..8),
            prop::collection::vec(any::<Index>(), 0..12),
        )
            .prop_map(|(bursts, is_open, records, splits)| Course {
                bursts,
                is_open,
                records,
                splits,
            })
    }

    /// A course as it comes: what is walked, the records in it, the entries, and the stretches.
    struct Coming {
        span: Span,
        records: Vec<Span>,
        entries: Vec<UsageEntry>,
        stretches: Vec<Stretch>,
    }

    impl Course {
        fn coming(&self) -> Coming {
            let (mut second, mut entries) = (0, Vec::new());
            for &(apart, lots, each) in &self.bursts {
                for _ in 0..lots {
                    entries.extend((0..each).map(|_| entry_at(at(second), "-1")));
                    second += apart;
                }
            }
            entries.truncate(30_000);
            let end = second + 1;
            let since = (!self.is_open).then_some(0);
            let (mut from, mut records) = (since, Vec::new());
            for (length, has_gap) in &self.records {
                let until = from.unwrap_or(0) + length;
                records.push(span(from, until));
                from = Some(until + if *has_gap { 1_000 } else { 0 });
            }
            let mut ends: Vec<_> = self.splits.iter().map(|split| split.index(entries.len() + 1)).collect();
            ends.sort_unstable();
            ends.push(entries.len());
            let mut stretches = Vec::new();
            let mut from = 0;
            for to in ends {
                // Where more of the same instant follow, the walk is complete with nothing new.
                let last = entries[..to].last().map(|entry| entry.timestamp);
                let next = entries.get(to).map_or(at(end), |entry| entry.timestamp);
                let complete_until = (last < Some(next)).then_some(next);
                stretches.push(Stretch { entries: entries[from..to].to_vec(), complete_until });
                from = to;
            }
            // A plan ends where a record does, if it ends in one.
            let until = records.iter().find(|record| is_inside(**record, at(end)));
            let span = Span { since: since.map(at), until: until.map_or(at(end), |record| record.until) };
            Coming { span, records, entries, stretches }
        }
    }

    fn is_in_record(records: &[Span], at: Timestamp) -> bool {
        records.iter().any(|record| is_inside(*record, at))
    }

    /// Windows that follow one another from the start on, have what lies in them, and end where they may. Returns where they end.
    fn check(windows: &[Walked], coming: &Coming, last_until: Option<Timestamp>) -> Option<Timestamp> {
        let mut from = coming.span.since;
        let mut entries = coming.entries.iter();
        for Walked { span, entries: inside } in windows {
            assert_eq!(span.since, from);
            assert!(span.since < Some(span.until));
            assert!(inside.iter().eq(entries.by_ref().take(inside.len())), "in order, and each once");
            assert!(
                inside
                    .iter()
                    .all(|entry| span.since <= Some(entry.timestamp) && entry.timestamp < span.until)
            );
            let may_end = Some(span.until) == last_until
                || (inside.len() >= ENOUGH && !is_in_record(&coming.records, span.until))
                || inside.len() >= MOST;
            assert!(may_end, "{span:?} with {} entries", inside.len());
            from = Some(span.until);
        }
        assert!(entries.next().is_none_or(|next| from <= Some(next.timestamp)), "one was left out");
        from
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(150))]

        #[test]
        fn windows_tile_a_walk(course in any_course()) {
            let mut coming = course.coming();
            let mut cutter = Cutter::new(coming.span, &coming.records);
            let mut windows = Vec::new();
            for stretch in std::mem::take(&mut coming.stretches) {
                let complete = stretch.complete_until;
                let whole = cutter.take(stretch);
                prop_assert!(whole.iter().all(|window| Some(window.span.until) <= complete));
                windows.extend(whole);
            }
            windows.extend(cutter.finish());
            let end = check(&windows, &coming, Some(coming.span.until));
            prop_assert_eq!(end, Some(coming.span.until));
            prop_assert_eq!(windows.iter().map(|window| window.entries.len()).sum::<usize>(), coming.entries.len());
        }

        #[test]
        fn a_walk_that_broke_off_leaves_no_part_of_a_record(course in any_course(), stretches in 0usize..14) {
            let mut coming = course.coming();
            let mut cutter = Cutter::new(coming.span, &coming.records);
            let (mut windows, mut complete) = (Vec::new(), None);
            for stretch in std::mem::take(&mut coming.stretches).into_iter().take(stretches) {
                complete = complete.max(stretch.complete_until);
                windows.extend(cutter.take(stretch));
            }
            let whole = windows.len();
            let broken = cutter.broken();
            let broken_until = broken.as_ref().map(|window| window.span.until);
            windows.extend(broken);
            let end = check(&windows, &coming, broken_until);
            if let Some(until) = broken_until {
                prop_assert!(!is_in_record(&coming.records, until));
                prop_assert!(Some(until) <= complete);
            }
            // Nothing that could be kept is given away.
            if let Some(complete) = complete.filter(|complete| !is_in_record(&coming.records, *complete)) {
                prop_assert_eq!(end.max(coming.span.since), Some(complete.min(coming.span.until)).max(coming.span.since));
            }
            prop_assert!(whole <= windows.len());
        }
    }

    #[test]
    fn a_window_ends_with_a_record_that_has_enough() {
        let entries = |seconds: std::ops::Range<i64>| -> Vec<_> {
            seconds.map(|second| entry_at(at(second), "-1")).collect()
        };
        let ends = |records: &[Span], upto: i64| {
            let mut cutter = Cutter::new(span(None, 50_000), records);
            let complete_until = Some(at(upto));
            let windows = cutter.take(Stretch { entries: entries(0..upto), complete_until });
            windows.iter().map(|window| window.span).collect::<Vec<_>>()
        };
        assert_eq!(ends(&[], 3_999), []);
        assert_eq!(ends(&[], 4_000), [span(None, 4_000)]);
        assert_eq!(ends(&[span(None, 4_000)], 9_000), [span(None, 4_000), span(Some(4_000), 9_000)]);
        let small = [span(None, 2_000), span(Some(2_000), 5_000), span(Some(5_000), 9_000)];
        assert_eq!(ends(&small, 8_999), [span(None, 5_000)]);
        assert_eq!(ends(&small, 9_000), [span(None, 5_000), span(Some(5_000), 9_000)]);
        let large = [span(None, 30_000)];
        assert_eq!(ends(&large, 15_999), []);
        assert_eq!(ends(&large, 16_000), [span(None, 16_000)]);
    }
}
