//! Which spans a sync walks. Everything here is pure.

use std::time::Duration;

use billing_model::Timestamp;

use crate::records::{Records, before, is_provisional, span};
use crate::span::{Span, joined};

/// What a sync was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Where the history begins; `None` is where what is held begins or, at first, the beginning of the ledger.
    pub(crate) since: Option<Timestamp>,
    /// Where it ends; `None` is the present.
    pub(crate) until: Option<Timestamp>,
    /// How long before the present entries may still arrive as a matter of course.
    pub(crate) settle: Duration,
    /// How much of what is held is walked again, counted back from its end.
    pub(crate) overlap: Duration,
    /// True to walk again everything that is held.
    pub(crate) full: bool,
}

/// The spans to walk at a present: what is not held, and what is walked again. They are in order, and neither overlap nor touch.
/// Each begins and ends where a record does, or where nothing is held.
pub(crate) fn spans(records: &Records, asked: &Asked, now: Timestamp) -> Vec<Span> {
    let until = asked.until.map_or(now, |until| until.min(now));
    let since = asked.since.or_else(|| records.iter().next().and_then(|record| record.since));
    let mut spans = match asked.full {
        true => Span::new(since, until).into_iter().collect(),
        false => holes(records, since, until),
    };
    // What was held when a clock was wrong may lie in the future.
    let again = match asked.full {
        true => records.iter().filter(|record| Some(record.until) > since).map(span).collect::<Vec<_>>(),
        false => walked_again(records, asked, now, until),
    };
    let in_time = |record: &Span| asked.until.is_none_or(|_| record.since < Some(until));
    spans.extend(again.into_iter().filter(in_time));
    spans.sort_by_key(|span| span.since);
    joined(spans)
}

/// What is not held between two instants.
fn holes(records: &Records, since: Option<Timestamp>, until: Timestamp) -> Vec<Span> {
    let (mut holes, mut from) = (Vec::new(), since);
    for record in records.iter().filter(|record| Some(record.until) > since) {
        if let Some(start) = record.since
            && from < Some(start)
        {
            holes.extend(Span::new(from, start.min(until)));
        }
        from = from.max(Some(record.until));
    }
    holes.extend(Span::new(from, until));
    holes
}

/// The records that are walked again: those of the overlap, and what follows the first one whose end was not final yet or which a
/// clock that ran ahead has dated.
fn walked_again(records: &Records, asked: &Asked, now: Timestamp, until: Timestamp) -> Vec<Span> {
    let end = records.until().map_or(until, |held| held.min(until));
    let overlap = before(end, asked.overlap);
    let is_first = |record: &&billing_ledger::Coverage| {
        record.until > overlap || is_provisional(record, asked.settle) || record.as_of > now
    };
    let Some(first) = records.iter().find(is_first).map(|record| record.since) else { return Vec::new() };
    records.iter().filter(|record| record.since >= first).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::tests::{Walked, any_records, between, minute, minutes, records};
    use proptest::prelude::*;

    /// The present of these tests, in minutes.
    const NOW: i64 = 10_000;

    const DAY: i64 = 24 * 60;

    /// The last day again, and what is younger than 15 minutes is provisional.
    fn daily() -> Asked {
        Asked { since: None, until: None, settle: minutes(15), overlap: minutes(24 * 60), full: false }
    }

    fn since(since: i64) -> Asked {
        Asked { since: Some(minute(since)), ..daily() }
    }

    fn until(until: i64) -> Asked {
        Asked { until: Some(minute(until)), ..daily() }
    }

    fn check(held: &[Walked], asked: Asked, expect: &[(Option<i64>, i64)]) {
        let expect: Vec<_> = expect.iter().map(|(since, until)| between(*since, *until)).collect();
        assert_eq!(spans(&records(held), &asked, minute(NOW)), expect, "{held:?} {asked:?}");
    }

    #[test]
    fn where_nothing_is_held_all_of_it_is_walked() {
        check(&[], daily(), &[(None, NOW)]);
        check(&[], since(5), &[(Some(5), NOW)]);
        check(&[], until(5_000), &[(None, 5_000)]);
        check(&[], until(20_000), &[(None, NOW)]);
        check(&[], Asked { until: Some(minute(7)), ..since(5) }, &[(Some(5), 7)]);
        check(&[], Asked { until: Some(minute(5)), ..since(5) }, &[]);
        check(&[], since(NOW), &[]);
        check(&[], Asked { full: true, ..daily() }, &[(None, NOW)]);
    }

    #[test]
    fn the_last_day_and_what_is_provisional_are_walked_again() {
        let old = (None, 5_000, 6_000);
        // What follows the last record is walked with it.
        check(&[old, (Some(5_000), 9_000, 9_000)], daily(), &[(Some(5_000), NOW)]);
        check(
            &[old, (Some(5_000), 7_000, 8_000), (Some(7_000), 9_000, 9_500)],
            daily(),
            &[(Some(7_000), NOW)],
        );
        let border = 9_000 - DAY;
        check(
            &[old, (Some(5_000), border, 9_000), (Some(border), 9_000, 9_500)],
            daily(),
            &[(Some(border), NOW)],
        );
        let later = border + 1;
        check(
            &[old, (Some(5_000), later, 9_000), (Some(later), 9_000, 9_500)],
            daily(),
            &[(Some(5_000), NOW)],
        );
        // A record that was walked 14 minutes after its end, long ago, and all that follows.
        let early =
            [old, (Some(5_000), 5_100, 5_114), (Some(5_100), 6_000, 9_000), (Some(6_000), 9_000, 9_500)];
        check(&early, daily(), &[(Some(5_000), NOW)]);
        let on_time =
            [old, (Some(5_000), 5_100, 5_115), (Some(5_100), 6_000, 9_000), (Some(6_000), 9_000, 9_500)];
        check(&on_time, daily(), &[(Some(6_000), NOW)]);
        // One that a clock has dated which ran ahead.
        check(&[(None, 5_000, NOW + 1), (Some(5_000), 9_000, 9_500)], daily(), &[(None, NOW)]);
        check(&[(None, 5_000, NOW), (Some(5_000), 9_000, 9_500)], daily(), &[(Some(5_000), NOW)]);
    }

    #[test]
    fn holes_are_walked() {
        let (old, last) = ((None, 1_000, 6_000), (Some(8_000), 9_000, 9_500));
        check(&[old, last], daily(), &[(Some(1_000), NOW)]);
        let middle = (Some(2_000), 3_000, 6_000);
        check(&[old, middle, last], daily(), &[(Some(1_000), 2_000), (Some(3_000), NOW)]);
        check(
            &[(Some(500), 1_000, 6_000), middle, last],
            daily(),
            &[(Some(1_000), 2_000), (Some(3_000), NOW)],
        );
        check(&[old, middle, last], since(2_500), &[(Some(3_000), NOW)]);
        check(&[old, middle, last], since(1_500), &[(Some(1_500), 2_000), (Some(3_000), NOW)]);
        check(&[old, middle, last], Asked { overlap: minutes(0), ..until(1_500) }, &[(Some(1_000), 1_500)]);
    }

    #[test]
    fn an_earlier_start_adds_and_a_later_one_takes_nothing_away() {
        let held = [(Some(500), 1_000, 6_000), (Some(1_000), 9_000, 9_500)];
        check(&held, since(100), &[(Some(100), 500), (Some(1_000), NOW)]);
        check(&held, since(8_000), &[(Some(1_000), NOW)]);
        check(&held, since(9_999), &[(Some(1_000), 9_000), (Some(9_999), NOW)]);
    }

    #[test]
    fn the_end_bounds_what_is_walked_to_whole_records() {
        let held = [(None, 3_000, 6_000), (Some(3_000), 5_000, 6_000), (Some(5_000), 9_000, 9_500)];
        check(&held, until(9_500), &[(Some(5_000), 9_500)]);
        check(&held, until(4_500), &[(Some(3_000), 5_000)]);
        check(&held, until(4_400), &[(None, 5_000)]);
        check(&held, until(5_000), &[(Some(3_000), 5_000)]);
    }

    #[test]
    fn a_full_walk_is_all_of_it() {
        let held = [(Some(500), 3_000, 6_000), (Some(4_000), 5_000, 6_000), (Some(5_000), 9_000, 9_500)];
        let full = |asked| Asked { full: true, ..asked };
        check(&held, full(daily()), &[(Some(500), NOW)]);
        check(&held, full(since(100)), &[(Some(100), NOW)]);
        check(&held, full(since(4_500)), &[(Some(4_000), NOW)]);
        check(&held, full(until(4_500)), &[(Some(500), 5_000)]);
        check(&held, full(until(3_500)), &[(Some(500), 3_500)]);
    }

    /// A clock was wrong.
    #[test]
    fn what_is_held_of_the_future_is_walked_to_its_end() {
        let held = [(None, 5_000, 6_000), (Some(5_000), 20_000, 20_000)];
        check(&held, daily(), &[(Some(5_000), 20_000)]);
        check(&held, Asked { full: true, ..daily() }, &[(None, 20_000)]);
        check(
            &[(None, 5_000, 6_000), (Some(11_000), 12_000, 20_000)],
            daily(),
            &[(Some(5_000), NOW), (Some(11_000), 12_000)],
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn everything_is_in_a_span_or_held_for_good(
            held in any_records(),
            since in prop::option::of(0i64..12_000),
            until in prop::option::of(0i64..12_000),
            (settle, overlap, full) in (0i64..100, 0i64..4_000, any::<bool>()),
            now in 1i64..12_000,
        ) {
            let minutes = |of: i64| minutes(u64::try_from(of).unwrap());
            let asked = Asked {
                since: since.map(minute),
                until: until.map(minute),
                settle: minutes(settle),
                overlap: minutes(overlap),
                full,
            };
            let walked = spans(&records(&held), &asked, minute(now));
            prop_assert!(walked.iter().all(|span| span.since < Some(span.until)));
            prop_assert!(walked.windows(2).all(|pair| Some(pair[0].until) < pair[1].since), "{walked:?}");
            let is_in_record = |at: Timestamp| held.iter().any(|(since, until, _)| {
                since.map(minute) < Some(at) && at < minute(*until)
            });
            for span in &walked {
                prop_assert!(!span.since.is_some_and(is_in_record) && !is_in_record(span.until), "{walked:?}");
            }

            let end = until.map_or(now, |until| until.min(now));
            let start = since.or_else(|| held.first().and_then(|(since, ..)| *since));
            let is_walked = |from: Option<i64>, to: i64| {
                walked.iter().any(|span| span.since <= from.map(minute) && minute(to) <= span.until)
            };
            let held_end = held.last().map_or(end, |(_, until, _)| end.min(*until));
            let is_for_good = |(_, until, as_of): &Walked| {
                !full && *until <= held_end - overlap && *until <= as_of - settle && *as_of <= now
            };
            // A minute is walked, or held for good.
            for at in start.unwrap_or(-1)..end {
                let record = held.iter().find(|(since, until, _)| since.is_none_or(|since| since <= at) && at < *until);
                let is_held = record.is_some_and(is_for_good);
                prop_assert!(is_held || is_walked(Some(at), at + 1), "minute {at}: {walked:?}");
            }
            if start.is_none() && !held.first().is_some_and(|first| first.0.is_none() && is_for_good(first)) {
                prop_assert!(end <= 0 && held.is_empty() || walked[0].since.is_none(), "{walked:?}");
            }
            // What is asked for of a record is walked with the whole record.
            let is_asked = |(since, ..): &&Walked| asked.until.is_none() || since.is_none_or(|since| since < end);
            for record in held.iter().filter(is_asked).filter(|record| !is_for_good(record)) {
                let is_before = full && Some(record.1) <= start;
                prop_assert!(is_before || is_walked(record.0, record.1), "{record:?} {walked:?}");
            }
        }
    }
}
