//! The check of blocks, and of entries that were taken out.

use billing_ledger::{Block, DifferenceKind, FileContent, Ledger as _};
use billing_model::{EntrySet, WholeSet, decimal_text};
use billing_sample::History;
use billing_testkit::ledger_suite::house::taking;
use billing_testkit::{OwnedLedger as _, check_cases};
use rusqlite::Connection;

use crate::check::{batch, check, damage, house_differs};
use crate::house::{House, import};

fn changed() -> House {
    let house = House::new();
    check_cases::changed(&house.ledger, house.account);
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
fn what_every_engine_finds_is_found() {
    check_cases::IN_CHANGED.iter().for_each(|(sql, expect)| differs(sql, expect));
}

#[test]
fn each_column_of_a_block_is_compared() {
    differs(
        "UPDATE blocks SET entries = 3 WHERE number = 3",
        "block, block 3, a removal: `entries` is 3 and should be 2",
    );
    differs(
        "UPDATE blocks SET first_ns = first_ns - 1000000 WHERE number = 1",
        "block, block 1: `first_ns` is 2026-06-14T19:52:45.086Z and should be 2026-06-14T19:52:45.087Z",
    );
    for set in ["entry_set", "whole_set"] {
        differs(
            &format!("UPDATE blocks SET {set} = 'v1:1:00000000000000000000000000000001' WHERE number = 4"),
            &format!("block, block 4: `{set}` is a set of 1 and should be a set of 1"),
        );
    }
    differs(
        "UPDATE block_sums SET amount = '-1.3' WHERE block = 3",
        "block, block 3, a removal, `USD`: `amount` is -1.3 and should be -1.2",
    );
}

#[test]
fn sums_of_blocks_are_those_of_their_currencies() {
    differs(
        "UPDATE block_sums SET amount = 'some' WHERE block = 4",
        "block, block 4, `USD`: `amount` is `some` and should be -7",
    );
    differs(
        "DELETE FROM block_sums WHERE block = 1 AND amount = '-3'",
        "block, block 1, `DIEM`: `amount` is missing and should be -3",
    );
    differs(
        "INSERT INTO block_sums SELECT 4, currency, amount FROM block_sums WHERE block = 1 AND amount = '-3'",
        "block, block 4, `DIEM`: `amount` is -3 and should not be there",
    );
    differs(
        "UPDATE block_sums SET block = 5 WHERE block = 4",
        "block, block 5, `USD`: `amount` is `-7` and should not be there
         block, block 4, `USD`: `amount` is missing and should be -7",
    );
    // The number is written in another way, and has the same value.
    let house = changed();
    damage(&house.path(), "UPDATE block_sums SET amount = '-7.0' WHERE block = 4");
    assert_eq!(check(&house.path()).differences, []);
}

#[test]
fn blocks_have_numbers_without_gaps() {
    differs(
        "UPDATE block_sums SET block = 9 WHERE block = 4; UPDATE blocks SET number = 9 WHERE number = 4",
        "block, blocks 4 to 8: `number` is missing and should be there",
    );
    differs(
        "UPDATE block_sums SET block = 0 WHERE block = 4; UPDATE blocks SET number = 0 WHERE number = 4",
        "block, block 0: `number` is 0 and should be 1 or more",
    );
    differs(
        "DELETE FROM block_sums WHERE block = 2; DELETE FROM blocks WHERE number = 2",
        "block, block 2: `number` is missing and should be there
         block, sequences 4 to 5: `block` is missing and should be there",
    );
    differs(
        "UPDATE blocks SET account = 7 WHERE number = 4",
        "block, sequence 7: `block` is missing and should be there
         account, account `7`, the account: `id` is missing and should be 7
         block, account `7`, block 4: `entries` is 1 and should not be there",
    );
}

#[test]
fn each_number_is_in_one_block() {
    differs(
        "UPDATE blocks SET first_sequence = 3, entries = 3 WHERE number = 2",
        "block, block 1: `entries` is 4 and should be 3
         block, block 1: `last_ns` is 2026-06-15T00:00:00.000Z and should be 2026-06-14T20:00:00.000Z
         block, block 1: `entry_set` is a set of 4 and should be a set of 3
         block, block 1: `whole_set` is a set of 4 and should be a set of 3
         block, block 1, `USD`: `amount` is -1.3 and should be -0.3
         block, block 2: `first_sequence` is 3, of 3 entries and should be \
             the first number of so many entries of this block alone
         block, block 2: `first_ns` is 2026-06-15T08:00:00.000Z and should be 2026-06-15T00:00:00.000Z
         block, block 2: `entry_set` is a set of 2 and should be a set of 3
         block, block 2: `whole_set` is a set of 2 and should be a set of 3
         block, block 2, `USD`: `amount` is 9 and should be 8",
    );
    differs(
        "UPDATE blocks SET first_sequence = 8 WHERE number = 4",
        "block, sequence 7: `block` is missing and should be there
         block, block 4: `first_sequence` is 8, of 1 entries and should be \
             the first number of so many entries of this block alone
         block, block 4: `entries` is 1 and should not be there",
    );
    differs(
        "UPDATE blocks SET removed_ns = 1 WHERE number = 2",
        "sequence, removal 4: `sequence` is 4, once more and should be there once
         block, block 2, a removal: `entries` is 2 and should not be there
         block, sequence 5: `block` is missing and should be there",
    );
}

#[test]
fn an_entry_that_was_taken_out_is_looked_at_as_any_other() {
    // The same number in another form.
    differs(
        "UPDATE removed SET numbers = '[4.84,2.0,-0.2]' WHERE sequence = 1",
        "removed, 2026-06-14T19:52:46.000Z, sequence 1: `units` is `2.0` and should be `2`",
    );
    // A text that does not exist.
    differs(
        "UPDATE removed SET notes = 77 WHERE sequence = 1",
        "removed, 2026-06-14T19:52:46.000Z, sequence 1: `notes` is text 77 and should be a text that is there",
    );
    // Another field, which only the digests have.
    differs(
        "UPDATE removed SET request_id = 'r' WHERE sequence = 1",
        "block, block 1: `entry_set` is a set of 4 and should be a set of 4
         block, block 1: `whole_set` is a set of 4 and should be a set of 4
         block, block 3, a removal: `entry_set` is a set of 2 and should be a set of 2
         block, block 3, a removal: `whole_set` is a set of 2 and should be a set of 2",
    );
    // The entry is missing.
    differs(
        "DELETE FROM removed WHERE sequence = 1",
        "sequence, sequence 1: `entries` is missing and should be 1
         block, block 1: `entries` is 4 and should be 3
         block, block 1: `entry_set` is a set of 4 and should be a set of 3
         block, block 1: `whole_set` is a set of 4 and should be a set of 3
         block, block 1, `USD`: `amount` is -1.3 and should be -1.1
         block, block 3, a removal: `entries` is 2 and should be 1
         block, block 3, a removal: `first_ns` is 2026-06-14T19:52:46.000Z and should be 2026-06-15T09:00:00.000Z
         block, block 3, a removal: `entry_set` is a set of 2 and should be a set of 1
         block, block 3, a removal: `whole_set` is a set of 2 and should be a set of 1
         block, block 3, a removal, `USD`: `amount` is -1.2 and should be -1",
    );
    // The entry is back, and removed too.
    differs(
        "INSERT INTO entries SELECT account, timestamp_ns, sequence, sku, currency, notes, api_key, numbers, request_id,
             other_fields
         FROM removed WHERE sequence = 1",
        "count, hour 494851, from 2026-06-14T19:00:00.000Z, `USD`: `entries` is 1 and should be 2
         count, minute 29691112, from 2026-06-14T19:52:00.000Z, `USD`: `entries` is 1 and should be 2
         count, day 20618, from 2026-06-14T00:00:00.000Z, `USD`: `entries` is 1 and should be 2
         rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges: `entries` is 1 and should be 2
         rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges: `amount` is -0.1 and should be -0.3
         rollup, day 20618, 2026-06-14, `a`, `USD`, no API key, charges: `units` is 2 and should be 4
         count, 64 days 322, from 2026-06-04T00:00:00.000Z, `USD`: `entries` is 4 and should be 5
         balance, `USD`, charges: `entries` is 3 and should be 4
         balance, `USD`, charges: `amount` is -8.1 and should be -8.3
         sequence, 2026-06-14T19:52:46.000Z, sequence 1: `sequence` is 1, once more and should be there once
         block, block 1: `entries` is 4 and should be 5
         block, block 1: `entry_set` is a set of 4 and should be a set of 5
         block, block 1: `whole_set` is a set of 4 and should be a set of 5
         block, block 1, `USD`: `amount` is -1.3 and should be -1.5",
    );
}

#[test]
fn other_fields_are_in_their_one_form() {
    differs(
        r#"UPDATE entries SET other_fields = '{"region": "eu"}' WHERE sequence = 7"#,
        r#"entry, 2026-06-16T00:00:00.000Z, sequence 7: `other_fields` is `{"region": "eu"}` and should be `{"region":"eu"}`"#,
    );
    differs(
        "UPDATE entries SET other_fields = '{}' WHERE sequence = 0",
        "entry, 2026-06-14T19:52:45.087Z, sequence 0: `other_fields` is `{}` and should be nothing, where there are none",
    );
    differs(
        "UPDATE entries SET other_fields = '[1]' WHERE sequence = 7",
        "entry, 2026-06-16T00:00:00.000Z, sequence 7: `other_fields` is `[1]` and should be a JSON object of other fields",
    );
    differs(
        r#"UPDATE entries SET other_fields = '{"region":"us"}' WHERE sequence = 7"#,
        "block, block 4: `whole_set` is a set of 1 and should be a set of 1",
    );
    differs(
        "UPDATE entries SET other_fields = CAST(x'ff' AS TEXT) WHERE sequence = 7",
        "entry, 2026-06-16T00:00:00.000Z, sequence 7: `other_fields` is `\u{fffd}` and should be a text in UTF-8",
    );
}

#[test]
fn the_number_of_a_removal_is_that_of_no_entry() {
    differs(
        "UPDATE entries SET sequence = 6 WHERE sequence = 0",
        "sequence, removal 6: `sequence` is 6, once more and should be there once
         sequence, sequence 0: `entries` is missing and should be 1
         block, block 1: `entries` is 4 and should be 3
         block, block 1: `first_ns` is 2026-06-14T19:52:45.087Z and should be 2026-06-14T19:52:46.000Z
         block, block 1: `entry_set` is a set of 4 and should be a set of 3
         block, block 1: `whole_set` is a set of 4 and should be a set of 3
         block, block 1, `USD`: `amount` is -1.3 and should be -1.2",
    );
    differs(
        "INSERT INTO files SELECT account, zeroblob(32), 0, 'f', 0, 2, 6 FROM receipts",
        "file, `f`: `first_sequence` is 6, of 2 entries and should be \
             the first number of so many entries of this file alone",
    );
}

#[test]
fn receipts_and_files_speak_of_entries_that_came() {
    let house = House::new();
    let entries: Vec<_> = History::new(1, 6).collect();
    let mut june = house.ledger.import(house.account).unwrap();
    june.write(&entries).unwrap();
    june.end_file(FileContent {
        name: "june.csv".to_owned(),
        sha256: [1; 32],
        imported_at: "2026-07-01T00:00:00Z".parse().unwrap(),
        again: false,
    });
    june.finish().unwrap();
    batch(&house, "one", entries[..3].to_vec());
    let places = house.ledger.placed_entries(house.account).unwrap();
    house.ledger.change(&taking(house.account, places.iter().map(|(place, _)| *place))).unwrap();
    let report = check(&house.path());
    assert_eq!(report.differences, []);
    let checked = report.checked;
    assert_eq!((checked.entries, checked.removed_entries), (0, 9));
    assert_eq!((checked.receipts, checked.files, checked.rollups, checked.counts), (1, 1, 0, 0));
    house_differs(
        &house,
        "UPDATE receipts SET entries = 4",
        "receipt, `one`: `entries` is 4 and should be from 0 to 3, the entries that came in no file",
    );
}

/// More blocks than a check computes in one pass. Each has one entry, as from a gateway that sends few.
#[test]
fn very_many_blocks_are_compared_to_the_last_one() {
    const MANY: usize = 33_000;
    let house = House::new();
    let mut entries: Vec<_> = History::new(1, MANY as u64).collect();
    // The entries are not stored in the order of time.
    entries.rotate_left(MANY / 3);
    import(&house.ledger, house.account, &entries);
    let house = split_into_ones(house);
    // Entries of all parts are taken out, so the last blocks have entries of the first ones.
    let places = house.ledger.placed_entries(house.account).unwrap();
    let removed = places.iter().step_by(1000).map(|(place, _)| *place);
    house.ledger.change(&taking(house.account, removed)).unwrap();
    let report = check(&house.path());
    assert_eq!(report.differences, []);
    assert_eq!((report.checked.blocks, report.checked.removed_entries), (MANY as u64 + 1, 33));
    for number in [32_768, 32_769, 33_001] {
        let (_directory, path) = house.copied();
        let wrong = "v1:1:00000000000000000000000000000001";
        damage(&path, &format!("UPDATE blocks SET whole_set = '{wrong}' WHERE number = {number}"));
        let found = check(&path).differences;
        assert_eq!((found.len(), found[0].field), (1, "whole_set"), "{number}: {found:?}");
    }
    let (_directory, path) = house.copied();
    damage(&path, "DELETE FROM entries WHERE sequence = 32900");
    let found = check(&path).found;
    assert_eq!((found[&DifferenceKind::Sequence], found[&DifferenceKind::Block]), (1, 1), "{found:?}");
}

/// The ledger with one block for each entry, as if each had come alone.
fn split_into_ones(house: House) -> House {
    let blocks = house.ledger.owned_blocks(0).unwrap();
    let mut entries: Vec<_> = blocks.into_iter().flat_map(|(_, entries)| entries).collect();
    entries.sort_by_key(|(place, _)| place.sequence);
    let account = house.account;
    house.edited(|file| {
    let change = file.transaction().unwrap();
    change.execute_batch("DELETE FROM block_sums; DELETE FROM blocks").unwrap();
    for (place, entry) in &entries {
        let sequence = i64::try_from(place.sequence).unwrap();
        let entry_set: EntrySet = [entry].into_iter().collect();
        let whole_set: WholeSet = [entry].into_iter().collect();
        let sets = (entry_set.to_string(), whole_set.to_string());
        change
            .prepare_cached(
                "INSERT INTO blocks (account, first_sequence, entries, first_ns, last_ns, entry_set, whole_set)
                 VALUES (?1, ?2, 1, ?3, ?3, ?4, ?5)",
            )
            .unwrap()
            .execute((account.0, sequence, place.timestamp_ns, sets.0, sets.1))
            .unwrap();
        change
            .prepare_cached(
                "INSERT INTO block_sums SELECT last_insert_rowid(), id, ?1 FROM strings WHERE text = ?2",
            )
            .unwrap()
            .execute((decimal_text(entry.amount), entry.currency.as_str()))
            .unwrap();
    }
    change.commit().unwrap();
    })
}

/// Everything that the block says about its entries is right, but it has too many.
#[test]
fn a_block_has_no_more_entries_than_one_may() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, Block::MOST_ENTRIES + 1).collect::<Vec<_>>());
    let blocks: Vec<_> = house.ledger.owned_blocks(0).unwrap().into_iter().map(|(block, _)| block).collect();
    let [mut one, two] = <[Block; 2]>::try_from(blocks).unwrap();
    one.entry_set.merge(two.entry_set);
    one.whole_set.merge(two.whole_set);
    let file = Connection::open(house.path()).unwrap();
    file.execute(
        "UPDATE blocks SET entries = 20001, entry_set = ?1, whole_set = ?2,
            last_ns = (SELECT max(last_ns) FROM blocks) WHERE number = 1",
        (one.entry_set.to_string(), one.whole_set.to_string()),
    )
    .unwrap();
    for (currency, mut sum) in one.sums {
        two.sums.iter().filter(|(other, _)| *other == currency).for_each(|(_, other)| sum.merge(other));
        file.execute(
            "UPDATE block_sums SET amount = ?1
             WHERE block = 1 AND currency = (SELECT id FROM strings WHERE text = ?2)",
            (sum.to_string(), currency.as_str()),
        )
        .unwrap();
    }
    drop(file);
    house_differs(
        &house,
        "DELETE FROM block_sums WHERE block = 2; DELETE FROM blocks WHERE number = 2",
        "block, block 1: `entries` is 20001 and should be 20000 or less",
    );
}
