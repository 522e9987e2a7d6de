//! The content of a file is imported once, and is recorded with its entries or not at all.

use std::fs;
use std::path::Path;
use std::sync::Barrier;

use billing_ledger::{AccountId, Error, ErrorKind, FileContent, Filter, ImportedFile, Ledger as _, Report};
use billing_model::{Timestamp, UsageEntry};
use billing_sample::History;
use billing_sqlite::SqliteLedger;
use billing_testkit::entry_at;
use rusqlite::Connection;

use crate::house::{BACK_TO_4, House, import, walk};

/// More entries than an import holds in memory, and fewer.
const SIZES: [u64; 2] = [12_000, 500];

fn at() -> Timestamp {
    "2026-07-01T08:00:00Z".parse().unwrap()
}

fn content(name: &str, digest: u8) -> FileContent {
    FileContent { name: name.to_owned(), sha256: [digest; 32], imported_at: at(), again: false }
}

fn import_file(
    ledger: &SqliteLedger,
    account: AccountId,
    content: FileContent,
    entries: &[UsageEntry],
) -> Result<u64, Error> {
    let mut import = ledger.import(account)?;
    entries.chunks(5000).try_for_each(|chunk| import.write(chunk))?;
    import.end_file(content);
    import.finish()
}

fn check(path: &Path) -> Report {
    SqliteLedger::check(path, |_| ()).unwrap()
}

#[test]
fn the_same_content_comes_in_once_unless_it_is_to_come_again() {
    for size in SIZES {
        let house = House::new();
        let (ledger, account) = (&house.ledger, house.account);
        let entries: Vec<_> = History::new(1, size).collect();
        assert!(!ledger.has_imported_files(account).unwrap());
        import_file(ledger, account, content("june.csv", 1), &entries).unwrap();
        let kept = ImportedFile { name: "june.csv".to_owned(), imported_at: at(), entries: size };
        assert_eq!(ledger.imported_file(account, &[1; 32]).unwrap().as_ref(), Some(&kept));
        assert_eq!(ledger.imported_file(account, &[2; 32]).unwrap(), None);
        assert!(ledger.has_imported_files(account).unwrap());

        let error = import_file(ledger, account, content("again.csv", 1), &entries).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyImported);
        assert_eq!(
            error.to_string(),
            format!(
                "`again.csv` was imported before: on 2026-07-01T08:00:00.000Z, as `june.csv`, {size} entries"
            )
        );
        assert!(house.entries() == entries);

        let again = FileContent { again: true, ..content("again.csv", 1) };
        import_file(ledger, account, again, &entries).unwrap();
        assert_eq!(ledger.imported_file(account, &[1; 32]).unwrap().unwrap().name, "again.csv");
        assert_eq!(house.entries().len(), 2 * entries.len());
        // Another account is another ledger, and other content is another file.
        let other = ledger.create_account("other").unwrap();
        import_file(ledger, other, content("june.csv", 1), &entries).unwrap();
        import_file(ledger, account, content("june.csv", 2), &entries).unwrap();
        assert_eq!(check(&house.path()).checked.files, 4);
        let house = house.reopened();
        assert_eq!(house.ledger.imported_file(house.account, &[2; 32]).unwrap(), Some(kept));
        assert!(check(&house.path()).is_clean());
    }
}

#[test]
fn several_files_of_one_import_are_each_kept_or_none_is() {
    for size in SIZES {
        let house = House::new();
        let entries: Vec<_> = History::new(1, size).collect();
        import_file(&house.ledger, house.account, content("old.csv", 9), &entries[..10]).unwrap();
        let files = |last: u8| {
            let mut import = house.ledger.import(house.account)?;
            import.write(&entries[10..30])?;
            import.end_file(content("1.csv", 1));
            import.end_file(content("empty.csv", 2));
            import.write(&entries[30..])?;
            import.end_file(content("2.csv", last));
            // These entries are of no file.
            import.write(&entries[..5])?;
            import.finish()
        };
        for last in [9, 1] {
            assert_eq!(files(last).unwrap_err().kind(), ErrorKind::AlreadyImported, "{last}");
            assert_eq!(house.ledger.imported_file(house.account, &[1; 32]).unwrap(), None);
            assert!(house.entries() == entries[..10]);
        }
        assert_eq!(files(3).unwrap(), size - 5);
        let kept = |digest| house.ledger.imported_file(house.account, &[digest; 32]).unwrap();
        assert_eq!(kept(1).unwrap().entries, 20);
        assert_eq!(kept(2), None, "nothing of it can be there twice");
        assert_eq!(kept(3).unwrap().entries, size - 30);
        let report = check(&house.path());
        assert_eq!((report.is_clean(), report.checked.files), (true, 3), "{:?}", report.differences);
    }
}

#[test]
fn of_two_imports_of_a_file_at_once_exactly_one_wins() {
    let entries: Vec<_> = History::new(1, SIZES[0]).collect();
    for (round, size) in SIZES.into_iter().cycle().take(12).enumerate() {
        let house = House::new();
        let entries = &entries[..usize::try_from(size).unwrap()];
        let start = Barrier::new(4);
        let results: Vec<_> = std::thread::scope(|scope| {
            let one = || {
                // Opened once more, as by another process.
                let ledger = SqliteLedger::open(&house.path()).unwrap();
                start.wait();
                import_file(&ledger, house.account, content("june.csv", 1), entries)
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let won = results.iter().filter(|result| matches!(result, Ok(stored) if *stored == size)).count();
        assert_eq!(won, 1, "round {round}: {results:?}");
        for error in results.into_iter().filter_map(Result::err) {
            let kind = error.kind();
            assert!(matches!(kind, ErrorKind::AlreadyImported | ErrorKind::ImportUnderWay), "{error}");
        }
        assert!(house.entries() == entries);
        let report = check(&house.path());
        assert_eq!((report.is_clean(), report.checked.files), (true, 1), "{:?}", report.differences);
    }
}

#[test]
fn what_a_killed_or_dropped_import_leaves_knows_of_no_file() {
    let house = House::new();
    let entries: Vec<_> = History::new(1, SIZES[0]).collect();
    let mut killed = house.ledger.import(house.account).unwrap();
    killed.write(&entries).unwrap();
    killed.end_file(content("june.csv", 1));
    let copy = tempfile::tempdir().unwrap();
    for name in ["ledger.db", "ledger.db-wal"] {
        fs::copy(house.path().with_file_name(name), copy.path().join(name)).unwrap();
    }
    drop(killed);
    for ledger in [&SqliteLedger::open(&copy.path().join("ledger.db")).unwrap(), &house.ledger] {
        assert_eq!(ledger.imported_file(house.account, &[1; 32]).unwrap(), None);
        assert_eq!(walk(ledger, house.account, &Filter::default(), 1000), []);
        import_file(ledger, house.account, content("june.csv", 1), &entries).unwrap();
        assert!(walk(ledger, house.account, &Filter::default(), 1000) == entries);
    }
}

#[test]
fn a_backup_knows_the_files_of_its_entries() {
    let house = House::new();
    let entries: Vec<_> = History::new(1, 100).collect();
    import_file(&house.ledger, house.account, content("june.csv", 1), &entries).unwrap();
    let to = house.path().with_file_name("copy.db");
    house.ledger.back_up(&to).unwrap();
    import_file(&house.ledger, house.account, content("july.csv", 2), &entries).unwrap();
    assert!(check(&to).is_clean());
    let path = house.path();
    let _directory = house.closed();
    SqliteLedger::restore(&to, &path, "2026-07-02T00:00:00Z".parse().unwrap()).unwrap();
    let restored = SqliteLedger::open(&path).unwrap();
    let account = restored.account("ours").unwrap().unwrap();
    assert!(restored.imported_file(account, &[1; 32]).unwrap().is_some());
    assert_eq!(restored.imported_file(account, &[2; 32]).unwrap(), None);
    let again = import_file(&restored, account, content("june.csv", 1), &entries);
    assert_eq!(again.unwrap_err().kind(), ErrorKind::AlreadyImported);
    import_file(&restored, account, content("july.csv", 2), &entries).unwrap();
}

#[test]
fn where_no_ledger_is_nothing_is_found_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    assert_eq!(SqliteLedger::look_up_files(&path, "ours", &[[1; 32]; 2]).unwrap(), [None, None]);
    assert!(!SqliteLedger::has_account(&path, "ours").unwrap());
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn files_are_looked_up_in_a_ledger_that_stays_as_it_is() {
    let house = House::new();
    import_file(&house.ledger, house.account, content("june.csv", 1), &[entry_at(at(), "-1")]).unwrap();
    let path = house.path();
    let look_up = |account| SqliteLedger::look_up_files(&path, account, &[[2; 32], [1; 32]]).unwrap();
    let found =
        |account| look_up(account).into_iter().map(|found| found.map(|file| file.name)).collect::<Vec<_>>();
    // While the ledger is open, and when it is not.
    assert_eq!(found("ours"), [None, Some("june.csv".to_owned())]);
    let directory = house.closed();
    let before = fs::read(&path).unwrap();
    assert_eq!(found("ours"), [None, Some("june.csv".to_owned())]);
    assert_eq!(found("nobody"), [None, None]);
    assert!(fs::read(&path).unwrap() == before && fs::read_dir(directory.path()).unwrap().count() == 1);
    // A ledger of an older version is not migrated here, and has no files.
    let back = format!("{BACK_TO_4} DROP TABLE files; PRAGMA user_version = 3");
    Connection::open(&path).unwrap().execute_batch(&back).unwrap();
    let before = fs::read(&path).unwrap();
    assert_eq!(found("ours"), [None, None]);
    assert!(fs::read(&path).unwrap() == before && fs::read_dir(directory.path()).unwrap().count() == 1);
    fs::write(&path, "a,b\n".repeat(1000)).unwrap();
    assert_eq!(SqliteLedger::look_up_files(&path, "ours", &[]).unwrap_err().kind(), ErrorKind::NotALedger);
}

/// Checks a ledger after this SQL: it has two files, entries of no file, and a receipt with its entries. These are the
/// differences that have to be found.
#[track_caller]
fn differs(sql: &str, expect: &[&str]) {
    let house = House::new();
    let entries: Vec<_> = (0..9).map(|ns| entry_at(Timestamp::from_unix_ns(ns), "-1")).collect();
    import_file(&house.ledger, house.account, content("1.csv", 1), &entries[..4]).unwrap();
    import(&house.ledger, house.account, &entries[4..6]);
    import_file(&house.ledger, house.account, content("2.csv", 2), &entries[6..]).unwrap();
    assert!(check(&house.path()).is_clean());
    let path = house.path();
    let _directory = house.closed();
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let found: Vec<_> = check(&path)
        .differences
        .iter()
        .map(|difference| difference.to_string().replace(", account `ours`", ""))
        .collect();
    assert_eq!(found, expect, "{sql}");
}

#[test]
fn a_check_looks_at_the_files() {
    differs(
        "UPDATE files SET sha256 = x'00' WHERE name = '1.csv'",
        &["file, `1.csv`: `sha256` is of length 1 and should be of length 32"],
    );
    differs(
        "UPDATE files SET copy = 1 WHERE name = '2.csv'",
        &["file, `2.csv`: `copy` is 1 and should be the number of times that the same was imported before"],
    );
    differs(
        "UPDATE files SET entries = 0 WHERE name = '2.csv'",
        &["file, `2.csv`: `entries` is 0 and should be 1 or more"],
    );
    differs(
        "UPDATE files SET entries = -3 WHERE name = '2.csv'",
        &["file, `2.csv`: `entries` is -3 and should be 1 or more"],
    );
    let alone = "should be the first number of so many entries of this file alone";
    for (sql, held) in [
        ("UPDATE files SET entries = 4 WHERE name = '2.csv'", "6, of 4 entries"),
        ("UPDATE files SET first_sequence = 3 WHERE name = '2.csv'", "3, of 3 entries"),
        ("UPDATE files SET first_sequence = 7 WHERE name = '2.csv'", "7, of 3 entries"),
        ("UPDATE files SET entries = 7 WHERE name = '1.csv'", "6, of 3 entries"),
    ] {
        differs(sql, &[&format!("file, `2.csv`: `first_sequence` is {held} and {alone}")]);
    }
    // An entry belongs to a receipt or to a file, never to both.
    differs(
        "INSERT INTO receipts SELECT account, 'one', sha256, 3, imported_ns FROM files WHERE name = '1.csv'",
        &["receipt, `one`: `entries` is 3 and should be from 0 to 2, the entries that came in no file"],
    );
    differs(
        "INSERT INTO receipts SELECT account, 'one', sha256, 2, imported_ns FROM files WHERE name = '1.csv';
         UPDATE files SET name = CAST(x'ff' AS TEXT) WHERE name = '1.csv'",
        &["file, `\u{fffd}`: `name` is `\u{fffd}` and should be a text in UTF-8"],
    );
    differs(
        "UPDATE files SET account = 9",
        &["account, account `9`, the account: `id` is missing and should be 9"],
    );
}
