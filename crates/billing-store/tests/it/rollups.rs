//! Sums that are kept, against sums that are made anew.

use std::collections::BTreeMap;

use billing_model::UsageEntry;
use billing_store::{Day, Rollup};
use billing_testkit::entry_at;
use proptest::prelude::*;

use crate::house::{House, any_mixed_entries, import};

fn recount<'a>(entries: impl IntoIterator<Item = &'a UsageEntry>) -> Vec<Rollup> {
    let mut sums: BTreeMap<_, Rollup> = BTreeMap::new();
    for entry in entries {
        let day = Day::of(entry.timestamp).unwrap();
        let (sku, currency, key) = (entry.sku.clone(), entry.currency.clone(), entry.api_key_id.clone());
        let line = sums.entry((day, sku.clone(), currency.clone(), key.clone())).or_insert_with(|| Rollup {
            day,
            sku,
            currency,
            api_key_id: key,
            entries: 0,
            amount: Default::default(),
            units: Default::default(),
        });
        line.entries += 1;
        line.amount.add(entry.amount);
        line.units.add(entry.units);
    }
    sums.into_values().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn sums_equal_a_recount_after_every_import(
        imports in prop::collection::vec(any_mixed_entries(25), 1..4), first in -2..5i64, days in 0..4i64,
    ) {
        let (ledger, account) = House::shared();
        for (n, entries) in imports.iter().enumerate() {
            import(ledger, account, entries);
            let stored = imports[..=n].iter().flatten();
            prop_assert_eq!(ledger.rollups(account, None).unwrap(), recount(stored));
        }
        let (first, last) = (Day(first), Day(first + days));
        let within = |entry: &&UsageEntry| (first..=last).contains(&Day::of(entry.timestamp).unwrap());
        let expect = recount(imports.iter().flatten().filter(within));
        prop_assert_eq!(ledger.rollups(account, Some((first, last))).unwrap(), expect);
    }
}

#[test]
fn sums_are_right_when_there_are_more_of_them_than_an_import_gathers() {
    let House { ledger, account, .. } = &House::new();
    let plain = entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.00000000000000000001");
    let entries: Vec<_> =
        (0..12_000).map(|n| UsageEntry { sku: format!("sku {}", n % 5_000), ..plain.clone() }).collect();
    import(ledger, *account, &entries);
    assert_eq!(ledger.rollups(*account, None).unwrap(), recount(&entries));
}
