//! Killed at any moment of a large export, again and again.

use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use billing_sample::History;

use crate::billing::{export_command, finish, ndjson};
use crate::ledger::{AFTER_REAL, Ledger, Server};
use crate::place::Place;

use super::small_export::records;

const ENTRIES: u64 = 200_000;
const KILLS: u32 = 50;

/// Starts a command and kills it after a time. False when it came to its end before, well.
pub(super) fn killed_after(mut command: Command, time: Duration) -> bool {
    let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let stderr = child.stderr.take().unwrap();
    let (tell, ended) = channel();
    // It is the only one that writes there, so the end of that is its end.
    let said = thread::spawn(move || {
        let said = std::io::read_to_string(stderr).unwrap();
        let _ = tell.send(());
        said
    });
    let in_time = ended.recv_timeout(time) != Err(RecvTimeoutError::Timeout);
    if !in_time {
        child.kill().unwrap();
    }
    let (status, said) = (child.wait().unwrap(), said.join().unwrap());
    assert!(!in_time || status.success(), "{said}");
    // It may have come to its end at the very moment.
    !status.success()
}

#[test]
fn killed_at_fifty_random_moments() {
    let place = Place::new();
    let entries: Vec<_> = History::new(3, ENTRIES).collect();
    let source = place.write("source.ndjson", ndjson(&entries));
    let Server { base_url, key, .. } = &Ledger::from_file(&source).serve();
    let path = place.path("usage.csv");
    let args = ["--until", AFTER_REAL, "--checkpoint-every", "0", "--with-api-key-id", "-o", &path];
    let command = || export_command(base_url, key, &args);

    let start = Instant::now();
    finish(command(), b"").done();
    let undisturbed = start.elapsed();
    let all = place.read("usage.csv");
    assert!(billing_csv::decode(&all).unwrap() == entries, "the undisturbed run has exactly the ledger");

    let mut random = fastrand::Rng::with_seed(5);
    let (mut kills, mut ends, mut goes_on) = (0, 0, 0);
    place.write("usage.csv", "old");
    let mut is_new = false;
    while kills < KILLS {
        // Some at once, some after several windows.
        let longest_us = u64::try_from(undisturbed.as_micros() / 10).unwrap();
        match killed_after(command(), Duration::from_micros(random.u64(..longest_us))) {
            true => kills += 1,
            false => ends += 1,
        }
        let file = place.read("usage.csv");
        assert!(file == all || !is_new && file == b"old", "after {kills} kills");
        is_new = file == all;
        goes_on += u32::from(records(&place, "usage.csv") > 0);
    }
    assert!(is_new || ends == 0);
    finish(command(), b"").done();
    assert!(place.read("usage.csv") == all);
    assert_eq!(place.names(), ["source.ndjson", "usage.csv"]);
    assert!(goes_on > KILLS / 2, "{goes_on} runs left something to go on with");
}
