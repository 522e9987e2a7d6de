//! The power is lost after any call of a run: what was made durable is there, and of the rest anything that a disk may
//! leave.

use std::collections::BTreeSet;

use crate::billing::finish;

use super::call_log::{Call, calls_of};
use super::disk::Disk;
use super::small_export::{Files, SmallExport};
use super::strace::{Strace, injection};

/// Runs the export in a directory with these files, after a run that is killed at the given call, and goes on from
/// every state that a power loss may leave. Returns how many different numbers of records there were.
#[track_caller]
fn survives(
    strace: &Strace,
    export: &SmallExport,
    files: &Files,
    kill: Option<(&str, usize)>,
    more: &[&str],
) -> usize {
    let stage = export.stage_of(files);
    let paths = stage.paths();
    let mut command = stage.command();
    command.args(more);
    let mut calls = match kill {
        Some(_) => calls_of(strace, &command, &paths, kill),
        None => Vec::new(),
    };
    calls.extend(calls_of(strace, &command, &paths, None));
    stage.is_done();
    let mut disk = Disk::new(paths.last().unwrap(), files);
    let (mut states, mut records) = (BTreeSet::new(), BTreeSet::new());
    for call in &calls {
        disk.take(call);
        for state in disk.after_power_loss() {
            if states.contains(&state) {
                continue;
            }
            let stage = export.stage_of(&state);
            stage.is_sound();
            records.insert(stage.records());
            stage.comes_to_its_end();
            states.insert(state);
        }
    }
    assert!(disk.now() == stage.files(), "the calls are all that made the files");
    // What the run reported as done is done.
    for state in disk.after_power_loss() {
        export.stage_of(&state).is_done();
    }
    records.len()
}

/// What a kill in the middle of a run leaves, and behind it what it may have been writing.
fn half_done(strace: &Strace, export: &SmallExport) -> Files {
    let stage = export.stage();
    let args = injection("write", "signal=KILL", "12", &stage.paths());
    assert_eq!(finish(strace.around(&stage.command(), &args), b"").code, None);
    assert!(stage.records() > 2);
    let mut files = stage.files();
    // More than is still to come, so that it does not go unless it is cut off.
    files.get_mut("usage.json.part").unwrap().extend(b",\n{\"amount\":-0.1".repeat(20_000));
    files.get_mut("usage.json.checkpoint").unwrap().extend(b"{\"finished\":fa");
    files
}

#[test]
fn a_power_loss_at_any_point() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.csv");
    assert!(survives(&strace, &export, &Files::new(), None, &[]) > 6);
}

#[test]
fn a_power_loss_at_any_point_of_a_compressed_export() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.csv.gz");
    assert!(survives(&strace, &export, &Files::new(), None, &[]) > 6);
}

#[test]
fn a_power_loss_at_any_point_of_a_run_that_goes_on() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.json");
    assert!(survives(&strace, &export, &half_done(&strace, &export), None, &[]) > 3);
}

/// The earlier content is removed first, and must not come back in part.
#[test]
fn a_power_loss_at_any_point_of_a_run_that_begins_anew() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.json");
    assert!(survives(&strace, &export, &half_done(&strace, &export), None, &["--restart"]) > 6);
}

/// The record that the file is complete was written but not made durable. The next run trusts it, because the kernel
/// still has it.
#[test]
fn a_power_loss_after_a_kill_before_the_last_record_was_durable() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.ndjson");
    // One after the other, so that the windows are the same every time.
    let more = ["--concurrency", "1"];
    let stage = export.stage();
    let mut command = stage.command();
    command.args(more);
    let calls = calls_of(&strace, &command, &stage.paths(), None);
    let is_rename = |call: &Call| matches!(call, Call::Rename { .. });
    let before_name = calls.iter().take_while(|call| !is_rename(call));
    let syncs = before_name.filter(|call| matches!(call, Call::Sync { is_data: true, .. })).count();
    assert!(survives(&strace, &export, &Files::new(), Some(("fdatasync", syncs)), &more) > 2);
}

/// A first power loss left the checkpoint without a record, and took the partial file, which was empty.
#[test]
fn a_power_loss_after_one_at_the_beginning() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.json");
    let stage = export.stage();
    // Before the directory is synchronised for the first time since the two files were created in it. The first two times
    // it is only tried whether that can be done, for the file and for its manifest.
    calls_of(&strace, &stage.command(), &stage.paths(), Some(("fsync", 3)));
    let mut files = stage.files();
    assert_eq!(files.remove("usage.json.part"), Some(Vec::new()));
    assert!(files.contains_key("usage.json.checkpoint"));
    assert!(survives(&strace, &export, &files, None, &["--concurrency", "1"]) > 2);
}

/// The order on which everything depends: bytes first, then their record, then the name.
#[test]
fn bytes_are_durable_before_their_record_and_records_before_the_name() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.csv");
    let stage = export.stage();
    let calls = calls_of(&strace, &stage.command(), &stage.paths(), None);
    let opened = |suffix: &str| {
        let found = calls.iter().find_map(|call| match call {
            Call::Open { path, file, .. } if path.ends_with(suffix) => Some(*file),
            _ => None,
        });
        found.unwrap()
    };
    let (part, checkpoint) = (opened(".csv.part"), opened(".csv.checkpoint"));
    let renamed = calls.iter().position(|call| matches!(call, Call::Rename { .. })).unwrap();
    let (mut unsynced, mut records) = (BTreeSet::new(), 0);
    for call in &calls[..renamed] {
        match call {
            Call::Write { file, .. } => {
                if *file == checkpoint {
                    assert!(!unsynced.contains(&part), "a record of bytes that are not durable");
                    records += 1;
                }
                assert!(!unsynced.contains(&checkpoint), "a record that is not durable is written behind");
                unsynced.insert(*file);
            }
            Call::Sync { file, .. } => drop(unsynced.remove(file)),
            _ => {}
        }
    }
    assert!(records > 8, "{records}");
    assert!(unsynced.is_empty(), "the name is given when everything is durable");
    let directory = calls.iter().find_map(|call| match call {
        Call::Open { path, file, .. } if stage.paths().last() == Some(path) => Some(*file),
        _ => None,
    });
    assert!(
        matches!(calls[renamed + 1], Call::Sync { file, .. } if Some(file) == directory),
        "and then kept"
    );
}
