//! A disk that fails at the first, the second, the third call of a kind, once or from there on.

use crate::billing::finish;
use crate::place::Place;

use super::small_export::SmallExport;
use super::strace::{CALLS, Strace, injection};

/// Lets the calls on the files of the export fail: each of them alone, or all from it on.
#[track_caller]
fn failing_at_every(name: &'static str, call: &str, error: &str, from_there_on: bool) {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new(name);
    let log = Place::new();
    for nth in 1.. {
        let stage = export.stage();
        let when = format!("{nth}{}", if from_there_on { "+" } else { "" });
        let mut args = injection(call, &format!("error={error}"), &when, &stage.paths());
        args.extend(["-o".to_owned(), log.path("log")]);
        let run = finish(strace.around(&stage.command(), &args), b"");
        let case = format!("{call} {when}: {}", run.stderr);
        let is_new = stage.is_sound();
        if !String::from_utf8(log.read("log")).unwrap().contains("INJECTED") {
            assert!(nth > 1, "{call} is never called");
            run.done();
            return stage.is_done();
        }
        if run.code == Some(0) {
            stage.is_done();
        } else {
            // The file itself, or one of those beside it, whose names begin with its name.
            run.failed(1, &format!("/{name}"));
            let cause = if error == "EIO" { "Input/output error" } else { "No space left on device" };
            assert!(run.stderr.contains(cause), "{case}");
            assert!(!is_new || !run.stderr.contains("as it was"), "{case}");
            assert!(!run.stderr.contains("goes on there") || stage.records() > 0, "{case}");
        }
        stage.comes_to_its_end();
    }
}

#[test]
fn a_write_that_fails() {
    failing_at_every("usage.csv", "write", "EIO", false);
}

/// After a failed fsync the state of a file is unknown: a second fsync that succeeds must not be trusted.
#[test]
fn a_sync_that_fails() {
    failing_at_every("usage.json", "fdatasync", "EIO", false);
    failing_at_every("usage.json", "fsync", "EIO", false);
}

#[test]
fn another_call_that_fails() {
    for call in CALLS.iter().filter(|call| !["write", "fdatasync", "fsync"].contains(call)) {
        failing_at_every("usage.csv", call, "EIO", false);
    }
}

#[test]
fn a_disk_that_is_full_from_a_call_on() {
    for call in ["write", "fsync", "rename", "ftruncate", "openat"] {
        failing_at_every("usage.csv.gz", call, "ENOSPC", true);
    }
}

#[test]
fn a_disk_that_is_full_when_it_is_asked_to_keep() {
    failing_at_every("usage.ndjson.gz", "fdatasync", "ENOSPC", true);
}
