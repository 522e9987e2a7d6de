//! The path of an open ledger gets another file: answers from two files are never mixed.

use std::fs;
use std::path::{Path, PathBuf};

use billing_ledger::{AccountId, Error, ErrorKind, Filter, KeyKind, Ledger as _};
use billing_model::SortOrder;
use billing_sample::History;
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;

use crate::house::{House, import, walk};

const NOW: &str = "2026-06-15T00:00:00Z";

/// A ledger with so many entries. Its log is copied into the file when it is closed.
fn ledger_with(entries: usize) -> House {
    let house = House::new();
    import(
        &house.ledger,
        house.account,
        &History::new(1, u64::try_from(entries).unwrap()).collect::<Vec<_>>(),
    );
    house
}

/// The file of a ledger that is closed.
fn closed(house: House) -> (PathBuf, House) {
    let house = house.reopened();
    let copy = house.path().with_file_name("closed.db");
    fs::copy(house.path(), &copy).unwrap();
    (copy, house)
}

fn log(path: &Path) -> PathBuf {
    path.with_file_name("ledger.db-wal")
}

/// Makes every call of a ledger, and returns their errors.
fn failures(ledger: &SqliteLedger, account: AccountId, key: &str) -> Vec<Error> {
    let filter = Filter::default();
    let now = NOW.parse().unwrap();
    vec![
        ledger.authenticate(key).unwrap_err(),
        ledger.positioned_page(account, &filter, None, None, 10).unwrap_err(),
        ledger.numbered_page(account, &filter, SortOrder::Asc, 10, 1).unwrap_err(),
        ledger.owned_rollups(account, None).unwrap_err(),
        ledger.account("ours").unwrap_err(),
        ledger.create_account("new").unwrap_err(),
        ledger.keys().unwrap_err(),
        ledger.create_key(account, KeyKind::Admin, "", now).unwrap_err(),
        ledger.revoke_key("id", now).unwrap_err(),
        ledger.import(account).unwrap_err(),
    ]
}

/// Replaces the file of an open ledger, and checks that no call is answered, neither now nor when the file is put back.
fn check_replaced(advice: &str, replace: impl FnOnce(&Path)) {
    let ours = ledger_with(30);
    let path = ours.path();
    let (_, secret) = ours.ledger.create_key(ours.account, KeyKind::Admin, "", NOW.parse().unwrap()).unwrap();
    assert!(ours.ledger.authenticate(secret.expose()).unwrap().is_some());
    let kept = path.with_file_name("kept.db");
    fs::hard_link(&path, &kept).unwrap();

    replace(&path);
    let there = fs::read(&path).ok();
    for error in failures(&ours.ledger, ours.account, secret.expose()) {
        assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
        let words = format!("is no longer the ledger that was opened: {advice}");
        assert!(error.to_string().contains(&words), "{error}");
    }
    assert!(fs::read(&path).ok() == there, "the file at the path was touched, or one was made");

    fs::rename(&kept, &path).unwrap();
    for error in failures(&ours.ledger, ours.account, secret.expose()) {
        assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
    }
    let ours = ours.reopened();
    assert_eq!(ours.entries().len(), 30);
}

#[cfg(unix)]
#[test]
fn rows_of_a_ledger_that_was_moved_here_are_not_shown_to_the_accounts_of_the_former() {
    let (theirs, _house) = closed(ledger_with(40));
    check_replaced("stop this program; then the log `", |path| fs::rename(theirs, path).unwrap());
}

#[cfg(unix)]
#[test]
fn a_restored_copy_is_not_the_ledger_that_was_opened() {
    // The copy is at a state from which the log continues. Together they would be the ledger.
    check_replaced("restart to use what is there now", |path| {
        let copy = path.with_file_name("copy.db");
        fs::copy(path, &copy).unwrap();
        fs::rename(copy, path).unwrap();
    });
}

#[cfg(unix)]
#[test]
fn a_removed_ledger_is_not_made_anew() {
    check_replaced("nothing is there now: put it back", |path| fs::remove_file(path).unwrap());
}

#[cfg(unix)]
#[test]
fn a_removed_directory_is_a_removed_ledger() {
    let ours = ledger_with(30);
    fs::remove_dir_all(ours.path().parent().unwrap()).unwrap();
    for error in failures(&ours.ledger, ours.account, "key") {
        assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_was_turned_to_another_ledger_is_another_ledger() {
    let (ours, theirs) = (ledger_with(30), ledger_with(40));
    let link = ours.path().with_file_name("link.db");
    std::os::unix::fs::symlink(ours.path(), &link).unwrap();
    let ledger = SqliteLedger::open(&link).unwrap();
    assert_eq!(walk(&ledger, ours.account, &Filter::default(), 10).len(), 30);
    fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(theirs.path(), &link).unwrap();
    for error in failures(&ledger, ours.account, "key") {
        assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
    }
}

#[test]
fn a_ledger_that_was_overwritten_in_place_is_seen_by_the_next_connection() {
    let (theirs, _house) = closed(ledger_with(40));
    let ours = House::new().reopened();
    // For the system it is the same file. Only its content can tell.
    fs::write(ours.path(), fs::read(theirs).unwrap()).unwrap();
    for error in failures(&ours.ledger, ours.account, "key") {
        assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
    }
}

#[cfg(unix)]
#[test]
fn an_import_into_a_ledger_that_is_gone_does_not_say_that_it_stored() {
    let (theirs, _house) = closed(ledger_with(40));
    let ours = ledger_with(30);
    let mut import = ours.ledger.import(ours.account).unwrap();
    import.write(&History::new(2, 5).collect::<Vec<_>>()).unwrap();
    let kept = ours.path().with_file_name("kept.db");
    fs::hard_link(ours.path(), &kept).unwrap();
    fs::rename(theirs, ours.path()).unwrap();
    assert_eq!(import.finish().unwrap_err().kind(), ErrorKind::Replaced);
    fs::rename(kept, ours.path()).unwrap();
    assert_eq!(ours.reopened().entries().len(), 30);
}

#[cfg(unix)]
#[test]
fn a_ledger_moved_beside_the_log_of_another_is_not_mixed_with_it() {
    let (theirs, _house) = closed(ledger_with(40));
    let ours = ledger_with(30);
    let (path, account) = (ours.path(), ours.account);
    // A server whose ledger was replaced leaves its log under the name.
    assert!(fs::metadata(log(&path)).unwrap().len() > 0);
    fs::rename(theirs, &path).unwrap();
    drop(ours.ledger);
    let before = (fs::read(&path).unwrap(), fs::read(log(&path)).unwrap());
    for open in [SqliteLedger::open, SqliteLedger::open_or_create] {
        let error = open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ForeignLog, "{error}");
        assert!(error.to_string().contains("ledger.db-wal` is not that of the ledger"), "{error}");
        assert!(before == (fs::read(&path).unwrap(), fs::read(log(&path)).unwrap()), "a file was touched");
    }
    fs::rename(log(&path), path.with_file_name("away")).unwrap();
    assert_eq!(walk(&SqliteLedger::open(&path).unwrap(), account, &Filter::default(), 10).len(), 40);
}

/// The index says up to where the log is valid. An older index that is put back hides later commits, and the next
/// commit would overwrite them. Closing the ledger with this index would corrupt the file.
#[cfg(unix)]
#[test]
fn an_index_that_is_put_back_hides_nothing_and_ruins_nothing() {
    // With few entries the log is not copied into the file; with many it is.
    for many in [1, 3_000] {
        let house = ledger_with(30);
        let (path, account) = (house.path(), house.account);
        let (index, old) = (path.with_file_name("ledger.db-shm"), path.with_file_name("old"));
        let whole = path.with_file_name("whole.db");
        fs::copy(&index, &old).unwrap();
        let more: Vec<_> = History::new(2, many).collect();
        import(&house.ledger, account, &more);
        import(&house.ledger, account, &more);
        fs::copy(&path, &whole).unwrap();
        fs::copy(log(&path), whole.with_file_name("whole.db-wal")).unwrap();
        let (file, frames) = (fs::read(&path).unwrap(), fs::read(log(&path)).unwrap());
        // Written in place, because the engine has the file mapped.
        fs::write(&index, fs::read(&old).unwrap()).unwrap();
        let filter = Filter::default();
        let read = house.ledger.positioned_page(account, &filter, None, None, 10);
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Replaced, "{many}");
        assert_eq!(house.ledger.create_account("new").unwrap_err().kind(), ErrorKind::Replaced, "{many}");
        let _directory = house.closed();
        assert!(fs::read(&path).unwrap() == file && fs::read(log(&path)).unwrap() == frames, "both stay");
        let expected = 30 + 2 * more.len();
        for place in [whole, path] {
            let ledger = SqliteLedger::open(&place).unwrap();
            assert_eq!(walk(&ledger, account, &filter, 1000).len(), expected, "{many}: {}", place.display());
        }
    }
}

/// A killed restore leaves a second name of the file. With two names a file would have two logs.
#[cfg(unix)]
#[test]
fn a_second_name_that_a_killed_restore_has_left_goes_when_the_ledger_is_opened() {
    let house = ledger_with(30);
    let (path, account) = (house.path(), house.account);
    let directory = house.closed();
    let second = directory.path().join("ledger.db.replaced-2026-11-28T06-15-00Z");
    let other = directory.path().join("ledger.db.replaced-2026-11-27T06-15-00Z");
    fs::hard_link(&path, &second).unwrap();
    fs::copy(&path, &other).unwrap();
    let ledger = SqliteLedger::open(&path).unwrap();
    assert!(!second.exists() && other.exists(), "one that was replaced stays");
    assert_eq!(walk(&ledger, account, &Filter::default(), 1000).len(), 30);
}
