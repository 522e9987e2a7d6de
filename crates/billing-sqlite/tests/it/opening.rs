//! Opening files that are ledgers, and files that are not.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use billing_ledger::{ErrorKind, Filter, Ledger as _};
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;
use rusqlite::Connection;

use crate::house::{House, import, walk};
use billing_sample::History;

/// Every file beside a path and its bytes.
fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(directory).unwrap().map(|file| file.unwrap());
    files
        .filter(|file| file.file_type().unwrap().is_file())
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect()
}

/// Opens the file in both ways, and checks that it is refused for this reason and not changed.
fn check_refused(path: &Path, kind: ErrorKind, message: &str) {
    let before = files(path.parent().unwrap());
    for open in [SqliteLedger::open, SqliteLedger::open_or_create] {
        let error = open(path).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.to_string().contains(path.file_name().unwrap().to_str().unwrap()), "{error}");
    }
    assert!(files(path.parent().unwrap()) == before, "the file was touched");
}

#[test]
fn a_missing_ledger_is_not_found_and_not_made() {
    let directory = tempfile::tempdir().unwrap();
    let error = SqliteLedger::open(&directory.path().join("ledger.db")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(files(directory.path()).is_empty());
    let error = SqliteLedger::open_or_create(&directory.path().join("missing/ledger.db")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CannotOpen, "{error}");
}

/// Opens the path, and checks that the message says what is in the way, without words of the engine.
fn check_cannot_open(path: &Path, message: &str, cause: &str) {
    let error = SqliteLedger::open_or_create(path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CannotOpen, "{error}");
    let (path, words) = (path.display(), std::error::Error::source(&error).map(ToString::to_string));
    assert_eq!(error.to_string(), format!("cannot open `{path}`{message}"));
    let words = words.unwrap_or_default();
    assert!(words.starts_with(cause) && words.is_empty() == cause.is_empty(), "{words}");
}

#[cfg(unix)]
#[test]
fn a_path_that_cannot_be_opened_is_told_why() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let missing = path("missing");
    let message = format!(": the directory `{}` does not exist", missing.display());
    check_cannot_open(&missing.join("ledger.db"), &message, "");
    fs::write(path("file"), "x").unwrap();
    check_cannot_open(&path("file/ledger.db"), "", "Not a directory");
    check_cannot_open(&path(&"long".repeat(100)), "", "File name too long");
    // The system accepts this name, and the engine does not.
    let deep = (0..5).fold(path(""), |deep, _| deep.join("deep".repeat(40)));
    fs::create_dir_all(&deep).unwrap();
    check_cannot_open(&deep.join("ledger.db"), "", "unable to open database file");
}

#[cfg(unix)]
#[test]
fn a_ledger_without_permission_is_told_so() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let (path, directory) = (house.path(), house.path().parent().unwrap().to_owned());
    drop(house.ledger);
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set(&path, 0o000);
    if fs::File::open(&path).is_ok() {
        // Root may do everything.
        return billing_testkit::run_as_nobody("opening::a_ledger_without_permission_is_told_so");
    }
    let denied = "Permission denied";
    check_cannot_open(&path, "", denied);
    set(&path, 0o400);
    let ledger = SqliteLedger::open(&path).unwrap();
    assert_eq!(ledger.account("ours").unwrap(), Some(house.account));
    let error = ledger.create_account("theirs").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CannotOpen);
    assert!(error.to_string().ends_with("ledger.db`: it may not be written to"), "{error}");
    assert_eq!(ledger.try_writing(1).unwrap_err().kind(), ErrorKind::CannotOpen);
    drop(ledger);
    set(&path, 0o600);
    set(&directory, 0o500);
    check_cannot_open(&directory.join("new.db"), ": no file can be made in its directory", denied);
    set(&directory, 0o000);
    check_cannot_open(&path, "", denied);
    set(&directory, 0o700);
}

#[test]
fn trying_to_write_leaves_nothing_behind() {
    let house = House::new();
    let directory = house.path().parent().unwrap().to_owned();
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(&directory).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    let before = (names(), house.entries());
    // The file that a killed try has left does no harm.
    fs::write(directory.join("ledger.db-probe"), "x").unwrap();
    for room in [0, 1, 64 << 10, (64 << 10) + 1, 1 << 20] {
        house.ledger.try_writing(room).unwrap();
        assert_eq!((names(), house.entries()), before);
    }
}

#[test]
fn files_of_others_are_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(path("short.txt"), "x").unwrap();
    check_refused(&path("short.txt"), ErrorKind::NotALedger, "not an SQLite file");
    fs::write(path("usage.csv"), "timestamp,sku\n".repeat(1_000)).unwrap();
    check_refused(&path("usage.csv"), ErrorKind::NotALedger, "not an SQLite file");
    fs::create_dir(path("directory")).unwrap();
    check_refused(&path("directory"), ErrorKind::NotALedger, "it is a directory");
    for mode in ["delete", "wal"] {
        let database = Connection::open(path(mode)).unwrap();
        database.pragma_update(None, "journal_mode", mode).unwrap();
        database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
        check_refused(&path(mode), ErrorKind::NotALedger, "another application");
        drop(database);
        check_refused(&path(mode), ErrorKind::NotALedger, "another application");
    }
}

#[test]
fn a_ledger_from_a_newer_version_is_refused_and_left_alone() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, 50).collect::<Vec<_>>());
    let path = house.path();
    let later = Connection::open(&path).unwrap();
    // The next version, and a much later one.
    for version in [7, 77] {
        later.execute_batch(&format!("PRAGMA user_version = {version}")).unwrap();
        let before = fs::read(&path).unwrap();
        for open in [SqliteLedger::open, SqliteLedger::open_or_create] {
            let error = open(&path).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NewerVersion);
            let message = error.to_string();
            let versions = format!("it has version {version}, the program knows 6");
            assert!(message.contains(&versions) && message.contains("update the program"), "{message}");
        }
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn an_empty_file_becomes_a_ledger_only_when_asked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(SqliteLedger::open(file.path()).unwrap_err().kind(), ErrorKind::NotALedger);
    let account = SqliteLedger::open_or_create(file.path()).unwrap().create_account("a").unwrap();
    assert_eq!(SqliteLedger::open(file.path()).unwrap().account("a").unwrap(), Some(account));
}

/// SQLite removes the log of an empty file, and with it everything that was acknowledged.
#[test]
fn a_log_whose_ledger_was_moved_away_is_not_removed() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, 50).collect::<Vec<_>>());
    let directory = tempfile::tempdir().unwrap();
    let (path, log) = (directory.path().join("ledger.db"), directory.path().join("ledger.db-wal"));
    fs::copy(house.path(), directory.path().join("moved.db")).unwrap();
    fs::copy(house.path().with_file_name("ledger.db-wal"), &log).unwrap();
    let error = SqliteLedger::open_or_create(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignLog, "{error}");
    fs::write(&path, "").unwrap();
    check_refused(&path, ErrorKind::ForeignLog, "put back the file that the log belongs to");
    fs::rename(directory.path().join("moved.db"), &path).unwrap();
    let ledger = SqliteLedger::open(&path).unwrap();
    assert_eq!(walk(&ledger, house.account, &Filter::default(), 100).len(), 50);
}

#[test]
fn a_ledger_half_made_is_made_anew() {
    // A kill leaves the file like this: the first page is written, and the journal beside it says that there was nothing
    // before.
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let database = Connection::open(path("other.db")).unwrap();
    database.execute_batch("PRAGMA cache_size = 2; BEGIN IMMEDIATE;").unwrap();
    for table in 0..64 {
        database.execute_batch(&format!("CREATE TABLE t{table} (x TEXT UNIQUE)")).unwrap();
    }
    fs::copy(path("other.db-journal"), path("killed.db-journal")).unwrap();
    SqliteLedger::open_or_create(&path("whole.db")).unwrap();
    fs::write(path("killed.db"), &fs::read(path("whole.db")).unwrap()[..4096]).unwrap();

    let account = SqliteLedger::open_or_create(&path("killed.db")).unwrap().create_account("a").unwrap();
    assert_eq!(SqliteLedger::open(&path("killed.db")).unwrap().account("a").unwrap(), Some(account));
}

#[test]
fn a_ledger_killed_while_its_log_was_copied_back_is_whole() {
    let house = House::new();
    let bytes_before = usize::try_from(fs::metadata(house.path()).unwrap().len()).unwrap();
    let entries: Vec<_> = History::new(1, 5_000).collect();
    import(&house.ledger, house.account, &entries);
    let other = Connection::open(house.path()).unwrap();
    other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
    assert!(fs::metadata(house.path()).unwrap().len() > u64::try_from(bytes_before).unwrap());
    // The first page already has the final length of the file, but the file is still shorter.
    let copy = tempfile::tempdir().unwrap();
    let path = copy.path().join("ledger.db");
    fs::write(&path, &fs::read(house.path()).unwrap()[..bytes_before]).unwrap();
    fs::copy(house.path().with_file_name("ledger.db-wal"), copy.path().join("ledger.db-wal")).unwrap();
    let ledger = SqliteLedger::open(&path).unwrap();
    assert!(walk(&ledger, house.account, &Filter::default(), 1000) == entries);
}

#[test]
fn everything_is_there_after_reopening() {
    let house = House::new();
    let entries: Vec<_> = History::new(3, 500).collect();
    import(&house.ledger, house.account, &entries);
    let (secret, rollups) =
        (house.ledger.key_material().signing_key(), house.ledger.owned_rollups(house.account, None).unwrap());
    let house = house.reopened();
    assert_eq!(house.entries(), entries);
    assert_eq!(house.ledger.owned_rollups(house.account, None).unwrap(), rollups);
    assert_eq!(house.ledger.key_material().signing_key(), secret);
    assert_ne!(House::new().ledger.key_material().signing_key(), secret);
}

#[test]
fn any_name_will_do() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["a b", "50%.db", "what?mode=memory", "#1", ":memory:", "file:x", "é", "%20"] {
        let path = directory.path().join(name);
        let account = SqliteLedger::open_or_create(&path).unwrap().create_account(name).unwrap();
        assert!(path.is_file(), "{name}");
        assert_eq!(SqliteLedger::open(&path).unwrap().account(name).unwrap(), Some(account));
    }
}

#[test]
fn many_may_make_the_same_ledger_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    let secrets = std::thread::scope(|scope| {
        let open = || SqliteLedger::open_or_create(&path).unwrap().key_material().signing_key();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(secrets.iter().all(|secret| *secret == secrets[0]));
}

#[cfg(unix)]
#[test]
fn a_new_ledger_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    for file in fs::read_dir(house.path().parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

/// Nothing is left beside a ledger that was opened to be read, nothing of it is written, and it is not taken forward.
#[test]
fn a_ledger_that_is_opened_to_be_read_is_left_as_it_was() {
    let house = House::new();
    let (path, account) = (house.path(), house.account);
    let directory = path.parent().unwrap();
    import(&house.ledger, account, &History::new(3, 500).collect::<Vec<_>>());
    let all = |path: &Path| {
        walk(&SqliteLedger::open_to_read(path).unwrap(), account, &Filter::default(), 1000).len()
    };
    // With a log beside it, as a server has it.
    let beside = files(directory);
    assert_eq!(all(&path), 500);
    let read = SqliteLedger::open_to_read(&path).unwrap();
    assert_eq!(read.create_account("other").unwrap_err().kind(), ErrorKind::Unsupported);
    drop(read);
    let after = files(directory);
    assert!(after.keys().eq(beside.keys()) && after.keys().len() > 1, "{:?}", after.keys());
    assert!(["ledger.db", "ledger.db-wal"].iter().all(|name| after[*name] == beside[*name]));
    let directory = house.closed();
    let alone = files(directory.path());
    assert_eq!(all(&path), 500);
    assert!(files(directory.path()) == alone, "{:?}", alone.keys());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 5").unwrap();
    let older = files(directory.path());
    let error = SqliteLedger::open_to_read(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OlderVersion, "{error}");
    assert!(files(directory.path()) == older, "{:?}", older.keys());
}

/// Where another program has the ledger alone, that is said at once. One that waits does so for five seconds.
#[test]
fn a_ledger_that_is_opened_to_be_read_waits_for_nobody() {
    let house = House::new();
    let (path, directory) = (house.path(), house.closed());
    let alone = Connection::open(&path).unwrap();
    alone.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE").unwrap();
    let asked = Instant::now();
    assert_eq!(SqliteLedger::open_to_read(&path).unwrap_err().kind(), ErrorKind::Busy);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    drop((alone, directory));
}

/// While another program writes, the ledger is read as it was before.
#[test]
fn a_ledger_is_opened_to_be_read_while_it_is_written() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(3, 50).collect::<Vec<_>>());
    let writer = Connection::open(house.path()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let read = SqliteLedger::open_to_read(&house.path()).unwrap();
    assert_eq!(walk(&read, house.account, &Filter::default(), 1000).len(), 50);
}

/// No prompt makes files beside a ledger that nobody has open, and a writer who begins meanwhile tears nothing.
#[test]
fn a_ledger_without_a_log_is_read_without_one() {
    let house = House::new();
    let (path, account) = (house.path(), house.account);
    import(&house.ledger, account, &History::new(3, 500).collect::<Vec<_>>());
    let directory = house.closed();
    let names = || files(directory.path()).into_keys().collect::<Vec<_>>();
    assert_eq!(names(), ["ledger.db"]);
    let read = SqliteLedger::open_to_read(&path).unwrap();
    assert_eq!(walk(&read, account, &Filter::default(), 100).len(), 500);
    assert_eq!(names(), ["ledger.db"]);
    // What is written goes to a log first.
    let writer = SqliteLedger::open(&path).unwrap();
    import(&writer, account, &History::new(4, 500).collect::<Vec<_>>());
    assert!(fs::metadata(path.with_file_name("ledger.db-wal")).unwrap().len() > 0);
    assert_eq!(walk(&read, account, &Filter::default(), 100).len(), 500);
    let anew = SqliteLedger::open_to_read(&path).unwrap();
    assert_eq!(walk(&anew, account, &Filter::default(), 100).len(), 1_000);
    drop(anew);
    // The last one copies the log into the file.
    drop(writer);
    let error = read.account("ours").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
}

#[cfg(unix)]
#[test]
fn a_ledger_that_may_not_be_written_is_read() {
    use std::os::unix::fs::PermissionsExt;
    let house = House::new();
    let (path, account) = (house.path(), house.account);
    import(&house.ledger, account, &History::new(3, 50).collect::<Vec<_>>());
    let directory = house.closed();
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    assert!(!SqliteLedger::is_to_be_read_alone(&path));
    assert!(!SqliteLedger::is_to_be_read_alone(&directory.path().join("none.db")));
    set(&path, 0o400);
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        // Root may do everything.
        return billing_testkit::run_as_nobody("opening::a_ledger_that_may_not_be_written_is_read");
    }
    set(directory.path(), 0o500);
    assert!(SqliteLedger::is_to_be_read_alone(&path));
    let read = SqliteLedger::open_to_read(&path).unwrap();
    assert_eq!(walk(&read, account, &Filter::default(), 100).len(), 50);
    drop(read);
    set(directory.path(), 0o700);
    assert_eq!(files(directory.path()).len(), 1);
}

/// Files that another user makes beside a ledger would keep its owner from writing. Only root can make a ledger and then be another
/// user, who finds it by the number of the process that began him.
#[cfg(unix)]
#[test]
fn nothing_is_made_beside_the_ledger_of_another_user() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::parent_id;
    let place = |process: u32| std::env::temp_dir().join(format!("billing-ledger-of-process-{process}"));
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let theirs = place(parent_id());
    if fs::metadata(&theirs).is_ok_and(|it| it.uid() == 0)
        && fs::metadata(directory.path()).unwrap().uid() != 0
    {
        let path = theirs.join("ledger.db");
        assert!(SqliteLedger::is_to_be_read_alone(&path));
        let before = files(&theirs);
        let read = SqliteLedger::open_to_read(&path).unwrap();
        assert!(read.account("ours").unwrap().is_some() && files(&theirs) == before);
        drop(read);
        // A log without its index, which a reader would make anew.
        fs::write(theirs.join("ledger.db-wal"), "left behind").unwrap();
        let error = SqliteLedger::open_to_read(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CannotOpen, "{error}");
        assert!(error.to_string().contains("it belongs to another user"), "{error}");
        return assert!(!theirs.join("ledger.db-shm").exists());
    }
    if fs::metadata(directory.path()).unwrap().uid() != 0 {
        return billing_testkit::leave_out("a ledger of another user is needed; run the tests as root");
    }
    let ours = place(std::process::id());
    fs::create_dir(&ours).unwrap();
    set(&ours, 0o1777);
    let ledger = SqliteLedger::open_or_create(&ours.join("ledger.db")).unwrap();
    ledger.create_account("ours").unwrap();
    drop(ledger);
    set(&ours.join("ledger.db"), 0o644);
    billing_testkit::run_as_nobody("opening::nothing_is_made_beside_the_ledger_of_another_user");
    fs::remove_dir_all(&ours).unwrap();
}
