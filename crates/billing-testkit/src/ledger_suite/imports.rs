//! Imports: all of their entries or none, and the content of a file once.

use std::slice::from_ref;

use billing_ledger::{Batch, ErrorKind, FileContent, Filter, Import, PackedEntries};
use billing_model::{Timestamp, UsageEntry};

use super::house::{House, Make, import, walk};
use crate::entry_at;

fn at() -> Timestamp {
    "2026-07-01T08:00:00Z".parse().unwrap()
}

fn file(digest: u8, again: bool) -> FileContent {
    FileContent { name: format!("{digest}.csv"), sha256: [digest; 32], imported_at: at(), again }
}

pub fn an_import_that_does_not_end_stores_nothing(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let entries = vec![entry_at(at(), "-1"); 12_000];
    let mut dropped = ledger.import(*account).unwrap();
    dropped.write(&entries).unwrap();
    dropped.end_file(file(1, false));
    drop(dropped);
    assert_eq!(walk(ledger, *account, &Filter::default(), 1000), []);
    assert!(!ledger.has_imported_files(*account).unwrap());
    import(ledger, *account, &entries[..3]);
    assert_eq!(walk(ledger, *account, &Filter::default(), 1000), entries[..3]);
}

pub fn an_instant_that_no_ledger_holds_fails_the_whole(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let good = entry_at(at(), "-1");
    let beyond = UsageEntry { timestamp: "2500-01-01T00:00:00Z".parse().unwrap(), ..good.clone() };
    let mut import = ledger.import(*account).unwrap();
    import.write(from_ref(&good)).unwrap();
    assert_eq!(import.write(from_ref(&beyond)).unwrap_err().kind(), ErrorKind::TimestampOutOfRange);
    assert_eq!(import.write(from_ref(&good)).unwrap_err().kind(), ErrorKind::Aborted);
    assert_eq!(Import::finish(import).unwrap_err().kind(), ErrorKind::Aborted);
    let batch = |key: &str, entries: &[UsageEntry]| Batch {
        account: *account,
        idempotency_key: key.to_owned(),
        digest: [1; 32],
        received_at: at(),
        entries: PackedEntries::from(entries),
    };
    let error = ledger
        .store_batches(&[batch("1", from_ref(&good)), batch("2", &[good.clone(), beyond])])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimestampOutOfRange);
    assert_eq!(ledger.find_batch(*account, "1", &[1; 32]).unwrap(), None);
    assert_eq!(walk(ledger, *account, &Filter::default(), 1000), []);
}

pub fn a_file_comes_in_once_unless_it_is_said(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.both();
    let bring = |entries: usize, content: FileContent| {
        let mut import = ledger.import(*account).unwrap();
        import.write(&vec![entry_at(at(), "-1"); entries]).unwrap();
        import.end_file(content);
        Import::finish(import)
    };
    // A file without entries is not noted, because nothing of it can be there twice.
    assert_eq!(bring(0, file(1, false)).unwrap(), 0);
    assert_eq!(ledger.imported_file(*account, &[1; 32]).unwrap(), None);
    assert_eq!(bring(2, file(1, false)).unwrap(), 2);
    assert_eq!(bring(2, file(1, false)).unwrap_err().kind(), ErrorKind::AlreadyImported);
    assert_eq!(bring(3, file(2, false)).unwrap(), 3);
    assert_eq!(bring(2, file(1, true)).unwrap(), 2);
    let found = ledger.imported_file(*account, &[1; 32]).unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.entries, found.imported_at), ("1.csv", 2, at()));
    assert_eq!(ledger.imported_file(*account, &[3; 32]).unwrap(), None);
    let (_, theirs) = house.another();
    assert_eq!(ledger.imported_file(theirs, &[1; 32]).unwrap(), None);
    assert_eq!(walk(ledger, *account, &Filter::default(), 1000).len(), 7);
    ledger.try_writing(1 << 10).unwrap();
}
