//! Sums that are kept, against sums that are made anew.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::entry_at;
use crate::{OwnedLedger, OwnedRollup};
use billing_ledger::Charges;
use billing_model::{Day, UsageEntry};
use proptest::prelude::*;

use super::house::{House, Make, any_mixed_entries, cases, import};

fn recount<'a>(entries: impl IntoIterator<Item = &'a UsageEntry>) -> Vec<OwnedRollup> {
    let mut sums: BTreeMap<_, OwnedRollup> = BTreeMap::new();
    for entry in entries {
        let day = Day::of(entry.timestamp).unwrap();
        let (sku, currency, key) = (entry.sku.clone(), entry.currency.clone(), entry.api_key_id.clone());
        let is_credit = entry.amount.is_positive();
        let line =
            sums.entry((day, sku.clone(), currency.clone(), key.clone(), is_credit)).or_insert_with(|| {
                OwnedRollup {
                    day,
                    sku,
                    currency,
                    api_key_id: key,
                    is_credit,
                    entries: 0,
                    amount: Default::default(),
                    units: Default::default(),
                }
            });
        line.entries += 1;
        line.amount.add(entry.amount);
        line.units.add(entry.units);
    }
    sums.into_values().collect()
}

pub fn sums_equal_a_recount_after_every_import(make: Make) {
    let house = House::of(make);
    proptest!(cases(48), |(imports in prop::collection::vec(any_mixed_entries(25), 1..4), first in -2..5i64, days in 0..4i64,)| {
    let (ledger, account) = house.another();
    for (n, entries) in imports.iter().enumerate() {
        import(ledger, account, entries);
        let stored = imports[..=n].iter().flatten();
        prop_assert_eq!(ledger.owned_rollups(account, None).unwrap(), recount(stored));
    }
    let (first, last) = (Day(first), Day(first + days));
    let within = |entry: &&UsageEntry| (first..=last).contains(&Day::of(entry.timestamp).unwrap());
    let expect = recount(imports.iter().flatten().filter(within));
    prop_assert_eq!(&ledger.owned_rollups(account, Some((first, last))).unwrap(), &expect);

    let mut charged = Vec::new();
    let ended = ledger.charges(account, (first, last), &mut |charges| {
        let Charges { day, sku, currency, api_key_id, spend, units } = charges;
        charged.push((day, sku.to_owned(), currency.clone(), api_key_id.map(str::to_owned), -spend, units));
        ControlFlow::Continue(())
    });
    ended.unwrap();
    prop_assert!(charged.is_sorted_by_key(|charges| charges.0), "by day");
    charged.sort();
    let expect: Vec<_> = expect
        .into_iter()
        .filter(|rollup| !rollup.is_credit)
        .map(|sum| (sum.day, sum.sku, sum.currency, sum.api_key_id, sum.amount, sum.units))
        .collect();
    prop_assert_eq!(charged, expect);
    });
}

pub fn sums_are_right_when_there_are_more_of_them_than_an_import_gathers(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let plain = entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.00000000000000000001");
    let entries: Vec<_> =
        (0..12_000).map(|n| UsageEntry { sku: format!("sku {}", n % 5_000), ..plain.clone() }).collect();
    import(ledger, *account, &entries);
    assert_eq!(ledger.owned_rollups(*account, None).unwrap(), recount(&entries));
}

pub fn a_look_at_charges_ends_when_it_is_told_to(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let plain = entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-1");
    let entries: Vec<_> = (0..10).map(|n| UsageEntry { sku: format!("sku {n}"), ..plain.clone() }).collect();
    import(ledger, *account, &entries);
    let mut seen = 0;
    let ended = ledger.charges(*account, (Day(0), Day(i64::MAX)), &mut |_| {
        seen += 1;
        if seen == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    ended.unwrap();
    assert_eq!(seen, 3);
}
