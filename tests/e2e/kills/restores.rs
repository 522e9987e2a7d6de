//! `billing restore` is killed at each of its calls: the former ledger or the copy is there, or the ledger is refused
//! with what to do.

use std::fs;

use crate::billing::{command, finish, run};
use crate::check;
use crate::host::{Host, serve_command};
use crate::ingest::{Batch, Found};
use crate::ledger::Ledger;
use crate::place::Place;

use super::strace::{Strace, injection};

/// What it changes files with.
const CALLS: [&str; 6] = ["rename", "?link,?linkat", "unlink", "fsync", "fdatasync", "pwrite64"];

/// More calls than a restore makes.
const ENDLESS: usize = 500;

#[test]
fn a_restore_killed_at_any_call_leaves_the_former_ledger_or_the_copy() {
    let Some(strace) = Strace::find() else { return };
    let (ledger, place) = (Ledger::of(&[]), Place::new());
    let (ingest, admin, path) =
        (ledger.key("default", "ingest"), ledger.key("default", "admin"), ledger.path());
    let copy = place.path("copy.db");
    let host = Host::start(&path, &[]);
    let mut random = fastrand::Rng::with_seed(1);
    for name in ["one", "two", "three"] {
        let batch = Batch::random(name, &mut random, 50);
        assert_eq!(host.ask(&batch.request(&ingest, false)).status, 201);
        if name == "one" {
            run(&["backup", "--ledger", &path, "--to", &copy]).done();
        }
    }
    host.kill();

    let (mut refused, mut kills) = (0, 0);
    for call in CALLS {
        for nth in 1.. {
            assert!(nth < ENDLESS);
            let stage = Place::new();
            let there = stage.path("ledger.db");
            fs::copy(&path, &there).unwrap();
            fs::copy(format!("{path}-wal"), format!("{there}-wal")).unwrap();
            let restore = ["restore", "--from", &copy, "--ledger", &there];
            let args = injection(call, "signal=KILL", &nth.to_string(), &[]);
            let is_done = finish(strace.around(&command(&restore), &args), b"").code.is_some();

            match Host::try_start(serve_command(&there, &[])) {
                Ok(host) => {
                    let found = Found::by_walk(&host, &admin);
                    let names: Vec<_> = found.names().collect();
                    assert!(
                        names == ["one"] || (names == ["one", "three", "two"] && !is_done),
                        "{call} {nth}: {names:?}"
                    );
                    host.stop();
                }
                Err(said) => {
                    assert!(said.contains("is not that of the ledger"), "{call} {nth}: {said}");
                    refused += 1;
                }
            }
            if is_done {
                break;
            }
            kills += 1;
            // The same command again completes it, and nothing that was there is lost.
            run(&restore).done();
            check::is_clean(&there);
            let host = Host::start(&there, &[]);
            assert_eq!(Found::by_walk(&host, &admin).names().collect::<Vec<_>>(), ["one"], "{call} {nth}");
            host.stop();
        }
    }
    assert!(kills > 20, "{kills} calls");
    assert_eq!(refused, 0, "the log of a ledger that is whole goes into its file first");
}
