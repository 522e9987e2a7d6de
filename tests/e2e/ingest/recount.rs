//! Makes sums anew from entries, and compares them with those that the ledger keeps.

use std::collections::BTreeMap;
use std::path::Path;

use billing_ledger::Ledger;
use billing_model::{Analytics, Currency, Day, Total, UsageEntry};
use billing_sqlite::SqliteLedger;
use billing_testkit::{OwnedLedger as _, OwnedRollup};

use crate::conversation::Request;
use crate::host::{ANALYTICS, Host};

/// What usage analytics say is what the entries come to, to the last digit: by day, and by API key.
#[track_caller]
pub(crate) fn analytics_agree(host: &Host, key: &str, entries: &[UsageEntry]) {
    let target = format!("{ANALYTICS}?startDate=2026-05-01&endDate=2026-05-31");
    let answer = host.ask(&Request::get(&target).bearing(key));
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = Analytics::from_json(answer.text()).unwrap();

    let mut days = BTreeMap::<Day, Spend>::new();
    let mut keys = BTreeMap::<Option<String>, Spend>::new();
    // What costs nothing is usage too.
    for entry in entries.iter().filter(|entry| !entry.amount.is_positive()) {
        days.entry(Day::of(entry.timestamp).unwrap()).or_default().add(entry);
        keys.entry(entry.api_key_id.clone()).or_default().add(entry);
    }
    let by_date: Vec<_> =
        found.by_date.iter().map(|row| (row.date, row.usd.clone(), row.diem.clone())).collect();
    let first = Day::of("2026-05-01T00:00:00Z".parse().unwrap()).unwrap();
    let expect: Vec<_> = (0..31).map(|n| Day(first.0 + n)).collect();
    let expect: Vec<_> = expect
        .into_iter()
        .map(|day| {
            days.get(&day)
                .map_or((day, Total::default(), Total::default()), |s| (day, s.usd.clone(), s.diem.clone()))
        })
        .collect();
    assert_eq!(by_date, expect);
    let by_key: BTreeMap<_, _> = found
        .by_key
        .into_iter()
        .map(|row| {
            (row.api_key_id, Spend { usd: row.total_usd, diem: row.total_diem, units: row.total_units })
        })
        .collect();
    assert_eq!(by_key, keys);
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Spend {
    usd: Total,
    diem: Total,
    units: Total,
}

impl Spend {
    fn add(&mut self, entry: &UsageEntry) {
        match entry.currency {
            Currency::Diem => self.diem.add(-entry.amount),
            _ => self.usd.add(-entry.amount),
        }
        self.units.add(entry.units);
    }
}

/// The sums in the file are those of the entries. For a ledger that nobody serves any more.
#[track_caller]
pub(crate) fn rollups_agree(path: &str, account: &str, entries: &[UsageEntry]) {
    rollups_are(&SqliteLedger::open(Path::new(path)).unwrap(), account, entries);
}

/// The sums that a ledger keeps are those of the entries, row by row.
#[track_caller]
pub(crate) fn rollups_are(ledger: &dyn Ledger, account: &str, entries: &[UsageEntry]) {
    let account = ledger.account(account).unwrap().unwrap();
    let mut expect = BTreeMap::new();
    for entry in entries {
        let day = Day::of(entry.timestamp).unwrap();
        let is_credit = entry.amount.is_positive();
        let place = (day, entry.sku.clone(), entry.currency.clone(), entry.api_key_id.clone(), is_credit);
        let (count, amount, units) =
            expect.entry(place).or_insert_with(|| (0u64, Total::default(), Total::default()));
        *count += 1;
        amount.add(entry.amount);
        units.add(entry.units);
    }
    let found = ledger.owned_rollups(account, None).unwrap();
    assert_eq!(found.len(), expect.len());
    for row in found {
        let OwnedRollup { day, sku, currency, api_key_id, is_credit, entries, amount, units } = row;
        let place = (day, sku, currency, api_key_id, is_credit);
        assert_eq!(expect.get(&place), Some(&(entries, amount, units)), "{place:?}");
    }
}
