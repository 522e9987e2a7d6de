//! An export that broke off: the same command goes on with it, and no other command does.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use billing_model::UsageEntry;
use billing_testkit::{Book, Reply};
use flate2::read::MultiGzDecoder;

use crate::billing::{Run, export_command, finish, ndjson, run as run_program};
use crate::ledger::{at, noted};
use crate::place::Place;
use crate::process::Process;
use crate::scripted::Scripted;

/// A limit for a run that hangs. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// How the last line ends where an export can be gone on with.
const GOES_ON: &str = " are kept: run the same command again to go on (--restart begins anew)\n";

/// What is said first by a run that goes on.
const GOING_ON: &str = "note: going on with the export begun ";

/// Four hundred entries, one every six hours from the first of February.
fn entries() -> Vec<UsageEntry> {
    let start_ns = at("2026-02-01T00:00:00Z").unix_ns().unwrap();
    let six_hours_ns = 6 * 3600 * 1_000_000_000;
    let times = (0..400).map(|n| billing_model::Timestamp::from_unix_ns(start_ns + n * six_hours_ns));
    times.map(|time| noted(&time.to_string(), "")).collect()
}

/// A service that refuses to answer after so many answers, until it is told to go on.
struct Service {
    scripted: Scripted,
    left: Arc<AtomicUsize>,
}

impl Service {
    fn start() -> Self {
        let left = Arc::new(AtomicUsize::new(0));
        let mut book = Book::new(entries());
        let scripted = Scripted::start({
            let left = Arc::clone(&left);
            move |request| {
                let more = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                more.map_or_else(|_| Reply::error(401, "not today"), |_| book.answer(request))
            }
        });
        Self { scripted, left }
    }

    fn export(&self, flags: &Flags, answers: usize) -> Run {
        self.left.store(answers, Ordering::SeqCst);
        let key = flags.0.get("key").map_or("any-key", String::as_str);
        let mut command = match flags.0.get("--base-url") {
            Some(base_url) => export_command(base_url, key, &[]),
            None => export_command(&self.scripted.base_url(), key, &[]),
        };
        for (flag, value) in flags.0.iter().filter(|(flag, _)| !["key", "--base-url"].contains(flag)) {
            command.arg(flag);
            if !value.is_empty() {
                command.arg(value);
            }
        }
        finish(command, b"")
    }
}

/// What an export is called with. `key` is the one that is no flag.
#[derive(Clone)]
struct Flags(BTreeMap<&'static str, String>);

impl Flags {
    fn to(path: &str) -> Self {
        let all = [("-o", path), ("--since", "2026-01"), ("--until", "2026-07"), ("--currency", "USD")];
        let small = [("--page-size", "10"), ("--checkpoint-every", "0")];
        let all = all.into_iter().chain(small).map(|(flag, value)| (flag, value.to_owned()));
        Self(all.collect())
    }

    /// With another value, with a flag more that has none, or without a flag.
    fn with(&self, flag: &'static str, value: Option<&str>) -> Self {
        let mut flags = self.clone();
        match value {
            Some(value) => flags.0.insert(flag, value.to_owned()),
            None => flags.0.remove(flag),
        };
        flags
    }
}

/// Exports until the service refuses to answer. What is complete by then is there to be gone on with.
fn begin(service: &Service, place: &Place) -> Flags {
    let flags = Flags::to(&place.path("usage.csv"));
    let run = service.export(&flags, 9);
    run.failed(4, "not today");
    assert!(run.stderr.ends_with(GOES_ON), "{}", run.stderr);
    assert_eq!(place.names(), ["usage.csv.checkpoint", "usage.csv.part"]);
    flags
}

/// What an undisturbed run writes.
fn whole(service: &Service) -> Vec<u8> {
    let place = Place::new();
    service.export(&Flags::to(&place.path("usage.csv")), usize::MAX).done();
    let whole = place.read("usage.csv");
    assert_eq!(billing_csv::decode(&whole).unwrap(), entries());
    whole
}

fn files(place: &Place) -> Vec<(String, Vec<u8>)> {
    place.names().into_iter().map(|name| (name.clone(), place.read(&name))).collect()
}

/// `--month 2026-06` is `--since 2026-06 --until 2026-07`, typed shorter.
#[test]
fn a_month_is_the_window_from_its_start_to_the_next() {
    let service = Service::start();
    let march = entries().into_iter().filter(|entry| entry.timestamp.to_string().starts_with("2026-03"));
    let march: Vec<_> = march.collect();
    for month_is_first in [true, false] {
        let place = Place::new();
        let flags = Flags::to(&place.path("usage.csv")).with("--since", None).with("--until", None);
        let flags = flags.with("--concurrency", Some("1"));
        let month = flags.with("--month", Some("2026-03"));
        let ends = flags.with("--since", Some("2026-03")).with("--until", Some("2026-04"));
        let (first, second) = if month_is_first { (&month, &ends) } else { (&ends, &month) };
        service.export(first, 4).failed(4, "not today");
        assert_eq!(place.names(), ["usage.csv.checkpoint", "usage.csv.part"]);
        let other = month.with("--month", Some("2026-04"));
        service.export(&other, usize::MAX).failed(2, "was begun with other arguments");
        let run = service.export(second, usize::MAX).done();
        assert!(run.stderr.starts_with(GOING_ON), "{}", run.stderr);
        assert_eq!(billing_csv::decode(&place.read("usage.csv")).unwrap(), march);
    }
}

#[test]
fn other_arguments_are_refused() {
    let (service, place) = (Service::start(), Place::new());
    let flags = begin(&service, &place);
    let (before, asked) = (files(&place), service.scripted.requests().len());
    let elsewhere = service.scripted.base_url().replace("127.0.0.1", "localhost");
    for (flag, value, said) in [
        ("--since", Some("2026-02"), "since: asked `2026-02-01T00:00:00.000Z`, begun with `2026-01-01T"),
        ("--since", None, "since: asked nothing, begun with `2026-01-01T"),
        ("--since", Some("7d"), "since: asked `7d`, begun with `2026-01-01T"),
        ("--until", Some("2026-06"), "until: asked `2026-06-01T00:00:00.000Z`, begun with `2026-07-01T"),
        ("--until", None, "until: asked nothing, begun with `2026-07-01T"),
        ("--currency", Some("DIEM"), "currency: asked `DIEM`, begun with `USD`"),
        ("--currency", None, "currency: asked nothing, begun with `USD`"),
        ("--format", Some("ndjson"), "format: asked `ndjson`, begun with `csv`"),
        ("--endpoint", Some("usage"), "endpoint: asked `usage`, begun with `auto`"),
        ("--wire", Some("csv"), "wire: asked `csv`, begun with `json`"),
        ("--with-api-key-id", Some(""), "with-api-key-id: asked `yes`, begun with nothing"),
        ("--with-other-fields", Some(""), "with-other-fields: asked `yes`, begun with nothing"),
        ("--base-url", Some(&elsewhere), &format!("base-url: asked `{elsewhere}`, begun with `http://127")),
        ("key", Some("another-key"), "fingerprint of the API key: asked `"),
    ] {
        let run = service.export(&flags.with(flag, value), usize::MAX);
        run.failed(2, &format!("usage.csv` was begun with other arguments: {said}"));
        let hint =
            "hint: give the same arguments to go on with it, or --restart to throw it away and begin anew\n";
        assert!(run.stderr.ends_with(hint), "{}", run.stderr);
        assert!(!run.stderr.contains("any-key") && !run.stderr.contains("another-key"), "{}", run.stderr);
        assert_eq!(files(&place), before, "{flag}");
    }
    assert_eq!(service.scripted.requests().len(), asked, "found out before anything is asked");
    service.export(&flags, usize::MAX).done();
    assert_eq!(place.read("usage.csv"), whole(&service));
}

/// It ends with the same content, and an import knows the content again, however it is packed.
#[test]
fn a_compressed_export_goes_on() {
    let (service, place) = (Service::start(), Place::new());
    let flags = Flags::to(&place.path("usage.csv.gz"));
    let run = service.export(&flags, 9);
    run.failed(4, "not today");
    assert!(run.stderr.ends_with(GOES_ON), "{}", run.stderr);
    assert_eq!(place.names(), ["usage.csv.gz.checkpoint", "usage.csv.gz.part"]);
    // Another name of the same file that says it is not compressed.
    let link = place.path("link.csv");
    std::os::unix::fs::symlink("usage.csv.gz", &link).unwrap();
    let before = files_but_link(&place);
    let run = service.export(&flags.with("-o", Some(&link)), usize::MAX);
    run.failed(2, "link.csv` was begun with other arguments: compression: asked nothing, begun with `gzip`");
    assert_eq!(files_but_link(&place), before);
    fs::remove_file(&link).unwrap();
    // What was altered is refused.
    let part = place.read("usage.csv.gz.part");
    place.write("usage.csv.gz.part", [&part[..part.len() - 1], b"?"].concat());
    service.export(&flags, usize::MAX).failed(1, "bytes are not those that were written");
    place.write("usage.csv.gz.part", &part);

    let run = service.export(&flags, usize::MAX).done();
    assert!(run.stderr.starts_with(GOING_ON), "{}", run.stderr);
    assert_eq!(place.names(), ["usage.csv.gz"]);
    let (whole, mut content) = (whole(&service), Vec::new());
    MultiGzDecoder::new(place.read("usage.csv.gz").as_slice()).read_to_end(&mut content).unwrap();
    assert!(content == whole);

    let (plain, ledger) = (place.write("usage.csv", whole), place.path("ledger.db"));
    let import = |file: &str| run_program(&["import", file, "--ledger", &ledger]);
    import(&plain).done();
    let again = import(&place.path("usage.csv.gz"));
    assert_eq!(again.code, Some(1), "{}", again.stderr);
    assert!(
        again.stderr.contains("usage.csv.gz` was imported into account `default` before: on 20"),
        "{}",
        again.stderr
    );
}

fn files_but_link(place: &Place) -> Vec<(String, Vec<u8>)> {
    let names = place.names().into_iter().filter(|name| name != "link.csv");
    names.map(|name| (name.clone(), place.read(&name))).collect()
}

/// Flags that only change how entries are fetched do not change the bytes, so they may differ.
#[test]
fn what_decides_no_byte_may_change() {
    let service = Service::start();
    let whole = whole(&service);
    let slash = format!("{}/", service.scripted.base_url());
    for (flag, value) in [
        ("--page-size", Some("37")),
        ("--page-size", None),
        ("--concurrency", Some("1")),
        ("--concurrency", Some("16")),
        ("--checkpoint-every", None),
        ("--max-wait", Some("1")),
        ("--currency", Some("usd")),
        ("--since", Some("2026-01-01T02:00:00+02:00")),
        ("--base-url", Some(&slash)),
        ("--format", Some("csv")),
    ] {
        let place = Place::new();
        let flags = begin(&service, &place);
        let run = service.export(&flags.with(flag, value), usize::MAX).done();
        assert!(run.stderr.starts_with(GOING_ON), "{flag}: {}", run.stderr);
        assert_eq!((place.names(), place.read("usage.csv")), (vec!["usage.csv".to_owned()], whole.clone()));
    }
}

#[test]
fn a_restart_begins_anew_with_any_arguments() {
    let service = Service::start();
    let whole = whole(&service);
    for (flag, value) in [("--restart", ""), ("--format", "ndjson"), ("--since", "2025")] {
        let place = Place::new();
        let flags = begin(&service, &place).with("--restart", Some(""));
        let value = if flag == "--since" { "2025-01" } else { value };
        let run = service.export(&flags.with(flag, Some(value)), usize::MAX).done();
        assert!(run.stderr.contains("usage.csv: 400 entries") && !run.stderr.contains("going on"));
        let expect = if flag == "--format" { ndjson(&entries()) } else { whole.clone() };
        assert_eq!((place.names(), place.read("usage.csv")), (vec!["usage.csv".to_owned()], expect));
    }
}

/// The second run neither goes on nor removes anything, because the first run has the file.
#[test]
fn a_second_run_is_refused_with_a_restart_too() {
    let (place, service) = (Place::new(), Service::start());
    let flags = begin(&service, &place);
    let (tell, told) = channel();
    let (go, gone) = channel::<()>();
    let mut book = Book::new(entries());
    let mut requests = 0;
    let slow = Scripted::start(move |request| {
        requests += 1;
        if requests == 12 {
            tell.send(()).unwrap();
            gone.recv_timeout(LIMIT).unwrap();
        }
        book.answer(request)
    });
    // Another service, so that it has to begin anew.
    let args = ["--restart", "--page-size", "10", "-o", &flags.0["-o"], "--until", "2026-07"];
    let first = Process::start(export_command(&slow.base_url(), "any-key", &args));
    told.recv_timeout(LIMIT).unwrap();
    let second = service.export(&flags.with("--restart", Some("")), usize::MAX);
    second.failed(1, "usage.csv` is being written by another run");
    assert!(second.stderr.ends_with("hint: wait for the other run, or choose another -o\n"));
    go.send(()).unwrap();
    let (code, _, said) = first.end();
    assert_eq!(code, Some(0), "{said}");
    assert_eq!((place.names(), place.read("usage.csv")), (vec!["usage.csv".to_owned()], whole(&service)));
}

#[test]
fn an_interrupted_export_goes_on_where_it_was() {
    goes_on_after("INT", 130, "error: interrupted\nhint: ");
}

#[test]
fn a_terminated_export_goes_on_where_it_was() {
    goes_on_after("TERM", 143, "error: terminated\nhint: ");
}

/// When the walk is complete up to an instant, a signal need not wait for the page that is on its way.
#[track_caller]
fn goes_on_after(signal: &str, expect: i32, words: &str) {
    let (place, service) = (Place::new(), Service::start());
    let (tell, told) = channel();
    let (go, gone) = channel::<()>();
    let mut book = Book::new(entries());
    let mut requests = 0;
    // The sixth page does not come until the run has ended.
    let slow = Scripted::start(move |request| {
        requests += 1;
        if requests == 6 {
            tell.send(()).unwrap();
            gone.recv_timeout(LIMIT).unwrap();
        }
        book.answer(request)
    });
    let path = place.path("usage.csv");
    let command = || {
        let args = ["--until", "2026-07", "--concurrency", "1", "--page-size", "10", "-o", &path];
        export_command(&slow.base_url(), "any-key", &args)
    };
    let process = Process::start(command());
    told.recv_timeout(LIMIT).unwrap();
    process.signal(signal);
    let (code, printed, said) = process.end();
    assert_eq!((code, printed.as_str()), (Some(expect), ""), "{said}");
    assert!(said.starts_with(words) && said.ends_with(GOES_ON), "{said}");
    assert_eq!(place.names(), ["usage.csv.checkpoint", "usage.csv.part"]);
    assert_eq!(slow.requests().len(), 6);
    go.send(()).unwrap();

    let run = finish(command(), b"").done();
    assert!(run.stderr.starts_with(GOING_ON), "{}", run.stderr);
    assert!(slow.requests().len() < 6 + 40, "what was there was not fetched again");
    assert_eq!((place.names(), place.read("usage.csv")), (vec!["usage.csv".to_owned()], whole(&service)));
}

#[test]
fn what_was_altered_is_refused() {
    let service = Service::start();
    let whole = whole(&service);
    let line_2 = |text: &[u8]| text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let (part, checkpoint) = ("usage.csv.part", "usage.csv.checkpoint");
    type Alter = fn(Vec<u8>, usize) -> Option<Vec<u8>>;
    let cases: [(&str, Alter, &str); 7] = [
        (part, |bytes, _| Some([&b"T"[..], &bytes[1..]].concat()), "bytes are not those that were written"),
        (part, |bytes, _| Some(bytes[..bytes.len() - 1].to_vec()), "bytes, and "),
        (part, |bytes, _| Some([&bytes[..], b"1"].concat()[1..].to_vec()), "are not those that were written"),
        (part, |_, _| None, "usage.csv.part` is not what its checkpoint says: it has 0 bytes, and "),
        (
            checkpoint,
            |bytes, _| Some(String::from_utf8(bytes).unwrap().replace("2026-07-01", "2026-06-01").into()),
            "usage.csv.checkpoint` is damaged: line 1 is not what was written",
        ),
        (
            checkpoint,
            |bytes, line_2| Some([&bytes[..line_2], &bytes[line_2 + 1..]].concat()),
            "is damaged: line 2 is not what was written",
        ),
        (checkpoint, |bytes, line_2| Some(bytes[line_2..].to_vec()), "is in the place of the checkpoint and"),
    ];
    for (name, alter, said) in cases {
        let place = Place::new();
        let flags = begin(&service, &place);
        let (before, asked) = (place.read(name), service.scripted.requests().len());
        let line_2 = line_2(&before);
        match alter(before, line_2) {
            Some(bytes) => drop(place.write(name, bytes)),
            None => fs::remove_file(place.path(name)).unwrap(),
        }
        let before = files(&place);
        let run = service.export(&flags, usize::MAX);
        run.failed(1, said);
        assert_eq!((files(&place), service.scripted.requests().len()), (before, asked), "{said}");
        if said.contains("in the place") {
            // Somebody's file, for all we know.
            service.export(&flags.with("--restart", Some("")), usize::MAX).failed(1, said);
            continue;
        }
        assert!(run.stderr.ends_with("hint: --restart throws it away and begins anew\n"), "{}", run.stderr);
        service.export(&flags.with("--restart", Some("")), usize::MAX).done();
        assert_eq!((place.names(), place.read("usage.csv")), (vec!["usage.csv".to_owned()], whole.clone()));
    }
}

#[test]
fn a_manifest_that_cannot_be_written_is_refused_before_anything_is_fetched() {
    let (place, service) = (Place::new(), Service::start());
    let in_the_way = place.path("usage.csv.manifest.json.part");
    fs::create_dir(&in_the_way).unwrap();
    let flags = Flags::to(&place.path("usage.csv")).with("--manifest", Some(""));
    let run = service.export(&flags, usize::MAX);
    run.failed(
        1,
        "usage.csv.manifest.json.part` is in the place of the partial file and is not a file of its own",
    );
    assert_eq!((place.names().len(), service.scripted.requests().len()), (1, 0));

    fs::remove_dir(&in_the_way).unwrap();
    service.export(&flags, usize::MAX).done();
    assert_eq!(place.names(), ["usage.csv", "usage.csv.manifest.json"]);
}
