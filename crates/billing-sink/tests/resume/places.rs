//! Where the two files may be, who may read them, and what is in their way.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use billing_model::{Mark, Sink};
use billing_sink::{ErrorKind, FileSink, Opened, ResumableFile, Target};
use billing_testkit::make_pipe;

use crate::support::{
    CSV, Files, Form, JSON_GZ, Place, Run, Walk, asked, broken_off, check_finished, instant, settled, started,
};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn permissions_are_kept_and_never_wider_on_the_way() {
    let walk = Walk::plain(3);
    for kept in [0o640, 0o600, 0o666] {
        let place = Place::new();
        fs::write(place.path(), "old").unwrap();
        fs::set_permissions(place.path(), Permissions::from_mode(kept)).unwrap();
        let (mut run, _) = Run::start(&place.path(), CSV, &walk, Duration::ZERO).unwrap();
        run.write().unwrap();
        run.mark().unwrap();
        assert_eq!((mode(&place.part()), mode(&place.checkpoint())), (0o600, 0o600));
        drop(run);
        // Even when their permissions were widened meanwhile.
        for path in [place.part(), place.checkpoint()] {
            fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
        }
        let run = Run::start(&place.path(), CSV, &walk, Duration::ZERO).unwrap();
        assert_eq!((mode(&place.part()), mode(&place.checkpoint())), (0o600, 0o600));
        drop(run);
        place.check_completes(CSV, &walk);
        assert_eq!(mode(&place.path()), kept);
    }
}

#[test]
fn a_link_stays_a_link_and_leads_to_what_was_begun() {
    let walk = Walk::plain(3);
    let place = Place::with(&broken_off(CSV, &walk, 2));
    let link = place.directory().join("link");
    symlink("usage", &link).unwrap();
    let (run, _) = Run::start(&link, CSV, &walk, Duration::ZERO).unwrap();
    assert_eq!(run.from(), 2);
    assert!(ResumableFile::open(place.path(), &asked(), false).unwrap_err().is_busy());
    drop(run);
    Run::complete(&link, CSV, &walk).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    fs::remove_file(link).unwrap();
    place.check_complete(CSV, &walk);
}

#[test]
fn what_stands_in_the_place_of_the_checkpoint_is_left_alone() {
    type Put = fn(&Path, &Path);
    let cases: [(&str, Put); 6] = [
        ("a pipe", |at, _| make_pipe(at)),
        ("a link", |at, precious| symlink(precious, at).unwrap()),
        ("a dangling link", |at, _| symlink("to-be-created", at).unwrap()),
        ("a directory", |at, _| fs::create_dir(at).unwrap()),
        ("somebody's file", |at, _| fs::write(at, "weights of a model").unwrap()),
        ("somebody's short file", |at, _| fs::write(at, "{}").unwrap()),
    ];
    for (case, put) in cases {
        let place = Place::new();
        let precious = place.directory().join("precious");
        fs::write(&precious, "precious").unwrap();
        put(&place.checkpoint(), &precious);
        let before = fs::symlink_metadata(place.checkpoint()).unwrap();
        for restart in [false, true] {
            let error = ResumableFile::open(place.path(), &asked(), restart).unwrap_err();
            let at = fs::canonicalize(place.directory()).unwrap().join("usage.checkpoint");
            assert_eq!((error.kind(), error.path()), (ErrorKind::CheckpointInTheWay, Some(&*at)), "{case}");
            let expect = format!("`{}` is in the place of the checkpoint and is not one", at.display());
            assert_eq!(error.to_string(), expect, "{case}");
        }
        let after = fs::symlink_metadata(place.checkpoint()).unwrap();
        assert_eq!((after.file_type(), after.len()), (before.file_type(), before.len()), "{case}");
        assert_eq!(place.names(), ["precious", "usage.checkpoint"], "{case}");
        assert_eq!(fs::read(precious).unwrap(), b"precious", "{case}");
    }
}

#[test]
fn long_names_are_gone_on_with_too() {
    let walk = Walk::plain(3);
    for length in 240..=255 {
        let place = Place::new();
        let name = "n".repeat(length);
        let path = place.directory().join(&name);
        let (mut run, _) = Run::start(&path, CSV, &walk, Duration::ZERO).unwrap();
        run.write().unwrap();
        run.mark().unwrap();
        drop(run);
        let names = place.names();
        assert_eq!(names.len(), 2);
        for suffix in [".checkpoint", ".part"] {
            let name = names.iter().find(|name| name.ends_with(suffix)).unwrap();
            assert!(name.len() <= 255, "{name}");
            assert_eq!(name.len() == length + suffix.len(), length + suffix.len() <= 255, "{name}");
        }
        let (run, _) = Run::start(&path, CSV, &walk, Duration::ZERO).unwrap();
        assert_eq!(run.from(), 1);
        drop(run);
        Run::complete(&path, CSV, &walk).unwrap();
        assert_eq!(place.names(), [name]);
        assert_eq!(fs::read(path).unwrap(), walk.file(CSV));
    }
}

/// Writes a whole walk into a new file, and returns what it came to.
fn write_straight_through(path: &Path, form: Form, walk: &Walk) -> billing_sink::Finished {
    let Opened::New(file) = ResumableFile::open(path, &asked(), false).unwrap() else { panic!("not new") };
    let file = file.begin(settled(), started()).unwrap().checkpoint_every(Duration::ZERO);
    assert!(!file.takes_back());
    let file = if form.is_gzip { file.gzip() } else { file };
    let mut sink = FileSink::new(form.format, file);
    sink.write(&walk.entries).unwrap();
    let written = walk.summary(walk.entries.len());
    sink.mark(&Mark { complete_until: instant(walk.entries.len()), written: &written }).unwrap();
    sink.finish().unwrap()
}

#[test]
fn what_is_written_straight_through_has_no_checkpoint() {
    let walk = Walk::plain(3);
    let finished = write_straight_through(Path::new("/dev/null"), CSV, &walk);
    check_finished(&finished, &walk.file(CSV), CSV, &walk);
    finished.close().unwrap();
    assert!(!Path::new("/dev/null.part").exists() && !Path::new("/dev/null.checkpoint").exists());

    for form in [CSV, JSON_GZ] {
        let place = Place::new();
        let pipe = place.directory().join("pipe");
        make_pipe(&pipe);
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        let finished = write_straight_through(&pipe, form, &walk);
        check_finished(&finished, &reader.join().unwrap(), form, &walk);
        finished.close().unwrap();
        assert_eq!(place.names(), ["pipe"]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_keeps_what_was_durable_and_nothing_else() {
    const PLACE: &str = "BILLING_SINK_TEST_PLACE";
    let ends = (1..=100).map(|stretch| (stretch * 20, true)).collect();
    let walk = Walk { ends, ..Walk::plain(2000) };
    if let Ok(path) = std::env::var(PLACE) {
        // In this process no file may become longer than 64 KiB.
        let path = Path::new(&path);
        let (mut run, _) = Run::start(path, CSV, &walk, Duration::ZERO).unwrap();
        let mut marked = 0;
        let error = loop {
            match run.write().and_then(|_| run.mark()) {
                Ok(_) => marked += 1,
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.path()), (ErrorKind::Write, Some(path)));
        drop(run);
        let opened = ResumableFile::open(path, &asked(), false).unwrap();
        assert_eq!(opened.begun().unwrap().complete_until, Some(instant(marked * 20)));

        // A mark that was not durable before the failure does not become so after it.
        let other = path.with_file_name("other");
        let (mut run, _) = Run::start(&other, CSV, &walk, Duration::MAX).unwrap();
        while run.write().and_then(|_| run.mark()).is_ok() {}
        assert_eq!(run.finish().unwrap_err().kind(), ErrorKind::Write);
        let Opened::New(file) = ResumableFile::open(&other, &asked(), false).unwrap() else {
            panic!("not new")
        };
        let mut file = file.begin(settled(), started()).unwrap();
        file.write_all(&[b'x'; 70_000]).unwrap_err();
        assert_eq!(
            file.commit().unwrap_err().kind(),
            ErrorKind::Commit,
            "what failed does not become the file"
        );
        assert!(!other.exists());
        return;
    }
    let place = Place::new();
    fs::write(place.path(), "old").unwrap();
    // `ulimit -f` counts blocks of 512 bytes (POSIX). The signal stays ignored in the program, so the write fails
    // instead.
    let program = "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\"";
    let test = "places::a_full_disk_keeps_what_was_durable_and_nothing_else";
    let mut again = Command::new("/bin/sh");
    again.args(["-c", program]).arg(std::env::current_exe().unwrap()).args([test, "--exact"]);
    let output = again.env(PLACE, place.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("1 passed"), "{said}");

    assert_eq!(place.names(), ["usage", "usage.checkpoint", "usage.part"]);
    let Files { part, target, .. } = place.files();
    assert_eq!(target.unwrap(), b"old");
    assert_eq!(part.unwrap().len(), 64 << 10);
    // Without the limit the file is completed.
    place.check_completes(CSV, &walk);
}
