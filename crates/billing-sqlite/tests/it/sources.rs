//! What a file adds to synced accounts: whose turn it is, in a file beside the ledger, and what an import under way does to them.

use std::fs;

use billing_ledger::{Change, ErrorKind, Ledger as _, Source, Turn};
use billing_model::Timestamp;
use billing_sample::History;
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;

use crate::check::{check, damage};
use crate::house::House;

fn source() -> Source {
    let base_url = "https://api.venice.ai/api/v1".to_owned();
    Source { base_url, key_fingerprint: "f".to_owned(), settle: Source::SETTLE, synced_at: None }
}

#[track_caller]
fn taken(turn: Turn) -> billing_ledger::TakenTurn {
    match turn {
        Turn::Taken(turn) => turn,
        Turn::HeldBy(holder) => panic!("held by {holder}"),
    }
}

#[track_caller]
fn holder(turn: Turn) -> String {
    match turn {
        Turn::Taken(_) => panic!("it was taken"),
        Turn::HeldBy(holder) => holder,
    }
}

/// The locked file says who has the turn, goes when the turn ends, and does no harm when it stays.
#[test]
fn a_turn_is_a_locked_file_beside_the_ledger() {
    let house = House::new();
    let (ledger, account) = (&house.ledger, house.account);
    let file = house.path().with_file_name(format!("ledger.db-sync-{}", account.0));
    let turn = taken(ledger.take_turn(account, "pid 7, since noon").unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), "pid 7, since noon");
    // Another process is another ledger here; a link is another name of the same one.
    let again = SqliteLedger::open(&house.path()).unwrap();
    assert_eq!(holder(again.take_turn(account, "me").unwrap()), "pid 7, since noon");
    #[cfg(unix)]
    {
        let elsewhere = tempfile::tempdir().unwrap();
        let link = elsewhere.path().join("link.db");
        std::os::unix::fs::symlink(house.path(), &link).unwrap();
        let linked = SqliteLedger::open(&link).unwrap();
        assert_eq!(holder(linked.take_turn(account, "me").unwrap()), "pid 7, since noon");
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    }
    drop(turn);
    assert!(!file.exists());

    // What a killed process leaves.
    fs::write(&file, "a holder of before, whose line is long\nand goes on").unwrap();
    let turn = taken(again.take_turn(account, "me").unwrap());
    assert_eq!(fs::read_to_string(&file).unwrap(), "me");
    assert_eq!(holder(ledger.take_turn(account, "you").unwrap()), "me");
    drop(turn);
    // A holder need not say anything, and what it says is one line.
    let turn = taken(again.take_turn(account, "").unwrap());
    assert_eq!(holder(ledger.take_turn(account, "you").unwrap()), "another process");
    drop(turn);
    let _turn = taken(again.take_turn(account, "two\nlines").unwrap());
    let said = holder(ledger.take_turn(account, "you").unwrap());
    assert!(said.starts_with("two") && !said.contains('\n'), "{said}");
}

#[test]
fn a_turn_whose_file_cannot_be_made_is_an_error() {
    let house = House::new();
    let file = house.path().with_file_name(format!("ledger.db-sync-{}", house.account.0));
    // Also for root, who may write to any directory.
    fs::create_dir(&file).unwrap();
    let error = house.ledger.take_turn(house.account, "me").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CannotOpen);
    let said = error.to_string();
    assert!(said.contains("ends in `-sync-1` beside it") && said.contains("cannot be written"), "{said}");
}

/// The account became a copy behind the import's back: by another tool, because a ledger refuses it.
#[test]
fn an_import_that_is_under_way_does_not_end_in_a_copy() {
    let house = House::new();
    let (ledger, account) = (&house.ledger, house.account);
    let mut import = ledger.import(account).unwrap();
    import.write(&History::new(1, 12_000).collect::<Vec<_>>()).unwrap();
    let refused = ledger.set_source(account, &source()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::AccountInUse);
    assert!(refused.to_string().contains("1 import that has not ended"), "{refused}");
    damage(&house.path(), "INSERT INTO sources VALUES (1, 'u', 'f', 0, NULL)");
    // SQLite alone is no program of ours, so its commit has no seal. The next one of ours goes on from it.
    let refused = import.finish().unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SyncedAccount, "{refused}");
    assert_eq!(ledger.placed_entries(account).unwrap(), []);
    assert!(check(&house.path()).is_clean());

    // It became one before the import stored anything: then nothing of it is stored, not even hidden.
    let copy = ledger.create_account("copy").unwrap();
    let mut late = ledger.import(copy).unwrap();
    ledger.set_source(copy, &source()).unwrap();
    let refused = late.write(&History::new(1, 12_000).collect::<Vec<_>>()).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::SyncedAccount);
}

#[test]
fn what_a_copy_has_is_named_where_it_is_refused() {
    let house = House::new();
    let add: Vec<_> = History::new(1, 3).collect();
    let at: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
    house.ledger.change(&Change { add: add.into(), ..Change::of(house.account, at) }).unwrap();
    let refused = house.ledger.set_source(house.account, &source()).unwrap_err();
    assert_eq!(refused.to_string(), "the account `ours` cannot become a copy of a service: it has 3 entries");
}

/// A backup has what was walked, and a ledger that was never used is not one with a copy.
#[test]
fn a_source_is_a_part_of_the_ledger() {
    let house = House::new();
    house.ledger.set_source(house.account, &source()).unwrap();
    let (_directory, path) = house.copied();
    assert_eq!(SqliteLedger::open(&path).unwrap().source(house.account).unwrap(), Some(source()));
    assert!(!house.ledger.remove_if_unused().unwrap());
}
