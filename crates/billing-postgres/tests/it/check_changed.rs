//! The check of blocks, of entries that were taken out, and of accounts that are copies of a service.

use billing_testkit::check_cases::{IN_CHANGED, changed, synced};

use crate::check::{Original, check};

#[test]
fn blocks_are_compared_with_their_entries() {
    let Some(original) = Original::of(changed) else { return };
    let report = check(&original.damaged("SELECT 1"));
    assert_eq!(report.differences, []);
    let checked = report.checked;
    assert_eq!((checked.entries, checked.removed_entries, checked.blocks), (5, 2, 4));
    let differs = |sql: &str, expect: &str| original.differs(sql, expect);
    IN_CHANGED.iter().for_each(|(sql, expect)| differs(sql, expect));
    differs(
        "UPDATE blocks SET whole_set = 'v1:1:00000000000000000000000000000001' WHERE number = 4",
        "block, block 4: `whole_set` is a set of 1 and should be a set of 1",
    );
    differs(
        "UPDATE blocks SET currencies = '{DIEM,USD}', amounts = '{-3,some}' WHERE number = 4",
        "block, block 4, `DIEM`: `amount` is -3 and should not be there
         block, block 4, `USD`: `amount` is `some` and should be -7",
    );
    differs(
        "UPDATE blocks SET amounts = '{}' WHERE number = 4",
        "block, block 4, `USD`: `amount` is `` and should be -7",
    );
}

#[test]
fn blocks_have_numbers_without_gaps() {
    let Some(original) = Original::of(changed) else { return };
    let last = "block, the number of the last block: `last` is 4 and should be";
    original.differs(
        "UPDATE blocks SET number = 9 WHERE number = 4",
        &format!(
            "block, blocks 4 to 8: `number` is missing and should be there
             {last} 9"
        ),
    );
    original.differs(
        "UPDATE blocks SET number = 0 WHERE number = 4",
        &format!(
            "block, block 0: `number` is 0 and should be 1 or more
             {last} 3"
        ),
    );
    original.differs(
        "UPDATE blocks SET number = 3 WHERE number = 4",
        &format!(
            "block, block 3: `number` is 3, once more and should be there once
             {last} 3"
        ),
    );
}

#[test]
fn an_entry_that_was_taken_out_is_looked_at_as_any_other() {
    let Some(original) = Original::of(changed) else { return };
    let differs = |sql: &str, expect: &str| original.differs(sql, expect);
    differs(
        "UPDATE removed SET units = '2.0' WHERE sequence = 1",
        "removed, 2026-06-14T19:52:46.000Z, sequence 1: `units` is `2.0` and should be `2`",
    );
    differs(
        "INSERT INTO files SELECT account, sha256('f'), 0, 'f', 0, 2, 6 FROM receipts",
        "file, `f`: `first_sequence` is 6, of 2 entries and should be \
             the first number of so many entries of this file alone",
    );
    differs(
        "INSERT INTO files SELECT account, '\\x00', 1, 'f', 0, 2, 4 FROM receipts",
        "file, `f`: `sha256` is of length 1 and should be of length 32
         file, `f`: `copy` is 1 and should be the number of times that the same was imported before",
    );
}

#[test]
fn each_record_is_compared_with_its_entries() {
    let Some(original) = Original::of(synced) else { return };
    let report = check(&original.damaged("SELECT 1"));
    assert_eq!(report.differences, []);
    assert_eq!((report.checked.sources, report.checked.coverage, report.checked.entries), (1, 4, 4));
    let third = "since_ns = 1780315200000000000";
    let place = "coverage, from 2026-06-01T12:00:00.000Z to 2026-06-01T20:00:00.000Z";
    let differs = |sql: &str, expect: &str| original.differs(sql, expect);
    differs(
        &format!("UPDATE coverage SET whole_set = 'none' WHERE {third}"),
        &format!("{place}: `whole_set` is none and should be a set of 2"),
    );
    differs(
        &format!("UPDATE coverage SET amounts = '{{-5,-4}}' WHERE {third}"),
        &format!("{place}, `DIEM`: `amount` is -5 and should be -8"),
    );
    differs(
        &format!("UPDATE coverage SET currencies = '{{DIEM}}', amounts = '{{-8}}' WHERE {third}"),
        &format!("{place}, `USD`: `amount` is missing and should be -4"),
    );
    differs(
        "UPDATE coverage SET until_ns = until_ns + 1 WHERE since_ns < 0",
        "coverage, from 2026-06-01T10:00:00.000Z to 2026-06-01T12:00:00.000Z: `since_ns` is 2026-06-01T10:00:00.000Z and should be \
         2026-06-01T10:00:00.000000001Z or later, where the record before ends",
    );
    differs(
        "DELETE FROM coverage WHERE since_ns = 1780308000000000000",
        "coverage, 2026-06-01T10:00:00.000Z, sequence 1: `coverage` is missing and should be there",
    );
    differs(
        "INSERT INTO receipts VALUES (1, sha256('k'), 'k', sha256('k'), 1, 0);
         INSERT INTO files VALUES (1, sha256('f'), 0, 'f', 0, 1, 0)",
        "source, the source: `receipts` is 1 and should be 0, because it takes nothing from elsewhere
         source, the source: `files` is 1 and should be 0, because it takes nothing from elsewhere",
    );
    differs(
        "INSERT INTO sources VALUES (7, 'u', 'f', 0, NULL)",
        "account, account `7`, the account: `id` is missing and should be 7
         source, account `7`, the source: `account` is account 7 and should be an account that is there",
    );
    differs(
        "INSERT INTO coverage VALUES (7, 0, 1, 0, '{}', '{}', 'v1:0:00000000000000000000000000000000')",
        "account, account `7`, the account: `id` is missing and should be 7
         coverage, account `7`, from 1970-01-01T00:00:00.000Z to 1970-01-01T00:00:00.000000001Z: `since_ns` is \
         1970-01-01T00:00:00.000Z and should not be there",
    );
}
