//! Imports: whole or not at all, and every entry as it came.

use std::fs;

use billing_model::{SortOrder, UsageEntry};
use billing_sample::History;
use billing_store::{ErrorKind, Filter, Ledger, Sink, Snapshot};
use billing_testkit::{any_entries, entry_at};
use proptest::prelude::*;

use crate::house::{House, expected, import, walk};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_entry_comes_back_as_it_was(entries in any_entries(40)) {
        let (ledger, account) = House::shared();
        import(ledger, account, &entries);
        let all = Filter::default();
        prop_assert_eq!(walk(ledger, account, &all, 9), expected(&entries, &all, SortOrder::Asc));
    }
}

#[test]
fn equal_entries_are_all_kept() {
    let House { ledger, account, .. } = &House::new();
    let entries = vec![entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.01"); 4];
    import(ledger, *account, &entries);
    import(ledger, *account, &entries);
    assert_eq!(walk(ledger, *account, &Filter::default(), 3).len(), 8);
}

#[test]
fn a_dropped_import_leaves_nothing() {
    let house = House::new();
    let House { ledger, account, .. } = &house;
    let before: Vec<_> = History::new(1, 100).collect();
    import(ledger, *account, &before);
    let rollups = ledger.rollups(*account, None).unwrap();
    let mut dropped = ledger.import(*account).unwrap();
    // More than the writer keeps in memory, so that a part of it is in the file already.
    for chunk in History::new(2, 40_000).collect::<Vec<_>>().chunks(1000) {
        dropped.write(chunk).unwrap();
    }
    drop(dropped);
    let page = ledger.page_by_position(*account, &Filter::default(), None, None, 1).unwrap();
    assert_eq!(page.snapshot, Snapshot { end: 100, without: None });
    let page = ledger.page_by_number(*account, &Filter::default(), SortOrder::Asc, 1, 1).unwrap();
    assert_eq!(page.total, 100);
    assert_eq!(ledger.rollups(*account, None).unwrap(), rollups);
    assert_eq!(house.entries(), before);
    assert_eq!(house.reopened().entries(), before);
}

#[test]
fn an_import_that_was_killed_leaves_nothing() {
    let house = House::new();
    let before: Vec<_> = History::new(1, 100).collect();
    import(&house.ledger, house.account, &before);
    let mut killed = house.ledger.import(house.account).unwrap();
    for chunk in History::new(2, 40_000).collect::<Vec<_>>().chunks(1000) {
        killed.write(chunk).unwrap();
    }
    // What is on the disk at this moment is what a killed process leaves.
    let copy = tempfile::tempdir().unwrap();
    let mut log_bytes = 0;
    for name in ["ledger.db", "ledger.db-wal"] {
        log_bytes = fs::copy(house.path().with_file_name(name), copy.path().join(name)).unwrap();
    }
    assert!(log_bytes > 1 << 20, "the import had begun to write");
    let left = Ledger::open(&copy.path().join("ledger.db")).unwrap();
    let account = left.account("ours").unwrap().unwrap();
    assert_eq!(walk(&left, account, &Filter::default(), 1000), before);
    import(&left, account, &before);
    drop(killed);
}

#[test]
fn an_entry_that_does_not_fit_fails_the_whole_import() {
    let house = House::new();
    let good = entry_at("2026-06-14T19:52:45.087Z".parse().unwrap(), "-0.01");
    let bad = UsageEntry { timestamp: "1600-01-01T00:00:00Z".parse().unwrap(), ..good.clone() };
    let mut import = house.ledger.import(house.account).unwrap();
    import.write(std::slice::from_ref(&good)).unwrap();
    let error = import.write(&[good.clone(), bad, good.clone()]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimestampOutOfRange);
    assert!(error.to_string().contains("1600-01-01T00:00:00.000Z"), "{error}");
    assert_eq!(import.write(&[good]).unwrap_err().kind(), ErrorKind::Aborted);
    assert_eq!(import.finish().unwrap_err().kind(), ErrorKind::Aborted);
    assert_eq!(house.entries(), []);
    assert_eq!(house.ledger.rollups(house.account, None).unwrap(), []);
}

#[test]
fn readers_go_on_beside_an_import() {
    let house = House::new();
    let before: Vec<_> = History::new(1, 1_000).collect();
    import(&house.ledger, house.account, &before);
    let mut running = house.ledger.import(house.account).unwrap();
    running.write(&before).unwrap();
    assert_eq!(house.entries(), before);
    let page =
        house.ledger.page_by_number(house.account, &Filter::default(), SortOrder::Desc, 10, 1).unwrap();
    assert_eq!(page.total, 1_000);
    running.write(&before).unwrap();
    assert_eq!(running.finish().unwrap(), 2_000);
    assert_eq!(house.entries().len(), 3_000);
}

#[test]
fn imports_follow_one_another_from_many_threads() {
    let house = House::new();
    let entries: Vec<_> = History::new(1, 50).collect();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| import(&house.ledger, house.account, &entries));
        }
    });
    // Each stands whole behind the one before, so entries of one instant are in the order of the imports.
    let stored = vec![entries; 8].concat();
    assert!(house.entries() == expected(&stored, &Filter::default(), SortOrder::Asc));
}
