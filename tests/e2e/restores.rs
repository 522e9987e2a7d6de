//! `billing restore`, and what an operator does without it: `cp` and `mv` under a server that is up or was killed.

use std::fs;
use std::path::Path;

use crate::billing::run;
use crate::conversation::Request;
use crate::host::{HISTORY, Host, serve_command};
use crate::ingest::{Batch, Found};
use crate::ledger::{Ledger, noted};
use crate::place::Place;

/// Sends so many batches, and gives them.
fn record(host: &Host, key: &str, names: std::ops::Range<usize>) -> Vec<Batch> {
    let mut random = fastrand::Rng::with_seed(names.start as u64);
    let batches: Vec<_> = names.map(|n| Batch::random(&format!("batch-{n}"), &mut random, 100)).collect();
    let mut connection = host.connect();
    for batch in &batches {
        assert_eq!(connection.ask(&batch.request(key, false)).unwrap().status, 201);
    }
    batches
}

/// Asserts that the ledger has exactly these batches, each as a whole.
fn has(host: &Host, admin: &str, batches: &[Batch]) {
    let found = Found::by_walk(host, admin);
    found.is_of_whole_batches(|name| {
        batches.iter().find(|batch| batch.name == name).map_or(0, |batch| batch.entries.len())
    });
    assert_eq!(found.names().count(), batches.len());
}

/// The issue's own case: 60 batches, a backup, 200 more; the backup over the ledger of a server that was killed or runs.
#[test]
fn a_backup_beside_a_left_over_log_is_not_mixed_with_it() {
    for (is_killed, is_renamed) in [(true, true), (true, false), (false, true), (false, false)] {
        let ledger = Ledger::of(&[]);
        let (ingest, admin, path) =
            (ledger.key("default", "ingest"), ledger.key("default", "admin"), ledger.path());
        let (place, host) = (Place::new(), Host::start(&path, &[]));
        let first = record(&host, &ingest, 0..60);
        let copy = place.path("copy.db");
        run(&["backup", "--ledger", &path, "--to", &copy]).done();
        let more = record(&host, &ingest, 60..260);
        let host = if is_killed {
            host.kill();
            None
        } else {
            Some(host)
        };
        // On the disk of the ledger, as `mv` and `cp` leave it.
        let beside = format!("{path}.new");
        fs::copy(&copy, &beside).unwrap();
        if is_renamed {
            fs::rename(&beside, &path).unwrap();
        } else {
            fs::write(&path, fs::read(&beside).unwrap()).unwrap();
            fs::remove_file(&beside).unwrap();
        }
        if let Some(host) = host {
            let answer = host.ask(&Request::get(HISTORY).bearing(&admin));
            assert_eq!(answer.status, 500, "{}", answer.text());
            let late = more[0].request(&ingest, false);
            assert_eq!(host.ask(&late).status, 500);
            assert_eq!(host.ask(&Request::get("/readyz")).status, 503);
            let said = host.stop();
            assert!(said.contains("is no longer the ledger that was opened: stop this program"), "{said}");
            assert!(!said.contains("restart to use what is there now"), "it would not open: {said}");
        }
        let said = Host::try_start(serve_command(&path, &[])).map(|_| ()).unwrap_err();
        assert!(said.contains("is not that of the ledger") && said.contains("ledger.db-wal"), "{said}");
        fs::rename(format!("{path}-wal"), place.path("away")).unwrap();
        let host = Host::start(&path, &[]);
        has(&host, &admin, &first);
        let late = record(&host, &ingest, 300..303);
        host.kill();
        let host = Host::start(&path, &[]);
        has(&host, &admin, &[first, late].concat());
    }
}

#[test]
fn a_copy_is_restored_and_what_it_replaces_is_kept() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "imported")]);
    let entries = |batches: &[Batch]| batches.iter().map(|batch| batch.entries.len()).sum::<usize>();
    let (ingest, admin, path) =
        (ledger.key("default", "ingest"), ledger.key("default", "admin"), ledger.path());
    let (place, host) = (Place::new(), Host::start(&path, &[]));
    let copy = place.path("copy.db");
    run(&["backup", "--ledger", &path, "--to", &copy]).done();
    let mut more = record(&host, &ingest, 0..40);
    let restore = ["restore", "--from", &copy, "--ledger", &path];

    // The ledger of a running server is not touched, and the server goes on.
    run(&restore).failed(1, "is open in another program, a server perhaps: stop it first");
    more.extend(record(&host, &ingest, 40..42));
    host.kill();

    let before = fs::read(&copy).unwrap();
    let said = run(&restore).done().stderr;
    assert!(said.contains("1 entry in ") && said.contains(".replaced-20"), "{said}");
    assert!(fs::read(&copy).unwrap() == before, "the copy is as it was");
    let kept = said.trim_end().rsplit_once("what was there is ").unwrap().1;
    assert!(!Path::new(&format!("{path}-wal")).exists());
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "the keys are in it");
    // Both are ledgers.
    let (host, former) = (Host::start(&path, &[]), Host::start(kept, &[]));
    let exported = |host: &Host| host.export(&admin, &["--until", "2026-07"]).done().entries().len();
    assert_eq!((exported(&former), exported(&host)), (entries(&more) + 1, 1));
    record(&host, &ingest, 50..53);
    host.stop();
    former.stop();

    // Where nothing is, nothing is kept; what is no whole ledger is not restored.
    let new = place.path("new.db");
    let said = run(&["restore", "--from", &copy, "--ledger", &new]).done().stderr;
    assert!(!said.contains("what was there"), "{said}");
    Host::start(&new, &[]).stop();
    for (name, bytes) in
        [("text", b"timestamp,sku\n".repeat(1000)), ("half", before[..before.len() / 2].to_vec())]
    {
        let from = place.write(name, bytes);
        let there = fs::read(&path).unwrap();
        run(&["restore", "--from", &from, "--ledger", &path]).failed(1, &from);
        assert!(fs::read(&path).unwrap() == there, "the ledger is as it was");
    }
    run(&["restore", "--from", &place.path("missing"), "--ledger", &path]).failed(1, "there is no ledger at");
    run(&["restore", "--from", &path, "--ledger", &path]).failed(1, "it is that ledger itself");
}
