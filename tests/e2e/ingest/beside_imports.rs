//! Imports of many entries: batches are recorded and walked beside them, and one that is killed at any moment is not seen.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use billing_ledger::{Filter, Ledger as _};
use billing_model::{UsageEntry, WholeSet};
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;

use crate::billing::{command, finish, ndjson, run};
use crate::check;
use crate::host::Host;
use crate::ledger::Ledger;
use crate::place::Place;

use super::batches::{Batch, Found, Walk};
use super::recount::rollups_agree;

/// A limit for a test in which nothing happens any more. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// A batch of exactly so many entries.
fn of(name: &str, entries: usize) -> Batch {
    let mut random = fastrand::Rng::with_seed(5);
    (0..)
        .map(|_| Batch::random(name, &mut random, 2 * entries))
        .find(|batch| batch.entries.len() >= entries)
        .map(|mut batch| {
            batch.entries.truncate(entries);
            batch
        })
        .unwrap()
}

#[test]
fn batches_are_recorded_and_walked_beside_an_import() {
    const IMPORTED: usize = 40_000;
    let (place, ledger) = (Place::new(), Ledger::of(&[]));
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let imported = of("import", IMPORTED);
    let file = place.write("import.ndjson", ndjson(&imported.entries));
    let host = Host::start(&ledger.path(), &[]);
    let path = ledger.path();
    let mut sent: Vec<Batch> = Vec::new();
    let mut walks = Vec::new();
    thread::scope(|scope| {
        let import = scope.spawn(|| run(&["import", &file, "--ledger", &path]).done());
        while !import.is_finished() {
            let mut random = fastrand::Rng::with_seed(sent.len() as u64);
            let batch = Batch::random(&format!("batch-{}", sent.len()), &mut random, 20);
            let answer = host.ask(&batch.request(&ingest, false));
            assert_eq!(answer.status, 201, "{}", answer.text());
            sent.push(batch);
            if walks.len() < 8 {
                let mut walk = Walk::new(&host, &admin, "pageSize=10");
                walk.next_page();
                walks.push((walk, sent.len()));
            }
        }
        import.join().unwrap();
    });
    let entries_of = |name: &str| match name {
        "import" => IMPORTED,
        name => sent.iter().find(|batch| batch.name == name).unwrap().entries.len(),
    };
    for (mut walk, batches) in walks {
        walk.reconnect(&host);
        while walk.next_page() {}
        walk.found.is_of_whole_batches(entries_of);
        assert!(!walk.found.has("import"), "it began before the import ended");
        assert_eq!(walk.found.names().count(), batches);
    }
    let found = Found::by_walk(&host, &admin);
    found.is_of_whole_batches(entries_of);
    assert_eq!(found.names().count(), sent.len() + 1);
    assert!(sent.len() > 3, "nothing was sent meanwhile");
    host.stop();
    let all = sent.iter().flat_map(|batch| &batch.entries).chain(&imported.entries).cloned();
    rollups_agree(&path, "default", &all.collect::<Vec<_>>());
}

/// A ledger with some entries, and a file of more than an import holds in memory.
struct Kills {
    ledger: Ledger,
    before: Vec<UsageEntry>,
    file: String,
    imported: Vec<UsageEntry>,
    _place: Place,
}

impl Kills {
    fn new() -> Self {
        let (place, before, imported) =
            (Place::new(), of("before", 50).entries, of("import", 12_000).entries);
        let file = place.write("import.ndjson", ndjson(&imported));
        Self { ledger: Ledger::of(&before), before, file, imported, _place: place }
    }

    /// Imports, killed before the `nth` call, and looks at what is left. False when the import came to its end.
    #[cfg(target_os = "linux")]
    fn killed(&self, strace: &crate::kills::strace::Strace, call: &str, nth: usize) -> bool {
        let place = Place::new();
        let path = place.path("ledger.db");
        fs::copy(self.ledger.path(), &path).unwrap();
        let import = command(&["import", &self.file, "--ledger", &path]);
        let args = crate::kills::strace::injection(call, "signal=KILL", &nth.to_string(), &[]);
        let was_killed = finish(strace.around(&import, &args), b"").code.is_none();

        check::is_clean(&path);
        let seen = entries(&path);
        let whole = [&self.before[..], &self.imported].concat();
        let is_done = seen.len() > self.before.len();
        assert_eq!(whole_set(&seen), whole_set(if is_done { &whole } else { &self.before }));
        assert!(is_done || was_killed);
        rollups_agree(&path, "default", &seen);

        // The file is known if its entries are there, and only then.
        let again = run(&["import", &self.file, "--ledger", &path]);
        match is_done {
            true => again.failed(1, "was imported into account `default` before: "),
            false => drop(again.done()),
        }
        // What is left does not disturb anything.
        if is_done {
            run(&["import", &self.file, "--again", "--ledger", &path]).done();
        }
        let whole = [seen, self.imported.clone()].concat();
        assert_eq!(whole_set(&entries(&path)), whole_set(&whole));
        rollups_agree(&path, "default", &whole);
        check::is_clean(&path);
        assert_eq!(SqliteLedger::open(Path::new(&path)).unwrap().remove_unfinished_import().unwrap(), 0);
        assert_eq!(place.names(), ["ledger.db"]);
        was_killed
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_import_that_is_killed_at_its_calls_is_not_seen() {
    let Some(strace) = crate::kills::strace::Strace::find() else { return };
    let kills = Kills::new();
    // Every time that something becomes durable, and now and then among the writes.
    for (call, step) in [("fdatasync,fsync", 1), ("pwrite64", 101), ("unlink", 1)] {
        let killed = (1..).step_by(step).take_while(|nth| kills.killed(&strace, call, *nth)).count();
        assert!(killed > 0, "no {call}");
        println!("killed at {killed} of {call}");
    }
}

#[test]
fn a_server_removes_what_a_killed_import_has_left() {
    let before = of("before", 50);
    let ledger = Ledger::of(&before.entries);
    let path = ledger.path();
    let mut command = command(&["import", "-", "--format", "ndjson", "--ledger", &path]);
    let mut import = command.stdin(Stdio::piped()).spawn().unwrap();
    import.stdin.as_mut().unwrap().write_all(&ndjson(&of("import", 12_000).entries)).unwrap();
    // The import waits for more input, and has stored some entries by then.
    let start = Instant::now();
    while fs::metadata(format!("{path}-wal")).map_or(0, |log| log.len()) < 200_000 {
        assert!(start.elapsed() < LIMIT, "it stores nothing");
        thread::yield_now();
    }
    import.kill().unwrap();
    import.wait().unwrap();
    check::is_clean(&path);

    let host = Host::start(&path, &[]);
    while !host.said().contains("removed what an import had stored") {
        assert!(start.elapsed() < LIMIT, "{}", host.said());
        thread::yield_now();
    }
    host.stop();
    assert_eq!(SqliteLedger::open(Path::new(&path)).unwrap().remove_unfinished_import().unwrap(), 0);
    check::is_clean(&path);
    assert_eq!(whole_set(&entries(&path)), whole_set(&before.entries));
}

fn entries(path: &str) -> Vec<UsageEntry> {
    let ledger = SqliteLedger::open(Path::new(path)).unwrap();
    let account = ledger.account("default").unwrap().unwrap();
    let (mut entries, mut snapshot, mut after) = (Vec::new(), None, None);
    loop {
        let page = ledger.positioned_page(account, &Filter::default(), snapshot, after, 1000).unwrap();
        entries.extend(page.entries);
        (snapshot, after) = (Some(page.snapshot), page.next);
        if after.is_none() {
            return entries;
        }
    }
}

fn whole_set(entries: &[UsageEntry]) -> WholeSet {
    entries.iter().collect()
}
