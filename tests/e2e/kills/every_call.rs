//! Killed before the first, the second, the third call of a kind, until there are no more.

use crate::billing::finish;

use super::small_export::{SmallExport, Stage};
use super::strace::{CALLS, Strace, injection};

/// More calls than any of these runs makes.
const ENDLESS: usize = 2000;

/// Runs the export and kills it before the `nth` call. False when it came to its end before.
#[track_caller]
fn killed(strace: &Strace, stage: &Stage<'_>, call: &str, nth: usize, paths: &[String]) -> bool {
    let args = injection(call, "signal=KILL", &nth.to_string(), paths);
    let run = finish(strace.around(&stage.command(), &args), b"");
    stage.is_sound();
    if run.code.is_some() {
        run.done();
        stage.is_done();
        return false;
    }
    true
}

/// Kills at every call on the files of the export; there are at least so many.
#[track_caller]
fn killed_at_every(name: &'static str, call: &str, least: usize) {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new(name);
    let mut kills = 0;
    loop {
        let stage = export.stage();
        if !killed(&strace, &stage, call, kills + 1, &stage.paths()) {
            break;
        }
        kills += 1;
        assert!(kills < ENDLESS);
        stage.comes_to_its_end();
    }
    assert!(kills >= least, "{call}: {kills} calls");
}

#[test]
fn killed_at_every_write() {
    // A header, the entries of each page, a record after each, the manifest.
    killed_at_every("usage.csv", "write", 15);
}

#[test]
fn killed_at_every_fdatasync() {
    killed_at_every("usage.json", "fdatasync", 15);
}

/// Half a member, members without a record, the last one without a name.
#[test]
fn killed_at_every_write_of_a_compressed_file() {
    killed_at_every("usage.json.gz", "write", 15);
}

#[test]
fn killed_at_every_fdatasync_of_a_compressed_file() {
    killed_at_every("usage.ndjson.gz", "fdatasync", 15);
}

#[test]
fn killed_at_every_fsync() {
    killed_at_every("usage.ndjson", "fsync", 8);
}

#[test]
fn killed_at_every_rename() {
    killed_at_every("usage.csv", "rename", 2);
}

#[test]
fn killed_at_every_ftruncate() {
    killed_at_every("usage.json", "ftruncate", 3);
}

#[test]
fn killed_at_every_openat() {
    killed_at_every("usage.csv", "openat", 7);
}

#[test]
fn killed_at_every_other_call() {
    killed_at_every("usage.ndjson", "unlink", 1);
    killed_at_every("usage.ndjson", "flock", 3);
    killed_at_every("usage.ndjson", "fchmod", 3);
}

/// Whatever is opened and wherever is written: libraries, sockets, the pipes between threads.
#[test]
fn killed_at_calls_on_anything() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.csv");
    for (call, stride) in [("openat", 1), ("write", 5)] {
        for nth in (1..ENDLESS).step_by(stride) {
            let stage = export.stage();
            if !killed(&strace, &stage, call, nth, &[]) {
                assert!(nth > 10, "{call}: {nth}");
                break;
            }
            stage.comes_to_its_end();
        }
    }
}

/// The run that goes on is killed too, and the one after it.
#[test]
fn killed_again_and_again() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.json");
    let mut random = fastrand::Rng::with_seed(11);
    let (mut again, mut runs) = (0, 0);
    while again < 25 {
        let stage = export.stage();
        let mut kills = 0;
        while kills < 3 && !stage.is_sound() {
            let call = CALLS[random.usize(..CALLS.len())];
            // The others are called a few times only, and a run that goes on may be at the end of its kind.
            let most = if ["write", "fdatasync"].contains(&call) { 12 } else { 3 };
            kills += usize::from(killed(&strace, &stage, call, random.usize(1..=most), &stage.paths()));
            runs += 1;
            assert!(runs < ENDLESS);
        }
        again += usize::from(kills > 1);
        stage.comes_to_its_end();
    }
}

/// The last thing to do is the manifest: killed before it has its name, the next run writes it and asks for nothing.
#[test]
fn killed_between_the_file_and_its_manifest() {
    let Some(strace) = Strace::find() else { return };
    let export = SmallExport::new("usage.csv");
    let stage = export.stage();
    assert!(killed(&strace, &stage, "rename", 2, &stage.paths()));
    assert!(stage.is_sound(), "the file has its name");
    let run = stage.comes_to_its_end();
    assert!(
        run.stderr.contains("note: it was written before; only the last step was left"),
        "{}",
        run.stderr
    );
    let manifest = String::from_utf8(stage.place.read("usage.csv.manifest.json")).unwrap();
    assert!(manifest.contains("\"requests\": 0,") && manifest.contains("\"resumed\": true,"), "{manifest}");
}
