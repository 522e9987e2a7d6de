//! `billing backup`: a copy of a ledger that is written to all the while.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::billing::run;
use crate::check;
use crate::host::Host;
use crate::ingest::{Batch, Found};
use crate::ledger::{Ledger, noted};
use crate::place::Place;

const WRITERS: u64 = 2;

/// A limit for stuck writers. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// Batches that were sent, and whether they were acknowledged.
#[derive(Default)]
struct Sent {
    batches: Mutex<BTreeMap<String, (Batch, bool)>>,
    progress: Condvar,
    is_over: AtomicBool,
}

impl Sent {
    fn write(&self, host: &Host, key: &str, number: u64) {
        let mut random = fastrand::Rng::with_seed(number);
        let mut connection = host.connect();
        for n in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                return;
            }
            let batch = Batch::random(&format!("writer-{number}/{n}"), &mut random, 100);
            self.batches.lock().unwrap().insert(batch.name.clone(), (batch.clone(), false));
            let answer = connection.ask(&batch.request(key, false)).unwrap();
            assert_eq!(answer.status, 201, "{}", answer.text());
            self.batches.lock().unwrap().get_mut(&batch.name).unwrap().1 = true;
            self.progress.notify_all();
        }
    }

    fn acknowledged(&self) -> Vec<Batch> {
        let batches = self.batches.lock().unwrap();
        batches
            .values()
            .filter(|(_, is_acknowledged)| *is_acknowledged)
            .map(|(batch, _)| batch.clone())
            .collect()
    }

    fn wait_for(&self, batches: usize) {
        let target = self.acknowledged().len() + batches;
        let waited = self.progress.wait_timeout_while(self.batches.lock().unwrap(), LIMIT, |batches| {
            batches.values().filter(|(_, is_acknowledged)| *is_acknowledged).count() < target
        });
        assert!(!waited.unwrap().1.timed_out(), "the writers are stuck");
    }
}

struct Over<'a>(&'a Sent);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

#[test]
fn a_backup_beside_writers_has_whole_batches_and_all_that_were_acknowledged() {
    let ledger = Ledger::of(&[]);
    let (ingest, admin, path) =
        (ledger.key("default", "ingest"), ledger.key("default", "admin"), ledger.path());
    let (host, sent, place) = (Host::start(&path, &[]), Sent::default(), Place::new());
    thread::scope(|scope| {
        for number in 0..WRITERS {
            let (host, sent, ingest) = (&host, &sent, &ingest);
            scope.spawn(move || sent.write(host, ingest, number));
        }
        // This ends the writers even when the test fails. Otherwise they would go on for ever.
        let _over = Over(&sent);
        for n in 0..5 {
            sent.wait_for(20);
            let (name, before) = (format!("copy-{n}.db"), sent.acknowledged());
            let copy = place.path(&name);
            let said = run(&["backup", "--ledger", &path, "--to", &copy]).done();
            assert!(
                said.stderr.contains(&copy) && said.stderr.contains("keep it as private"),
                "{}",
                said.stderr
            );

            check::is_clean(&copy);
            check::is_clean(&path);
            // The copy is served beside the ledger; the keys are in it too.
            let host = Host::start(&copy, &[]);
            let found = Found::by_walk(&host, &admin);
            {
                let batches = sent.batches.lock().unwrap();
                found.is_of_whole_batches(|name| batches[name].0.entries.len());
            }
            for batch in &before {
                assert!(found.has(&batch.name), "{} was acknowledged before", batch.name);
            }
            // The copy knows its batches by name: a client that sends them again doubles nothing.
            for batch in before.iter().step_by(7) {
                let answer = host.ask(&batch.request(&ingest, false));
                assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, Some("true")));
            }
            assert_eq!(Found::by_walk(&host, &admin), found);
            host.stop();
        }
    });
    let copies: Vec<_> = (0..5).map(|n| format!("copy-{n}.db")).collect();
    assert_eq!(place.names(), copies, "nothing is left beside them");
}

#[test]
fn a_backup_replaces_nothing() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let place = Place::new();
    let other = place.write("other", "of somebody else");
    let link = place.path("link");
    std::os::unix::fs::symlink(place.path("nowhere"), &link).unwrap();
    let directory = place.path("directory");
    fs::create_dir(&directory).unwrap();
    for to in [&other, &link, &directory, &ledger.path()] {
        run(&["backup", "--ledger", &ledger.path(), "--to", to]).failed(1, to);
    }
    assert_eq!(place.read("other"), b"of somebody else");
    assert_eq!(place.names(), ["directory", "link", "other"]);
    let to = place.path("no/such/directory");
    run(&["backup", "--ledger", &ledger.path(), "--to", &to]).failed(1, &to);
    let missing = place.path("missing");
    run(&["backup", "--ledger", &missing, "--to", &place.path("copy")]).failed(1, "there is no ledger at");
    assert!(!Path::new(&missing).exists() && !Path::new(&place.path("copy")).exists());
    // The ledger is as it was.
    let copy = place.path("copy");
    run(&["backup", "--ledger", &ledger.path(), "--to", &copy]).done();
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&copy).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "the keys are in it");
}
