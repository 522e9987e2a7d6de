//! Walks while clients send: every entry that was there when a walk began comes once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use billing_model::Timestamp;

use crate::billing;
use crate::host::Host;
use crate::ledger::{AFTER_REAL, Ledger};
use crate::place::Place;

use super::batches::{Batch, Walk};

const WRITERS: u64 = 2;

/// No test waits for it; it ends one whose writers are stuck.
const LIMIT: Duration = Duration::from_secs(60);

/// Batches by the moment of the test at which they were sent, and at which they were acknowledged.
#[derive(Default)]
struct Journal {
    moment: u64,
    acknowledged: usize,
    batches: BTreeMap<String, Written>,
}

#[derive(Clone)]
struct Written {
    sent: u64,
    acknowledged: Option<u64>,
    entries: usize,
    /// How many of them are in the window that is walked.
    in_window: usize,
}

impl Journal {
    fn next(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }
}

/// What a test and the writers beside it share.
#[derive(Default)]
struct Beside {
    journal: Mutex<Journal>,
    progress: Condvar,
    is_over: AtomicBool,
    /// True while nothing is to arrive in the window, but after it.
    is_window_quiet: AtomicBool,
}

impl Beside {
    fn now(&self) -> u64 {
        self.journal.lock().unwrap().next()
    }

    /// Waits until so many more batches were acknowledged.
    fn wait_for(&self, batches: usize) {
        let journal = self.journal.lock().unwrap();
        let target = journal.acknowledged + batches;
        let waited = self
            .progress
            .wait_timeout_while(journal, LIMIT, |journal| journal.acknowledged < target)
            .unwrap();
        assert!(!waited.1.timed_out(), "the writers are stuck");
    }

    fn write(&self, host: &Host, key: &str, number: u64) {
        let mut random = fastrand::Rng::with_seed(number);
        let mut connection = host.connect();
        for n in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let name = format!("writer-{number}/{n}");
            let is_quiet = self.is_window_quiet.load(Ordering::SeqCst);
            let batch = Batch::random(&name, &mut random, 20).at(|| instant(&mut random, is_quiet));
            let in_window = batch.entries.iter().filter(|entry| entry.timestamp < until()).count();
            let entries = batch.entries.len();
            let mut journal = self.journal.lock().unwrap();
            let sent = journal.next();
            let written = Written { sent, acknowledged: None, entries, in_window };
            journal.batches.insert(name.clone(), written);
            drop(journal);
            let answer = connection.ask(&batch.request(key, false)).unwrap();
            assert_eq!(answer.status, 201, "{}", answer.text());
            let mut journal = self.journal.lock().unwrap();
            let now = journal.next();
            journal.acknowledged += 1;
            journal.batches.get_mut(&name).unwrap().acknowledged = Some(now);
            self.progress.notify_all();
        }
    }

    fn batches(&self) -> BTreeMap<String, Written> {
        self.journal.lock().unwrap().batches.clone()
    }
}

/// The end of the window that is walked; entries come from the two months around it.
fn until() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn instant(random: &mut fastrand::Rng, is_quiet: bool) -> Timestamp {
    const HOUR_NS: i64 = 3_600_000_000_000;
    let hour = if is_quiet { random.i64(0..600) } else { random.i64(-600..600) };
    // Few instants, so that pages end amid equal ones.
    Timestamp::from_unix_ns(until().unix_ns().unwrap() + hour * HOUR_NS)
}

/// Runs a test beside the writers.
fn beside_writers(test: impl FnOnce(&Host, &str, &Beside)) {
    let ledger = Ledger::of(&[]);
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let (host, beside) = (Host::start(&ledger.path(), &[]), Beside::default());
    thread::scope(|scope| {
        for number in 0..WRITERS {
            let (host, beside, ingest) = (&host, &beside, &ingest);
            scope.spawn(move || beside.write(host, ingest, number));
        }
        // Also when the test fails: the writers would go on for ever.
        let _over = Over(&beside);
        beside.wait_for(100);
        test(&host, &admin, &beside);
    });
}

struct Over<'a>(&'a Beside);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

/// A walk by cursor sees the ledger as its first page found it.
#[test]
fn a_walk_by_cursor_has_what_was_there_before_and_nothing_that_came_later() {
    beside_writers(|host, admin, beside| {
        for (page_size, query) in [(10, ""), (19, "&endTimestamp=2026-06-01T00:00:00Z")] {
            let before = beside.now();
            let mut walk = Walk::new(host, admin, &format!("pageSize={page_size}{query}"));
            assert!(walk.next_page());
            let after = beside.now();
            // Between two pages there is always something that arrives.
            while {
                beside.wait_for(1);
                walk.next_page()
            } {}
            assert!(walk.pages > 10, "{} pages", walk.pages);
            let batches = beside.batches();
            for name in walk.found.names() {
                assert!(batches.contains_key(name), "{name}");
            }
            let mut later = 0;
            for (name, batch) in batches {
                let expect = if query.is_empty() { batch.entries } else { batch.in_window };
                let found = walk.found.count(&name);
                match batch.acknowledged {
                    Some(at) if at < before => assert_eq!(found, expect, "{name} was there"),
                    _ if batch.sent > after => {
                        assert_eq!(found, 0, "{name} came later");
                        later += 1;
                    }
                    // The batch was on its way while the first page was read: it is there as a whole or not at all.
                    _ => assert!([0, expect].contains(&found), "{name}: {found} of {expect}"),
                }
            }
            assert!(later > 10, "{later} batches came while the walk was under way");
        }
    });
}

/// What the program makes of it: a file with all that was there, once, whatever arrives.
#[test]
fn an_export_beside_writers_has_all_that_was_there_before() {
    beside_writers(|host, admin, beside| {
        let mut done = 0;
        for (endpoint, size) in
            [("usage-history", "10"), ("usage", "20"), ("usage-history", "50"), ("usage", "7")]
        {
            let place = Place::new();
            let path = place.path("usage.ndjson");
            let args = ["--endpoint", endpoint, "--page-size", size, "--until", AFTER_REAL];
            // A walk by number never ends while entries arrive behind it, so there they come after the window, from some
            // moment of the walk on.
            let is_by_number = endpoint == "usage";
            let args = match is_by_number {
                true => [&args[..4], &["--until", "2026-06"]].concat(),
                false => args.to_vec(),
            };
            let before = beside.now();
            let run = thread::scope(|scope| {
                let quiet = scope.spawn(|| {
                    beside.wait_for(if is_by_number { 4 } else { 0 });
                    beside.is_window_quiet.store(is_by_number, Ordering::SeqCst);
                });
                let run = host.export(admin, &[&args[..], &["-o", &path]].concat());
                quiet.join().unwrap();
                run
            });
            beside.is_window_quiet.store(false, Ordering::SeqCst);
            let batches = beside.batches();
            if is_by_number && run.code == Some(6) {
                run.failed(6, "entries arrived meanwhile");
                assert!(place.names().is_empty(), "{:?}", place.names());
                continue;
            }
            run.done();
            done += 1;
            let mut found = BTreeMap::<String, usize>::new();
            let mut places = std::collections::BTreeSet::new();
            for entry in billing::entries(&place.read("usage.ndjson")) {
                let id = entry.inference_details.unwrap().request_id.unwrap();
                assert!(places.insert(id.clone()), "{id} is there twice");
                *found.entry(entry.notes).or_default() += 1;
            }
            for (name, batch) in batches {
                let expect = if is_by_number { batch.in_window } else { batch.entries };
                let found = found.remove(&name).unwrap_or_default();
                match batch.acknowledged {
                    Some(at) if at < before => assert_eq!(found, expect, "{name} was there, {endpoint}"),
                    _ => assert!(found <= expect, "{name}"),
                }
            }
            assert!(found.is_empty(), "{found:?} was never sent");
        }
        assert!(done > 2, "no export by number came to its end");
    });
}
