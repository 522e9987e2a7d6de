//! Ledgers for the tests of a check: small ones, of which it is known what differs when something in them is changed.

use std::collections::BTreeMap;

use billing_ledger::{AccountId, Amendment, Batch, Change, Coverage, KeyKind, Ledger, Report, Source};
use billing_model::{Currency, OtherFields, Timestamp, Total, UsageEntry, WholeSet, parse_decimal};

use crate::ledger_suite::house::{import, taking};
use crate::{OwnedLedger as _, entry_at};

/// Records a batch under a name.
pub fn batch(ledger: &dyn Ledger, account: AccountId, name: &str, entries: Vec<UsageEntry>) {
    let batch = Batch {
        account,
        idempotency_key: name.to_owned(),
        digest: [7; 32],
        received_at: "2026-06-15T00:00:00Z".parse().unwrap(),
        entries: entries.into(),
    };
    ledger.store_batches(&[batch]).unwrap();
}

/// Fills an account with six entries of two days, in two blocks and two currencies, one of them a credit; with a receipt, a key
/// and an allocation.
pub fn small(ledger: &dyn Ledger, account: AccountId) {
    let entry = |at: &str, sku: &str, amount: &str, currency: &str| UsageEntry {
        sku: sku.to_owned(),
        currency: Currency::from(currency),
        units: parse_decimal("2").unwrap(),
        ..entry_at(at.parse().unwrap(), amount)
    };
    let entries = [
        entry("2026-06-14T19:52:45.087Z", "a", "-0.1", "USD"),
        entry("2026-06-14T19:52:46Z", "a", "-0.2", "USD"),
        entry("2026-06-14T20:00:00Z", "b", "-3", "DIEM"),
        entry("2026-06-15T00:00:00Z", "a", "-1", "USD"),
    ];
    import(ledger, account, &entries);
    let top_up = entry("2026-06-15T08:00:00Z", "top-up", "10", "USD");
    batch(ledger, account, "one", vec![top_up, entry("2026-06-15T09:00:00Z", "a", "-1", "USD")]);
    let now = "2026-06-15T00:00:00Z".parse().unwrap();
    ledger.create_key(account, KeyKind::Admin, "", now).unwrap();
    ledger.set_diem_allocation(account, Some(parse_decimal("10").unwrap())).unwrap();
}

/// The same after a change. Of its six entries the second and the last are taken out, under number 6, and the
/// third gets a key. One entry with undocumented fields is put in. There are four blocks.
pub fn changed(ledger: &dyn Ledger, account: AccountId) {
    small(ledger, account);
    let places = ledger.placed_entries(account).unwrap();
    let place = |sequence: u64| places.iter().find(|(place, _)| place.sequence == sequence).unwrap().0;
    let amend = Amendment { position: place(2), api_key_id: Some("key".to_owned()), other_fields: None };
    let added = UsageEntry {
        other_fields: OtherFields::from_json(r#"{"region":"eu"}"#).unwrap(),
        ..entry_at("2026-06-16T00:00:00Z".parse().unwrap(), "-7")
    };
    let change =
        Change { amend: vec![amend], add: vec![added].into(), ..taking(account, [place(1), place(5)]) };
    ledger.change(&change).unwrap();
}

/// SQL that damages an account of [`small`] in any engine, and all that differs then.
pub const IN_SMALL: &[(&str, &str)] = &[
    (
        "UPDATE counts SET entries = 7 WHERE level = 1 AND slot = 20618 AND entries = 2",
        "count, day 20618, from 2026-06-14T00:00:00.000Z, `USD`: `entries` is 7 and should be 2",
    ),
    (
        "UPDATE counts SET slot = slot + 1 WHERE level = 3 AND slot = 29691360",
        "count, minute 29691360, from 2026-06-15T00:00:00.000Z, `USD`: `entries` is missing and should be 1
         count, minute 29691361, from 2026-06-15T00:01:00.000Z, `USD`: `entries` is 1 and should not be there",
    ),
    (
        "DELETE FROM entries WHERE sequence = 3",
        "count, hour 494856, from 2026-06-15T00:00:00.000Z, `USD`: `entries` is 1 and should not be there
         count, minute 29691360, from 2026-06-15T00:00:00.000Z, `USD`: `entries` is 1 and should not be there
         count, 64 days 322, from 2026-06-04T00:00:00.000Z, `USD`: `entries` is 5 and should be 4
         count, day 20619, from 2026-06-15T00:00:00.000Z, `USD`: `entries` is 3 and should be 2
         rollup, day 20619, 2026-06-15, `a`, `USD`, no API key, charges: `entries` is 2 and should be 1
         rollup, day 20619, 2026-06-15, `a`, `USD`, no API key, charges: `amount` is -2 and should be -1
         rollup, day 20619, 2026-06-15, `a`, `USD`, no API key, charges: `units` is 4 and should be 2
         balance, `USD`, charges: `entries` is 4 and should be 3
         balance, `USD`, charges: `amount` is -2.3 and should be -1.3
         sequence, sequence 3: `entries` is missing and should be 1
         block, block 1: `entries` is 4 and should be 3
         block, block 1: `last_ns` is 2026-06-15T00:00:00.000Z and should be 2026-06-14T20:00:00.000Z
         block, block 1: `entry_set` is a set of 4 and should be a set of 3
         block, block 1: `whole_set` is a set of 4 and should be a set of 3
         block, block 1, `USD`: `amount` is -1.3 and should be -0.3",
    ),
    (
        "UPDATE entries SET sequence = 1 WHERE sequence = 3",
        "sequence, 2026-06-15T00:00:00.000Z, sequence 1: `sequence` is 1, once more and should be there once
         sequence, sequence 3: `entries` is missing and should be 1",
    ),
    (
        "UPDATE accounts SET next_sequence = 5",
        "sequence, 2026-06-15T09:00:00.000Z, sequence 5: `sequence` is 5 and should be one of the 5 that were given
         block, block 2: `first_sequence` is 4, of 2 entries and should be \
             the first number of so many entries of this block alone",
    ),
    (
        "UPDATE accounts SET next_sequence = 9223372036854775807",
        "sequence, sequences 6 to 9223372036854775806: `entries` is missing and should be 9223372036854775801
         block, sequences 6 to 9223372036854775806: `block` is missing and should be there",
    ),
];

/// SQL that damages an account of [`changed`] in any engine, and all that differs then.
pub const IN_CHANGED: &[(&str, &str)] = &[
    (
        "UPDATE blocks SET entries = 3 WHERE number = 1",
        "block, block 1: `last_ns` is 2026-06-15T00:00:00.000Z and should be 2026-06-14T20:00:00.000Z
         block, block 1: `entry_set` is a set of 4 and should be a set of 3
         block, block 1: `whole_set` is a set of 4 and should be a set of 3
         block, block 1, `USD`: `amount` is -1.3 and should be -0.3
         block, sequence 3: `block` is missing and should be there",
    ),
    (
        "UPDATE blocks SET last_ns = last_ns + 1 WHERE number = 3",
        "block, block 3, a removal: `last_ns` is 2026-06-15T09:00:00.000000001Z and should be 2026-06-15T09:00:00.000Z",
    ),
    (
        "UPDATE blocks SET removed_ns = NULL WHERE number = 3",
        "removed, 2026-06-14T19:52:46.000Z, sequence 1: `removal` is 6 and should be the number of a removal that is there
         sequence, sequence 6: `entries` is missing and should be 1
         block, block 3: `entries` is 2 and should not be there
         block, block 4: `first_sequence` is 7, of 1 entries and should be \
             the first number of so many entries of this block alone",
    ),
    // Another removal.
    (
        "UPDATE removed SET removal = 7 WHERE sequence = 1",
        "removed, 2026-06-14T19:52:46.000Z, sequence 1: `removal` is 7 and should be the number of a removal that is there
         block, block 3, a removal: `entries` is 2 and should be 1
         block, block 3, a removal: `first_ns` is 2026-06-14T19:52:46.000Z and should be 2026-06-15T09:00:00.000Z
         block, block 3, a removal: `entry_set` is a set of 2 and should be a set of 1
         block, block 3, a removal: `whole_set` is a set of 2 and should be a set of 1
         block, block 3, a removal, `USD`: `amount` is -1.2 and should be -1",
    ),
    // The number of another entry.
    (
        "UPDATE removed SET sequence = 0 WHERE sequence = 1",
        "sequence, 2026-06-14T19:52:46.000Z, sequence 0: `sequence` is 0, once more and should be there once
         sequence, sequence 1: `entries` is missing and should be 1",
    ),
    // The number of the removal.
    (
        "UPDATE removed SET sequence = 6 WHERE sequence = 1",
        "sequence, removal 6: `sequence` is 6, once more and should be there once
         sequence, sequence 1: `entries` is missing and should be 1
         block, block 1: `entries` is 4 and should be 3
         block, block 1: `entry_set` is a set of 4 and should be a set of 3
         block, block 1: `whole_set` is a set of 4 and should be a set of 3
         block, block 1, `USD`: `amount` is -1.3 and should be -1.1",
    ),
];

/// An hour of the 1st of June 2026.
fn hour(hour: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_780_272_000_000_000_000 + hour * 3_600_000_000_000)
}

fn record(since: Option<i64>, until: i64, entries: &[&UsageEntry]) -> Coverage {
    let mut sums = BTreeMap::<Currency, Total>::new();
    entries.iter().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
    Coverage {
        since: since.map(hour),
        until: hour(until),
        as_of: hour(until),
        sums: sums.into_iter().collect(),
        whole_set: entries.iter().copied().collect::<WholeSet>(),
    }
}

/// Makes an account a copy of a service: four entries, one of them of the first instant of a record; and four records, one of them
/// without entries.
pub fn synced(ledger: &dyn Ledger, account: AccountId) {
    let source = Source {
        base_url: "https://api.venice.ai/api/v1".to_owned(),
        key_fingerprint: "f".to_owned(),
        settle: Source::SETTLE,
        synced_at: Some(hour(40)),
    };
    ledger.set_source(account, &source).unwrap();
    let [a, b, c] = [(1, "-1"), (10, "-2"), (13, "-4")].map(|(at, amount)| entry_at(hour(at), amount));
    let d = UsageEntry { currency: Currency::Diem, ..entry_at(hour(13), "-8") };
    let cover = vec![
        record(None, 10, &[&a]),
        record(Some(10), 12, &[&b]),
        record(Some(12), 20, &[&c, &d]),
        record(Some(20), 40, &[]),
    ];
    let add = vec![a, b, c, d].into();
    ledger.change(&Change { add, cover, ..Change::of(account, hour(40)) }).unwrap();
}

/// Compares what a check has found with these lines, in which a set is `a set of N`, the account `ours` is not named, and this key is
/// `ID`, because it is random.
#[track_caller]
pub fn is_found(report: &Report, key_id: &str, what: &str, expect: &str) {
    let found = report.differences.iter().map(|difference| without_digests(&difference.to_string()));
    let found: Vec<_> =
        found.map(|line| line.replace(", account `ours`", "").replace(key_id, "ID") + "\n").collect();
    let expect: Vec<_> = expect.trim().lines().map(|line| format!("{}\n", line.trim())).collect();
    assert_eq!(found.concat(), expect.concat(), "{what}");
    assert_eq!((report.is_clean(), report.total()), (false, expect.len() as u64), "{what}");
}

/// The text with the number of entries in the place of each set.
fn without_digests(text: &str) -> String {
    let word = |word: &str| match word.strip_prefix("v1:").and_then(|set| set.split_once(':')) {
        Some((entries, digest)) if digest.len() == 32 => format!("a set of {entries}"),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}
