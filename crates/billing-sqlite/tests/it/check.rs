//! The check finds what differs, and reports exactly that.

use std::path::Path;

use billing_ledger::{Checked, Difference, DifferenceKind, Ledger as _, Report};
use billing_model::UsageEntry;
use billing_sqlite::SqliteLedger;
use billing_testkit::check_cases::{self, IN_SMALL, is_found};
use rusqlite::Connection;

use crate::house::House;

#[track_caller]
pub(crate) fn check(path: &Path) -> Report {
    SqliteLedger::check(path, |_| ()).unwrap()
}

pub(crate) fn batch(house: &House, name: &str, entries: Vec<UsageEntry>) {
    check_cases::batch(&house.ledger, house.account, name, entries);
}

pub(crate) fn small() -> House {
    let house = House::new();
    check_cases::small(&house.ledger, house.account);
    house
}

/// Runs SQL on the ledger, as another tool could.
pub(crate) fn damage(path: &Path, sql: &str) {
    let file = Connection::open(path).unwrap();
    // Our own connection would refuse some of this SQL.
    let free = "PRAGMA foreign_keys = off; PRAGMA ignore_check_constraints = on;";
    file.execute_batch(&format!("{free} {sql}")).unwrap();
}

/// Checks a small ledger after this SQL: these are all its differences.
#[track_caller]
fn differs(sql: &str, expect: &str) {
    house_differs(&small(), sql, expect);
}

/// Checks a small ledger after this SQL: this is its first difference.
#[track_caller]
fn begins(sql: &str, expect: &str) {
    let house = small();
    damage(&house.path(), sql);
    let found = check(&house.path()).differences[0].to_string();
    assert_eq!(found.replace(", account `ours`", ""), expect, "{sql}");
}

#[track_caller]
pub(crate) fn house_differs(house: &House, sql: &str, expect: &str) {
    let key_id = house.ledger.keys().unwrap().first().map_or("no key".to_owned(), |key| key.id.clone());
    damage(&house.path(), sql);
    is_found(&check(&house.path()), &key_id, sql, expect);
}

#[test]
fn an_undamaged_ledger_is_clean() {
    let house = small();
    let report = check(&house.path());
    assert_eq!((report.differences.as_slice(), report.is_clean()), (&[][..], true));
    // The slot of 64 days and one of the days have entries in both currencies.
    let checked = Checked {
        hidden_entries: 0,
        removed_entries: 0,
        accounts: 1,
        entries: 6,
        counts: 2 + 3 + 5 + 5,
        rollups: 4,
        balances: 3,
        blocks: 2,
        sources: 0,
        coverage: 0,
        receipts: 1,
        files: 0,
        keys: 1,
        texts: report.checked.texts,
    };
    assert_eq!(report.checked, checked);
    assert!(check(&House::new().path()).is_clean(), "one without entries too");
}

#[test]
fn what_every_engine_finds_is_found() {
    IN_SMALL.iter().for_each(|(sql, expect)| differs(sql, expect));
}

#[test]
fn a_difference_says_whose_it_is() {
    let house = small();
    damage(&house.path(), "UPDATE balances SET amount = '9.9' WHERE is_credit = 1");
    let report = check(&house.path());
    let expect = Difference {
        kind: DifferenceKind::Balance,
        account: Some("ours".to_owned()),
        place: "`USD`, credits".to_owned(),
        field: "amount",
        held: Some("9.9".to_owned()),
        expected: Some("10".to_owned()),
    };
    assert_eq!(
        expect.to_string(),
        "balance, account `ours`, `USD`, credits: `amount` is 9.9 and should be 10"
    );
    assert_eq!(report.differences, [expect]);
    assert_eq!(report.found, [(DifferenceKind::Balance, 1)].into());
}

#[test]
fn a_count_of_each_level_is_compared() {
    differs(
        "UPDATE counts SET entries = 2 WHERE level = 0 AND entries = 1",
        "count, 64 days 322, from 2026-06-04T00:00:00.000Z, `DIEM`: `entries` is 2 and should be 1",
    );
    differs(
        "DELETE FROM counts WHERE level = 2 AND slot = 494856",
        "count, hour 494856, from 2026-06-15T00:00:00.000Z, `USD`: `entries` is missing and should be 1",
    );
    differs(
        "INSERT INTO counts SELECT account, 4, slot, currency, entries FROM counts WHERE level = 0 AND entries = 5",
        "count, level 4, slot 322, `USD`: `entries` is 5 and should not be there",
    );
}

#[test]
fn each_column_of_a_sum_is_compared() {
    let charges = "rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges";
    let top_up = "rollup, day 20619, 2026-06-15, `top-up`, `USD`";
    differs(
        "UPDATE rollups SET entries = 1 WHERE day = 20618 AND entries = 2",
        &format!("{charges}: `entries` is 1 and should be 2"),
    );
    differs(
        "UPDATE rollups SET amount = '-0.30000000000000004' WHERE day = 20618 AND entries = 2",
        &format!("{charges}: `amount` is -0.30000000000000004 and should be -0.3"),
    );
    differs(
        "UPDATE rollups SET units = 'four' WHERE day = 20618 AND entries = 2",
        &format!("{charges}: `units` is `four` and should be 4"),
    );
    differs(
        "UPDATE rollups SET is_credit = 0 WHERE is_credit = 1",
        &format!(
            "{top_up}, no API key, charges: `entries` is 1 and should not be there
             {top_up}, no API key, credits: `entries` is missing and should be 1"
        ),
    );
    differs(
        "UPDATE rollups SET api_key = (SELECT id FROM strings WHERE text = 'b') WHERE is_credit = 1",
        &format!(
            "{top_up}, no API key, credits: `entries` is missing and should be 1
             {top_up}, API key `b`, credits: `entries` is 1 and should not be there"
        ),
    );
    differs(
        "UPDATE balances SET amount = '9.9' WHERE is_credit = 1",
        "balance, `USD`, credits: `amount` is 9.9 and should be 10",
    );
    differs(
        "UPDATE balances SET entries = 0 WHERE is_credit = 1",
        "balance, `USD`, credits: `entries` is 0 and should be 1",
    );
    differs(
        "DELETE FROM balances WHERE is_credit = 1",
        "balance, `USD`, credits: `entries` is missing and should be 1",
    );
}

#[test]
fn an_entry_that_changed_shows_in_what_is_kept_of_it() {
    // Another amount.
    differs(
        "UPDATE entries SET numbers = '[4.84,2,-0.11]' WHERE sequence = 0",
        "rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges: `amount` is -0.3 and should be -0.31
         balance, `USD`, charges: `amount` is -2.3 and should be -2.31
         block, block 1: `entry_set` is a set of 4 and should be a set of 4
         block, block 1: `whole_set` is a set of 4 and should be a set of 4
         block, block 1, `USD`: `amount` is -1.3 and should be -1.31",
    );
    // Other units.
    differs(
        "UPDATE entries SET numbers = '[4.84,3,-0.1]' WHERE sequence = 0",
        "rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges: `units` is 4 and should be 5
         block, block 1: `entry_set` is a set of 4 and should be a set of 4
         block, block 1: `whole_set` is a set of 4 and should be a set of 4",
    );
    // A minute earlier.
    differs(
        "UPDATE entries SET timestamp_ns = timestamp_ns - 60000000000 WHERE sequence = 0",
        "count, minute 29691111, from 2026-06-14T19:51:00.000Z, `USD`: `entries` is missing and should be 1
         count, minute 29691112, from 2026-06-14T19:52:00.000Z, `USD`: `entries` is 2 and should be 1
         block, block 1: `first_ns` is 2026-06-14T19:52:45.087Z and should be 2026-06-14T19:51:45.087Z
         block, block 1: `entry_set` is a set of 4 and should be a set of 4
         block, block 1: `whole_set` is a set of 4 and should be a set of 4",
    );
    let (minute, hour) =
        ("minute 29691360, from 2026-06-15T00:00:00.000Z", "hour 494856, from 2026-06-15T00:00:00.000Z");
    let (day, days) =
        ("day 20619, from 2026-06-15T00:00:00.000Z", "64 days 322, from 2026-06-04T00:00:00.000Z");
    let charges = "rollup, day 20619, 2026-06-15, `a`, `USD`, no API key, charges";
    // An entry is there once more.
    differs(
        "INSERT INTO entries SELECT account, timestamp_ns + 1, sequence, sku, currency, notes, api_key, numbers,
             request_id, other_fields
         FROM entries WHERE sequence = 3",
        &format!(
            "sequence, 2026-06-15T00:00:00.000000001Z, sequence 3: `sequence` is 3, once more and should be there once
             count, {hour}, `USD`: `entries` is 1 and should be 2
             count, {minute}, `USD`: `entries` is 1 and should be 2
             count, {days}, `USD`: `entries` is 5 and should be 6
             count, {day}, `USD`: `entries` is 3 and should be 4
             {charges}: `entries` is 2 and should be 3
             {charges}: `amount` is -2 and should be -3
             {charges}: `units` is 4 and should be 6
             balance, `USD`, charges: `entries` is 4 and should be 5
             balance, `USD`, charges: `amount` is -2.3 and should be -3.3
             block, block 1: `entries` is 4 and should be 5
             block, block 1: `last_ns` is 2026-06-15T00:00:00.000Z and should be 2026-06-15T00:00:00.000000001Z
             block, block 1: `entry_set` is a set of 4 and should be a set of 5
             block, block 1: `whole_set` is a set of 4 and should be a set of 5
             block, block 1, `USD`: `amount` is -1.3 and should be -2.3"
        ),
    );
}

/// Gives the first entry another number.
fn set_number(field: &str, number: &str) -> String {
    let mut numbers = [
        ("price_per_unit_usd", "4.84"),
        ("units", "2"),
        ("amount", "-0.1"),
        ("execution_time_ms", "null"),
        ("prompt_tokens", "null"),
        ("completion_tokens", "null"),
    ];
    numbers.iter_mut().find(|(name, _)| *name == field).unwrap().1 = number;
    let has_details = numbers[3..].iter().any(|(_, number)| *number != "null");
    let numbers = if has_details { &numbers[..] } else { &numbers[..3] };
    let numbers: Vec<_> = numbers.iter().map(|(_, number)| *number).collect();
    format!("UPDATE entries SET numbers = '[{}]' WHERE sequence = 0", numbers.join(","))
}

#[test]
fn an_entry_that_cannot_be_read_is_named() {
    let entry = "entry, 2026-06-14T19:52:45.087Z, sequence 0";
    differs(
        &set_number("units", "three"),
        &format!(
            "{entry}: `units` is `three` and should be a decimal number
             rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges: `units` is 4 and should be 2"
        ),
    );
    differs(
        &set_number("price_per_unit_usd", ""),
        &format!("{entry}: `price_per_unit_usd` is `` and should be a decimal number"),
    );
    for field in ["execution_time_ms", "prompt_tokens", "completion_tokens"] {
        differs(
            &set_number(field, "1e"),
            &format!("{entry}: `{field}` is `1e` and should be a decimal number"),
        );
    }
    for numbers in ["", "[]", "4.84,2,-0.1", "[4.84,2]", "[4.84,2,-0.1,1]", "[4.84,2,-0.1,1,2,3,4]"] {
        begins(
            &format!("UPDATE entries SET numbers = '{numbers}' WHERE sequence = 0"),
            &format!("{entry}: `numbers` is `{numbers}` and should be a JSON array of 3 or 6 numbers"),
        );
    }
    begins(
        &set_number("amount", "null"),
        &format!("{entry}: `amount` is `null` and should be a decimal number"),
    );
    differs(
        "UPDATE entries SET request_id = CAST(x'ff61' AS TEXT) WHERE sequence = 0",
        &format!("{entry}: `request_id` is `\u{fffd}a` and should be a text in UTF-8"),
    );
    differs(
        "UPDATE entries SET notes = 77 WHERE sequence = 0",
        &format!("{entry}: `notes` is text 77 and should be a text that is there"),
    );
    differs(
        "DELETE FROM strings WHERE text = 'b'",
        "entry, 2026-06-14T20:00:00.000Z, sequence 2: `sku` is text 4 and should be a text that is there",
    );
    // A number has only one valid form, in which it goes into answers. The digests of blocks are made of its value.
    for (field, held, expected) in [
        ("amount", "-0.10", "-0.1"),
        ("units", "2.0", "2"),
        ("price_per_unit_usd", "01", "1"),
        ("execution_time_ms", "1e3", "1000"),
    ] {
        let set = set_number(field, held);
        // When the value is the same, nothing else differs.
        let differs: fn(&str, &str) = if ["amount", "units"].contains(&field) { differs } else { begins };
        differs(&set, &format!("{entry}: `{field}` is `{held}` and should be `{expected}`"));
    }
    differs(
        "UPDATE strings SET text = CAST(x'ff' AS TEXT) WHERE text = 'b'",
        "text, text 4: `text` is `\u{fffd}` and should be a text in UTF-8",
    );
}

#[test]
fn every_sequence_number_is_there_once() {
    let at = |instant: &str, sequence: u32| {
        format!("sequence, 2026-06-{instant}Z, sequence {sequence}: `sequence`")
    };
    differs(
        "UPDATE entries SET sequence = 6 WHERE sequence = 0",
        &format!(
            "{} is 6 and should be one of the 6 that were given
             sequence, sequence 0: `entries` is missing and should be 1
             block, block 1: `entries` is 4 and should be 3
             block, block 1: `first_ns` is 2026-06-14T19:52:45.087Z and should be 2026-06-14T19:52:46.000Z
             block, block 1: `entry_set` is a set of 4 and should be a set of 3
             block, block 1: `whole_set` is a set of 4 and should be a set of 3
             block, block 1, `USD`: `amount` is -1.3 and should be -1.2",
            at("14T19:52:45.087", 6)
        ),
    );
    differs(
        "UPDATE accounts SET next_sequence = 10",
        "sequence, sequences 6 to 9: `entries` is missing and should be 4
         block, sequences 6 to 9: `block` is missing and should be there",
    );
}

#[test]
fn receipts_keys_and_accounts_are_looked_at() {
    let at_most = "should be from 0 to 6, the entries that came";
    differs("UPDATE receipts SET entries = -1", &format!("receipt, `one`: `entries` is -1 and {at_most}"));
    differs("UPDATE receipts SET entries = 7", &format!("receipt, `one`: `entries` is 7 and {at_most}"));
    differs(
        "INSERT INTO receipts SELECT account, 'two', x'00', 5, received_ns FROM receipts",
        &format!(
            "receipt, `two`: `digest` is of length 1 and should be of length 32
             receipt, all receipts: `entries` is 7 and {at_most}"
        ),
    );
    differs(
        "UPDATE keys SET account = 9",
        "key, `ID`: `account` is account 9 and should be an account that is there",
    );
    differs(
        "UPDATE keys SET digest = x'01'",
        "key, `ID`: `digest` is of length 1 and should be of length 32",
    );
    differs(
        "UPDATE keys SET kind = 'root'",
        "integrity, the file: `integrity_check` is CHECK constraint failed in keys and should be ok",
    );
    differs(
        "UPDATE accounts SET diem_allocation = '-1'",
        "account, the account: `diem_allocation` is `-1` and should be a decimal number, 0 or more",
    );
    differs(
        "INSERT INTO accounts (name, next_sequence) VALUES ('new', 1)",
        "sequence, account `new`, sequence 0: `entries` is missing and should be 1
         block, account `new`, sequence 0: `block` is missing and should be there",
    );
    differs(
        "DELETE FROM accounts",
        "key, `ID`: `account` is account 1 and should be an account that is there
         account, account `1`, the account: `id` is missing and should be 1",
    );
}

/// A lost account is one difference for each minute, and does not hide other differences.
#[test]
fn of_each_kind_some_are_listed_and_all_are_counted() {
    let house = small();
    let many = i64::try_from(Report::LISTED).unwrap() + 7;
    for n in 0..many {
        damage(&house.path(), &format!("INSERT INTO counts VALUES (5, 3, {n}, 1, 1)"));
    }
    damage(&house.path(), "DELETE FROM balances WHERE is_credit = 1");
    let report = check(&house.path());
    let many = u64::try_from(many).unwrap();
    let found = [(DifferenceKind::Account, 1), (DifferenceKind::Count, many), (DifferenceKind::Balance, 1)];
    assert_eq!((report.found.clone(), report.total()), (found.into(), many + 2));
    let listed = |kind| report.differences.iter().filter(|difference| difference.kind == kind).count();
    assert_eq!((listed(DifferenceKind::Count) as u64, listed(DifferenceKind::Balance)), (Report::LISTED, 1));
}
