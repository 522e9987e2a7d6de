//! A check of blocks, and of entries that were taken out.

use billing_ledger::{Amendment, Block, Change, DifferenceKind, Ledger as _};
use billing_model::{EntrySet, OtherFields, UsageEntry, WholeSet, parse_decimal};
use billing_sample::History;
use billing_testkit::ledger_suite::house::taking;
use billing_testkit::{OwnedLedger as _, entry_at};
use rusqlite::Connection;

use crate::check::{check, damage, house_differs, small};
use crate::house::{House, import};

/// Of the small ledger's six entries the second and the last are taken out, under number 6; the third gets a key; and one comes
/// that has fields that nobody documented. Four blocks.
fn changed() -> House {
    let house = small();
    let places = house.ledger.placed_entries(house.account).unwrap();
    let place = |sequence: u64| places.iter().find(|(place, _)| place.sequence == sequence).unwrap().0;
    let other = |text| OtherFields::from_json(text).unwrap();
    let amend = Amendment { position: place(2), api_key_id: Some("key".to_owned()), other_fields: None };
    let added = UsageEntry {
        other_fields: other(r#"{"region":"eu"}"#),
        ..entry_at("2026-06-16T00:00:00Z".parse().unwrap(), "-7")
    };
    let change = Change {
        amend: vec![amend],
        add: vec![added].into(),
        ..taking(house.account, [place(1), place(5)])
    };
    house.ledger.change(&change).unwrap();
    house
}

#[track_caller]
fn differs(sql: &str, expect: &str) {
    house_differs(&changed(), sql, expect);
}

#[test]
fn a_ledger_out_of_which_entries_were_taken_is_clean() {
    let report = check(&changed().path());
    assert_eq!(report.differences, []);
    let checked = report.checked;
    assert_eq!((checked.entries, checked.removed_entries, checked.blocks), (5, 2, 4));
}

#[test]
fn each_column_of_a_block_is_compared() {
    differs(
        "UPDATE blocks SET entries = 3 WHERE number = 1",
        "block, block 1: `entry_set` is a set of 4 and should be a set of 3
         block, block 1: `whole_set` is a set of 4 and should be a set of 3
         block, block 1: `last_ns` is 2026-06-15T00:00:00.000Z and should be 2026-06-14T20:00:00.000Z",
    );
}
