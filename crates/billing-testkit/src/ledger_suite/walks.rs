//! Pages by position: a walk sees every entry of its first page's ledger once, and no other.

use std::collections::BTreeMap;

use crate::OwnedLedger;
use crate::entry_at;
use billing_ledger::{ErrorKind, Filter, Position, Snapshot};
use billing_model::{SortOrder, Timestamp};
use billing_sample::History;
use proptest::prelude::*;

use super::house::{
    House, Make, any_filter, any_mixed_entries, any_near_entries, cases, expected, import, passes, taking,
    walk, walk_beside,
};

pub fn a_walk_of_any_page_size_is_the_same(make: Make) {
    let house = House::of(make);
    proptest!(cases(48), |(entries in any_mixed_entries(80), filter in any_filter(), limit in 1..30u32,)| {
    let (ledger, account) = house.another();
    import(ledger, account, &entries);
    let expect = expected(&entries, &filter, SortOrder::Asc);
    for limit in [limit, 1000] {
        prop_assert_eq!(&walk(ledger, account, &filter, limit), &expect);
    }
    });
}

pub fn a_walk_sees_the_ledger_of_its_first_page(make: Make) {
    let house = House::of(make);
    proptest!(cases(48), |(before in any_near_entries(60), late in any_near_entries(12), filter in any_filter(), limit in 1..12u32,)| {
    let (ledger, account) = house.another();
    import(ledger, account, &before);
    let mut pages = 0;
    let seen = walk_beside(ledger, account, &filter, limit, |_| {
        // Entries arrive between the pages, in the middle of what is walked.
        pages += 1;
        if pages < 4 {
            import(ledger, account, &late);
        }
    });
    prop_assert_eq!(seen, expected(&before, &filter, SortOrder::Asc));
    });
}

/// A walk is not refused for entries that were taken out behind it, or that its filter leaves out.
pub fn a_walk_ends_where_entries_that_it_was_to_see_are_taken_out(make: Make) {
    let house = House::of(make);
    proptest!(cases(64), |(
        before in any_near_entries(40), late in any_near_entries(8), filter in any_filter(), limit in 1..12u32,
        pages in 1..4usize, is_late_first: bool, taken in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    )| {
        let (ledger, account) = house.another();
        import(ledger, account, &before);
        let (mut seen, mut snapshot, mut after) = (Vec::new(), None, None);
        for _ in 0..pages {
            let page = ledger.positioned_page(account, &filter, snapshot, after, limit).unwrap();
            seen.extend(page.entries);
            (snapshot, after) = (Some(page.snapshot), page.next);
            if after.is_none() {
                break;
            }
        }
        // The first removal may have the very number at which the walk began.
        if is_late_first {
            import(ledger, account, &late);
        }
        let there = ledger.placed_entries(account).unwrap();
        let taken: BTreeMap<_, _> =
            taken.iter().filter(|_| !there.is_empty()).map(|at| at.get(&there).clone()).collect();
        let change = taking(account, taken.keys().copied());
        ledger.change(&change).unwrap();
        let Some(mut next) = after else { return Ok(()) };
        let was_to_come = taken.iter().any(|(position, entry)| {
            *position > next && position.sequence < before.len() as u64 && passes(&filter, entry)
        });
        loop {
            let page = ledger.positioned_page(account, &filter, snapshot, Some(next), limit);
            if was_to_come {
                prop_assert_eq!(page.unwrap_err().kind(), ErrorKind::WalkOutdated);
                break;
            }
            let page = page.unwrap();
            seen.extend(page.entries);
            match page.next {
                Some(place) => next = place,
                None => {
                    prop_assert_eq!(&seen, &expected(&before, &filter, SortOrder::Asc));
                    break;
                }
            }
        }
        // A walk that begins now is not outdated.
        let left: Vec<_> = there.into_iter().filter(|(place, _)| !taken.contains_key(place)).collect();
        let left: Vec<_> = left.into_iter().map(|(_, entry)| entry).filter(|entry| passes(&filter, entry)).collect();
        prop_assert_eq!(walk(ledger, account, &filter, limit), left);
    });
}

pub fn the_last_page_knows_that_it_is_the_last(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    import(ledger, *account, &History::new(1, 20).collect::<Vec<_>>());
    let mut sizes = Vec::new();
    walk_beside(ledger, *account, &Filter::default(), 10, |page| sizes.push(page.entries.len()));
    assert_eq!(sizes, [10, 10]);
    let page = ledger.positioned_page(*account, &Filter::default(), None, None, 0).unwrap();
    assert_eq!(page.entries.len(), 1, "a page of nothing would make an endless walk");
}

/// Also at the first and the last instant that a ledger can hold.
pub fn a_walk_passes_many_entries_of_one_instant(make: Make) {
    let house = House::of(make);
    let middle = "2026-06-14T19:52:45.087Z".parse().unwrap();
    for at in [middle, Timestamp::from_unix_ns(i64::MIN), Timestamp::from_unix_ns(i64::MAX)] {
        let (ledger, account) = house.another();
        let entries = vec![entry_at(at, "-0.01"); 100];
        import(ledger, account, &entries);
        for limit in [1, 7, 99, 100, 101] {
            assert_eq!(walk(ledger, account, &Filter::default(), limit), entries, "at {at}");
        }
    }
}

pub fn positions_and_snapshots_from_nowhere_do_no_harm(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    import(ledger, *account, &History::new(1, 20).collect::<Vec<_>>());
    let numbers = [0, 1, u64::MAX];
    let times = [i64::MIN, 0, i64::MAX];
    for snapshot in numbers {
        for (timestamp_ns, sequence) in times.iter().flat_map(|at| numbers.map(|sequence| (*at, sequence))) {
            let after = Some(Position { timestamp_ns, sequence });
            let snapshot = Snapshot { end: snapshot, without: None };
            let page = ledger
                .positioned_page(*account, &Filter::default(), Some(snapshot), after, u32::MAX)
                .unwrap();
            let seen = if timestamp_ns == i64::MAX { 0 } else { snapshot.end.min(20) };
            assert_eq!(page.entries.len(), usize::try_from(seen).unwrap());
        }
    }
}
