//! A sync is killed before the first, the second, the third call of a kind, until there are no more: the next one gets there, as if
//! nothing had happened.

use crate::billing::finish;

use super::small_sync::{SmallSync, Stage, is_long};
use super::strace::{Strace, injection};

/// More calls of a kind than any of these runs makes.
const ENDLESS: usize = 20_000;

/// Entries of the service: a sync of few is a window for each span that it walks, and one of many has several in each.
const FEW: u64 = 48;
const MANY: u64 = 9_000;

fn entries() -> u64 {
    if is_long() { MANY } else { FEW }
}

/// Kills the sync before the `nth` call on any of these files, or anywhere when there are none. False when it came to its end
/// before.
#[track_caller]
fn killed(strace: &Strace, stage: &Stage<'_>, call: &str, nth: usize, paths: &[String]) -> bool {
    let args = injection(call, "signal=KILL", &nth.to_string(), paths);
    let run = finish(strace.around(&stage.command(), &args), b"");
    if run.code.is_some() {
        run.done();
        return false;
    }
    true
}

/// Kills it at every call, on the files of the ledger whose names end so; there are at least so many calls.
///
/// Threads are counted apart. One of them writes nearly all of the log, and another one, at the end, the ledger: so of each of these
/// files it is nearly every call.
#[track_caller]
fn killed_at_every(sync: &SmallSync, call: &str, suffixes: &[&str], least: usize) {
    let Some(strace) = Strace::find() else { return };
    let mut kills = 0;
    loop {
        assert!(kills < ENDLESS);
        let stage = sync.stage();
        let paths: Vec<_> = suffixes.iter().map(|suffix| stage.path(suffix)).collect();
        let was_killed = killed(&strace, &stage, call, kills + 1, &paths);
        let is_whole = sync.is_whole(&stage.is_sound());
        assert!(was_killed || is_whole);
        stage.comes_to_its_end();
        if !was_killed {
            break;
        }
        kills += 1;
        if kills % 50 == 1 {
            stage.exports_the_same();
        }
    }
    assert!(kills >= least, "{call}: {kills} calls");
}

#[test]
fn killed_at_every_write_of_a_ledger_that_is_made() {
    killed_at_every(&SmallSync::first(FEW), "pwrite64", &[], 40);
}

#[test]
fn killed_at_every_write_to_the_log() {
    killed_at_every(&SmallSync::into_a_ledger(entries()), "pwrite64", &["-wal"], 20);
}

#[test]
fn killed_at_every_write_to_the_ledger() {
    killed_at_every(&SmallSync::into_a_ledger(entries()), "pwrite64", &[""], 10);
}

#[test]
fn killed_at_every_write_to_the_log_of_a_daily_sync() {
    killed_at_every(&SmallSync::second(entries()), "pwrite64", &["-wal"], 20);
}

#[test]
fn killed_at_every_write_to_the_ledger_of_a_daily_sync() {
    killed_at_every(&SmallSync::second(entries()), "pwrite64", &[""], 10);
}

#[test]
fn killed_at_every_sync_of_a_file() {
    for sync in [SmallSync::into_a_ledger(entries()), SmallSync::second(entries())] {
        killed_at_every(&sync, "fdatasync,fsync", &["-wal"], 2);
        killed_at_every(&sync, "fdatasync,fsync", &[""], 1);
    }
}

#[test]
fn killed_at_every_other_call() {
    for sync in [SmallSync::first(FEW), SmallSync::second(FEW)] {
        for (call, least) in [("openat", 10), ("unlink", 3), ("ftruncate", 1), ("write", 5), ("flock", 1)] {
            killed_at_every(&sync, call, &[], least);
        }
    }
}

#[test]
fn a_repair_killed_at_every_call() {
    let repair = SmallSync::repair(entries());
    killed_at_every(&repair, "pwrite64", &["-wal"], 20);
    killed_at_every(&repair, "pwrite64", &[""], 5);
    killed_at_every(&repair, "fdatasync,fsync", &["-wal"], 1);
    killed_at_every(&repair, "unlink", &[], 1);
}
