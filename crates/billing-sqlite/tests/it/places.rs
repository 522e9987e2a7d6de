//! Every way to put a copy in the place of a ledger. The result opens as exactly the copy or exactly the ledger, or it is
//! refused with a message that says what to do.

use std::fs;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};

use billing_ledger::{AccountId, Batch, Error, ErrorKind, Filter, Ledger as _, Receipt};
use billing_model::UsageEntry;
use billing_sample::History;
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;
use rusqlite::{Connection, OpenFlags};

use crate::house::walk;

/// How the copy is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    Billing,
    /// `cp` of the file, after the ledger was closed.
    Quiet,
    /// `cp` of the file of a ledger that is open, or whose server was killed.
    File,
    /// The same with its log.
    FileAndLog,
    /// `sqlite3 ledger.db ".backup copy.db"`.
    Sqlite,
    /// `sqlite3 ledger.db "VACUUM INTO 'copy.db'"`.
    Vacuum,
}

/// How the copy is put in the ledger's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Put {
    Rename,
    Overwrite,
    /// The log of the copy alone, over the ledger's.
    Log,
}

/// What happens to the ledger's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    Left,
    Removed,
}

/// What the server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Server {
    Stopped,
    Killed,
    /// The server is told to stop afterwards.
    Running,
    /// The server is killed afterwards.
    KilledLater,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    copy: Copy,
    put: Put,
    left: Left,
    server: Server,
    /// Batches before the copy, and after it.
    batches: (usize, usize),
    /// Whether the log is copied into the file before the copy, and after it.
    copied: (bool, bool),
}

/// The batches that a ledger is sent.
struct Scene {
    account: AccountId,
    sent: usize,
}

const ENTRIES: usize = 20;

impl Scene {
    fn batch(&self, number: usize) -> Batch {
        Batch {
            account: self.account,
            idempotency_key: number.to_string(),
            digest: [0; 32],
            received_at: "2026-06-15T00:00:00Z".parse().unwrap(),
            entries: batch(number).into(),
        }
    }

    fn record(&mut self, ledger: &SqliteLedger, batches: usize) {
        for number in self.sent..self.sent + batches {
            assert_eq!(
                ledger.store_batches(&[self.batch(number)]).unwrap(),
                [Receipt::Stored(ENTRIES as u64)]
            );
        }
        self.sent += batches;
    }
}

/// A directory in memory, where the system has one: only the process is killed here, not the machine.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

fn batch(number: usize) -> Vec<UsageEntry> {
    History::new(number as u64, ENTRIES as u64).collect()
}

/// The entries of the first so many batches, sorted.
fn of_batches(batches: usize) -> Vec<String> {
    sorted((0..batches).flat_map(batch).collect())
}

fn sorted(entries: Vec<UsageEntry>) -> Vec<String> {
    let mut lines: Vec<_> = entries
        .iter()
        .map(|entry| {
            let mut line = Vec::new();
            entry.write_json(&mut line);
            String::from_utf8(line).unwrap()
        })
        .collect();
    lines.sort();
    lines
}

fn log(path: &Path) -> PathBuf {
    path.with_file_name(format!("{}-wal", path.file_name().unwrap().to_str().unwrap()))
}

fn cp(from: &Path, to: &Path) {
    // Like `cp`: an existing file is overwritten and not replaced.
    let bytes = fs::read(from).unwrap();
    fs::write(to, bytes).unwrap();
}

fn copy_log_back(path: &Path) {
    let other = Connection::open(path).unwrap();
    other.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
}

/// Checks that a ledger is whole, and returns what it has.
fn found(ledger: &SqliteLedger, account: AccountId, path: &Path) -> Vec<String> {
    let entries = sorted(walk(ledger, account, &Filter::default(), 1000));
    let other = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let check: String = other.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
    let total = ledger.numbered_page(account, &Filter::default(), Default::default(), 1, 1).unwrap().total;
    let summed: u64 = ledger.owned_rollups(account, None).unwrap().iter().map(|rollup| rollup.entries).sum();
    assert_eq!((total, summed), (entries.len() as u64, entries.len() as u64));
    entries
}

/// Runs a case to its end.
fn check(case: Case) {
    let directory = self::directory();
    let path = directory.path().join("ledger.db");
    let account = SqliteLedger::open_or_create(&path).unwrap().create_account("ours").unwrap();
    let ledger = SqliteLedger::open(&path).unwrap();
    let mut scene = Scene { account, sent: 0 };
    let copy = path.with_file_name("copy.db");

    // The ledger gets its first batches, and the copy is made.
    scene.record(&ledger, case.batches.0);
    if case.copied.0 {
        copy_log_back(&path);
    }
    let ledger = match case.copy {
        Copy::Quiet => {
            drop(ledger);
            cp(&path, &copy);
            SqliteLedger::open(&path).unwrap()
        }
        _ => ledger,
    };
    match case.copy {
        Copy::Billing => ledger.back_up(&copy).unwrap(),
        Copy::Quiet => {}
        Copy::File => cp(&path, &copy),
        Copy::FileAndLog => {
            cp(&path, &copy);
            cp(&log(&path), &log(&copy));
        }
        Copy::Sqlite => {
            let from = Connection::open(&path).unwrap();
            let mut to = Connection::open(&copy).unwrap();
            to.pragma_update(None, "synchronous", "off").unwrap();
            rusqlite::backup::Backup::new(&from, &mut to).unwrap().step(-1).unwrap();
        }
        Copy::Vacuum => {
            let from = Connection::open(&path).unwrap();
            from.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
        }
    }
    // What the copy has by itself is found in another directory.
    let apart = self::directory();
    let there = apart.path().join("copy.db");
    cp(&copy, &there);
    if log(&copy).exists() {
        cp(&log(&copy), &log(&there));
    }
    let alone = SqliteLedger::open(&there).ok().map(|copy| found(&copy, account, &there));

    // The ledger gets further batches after the copy.
    scene.record(&ledger, case.batches.1);
    if case.copied.1 {
        copy_log_back(&path);
    }
    let all = of_batches(scene.sent);

    // The server stops, is killed, or still runs while the copy is put in the ledger's place.
    let (path, ledger) = match case.server {
        Server::Stopped => {
            drop(ledger);
            (path, None)
        }
        Server::Killed => {
            // The files as they are now, copied to where no process has them open.
            let place = path.with_file_name("killed");
            fs::create_dir(&place).unwrap();
            let killed = place.join("ledger.db");
            cp(&path, &killed);
            cp(&log(&path), &log(&killed));
            drop(ledger);
            (killed, None)
        }
        Server::Running | Server::KilledLater => (path, Some(ManuallyDrop::new(ledger))),
    };
    if case.left == Left::Removed {
        let _ = fs::remove_file(log(&path));
    }
    // The copy is put in the ledger's place.
    let place = |from: &Path, to: &Path| match case.put {
        Put::Rename => fs::rename(from, to).unwrap(),
        Put::Overwrite | Put::Log => cp(from, to),
    };
    if case.put != Put::Log {
        place(&copy, &path);
    }
    if log(&copy).exists() && fs::metadata(log(&copy)).unwrap().len() > 0 {
        place(&log(&copy), &log(&path));
    }

    // A running server answers with everything that it had, or with an error. The same holds for batches.
    let mut later = Vec::new();
    let path = match ledger {
        None => path,
        Some(ledger) => {
            match ledger.positioned_page(account, &Filter::default(), None, None, 1000) {
                Ok(_) => assert_eq!(sorted(walk(&*ledger, account, &Filter::default(), 1000)), all),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Replaced, "{error}"),
            }
            match ledger.store_batches(&[scene.batch(scene.sent)]) {
                Ok(_) => later = of_batches(scene.sent + 1),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Replaced, "{error}"),
            }
            if case.server == Server::Running {
                drop(ManuallyDrop::into_inner(ledger));
                path
            } else {
                let place = path.with_file_name("killed");
                fs::create_dir(&place).unwrap();
                let killed = place.join("ledger.db");
                cp(&path, &killed);
                if log(&path).exists() {
                    cp(&log(&path), &log(&killed));
                }
                drop(ManuallyDrop::into_inner(ledger));
                killed
            }
        }
    };

    // What opens now is the ledger or the copy, or it is refused.
    let judge = |found: Vec<String>| {
        // Batches that were acknowledged while the copy was in place are not in the copy.
        let is_known = match later.is_empty() {
            true => found == all || Some(&found) == alone.as_ref(),
            false => found == later,
        };
        assert!(is_known, "{} entries are neither", found.len());
        found.len() / ENTRIES
    };
    let open = |number: usize| -> Result<(), Error> {
        let ledger = SqliteLedger::open(&path)?;
        let batches = judge(found(&ledger, account, &path));
        // What is acknowledged from now on stays, also after a kill and a stop.
        let sent = scene.batch(1000 + number);
        assert_eq!(
            ledger.store_batches(std::slice::from_ref(&sent)).unwrap(),
            [Receipt::Stored(ENTRIES as u64)]
        );
        drop(ledger);
        let ledger = SqliteLedger::open(&path).unwrap();
        assert_eq!(found(&ledger, account, &path).len(), (batches + 1) * ENTRIES);
        Ok(())
    };
    if let Err(error) = open(0) {
        assert_eq!(error.kind(), ErrorKind::ForeignLog, "{error}");
        assert!(error.to_string().contains("ledger.db-wal"), "{error}");
        // Do what the message says.
        fs::rename(log(&path), path.with_file_name("away")).unwrap();
        open(1).unwrap();
    }
}

const COPIES: [Copy; 6] =
    [Copy::Billing, Copy::Quiet, Copy::File, Copy::FileAndLog, Copy::Sqlite, Copy::Vacuum];
const SERVERS: [Server; 4] = [Server::Stopped, Server::Killed, Server::Running, Server::KilledLater];

fn check_all(copies: &[Copy]) {
    let mut failed = Vec::new();
    for &copy in copies {
        for put in [Put::Rename, Put::Overwrite, Put::Log] {
            for left in [Left::Left, Left::Removed] {
                for server in SERVERS {
                    for batches in [(3, 1), (1, 6)] {
                        for copied in [(false, false), (true, false), (false, true)] {
                            let case = Case { copy, put, left, server, batches, copied };
                            if put == Put::Log && copy != Copy::FileAndLog {
                                continue;
                            }
                            if std::panic::catch_unwind(|| check(case)).is_err() {
                                failed.push(format!("{case:?}"));
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_copy_by_billing_in_the_place_of_a_ledger() {
    check_all(&COPIES[..1]);
}

#[test]
fn a_copy_of_the_file_in_the_place_of_a_ledger() {
    check_all(&COPIES[1..3]);
}

#[test]
fn a_copy_of_file_and_log_in_the_place_of_a_ledger() {
    check_all(&COPIES[3..4]);
}

#[test]
fn a_copy_by_sqlite_in_the_place_of_a_ledger() {
    check_all(&COPIES[4..]);
}

/// Each process that has the ledger open looks at file and log at any moment while others write.
#[test]
fn who_writes_beside_others_is_not_taken_for_who_replaces() {
    const BATCHES: usize = 150;
    let directory = directory();
    let path = directory.path().join("ledger.db");
    let account = SqliteLedger::open_or_create(&path).unwrap().create_account("ours").unwrap();
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let path = &path;
            scope.spawn(move || {
                let mut ledger = SqliteLedger::open(path).unwrap();
                for number in 0..BATCHES {
                    if number % 50 == 49 {
                        // Opened anew, as by a short command beside the others.
                        ledger = SqliteLedger::open(path).unwrap();
                    }
                    let sent = Batch {
                        account,
                        idempotency_key: format!("{writer} {number}"),
                        digest: [0; 32],
                        received_at: "2026-06-15T00:00:00Z".parse().unwrap(),
                        entries: batch(number).into(),
                    };
                    loop {
                        match ledger.store_batches(std::slice::from_ref(&sent)) {
                            Err(error) if error.is_busy() => {}
                            stored => break assert_eq!(stored.unwrap(), [Receipt::Stored(ENTRIES as u64)]),
                        }
                    }
                    let page = ledger.positioned_page(account, &Filter::default(), None, None, 5).unwrap();
                    assert_eq!(page.entries.len(), 5);
                }
            });
            scope.spawn(move || {
                let ledger = SqliteLedger::open(path).unwrap();
                let end = (3 * BATCHES * ENTRIES) as u64;
                let total = || ledger.numbered_page(account, &Filter::default(), Default::default(), 1, 1);
                while total().unwrap().total < end {}
            });
        }
    });
    let ledger = SqliteLedger::open(&path).unwrap();
    assert_eq!(found(&ledger, account, &path).len(), 3 * BATCHES * ENTRIES);
}
