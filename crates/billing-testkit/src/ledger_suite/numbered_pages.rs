//! Pages by number, against slices of a list.

use crate::OwnedLedger;
use crate::entry_at;
use billing_ledger::{AccountId, Filter, Ledger};
use billing_model::{Currency, SortOrder, TimeWindow, Timestamp, UsageEntry};
use billing_sample::History;
use proptest::prelude::*;

use super::house::{House, Make, any_filter, any_mixed_entries, cases, expected, import, walk};

const ORDERS: [SortOrder; 2] = [SortOrder::Asc, SortOrder::Desc];

/// Holds one page against the slice that it should be.
fn check(
    (ledger, account): (&dyn Ledger, AccountId),
    filter: &Filter,
    (order, limit, page): (SortOrder, u32, u32),
    expect: &[UsageEntry],
) {
    let found = ledger.numbered_page(account, filter, order, limit, page).unwrap();
    let (size, number) = (usize::try_from(limit).unwrap(), usize::try_from(page).unwrap());
    let slice: Vec<_> = expect.iter().skip(size * (number - 1)).take(size).cloned().collect();
    assert_eq!(found.total, u64::try_from(expect.len()).unwrap(), "{filter:?}");
    assert!(found.entries == slice, "{filter:?} {order} {limit} {page}: {:?}", found.entries);
}

pub fn pages_are_slices_of_the_whole(make: Make) {
    let house = House::of(make);
    proptest!(cases(48), |(imports in prop::collection::vec(any_mixed_entries(60), 1..3),
        filters in prop::collection::vec(any_filter(), 1..6),
        limit in 1..20u32,)| {
    let (ledger, account) = house.another();
    imports.iter().for_each(|entries| import(ledger, account, entries));
    let stored = imports.concat();
    for (filter, order) in filters.iter().flat_map(|filter| ORDERS.map(|order| (filter, order))) {
        let expect = expected(&stored, filter, order);
        let pages = u32::try_from(expect.len()).unwrap().div_ceil(limit);
        // The last of these is beyond the end.
        (1..=pages + 1).for_each(|page| check((ledger, account), filter, (order, limit, page), &expect));
    }
    });
}

pub fn pages_at_any_depth_are_right(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let stored: Vec<_> = History::new(5, 20_000).collect();
    import(ledger, *account, &stored);
    let currencies = [None, Some("EARNED_CREDITS".into())];
    for (order, currency) in ORDERS.iter().flat_map(|order| currencies.clone().map(|c| (*order, c))) {
        let filter = Filter { currency, ..Filter::default() };
        let expect = expected(&stored, &filter, order);
        for page in [1, 2, 3, 17, 39, 40, 41, 1_000, u32::MAX] {
            check((ledger, *account), &filter, (order, 500, page), &expect);
        }
    }
}

/// A minute of many entries, one far away, and a currency that is rare among them.
pub fn a_dense_minute_and_a_rare_currency_are_walked_whole(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let at = |ns: i64| Timestamp::from_unix_ns(1_780_000_000_000_000_000 + ns);
    let mut stored: Vec<_> = (0..3_000)
        .map(|n| {
            let entry = entry_at(at(n * 10_000_000), &format!("-0.{n:05}"));
            if n % 700 == 0 { UsageEntry { currency: Currency::Vcu, ..entry } } else { entry }
        })
        .collect();
    stored.push(UsageEntry { currency: Currency::Vcu, ..entry_at(at(-9_000_000_000_000_000_000), "-1") });
    import(ledger, *account, &stored);
    for (currency, order) in
        [None, Some(Currency::Vcu)].iter().flat_map(|c| ORDERS.map(|order| (c.clone(), order)))
    {
        for window in [
            TimeWindow::ALL,
            TimeWindow::new(Some(at(5)), Some(at(20_990_000_001))).unwrap(),
            TimeWindow::new(None, Some(at(0))).unwrap(),
        ] {
            let filter = Filter { currency: currency.clone(), window };
            let expect = expected(&stored, &filter, order);
            let pages = u32::try_from(expect.len()).unwrap().div_ceil(77);
            (1..=pages + 1).for_each(|page| check((ledger, *account), &filter, (order, 77, page), &expect));
            if order == SortOrder::Asc {
                assert!(walk(ledger, *account, &filter, 77) == expect, "{filter:?}");
            }
        }
    }
}

pub fn a_page_of_nothing_still_has_a_total(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    import(ledger, *account, &History::new(5, 10).collect::<Vec<_>>());
    let page = ledger.numbered_page(*account, &Filter::default(), SortOrder::Asc, 0, 1).unwrap();
    assert_eq!((page.entries.len(), page.total), (0, 10));
}
