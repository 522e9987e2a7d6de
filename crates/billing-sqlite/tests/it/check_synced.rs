//! The check of synced accounts: where they come from, and what was walked.

use billing_testkit::check_cases;

use crate::check::{check, damage, house_differs};
use crate::house::House;

fn synced() -> House {
    let house = House::new();
    check_cases::synced(&house.ledger, house.account);
    house
}

#[track_caller]
fn differs(sql: &str, expect: &str) {
    house_differs(&synced(), sql, expect);
}

#[test]
fn a_synced_account_is_clean() {
    let house = synced();
    let report = check(&house.path());
    assert_eq!(report.differences, []);
    assert_eq!((report.checked.sources, report.checked.coverage, report.checked.entries), (1, 4, 4));
    // A sum of zero need not be kept, and may be.
    let zero = "INSERT INTO coverage_sums SELECT account, 1780344000000000000, currency, '0' FROM coverage_sums WHERE amount = '-8'";
    damage(&house.path(), zero);
    assert_eq!(check(&house.path()).differences, []);
}

#[test]
fn each_record_is_compared_with_its_entries() {
    let third = "since_ns = 1780315200000000000";
    differs(
        &format!("UPDATE coverage SET whole_set = 'v1:1:00000000000000000000000000000001' WHERE {third}"),
        "coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T20:00:00.000Z: `whole_set` is a set of 1 and should be a set of 2",
    );
    differs(
        &format!("UPDATE coverage SET whole_set = 'none' WHERE {third}"),
        "coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T20:00:00.000Z: `whole_set` is none and should be a set of 2",
    );
    differs(
        &format!("UPDATE coverage_sums SET amount = '-5' WHERE {third} AND amount = '-8'"),
        "coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T20:00:00.000Z, `DIEM`: `amount` is -5 and should be -8",
    );
    differs(
        &format!("UPDATE coverage_sums SET amount = 'x' WHERE {third} AND amount = '-8'"),
        "coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T20:00:00.000Z, `DIEM`: `amount` is `x` and should be -8",
    );
    differs(
        &format!("DELETE FROM coverage_sums WHERE {third} AND amount = '-4'"),
        "coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T20:00:00.000Z, `USD`: `amount` is missing and should be -4",
    );
    differs(
        "INSERT INTO coverage_sums SELECT account, 5, currency, amount FROM coverage_sums WHERE amount = '-8'",
        "coverage, from 1970-01-01T00:00:00.000000005Z, `DIEM`: `amount` is -8 and should not be there",
    );
    // The end is not in it.
    differs(
        "UPDATE coverage SET until_ns = until_ns + 1 WHERE since_ns < 0",
        "coverage, from 2026-06-01T10:00:00.000Z to 2026-06-01T12:00:00.000Z: `since_ns` is 2026-06-01T10:00:00.000Z and should be \
         2026-06-01T10:00:00.000000001Z or later, where the record before ends",
    );
    differs(
        "UPDATE coverage SET until_ns = since_ns WHERE since_ns = 1780344000000000000",
        "coverage, from 2026-06-01T20:00:00.000Z to 2026-06-01T20:00:00.000Z: `until_ns` is 2026-06-01T20:00:00.000Z and should be \
         later than its begin",
    );
}

#[test]
fn each_entry_of_a_copy_is_in_a_record() {
    differs(
        "DELETE FROM coverage WHERE since_ns = 1780308000000000000; DELETE FROM coverage_sums WHERE since_ns = 1780308000000000000",
        "coverage, 2026-06-01T10:00:00.000Z, sequence 1: `coverage` is missing and should be there",
    );
    differs(
        "UPDATE coverage SET until_ns = 1780318800000000000 WHERE since_ns = 1780315200000000000",
        "coverage, 2026-06-01T13:00:00.000Z, sequence 2: `coverage` is missing and should be there
         coverage, 2026-06-01T13:00:00.000Z, sequence 3: `coverage` is missing and should be there
         coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T13:00:00.000Z: `whole_set` is a set of 2 and should be a set of 0
         coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T13:00:00.000Z, `USD`: `amount` is -4 and should be 0
         coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T13:00:00.000Z, `DIEM`: `amount` is -8 and should be 0",
    );
}

#[test]
fn a_copy_has_a_source_and_nothing_from_elsewhere() {
    differs(
        "DELETE FROM sources",
        "coverage, from the beginning to 2026-06-01T10:00:00.000Z: `since_ns` is 1677-09-21T00:12:43.145224192Z and should not be there
         coverage, from 2026-06-01T10:00:00.000Z to 2026-06-01T12:00:00.000Z: `since_ns` is 2026-06-01T10:00:00.000Z and should not be there
         coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T20:00:00.000Z: `since_ns` is 2026-06-01T12:00:00.000Z and should not be there
         coverage, from 2026-06-01T20:00:00.000Z to 2026-06-02T16:00:00.000Z: `since_ns` is 2026-06-01T20:00:00.000Z and should not be there",
    );
    differs(
        "INSERT INTO sources VALUES (7, 'u', CAST(x'ff' AS TEXT), 0, NULL)",
        "account, account `7`, the account: `id` is missing and should be 7
         source, account `7`, the source: `key_fingerprint` is `\u{fffd}` and should be a text in UTF-8
         source, account `7`, the source: `account` is account 7 and should be an account that is there",
    );
    differs(
        "INSERT INTO receipts VALUES (1, 'k', zeroblob(32), 1, 0); INSERT INTO files VALUES (1, zeroblob(32), 0, 'f', 0, 1, 0)",
        "source, the source: `receipts` is 1 and should be 0, because it takes nothing from elsewhere
         source, the source: `files` is 1 and should be 0, because it takes nothing from elsewhere",
    );
    differs(
        "INSERT INTO coverage VALUES (7, 0, 1, 0, 'v1:0:00000000000000000000000000000000')",
        "account, account `7`, the account: `id` is missing and should be 7
         coverage, account `7`, from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:00.000000001Z: `since_ns` is \
         1970-01-01T00:00:00.000Z and should not be there",
    );
}
