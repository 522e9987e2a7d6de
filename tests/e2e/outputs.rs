//! Where an export goes: a file that is whole or as it was, a pipe, a disk that is full.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::Duration;

use billing_sample::History;
use billing_testkit::{Reply, make_pipe};
use flate2::read::MultiGzDecoder;

use crate::billing::{Run, export_command, finish, ndjson};
use crate::ledger::{Ledger, noted};
use crate::place::Place;
use crate::scripted::{Scripted, forward};

/// Much longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

fn one() -> Ledger {
    Ledger::of(&[noted("2026-05-01T00:00:00Z", "one")])
}

#[test]
fn a_file_is_replaced_when_the_new_one_is_whole() {
    let (server, place) = (one().serve(), Place::new());
    let path = place.write("usage.csv", "what was there, and longer than what comes: ".repeat(100));
    let run = server.export(&["-o", &path]).done();
    assert!(run.stdout.is_empty());
    assert_eq!(place.read("usage.csv"), server.export(&["-o", "-"]).done().stdout);
    assert_eq!(place.names(), ["usage.csv"]);
    // What a run that was killed left is no part of the next.
    place.write("usage.csv.part", "half a line of another run".repeat(100));
    server.export(&["-o", &path]).done();
    assert_eq!(place.read("usage.csv"), server.export(&[]).done().stdout);
    assert_eq!(place.names(), ["usage.csv"]);
}

#[test]
fn the_name_of_the_file_tells_the_format() {
    let (server, place) = (one().serve(), Place::new());
    for (name, format) in [
        ("a.csv", "csv"),
        ("a.json", "json"),
        ("a.ndjson", "ndjson"),
        ("a.jsonl", "ndjson"),
        ("a", "csv"),
        ("a.txt", "csv"),
    ] {
        server.export(&["-o", &place.path(name)]).done();
        assert_eq!(place.read(name), server.export(&["--format", format]).done().stdout, "{name}");
    }
    server.export(&["-o", &place.path("b.json"), "--format", "csv"]).done();
    assert_eq!(place.read("b.json"), place.read("a.csv"), "a flag says it better than a name");
}

/// What `gunzip` would write.
fn gunzip(file: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut content).unwrap();
    content
}

#[test]
fn a_name_that_ends_in_gz_is_compressed() {
    let entries: Vec<_> = History::new(1, 300).collect();
    let (server, place) = (Ledger::of(&entries).serve(), Place::new());
    for (name, format, flags) in [
        ("a.csv.gz", "csv", &[][..]),
        ("a.json.gz", "json", &[]),
        ("a.ndjson.gz", "ndjson", &[]),
        ("a.jsonl.gz", "ndjson", &[]),
        ("a.CSV.GZ", "csv", &[]),
        ("a.gz", "ndjson", &["--format", "ndjson"]),
        ("b.json.gz", "csv", &["--format", "csv"]),
    ] {
        let plain = server.export(&["--format", format]).done().stdout;
        let path = place.path(name);
        // Every page a member: all of them are one file.
        for every in ["1", "0"] {
            let more = ["-o", &path, "--page-size", "20", "--checkpoint-every", every];
            let run = server.export(&[flags, &more].concat()).done();
            assert!(run.stderr.starts_with(&format!("{path}: 300 entries, ")), "{}", run.stderr);
            assert!(gunzip(&place.read(name)) == plain, "{name}");
        }
        assert_eq!(place.names(), [name]);
        std::fs::remove_file(path).unwrap();
    }
    // An empty window is an empty list, and not an empty file: `gunzip` would not take one.
    server.export(&["-o", &place.path("a.ndjson.gz"), "--until", "2000-01"]).done();
    assert_eq!(gunzip(&place.read("a.ndjson.gz")), b"");
}

/// stdout is for another program, which compresses it if it likes.
#[test]
fn stdout_is_never_compressed() {
    let (server, place) = (one().serve(), Place::new());
    let plain = server.export(&[]).done().stdout;
    assert_eq!(server.export(&["-o", "-"]).done().stdout, plain);
    assert_eq!(server.export(&["-o", "/dev/stdout"]).done().stdout, plain);
    assert!(plain.starts_with(b"timestamp,") && place.names().is_empty());
}

/// Written for the same readers: it has the sums of the file.
#[test]
fn a_manifest_has_the_permissions_of_its_file() {
    use std::os::unix::fs::PermissionsExt;
    let (server, place) = (one().serve(), Place::new());
    let path = place.write("usage.csv", "what was there");
    let names = ["usage.csv", "usage.csv.manifest.json"];
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    for (was, manifest_was) in [(0o600, None), (0o640, Some(0o644)), (0o644, Some(0o600))] {
        fs::set_permissions(&path, fs::Permissions::from_mode(was)).unwrap();
        if let Some(mode) = manifest_was {
            fs::set_permissions(place.path(names[1]), fs::Permissions::from_mode(mode)).unwrap();
        }
        server.export(&["-o", &path, "--manifest"]).done();
        assert_eq!(names.map(mode), [was; 2]);
    }
    // A new file has what the system gives new files.
    server.export(&["-o", &place.path("new.csv"), "--manifest"]).done();
    assert_eq!(mode("new.csv"), mode("new.csv.manifest.json"));
}

/// Found out before anything is fetched: a wrong path costs no hours.
#[test]
fn a_place_that_cannot_be_written_is_refused_at_once() {
    let (service, place) =
        (Scripted::answering(billing_testkit::Reply::error(500, "not to be asked")), Place::new());
    let file = place.write("file", "what was there");
    let read_only = place.write("read-only", "what was there");
    let mut permissions = fs::metadata(&read_only).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&read_only, permissions).unwrap();
    for (path, said) in [
        (place.path("missing/usage.csv"), "is in a directory that does not exist"),
        (place.path(""), "is a directory"),
        (place.path("missing/"), "is a directory"),
        (format!("{file}/usage.csv"), "cannot be created"),
        (read_only, "exists and is read-only"),
    ] {
        service.export(&["-o", &path]).failed(1, said);
    }
    assert!(service.requests().is_empty());
    assert_eq!(place.names(), ["file", "read-only"]);
    assert_eq!([place.read("file"), place.read("read-only")], [b"what was there", b"what was there"]);
}

/// The first run is in the middle of its walk when the second comes.
#[test]
fn a_second_run_on_the_same_file_is_refused() {
    let entries: Vec<_> = History::new(1, 100).collect();
    let server = Ledger::of(&entries).serve();
    let place = Place::new();
    let path = place.path("usage.ndjson");
    let (told, second) = mpsc::channel::<Run>();
    let service = Scripted::start({
        let (base_url, key, path) = (server.base_url.clone(), server.key.clone(), path.clone());
        let mut requests = 0;
        move |request| {
            requests += 1;
            if requests == 3 {
                let run = finish(export_command(&base_url, &key, &["-o", &path]), b"");
                told.send(run).unwrap();
            }
            forward(&base_url, request)
        }
    });
    let args = ["--page-size", "10", "-o", &path];
    finish(export_command(&service.base_url(), &server.key, &args), b"").done();
    second.recv().unwrap().failed(1, "usage.ndjson` is being written by another run");
    assert!(place.read("usage.ndjson") == ndjson(&entries), "the first run has its file");
    assert_eq!(place.names(), ["usage.ndjson"]);
    server.export(&["-o", &path]).done();
}

/// `/dev/full` opens as a disk does, and takes nothing.
#[test]
fn a_full_disk_is_said() {
    let server = one().serve();
    let run = server.export(&["-o", "/dev/full"]);
    run.failed(1, "`/dev/full` cannot be");
    assert!(run.stderr.contains("hint: what was written so far is incomplete"), "{}", run.stderr);

    let mut command = export_command(&server.base_url, &server.key, &[]);
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let run = Run::from(command.stdin(Stdio::null()).stdout(full).output().unwrap());
    run.failed(1, "the output cannot be");
    assert!(run.stderr.contains("hint: what was written so far is incomplete"), "{}", run.stderr);
}

/// Something that is no file cannot be replaced, and need not be.
#[test]
fn a_device_is_written_through() {
    let run = one().serve().export(&["-o", "/dev/null"]).done();
    assert!(run.stderr.contains("1 entry,"), "{}", run.stderr);
}

/// As with `billing export | head -1`: more is to come than a pipe and the buffers hold, and nobody wants it.
#[test]
fn a_reader_that_has_enough_is_no_fault() {
    let entries: Vec<_> = History::new(1, 5_000).collect();
    let server = Ledger::of(&entries).serve();
    for wanted in [0, 1, 100] {
        for format in ["csv", "json", "ndjson"] {
            let mut command = export_command(&server.base_url, &server.key, &["--format", format]);
            let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            child.stdout.take().unwrap().read_exact(&mut vec![0; wanted]).unwrap();
            let run = Run::from(child.wait_with_output().unwrap());
            assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""), "{format} after {wanted} bytes");
        }
    }
}

/// Opening a named pipe waits for a reader, so it is opened once.
#[test]
fn a_named_pipe_is_left_when_its_reader_leaves_or_the_service_fails() {
    let entries: Vec<_> = History::new(1, 5_000).collect();
    let server = Ledger::of(&entries).serve();
    let base_url = server.base_url.clone();
    let mut requests = 0;
    let refusing = Scripted::start(move |request| {
        requests += 1;
        if requests < 6 { forward(&base_url, request) } else { Reply::error(401, "Key revoked") }
    });
    let place = Place::new();
    let path = place.path("pipe");
    make_pipe(&path);
    for (base_url, wanted, code) in [(&server.base_url, 100, 0), (&refusing.base_url(), u64::MAX, 4)] {
        let export = export_command(base_url, &server.key, &["--page-size", "100", "-o", &path]);
        let (sender, ended) = mpsc::channel();
        std::thread::spawn(move || sender.send(finish(export, b"").code));
        File::open(&path).unwrap().take(wanted).read_to_end(&mut Vec::new()).unwrap();
        let found = ended.recv_timeout(LIMIT).unwrap_or_else(|_| {
            // It ends when somebody reads.
            drop(File::open(&path));
            None
        });
        assert_eq!(found, Some(code));
    }
}

#[test]
fn data_goes_to_stdout_and_words_to_stderr() {
    let entries: Vec<_> = History::new(1, 1_234).collect();
    let server = Ledger::of(&entries).serve();
    let run = server.export(&["--format", "ndjson"]).done();
    assert!(run.stdout == ndjson(&entries));
    assert!(run.stderr.starts_with("1,234 entries, "), "{}", run.stderr);
    assert!(
        !run.stderr.contains(['\r', '\u{1b}']),
        "nothing moves where there is no terminal: {:?}",
        run.stderr
    );
    let quiet = server.export(&["--format", "ndjson", "--quiet"]).done();
    assert!(quiet.stdout == ndjson(&entries));
    assert_eq!(quiet.stderr, "");
}
