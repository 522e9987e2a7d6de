//! Random things that happen to a ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use billing_ledger::{
    AccountId, Amendment, Batch, Change, Coverage, FileContent, KeyKind, Ledger, Position, Source,
};
use billing_model::{Decimal, OtherFields, Timestamp, Total, UsageEntry};
use billing_testkit::{OwnedLedger as _, any_decimal, any_entries, entry_at};
use proptest::prelude::*;

/// Something that happens. What the ledger refuses changes nothing.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Batch { account: u8, key: u8, entries: Vec<UsageEntry> },
    Import { account: u8, file: u8, again: bool, entries: Vec<UsageEntry> },
    Change { account: u8, remove: Vec<u8>, amend: Vec<(u8, bool)>, add: Vec<UsageEntry> },
    Source { account: u8, synced: bool },
    Key { account: u8, kind: u8, at: i64 },
    KeyUse { key: u8, at: i64, is_end: bool },
    Allocation { account: u8, allocation: Option<Decimal> },
    Removal { account: u8 },
}

pub(crate) fn any_story(most: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(any_step(), 0..=most)
}

fn any_step() -> impl Strategy<Value = Step> {
    let account = || 0..4u8;
    let change = (
        prop::collection::vec(any::<u8>(), 0..4),
        prop::collection::vec(any::<(u8, bool)>(), 0..4),
        any_entries(4),
    );
    prop_oneof![
        5 => (account(), 0..12u8, any_entries(5)).prop_map(|(account, key, entries)| Step::Batch { account, key, entries }),
        2 => (account(), 0..4u8, any::<bool>(), any_entries(8))
            .prop_map(|(account, file, again, entries)| Step::Import { account, file, again, entries }),
        5 => (account(), change)
            .prop_map(|(account, (remove, amend, add))| Step::Change { account, remove, amend, add }),
        1 => (account(), any::<bool>()).prop_map(|(account, synced)| Step::Source { account, synced }),
        1 => (account(), 0..3u8, 0..1_000i64).prop_map(|(account, kind, at)| Step::Key { account, kind, at }),
        1 => (any::<u8>(), 0..1_000i64, any::<bool>()).prop_map(|(key, at, is_end)| Step::KeyUse { key, at, is_end }),
        1 => (account(), prop::option::of(any_decimal()))
            .prop_map(|(account, allocation)| Step::Allocation { account, allocation }),
        1 => account().prop_map(|account| Step::Removal { account }),
    ]
}

impl Step {
    /// Lets it happen.
    pub(crate) fn happen(&self, ledger: &dyn Ledger) {
        // Names whose order is not that of the accounts.
        let account = |number: &u8| ledger.create_account(&format!("{}-ledger", 9 - number)).unwrap();
        let at = |ns: &i64| Timestamp::from_unix_ns(*ns);
        match self {
            Self::Batch { account: number, key, entries } => {
                let batch = Batch {
                    account: account(number),
                    idempotency_key: format!("batch {key}"),
                    digest: [*key; 32],
                    received_at: at(&i64::from(*key)),
                    entries: entries.clone().into(),
                };
                ledger.store_batches(&[batch]).unwrap();
            }
            Self::Import { account: number, file, again, entries } => {
                let Ok(mut import) = ledger.import(account(number)) else { return };
                import.write(entries).unwrap();
                import.end_file(FileContent {
                    name: format!("file {file}"),
                    sha256: [*file; 32],
                    imported_at: at(&7),
                    again: *again,
                });
                let _refused = import.finish();
            }
            Self::Change { account: number, remove, amend, add } => {
                change(ledger, account(number), remove, amend, add);
            }
            Self::Source { account: number, synced } => {
                let source = Source {
                    base_url: "https://api.example.org/api/v1".to_owned(),
                    key_fingerprint: format!("fingerprint {number}"),
                    settle: Duration::from_nanos(900_000_000_001),
                    synced_at: synced.then(|| at(&5)),
                };
                let _refused = ledger.set_source(account(number), &source);
            }
            Self::Key { account: number, kind, at: ns } => {
                let kind = [KeyKind::Admin, KeyKind::Inference, KeyKind::Ingest][usize::from(*kind)];
                ledger.create_key(account(number), kind, &format!("key {number}"), at(ns)).unwrap();
            }
            Self::KeyUse { key, at: ns, is_end } => {
                let keys = ledger.keys().unwrap();
                let Some(key) = keys.get(usize::from(*key) % keys.len().max(1)) else { return };
                match is_end {
                    true => drop(ledger.revoke_key(&key.id, at(ns)).unwrap()),
                    false => ledger.record_key_uses(&[(&key.id, at(ns))]).unwrap(),
                }
            }
            Self::Allocation { account: number, allocation } => {
                let _refused = ledger.set_diem_allocation(account(number), *allocation);
            }
            Self::Removal { account: number } => {
                let _refused = ledger.remove_account(account(number));
            }
        }
    }
}

/// Takes some entries out, amends others and puts some in. A copy of a service is said to be walked as a whole then.
fn change(ledger: &dyn Ledger, account: AccountId, remove: &[u8], amend: &[(u8, bool)], add: &[UsageEntry]) {
    let mut there: BTreeMap<Position, UsageEntry> =
        ledger.placed_entries(account).unwrap().into_iter().collect();
    let places: Vec<Position> = there.keys().copied().collect();
    let place = |number: &u8| places.get(usize::from(*number) % places.len().max(1)).copied();
    let mut change = Change::of(account, Timestamp::from_unix_ns(11));
    for position in remove.iter().filter_map(place) {
        if there.remove(&position).is_some() {
            change.remove.push(position);
        }
    }
    for (number, has_key) in amend {
        let Some(position) = place(number) else { continue };
        let Some(entry) = there.get_mut(&position) else { continue };
        entry.api_key_id = has_key.then(|| format!("key {number}"));
        entry.other_fields = OtherFields::from_json(r#"{"region":"eu"}"#).unwrap().filter(|_| !has_key);
        let (api_key_id, other_fields) = (entry.api_key_id.clone(), entry.other_fields.clone());
        change.amend.push(Amendment { position, api_key_id, other_fields });
    }
    change.add = add.to_vec().into();
    if ledger.source(account).unwrap().is_some() {
        let mut sums = BTreeMap::<_, Total>::new();
        there.values().chain(add).for_each(|entry| {
            sums.entry(entry.currency.clone()).or_default().add(entry.amount);
        });
        change.cover = vec![Coverage {
            since: None,
            until: Timestamp::from_unix_ns(i64::MAX),
            as_of: Timestamp::from_unix_ns(13),
            sums: sums.into_iter().collect(),
            whole_set: there.values().chain(add).collect(),
        }];
    }
    ledger.change(&change).unwrap();
}

/// A story that has something of everything.
pub(crate) fn fixed_story() -> Vec<Step> {
    let entries = |first: i64, count: i64| -> Vec<UsageEntry> {
        (0..count)
            .map(|n| entry_at(Timestamp::from_unix_ns((first + n) * 3_600_000_000_000), "-0.01"))
            .collect()
    };
    let batch = |account, key, entries| Step::Batch { account, key, entries };
    let change = |account, remove: &[u8], amend: &[(u8, bool)], add| Step::Change {
        account,
        remove: remove.to_vec(),
        amend: amend.to_vec(),
        add,
    };
    vec![
        Step::Source { account: 3, synced: true },
        change(3, &[], &[], entries(0, 5)),
        batch(0, 0, entries(10, 3)),
        batch(1, 0, entries(40, 1)),
        batch(0, 1, entries(-5, 2)),
        Step::Import { account: 1, file: 0, again: false, entries: entries(30, 6) },
        Step::Import { account: 1, file: 0, again: true, entries: entries(33, 2) },
        Step::Key { account: 0, kind: 0, at: 1 },
        Step::Key { account: 3, kind: 2, at: 2 },
        Step::KeyUse { key: 0, at: 3, is_end: true },
        change(1, &[0, 3, 4], &[(1, true), (2, false)], entries(31, 2)),
        change(3, &[1], &[(0, true)], entries(2, 3)),
        change(1, &[1], &[], Vec::new()),
        Step::Allocation { account: 2, allocation: Some(Decimal::ONE) },
        Step::Removal { account: 2 },
        batch(0, 2, entries(11, 4)),
    ]
}
