//! A copy that has not ended is no ledger to any program, and one that has is a ledger to all.

use billing_ledger::{CopyFrom, CopyInto, ErrorKind, Ledger};
use billing_sqlite::{SqliteCopy, SqliteLedger};

/// The version that a file has for programs of any age, without its log: they look at that first.
fn version(path: &std::path::Path) -> u32 {
    let file = rusqlite::Connection::open(path).unwrap();
    file.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[test]
fn older_programs_take_an_unfinished_copy_for_a_newer_ledger() {
    let directory = tempfile::tempdir().unwrap();
    let (one, other) = (directory.path().join("one.db"), directory.path().join("other.db"));
    let ledger = SqliteLedger::open_or_create(&one).unwrap();
    ledger.create_account("ours").unwrap();
    let copy = SqliteCopy::begin(&other, ledger.secret()).unwrap();
    copy.put_accounts(&ledger.outline().unwrap(), "begun").unwrap();
    drop(copy);
    // No version so far has had so high a number, and each refuses what is higher than its own.
    assert!(version(&other) > 1_000_000);
    for opened in [SqliteLedger::open(&other), SqliteLedger::open_to_read(&other)] {
        assert_eq!(opened.unwrap_err().kind(), ErrorKind::UnfinishedCopy);
    }
    let now = "2026-06-14T19:52:45.087Z".parse().unwrap();
    let restored = SqliteLedger::restore(&other, &directory.path().join("third.db"), now);
    assert_eq!(restored.unwrap_err().kind(), ErrorKind::UnfinishedCopy);

    let copy = SqliteCopy::begin(&other, ledger.secret()).unwrap();
    assert_eq!(copy.state().unwrap(), "begun");
    Box::new(copy).finish().unwrap();
    assert_eq!(version(&other), version(&one));
    let copy = SqliteLedger::open(&other).unwrap();
    assert_eq!(
        (copy.account("ours").unwrap(), copy.secret()),
        (ledger.account("ours").unwrap(), ledger.secret())
    );
    assert!(SqliteLedger::check(&other, |_| {}).unwrap().is_clean());
}
