//! A disk that fails at the first, the second, the third call of a sync, or is full from there on: it says so, and the next one
//! gets there.

use std::env;
use std::process::Command;

use crate::billing::finish;
use crate::place::Place;

use super::full_disk::unshare;
use super::small_sync::SmallSync;
use super::strace::{Strace, injection};

/// More calls of a kind than any of these runs makes.
const ENDLESS: usize = 2000;

const FEW: u64 = 48;

/// What is said of a disk that fails.
const FULL: &str = "no space is left on the disk of the ledger";
const FAILED: [&str; 2] = [FULL, "the disk of the ledger `"];

/// Lets the calls of a sync fail, each of them alone or all from it on.
#[track_caller]
fn failing_at_every(sync: &SmallSync, (call, error): (&str, &str), from_there_on: bool) {
    let Some(strace) = Strace::find() else { return };
    let log = Place::new();
    let (mut failures, mut calls) = (0, 0);
    for nth in 1..ENDLESS {
        let stage = sync.stage();
        let before = stage.is_sound();
        let when = format!("{nth}{}", if from_there_on { "+" } else { "" });
        let paths = ["", "-wal"].map(|suffix| stage.path(suffix));
        let mut args = injection(call, &format!("error={error}"), &when, &paths);
        args.extend(["-o".to_owned(), log.path("log")]);
        let run = finish(strace.around(&stage.command(), &args), b"");
        let case = format!("{call} {when} {error}: {}", run.stderr);
        let held = stage.is_sound();
        let was_disturbed = String::from_utf8(log.read("log")).unwrap().contains("INJECTED");
        match run.code {
            Some(0) => assert!(sync.is_whole(&held), "{case}"),
            _ => {
                run.failed(1, &stage.ledger());
                assert!(FAILED.iter().any(|said| run.stderr.contains(said)), "{case}");
                assert!(run.stderr.contains("hint: "), "{case}");
                failures += 1;
            }
        }
        assert!(held.all() >= before.all(), "what was there is there or kept apart: {case}");
        stage.comes_to_its_end();
        if !was_disturbed {
            break;
        }
        calls = nth;
    }
    assert!(failures > 1, "{call} {error}: {failures} of {calls}");
}

#[test]
fn a_first_sync_whose_calls_fail_says_so() {
    let sync = SmallSync::into_a_ledger(FEW);
    for fault in [("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("fdatasync,fsync", "EIO")] {
        failing_at_every(&sync, fault, false);
    }
}

#[test]
fn a_daily_sync_whose_calls_fail_says_so() {
    let sync = SmallSync::second(FEW);
    for fault in [("pwrite64", "EIO"), ("pwrite64", "ENOSPC"), ("fdatasync,fsync", "EIO")] {
        failing_at_every(&sync, fault, false);
    }
}

#[test]
fn a_daily_sync_on_a_disk_that_is_full_from_a_call_on_says_so() {
    let sync = SmallSync::second(FEW);
    for fault in [("pwrite64", "ENOSPC"), ("pwrite64", "EIO"), ("fdatasync,fsync", "EIO")] {
        failing_at_every(&sync, fault, true);
    }
}

/// Syncs on a disk of a given size, and again when the disk has room. What each run leaves is copied to where the test can see it.
const SCRIPT: &str = r#"
mount -t tmpfs -o "size=$SIZE" none "$DISK" || exit 70
"$@"
code=$?
cp "$DISK"/* "$FIRST"; mount -t tmpfs -o "remount,size=64m" none "$DISK" || exit 71
said=$("$@" 2>&1) || { echo "the second run: $said" >&2; exit 72; }
cp "$DISK"/* "$SECOND" || exit 73
exit $code
"#;

#[test]
fn a_full_disk_of_any_size_is_said_and_what_is_stored_stays() {
    let Some((unshare, flags)) = unshare() else { return };
    let sync = SmallSync::first(9_000);
    let (mut full, mut partly) = (0, 0);
    for size_kib in (64..).step_by(128) {
        assert!(size_kib < 64 << 10);
        let [disk, first, second] = [(); 3].map(|()| sync.stage());
        let mut command = Command::new(&unshare);
        command.args(flags).args(["/bin/sh", "-c", SCRIPT, "sh"]);
        command.arg(disk.command().get_program()).args(disk.command().get_args());
        command.env_clear().env("PATH", env::var_os("PATH").unwrap());
        command.envs(disk.command().get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("SIZE", format!("{size_kib}k"));
        for (name, stage) in [("DISK", &disk), ("FIRST", &first), ("SECOND", &second)] {
            command.env(name, stage.place.path(""));
        }
        let run = finish(command, b"");

        let held = first.is_sound();
        if run.code != Some(0) {
            run.failed(1, FULL);
            assert!(run.stderr.contains("hint: "), "{}", run.stderr);
            full += 1;
        }
        partly += usize::from(!held.is_empty() && !sync.is_whole(&held));
        second.comes_to_its_end();
        if run.code == Some(0) {
            assert!(sync.is_whole(&held));
            break;
        }
    }
    println!("{full} sizes were too small, and {partly} had room for a part");
    assert!(full > 3 && partly > 0, "{full} {partly}");
}
