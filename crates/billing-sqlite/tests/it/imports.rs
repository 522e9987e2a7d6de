//! Imports are stored whole or not at all, and every entry as it came.

use std::fs;
use std::path::Path;

use billing_ledger::{Batch, ErrorKind, Filter, Import, Ledger as _, Receipt, Snapshot};
use billing_model::{SortOrder, Timestamp, UsageEntry};
use billing_sample::History;
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;
use billing_testkit::{any_documented_entries, entry_at};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::house::{House, expected, import, walk};

/// An import that has stored some entries and has not ended.
fn running(house: &House, entries: &[UsageEntry]) -> Box<dyn Import> {
    assert!(entries.len() >= 10_000, "fewer are stored at the end");
    let mut import = house.ledger.import(house.account).unwrap();
    import.write(entries).unwrap();
    import
}

fn batch(house: &House, key: &str, entries: &[UsageEntry]) -> Batch {
    let (account, idempotency_key) = (house.account, key.to_owned());
    let received_at = Timestamp::from_unix_ns(0);
    Batch { account, idempotency_key, digest: [0; 32], received_at, entries: entries.into() }
}

/// The number of rows of entries, shown or hidden, and of unfinished imports.
fn rows(path: &Path) -> (i64, i64) {
    let sql = "SELECT (SELECT COUNT(*) FROM entries), (SELECT COUNT(*) FROM imports)";
    Connection::open(path).unwrap().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_entry_comes_back_as_it_was(entries in any_documented_entries(40)) {
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
    let rollups = ledger.owned_rollups(*account, None).unwrap();
    let mut dropped = ledger.import(*account).unwrap();
    // More entries than the writer keeps in memory, so a part of them is in the file already.
    for chunk in History::new(2, 40_000).collect::<Vec<_>>().chunks(1000) {
        dropped.write(chunk).unwrap();
    }
    drop(dropped);
    let page = ledger.positioned_page(*account, &Filter::default(), None, None, 1).unwrap();
    assert_eq!(page.snapshot, Snapshot { end: 100, without: None });
    let page = ledger.numbered_page(*account, &Filter::default(), SortOrder::Asc, 1, 1).unwrap();
    assert_eq!(page.total, 100);
    assert_eq!(ledger.owned_rollups(*account, None).unwrap(), rollups);
    assert_eq!(house.entries(), before);
    assert_eq!(rows(&house.path()), (100, 0));
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
    // A killed process would leave the files as they are at this moment.
    let copy = tempfile::tempdir().unwrap();
    let mut log_bytes = 0;
    for name in ["ledger.db", "ledger.db-wal"] {
        log_bytes = fs::copy(house.path().with_file_name(name), copy.path().join(name)).unwrap();
    }
    assert!(log_bytes > 1 << 20, "the import had begun to write");
    let left = SqliteLedger::open(&copy.path().join("ledger.db")).unwrap();
    let account = left.account("ours").unwrap().unwrap();
    assert_eq!(walk(&left, account, &Filter::default(), 1000), before);
    import(&left, account, &before);
    // An import of few entries leaves the rest of the killed one alone. One of many entries removes it first.
    assert_eq!(rows(&copy.path().join("ledger.db")), (40_200, 1));
    let many: Vec<_> = History::new(3, 10_000).collect();
    import(&left, account, &many);
    assert_eq!(rows(&copy.path().join("ledger.db")), (10_200, 0));
    let stored = [before.clone(), before.clone(), many].concat();
    assert!(
        walk(&left, account, &Filter::default(), 1000)
            == expected(&stored, &Filter::default(), SortOrder::Asc)
    );
    drop(killed);
    assert_eq!(house.entries(), before);
}

#[test]
fn batches_are_stored_beside_an_import_and_come_after_it() {
    let house = House::new();
    let imported: Vec<_> = History::new(1, 25_000).collect();
    let sent: Vec<_> = History::new(1, 100).collect();
    let mut import = house.ledger.import(house.account).unwrap();
    for (n, chunk) in imported.chunks(1000).enumerate() {
        import.write(chunk).unwrap();
        let stored = house.ledger.store_batches(&[batch(&house, &n.to_string(), &sent)]).unwrap();
        assert_eq!(stored, [Receipt::Stored(100)]);
    }
    assert_eq!(
        house.entries(),
        expected(&vec![sent.clone(); 25].concat(), &Filter::default(), SortOrder::Asc)
    );
    assert_eq!(import.finish().unwrap(), 25_000);
    // The first batches came before the import had stored anything.
    let stored = [vec![sent.clone(); 9].concat(), imported, vec![sent; 16].concat()].concat();
    assert!(house.entries() == expected(&stored, &Filter::default(), SortOrder::Asc));
}

#[test]
fn a_second_import_of_many_is_told_of_the_first() {
    let house = House::new();
    let many: Vec<_> = History::new(1, 10_000).collect();
    let first = running(&house, &many);
    let other = house.ledger.create_account("other").unwrap();
    let mut second = house.ledger.import(other).unwrap();
    let error = second.write(&many).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ImportUnderWay);
    assert!(error.is_busy());
    assert_eq!(second.finish().unwrap_err().kind(), ErrorKind::Aborted);
    assert_eq!(house.ledger.remove_unfinished_import().unwrap(), 0, "it runs");
    import(&house.ledger, other, &many[..100]);
    assert_eq!(first.finish().unwrap(), 10_000);
    import(&house.ledger, other, &many);
    assert_eq!(house.entries().len(), 10_000);
    assert_eq!(walk(&house.ledger, other, &Filter::default(), 1000).len(), 10_100);
    let beside: Vec<_> = fs::read_dir(house.path().parent().unwrap()).unwrap().collect();
    assert!(beside.iter().all(|file| file.as_ref().unwrap().file_name() != "ledger.db-import"));
}

#[test]
fn a_backup_beside_an_import_is_the_ledger_without_it() {
    let house = House::new();
    let (before, many): (Vec<_>, Vec<_>) = (History::new(1, 50).collect(), History::new(2, 10_000).collect());
    import(&house.ledger, house.account, &before);
    let first = running(&house, &many);
    let to = house.path().with_file_name("copy.db");
    house.ledger.back_up(&to).unwrap();
    assert_eq!(first.finish().unwrap(), 10_000);

    let copy = SqliteLedger::open(&to).unwrap();
    assert_eq!(walk(&copy, house.account, &Filter::default(), 1000), before);
    assert_eq!(copy.accounts().unwrap()[0].entries, 50);
    assert_eq!(copy.remove_unfinished_import().unwrap(), 10_000);
    assert_eq!(rows(&to), (50, 0));
    import(&copy, house.account, &many);
    let stored = [before, many].concat();
    let expected = expected(&stored, &Filter::default(), SortOrder::Asc);
    assert!(walk(&copy, house.account, &Filter::default(), 1000) == expected);
    assert!(house.entries() == expected);
}

/// There are so many hidden entries side by side that pages skip them by counts. Shown entries are at the same places.
#[test]
fn hidden_entries_are_passed_over_wherever_others_stand() {
    let house = House::new();
    let at = |second: i64| entry_at(Timestamp::from_unix_ns(second * 1_000_000_000), "-1");
    let (mut seconds, mut second) = (Vec::new(), 0);
    for gap in 191..231 {
        second += gap;
        seconds.push(second);
    }
    let (before, after): (Vec<_>, Vec<_>) = (
        seconds.iter().step_by(2).map(|second| at(*second)).collect(),
        seconds.iter().skip(1).step_by(2).map(|second| at(*second)).collect(),
    );
    import(&house.ledger, house.account, &before);
    let hidden: Vec<_> = (0..12_000).map(at).collect();
    let first = running(&house, &hidden);
    house.ledger.store_batches(&[batch(&house, "after", &after)]).unwrap();
    let stored = [before, after].concat();
    for limit in [1, 3, 1000] {
        assert_eq!(walk(&house.ledger, house.account, &Filter::default(), limit).len(), stored.len());
        for order in [SortOrder::Asc, SortOrder::Desc] {
            let expected = expected(&stored, &Filter::default(), order);
            let pages = (1..=stored.len().div_ceil(usize::try_from(limit).unwrap())).flat_map(|page| {
                let page = u32::try_from(page).unwrap();
                let filter = Filter::default();
                house.ledger.numbered_page(house.account, &filter, order, limit, page).unwrap().entries
            });
            assert_eq!(pages.collect::<Vec<_>>(), expected, "{order:?}, pages of {limit}");
        }
    }
    drop(first);
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
    assert_eq!(house.ledger.owned_rollups(house.account, None).unwrap(), []);
}

#[test]
fn readers_go_on_beside_an_import() {
    let house = House::new();
    let before: Vec<_> = History::new(1, 1_000).collect();
    import(&house.ledger, house.account, &before);
    let mut running = house.ledger.import(house.account).unwrap();
    running.write(&before).unwrap();
    assert_eq!(house.entries(), before);
    let page = house.ledger.numbered_page(house.account, &Filter::default(), SortOrder::Desc, 10, 1).unwrap();
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
    // Each import has the numbers after the one before it, so entries of one instant are in the order of the imports.
    let stored = vec![entries; 8].concat();
    assert!(house.entries() == expected(&stored, &Filter::default(), SortOrder::Asc));
}
