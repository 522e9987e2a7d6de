//! Exports from a ledger on the machine: the bytes that a server of it would give, and of a copy of a service nothing that it
//! does not hold whole.

use billing_ledger::{Change, Ledger as _};
use billing_model::{Timestamp, UsageEntry};
use billing_sqlite::SqliteLedger;
use billing_testkit::{Book, OwnedLedger as _, Reply, make_pipe};

use crate::billing::{self, command, export_command, finish, run};
use crate::copies::{self, Walked};
use crate::ledger::{AFTER_REAL, Ledger, REAL, at, noted};
use crate::place::Place;
use crate::process::Process;
use crate::scripted::Scripted;

const MAY: Walked<'_> = (None, "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z");
const JUNE: Walked<'_> = (Some("2026-06-01T00:00:00Z"), "2026-07-01T00:00:00Z", "2026-07-01T00:05:00Z");
const LATE_JUNE: Walked<'_> = (Some("2026-06-20T00:00:00Z"), "2026-07-01T00:00:00Z", "2026-07-01T00:05:00Z");

fn entries() -> Vec<UsageEntry> {
    ["2026-05-01", "2026-05-31", "2026-06-01", "2026-06-25"]
        .map(|day| noted(&format!("{day}T00:00:00Z"), day))
        .into()
}

/// A ledger with an account `copy` that has walked these windows.
fn copy(walked: &[Walked<'_>]) -> Ledger {
    let ledger = Ledger::of(&[]);
    copies::make(&ledger, "copy", walked, &entries());
    ledger
}

#[test]
fn a_ledger_gives_the_bytes_that_its_server_gives() {
    let (ledger, place) = (Ledger::from_file(REAL), Place::new());
    let server = ledger.serve();
    let path = ledger.path();
    for (name, window) in [
        ("all.csv", &["--until", AFTER_REAL][..]),
        ("all.json", &["--until", AFTER_REAL]),
        ("all.ndjson", &["--until", AFTER_REAL]),
        ("all.csv.gz", &["--until", AFTER_REAL, "--with-api-key-id", "--with-other-fields"]),
        ("june.ndjson.gz", &["--month", "2026-06"]),
        ("diem.csv", &["--since", "2026-05-10T12:00:00.5Z", "--until", "2026-05-20", "--currency", "diem"]),
        ("none.json", &["--month", "2020-01"]),
    ] {
        let (there, here) = (place.path(&format!("there-{name}")), place.path(&format!("here-{name}")));
        // Marks that are not made durable end no member of a compressed file.
        let late = ["--checkpoint-every", "1000000", "-o", &there];
        let told = server.export(&[window, &late].concat()).done().stderr;
        let args = [&["export", "--from-ledger", &path, "-o", &here], window].concat();
        let told_here = run(&args).done().stderr;
        assert!(place.read(&format!("there-{name}")) == place.read(&format!("here-{name}")), "{name}");
        let sums = |told: &str| told.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(sums(&told_here), sums(&told), "{name}");
    }
    let args = ["--format", "ndjson", "--until", AFTER_REAL];
    let there = server.export(&args).done().stdout;
    assert!(run(&[&["export", "--from-ledger", &path][..], &args].concat()).done().stdout == there);
}

#[test]
fn a_copy_gives_what_it_holds_whole() {
    let ledger = copy(&[MAY, JUNE]);
    let export = |args: &[&str]| {
        run(&[&["export", "--from-ledger", &ledger.path(), "--account", "copy", "--format", "ndjson"], args]
            .concat())
    };
    for (args, entries) in [
        (&[][..], 4),
        (&["--until", "2026-05-31"], 1),
        (&["--month", "2026-05"], 2),
        (&["--month", "2026-06"], 2),
        (&["--since", "2026-06-25"], 1),
        (&["--since", "2026-06-26"], 0),
    ] {
        let export = export(args).done();
        assert_eq!(export.entries().len(), entries, "{args:?} {}", export.stderr);
        // What was walked five minutes after its time.
        let is_provisional = args != ["--until", "2026-05-31"] && args != ["--month", "2026-05"];
        let note = "note: provisional from 2026-06-30T23:50:00.000Z on: entries may still arrive there; `billing sync` brings them\n";
        assert_eq!(export.stderr.contains(note), is_provisional, "{}", export.stderr);
    }
    let json = export(&["--json"]).done().stderr;
    for field in [
        r#""window":{"since":null,"until":"2026-07-01T00:00:00.000Z"},"isFinal":false,"#,
        r#""account":"copy","provisionalFrom":"2026-06-30T23:50:00.000Z","endpoint":null,"#,
        r#""requests":0,"#,
    ] {
        assert!(json.contains(field), "{json}");
    }
}

#[test]
fn what_a_copy_does_not_hold_is_said_and_nothing_is_written() {
    let (gapped, closed, empty) = (copy(&[MAY, LATE_JUNE]), copy(&[LATE_JUNE]), copy(&[]));
    let place = Place::new();
    let old = place.write("old.csv", "old");
    let said = |ledger: &Ledger, args: &[&str]| {
        let all = [&["export", "--from-ledger", &ledger.path(), "--account", "copy", "-o", &old], args];
        let run = run(&all.concat());
        assert_eq!((place.names(), place.read("old.csv")), (vec!["old.csv".to_owned()], b"old".to_vec()));
        run.said("NOWHERE")
    };
    let all = [
        said(&gapped, &[]),
        said(&gapped, &["--month", "2026-06"]),
        said(&gapped, &["--since", "2026-06-25", "--until", "2026-07-02"]),
        said(&closed, &[]),
        said(&closed, &["--month", "2026-05"]),
        said(&empty, &["--month", "2026-05"]),
    ];
    insta::assert_snapshot!(all.join("\n\n"), @"
    error: account `copy` does not hold the window whole: what lies from 2026-06-01T00:00:00.000Z to 2026-06-20T00:00:00.000Z is missing
    hint: nothing was written; `billing sync` brings what is missing, with --since what lies before its history
    exit code 6

    error: account `copy` does not hold the window whole: what lies from 2026-06-01T00:00:00.000Z to 2026-06-20T00:00:00.000Z is missing
    hint: nothing was written; `billing sync` brings what is missing, with --since what lies before its history
    exit code 6

    error: account `copy` does not hold the window whole: what lies from 2026-07-01T00:00:00.000Z to 2026-07-02T00:00:00.000Z is missing
    hint: nothing was written; `billing sync` brings what is missing, with --since what lies before its history
    hint: --until 2026-07-01T00:00:00.000Z ends the window where it is held
    exit code 6

    error: account `copy` does not hold the window whole: what lies before 2026-06-20T00:00:00.000Z is missing
    hint: nothing was written; `billing sync` brings what is missing, with --since what lies before its history
    exit code 6

    error: account `copy` does not hold the window whole: what lies from 2026-05-01T00:00:00.000Z to 2026-06-01T00:00:00.000Z is missing
    hint: nothing was written; `billing sync` brings what is missing, with --since what lies before its history
    exit code 6

    error: account `copy` holds nothing yet: no window of its service was brought over
    hint: nothing was written; `billing sync` brings what is missing, with --since what lies before its history
    exit code 6
    ");
    // Behind everything that is held, up to the present.
    let behind = said(&closed, &["--since", "2026-07-01"]);
    assert!(
        behind.contains("what lies from 2026-07-01T00:00:00.000Z to ") && behind.ends_with("code 6"),
        "{behind}"
    );
    let june = ["export", "--from-ledger", &gapped.path(), "--account", "copy", "--since", "2026-06-20"];
    assert_eq!(run(&[&june[..], &["--format", "ndjson"]].concat()).done().entries().len(), 1);
}

#[test]
fn a_manifest_names_the_ledger_and_the_account() {
    let (ledger, place) = (Ledger::of(&entries()), Place::new());
    let (path, file) = (ledger.path(), place.path("june.csv"));
    run(&["export", "--from-ledger", &path, "--month", "2026-06", "-o", &file, "--manifest", "--quiet"])
        .done();
    assert_eq!(place.names(), ["june.csv", "june.csv.manifest.json"]);
    let manifest = String::from_utf8(place.read("june.csv.manifest.json")).unwrap();
    for field in [
        &format!("\"service\": \"{path}\",\n  \"account\": \"default\","),
        "\"entries\": 2,",
        "\"requests\": 0,",
    ] {
        assert!(manifest.contains(field), "{manifest}");
    }
}

#[test]
fn a_ledger_may_be_that_of_the_environment_which_names_no_service_then() {
    let ledger = Ledger::of(&entries());
    let mut export = command(&["export", "--from-ledger", "--format", "ndjson"]);
    export.env("BILLING_LEDGER", ledger.path());
    // What is there for other commands is neither a contradiction nor looked at.
    for (name, value) in [
        ("BILLING_BASE_URL", "https://nowhere.example/api/v1"),
        ("HTTPS_PROXY", "nonsense://"),
        ("SSL_CERT_FILE", "/nowhere.pem"),
    ] {
        export.env(name, value);
    }
    assert_eq!(finish(export, b"").done().entries(), entries());
    let path = ledger.path();
    let typed = run(&["export", "--from-ledger", &path, "--base-url", "localhost:1/api/v1", "-o", "-"]);
    typed.failed(2, "the argument '--from-ledger [<PATH>]' cannot be used with '--base-url <URL>'");
    let typed = run(&["export", "--from-ledger", &path, "--concurrency", "2", "-o", "-"]);
    typed.failed(2, "the argument '--from-ledger [<PATH>]' cannot be used with '--concurrency <N>'");
    run(&["export", "--account", "acme", "-o", "-"]).failed(2, "--from-ledger");
    run(&["export", "--from-ledger", &path, "--account", "acme", "-o", "-"])
        .failed(1, "there is no account `acme`");
    run(&["export", "--from-ledger", &format!("{path}.not"), "-o", "-"]).failed(1, "there is no ledger at");
}

#[test]
fn a_named_pipe_gets_it_all() {
    let (ledger, place) = (Ledger::of(&entries()), Place::new());
    let pipe = place.path("pipe");
    make_pipe(&pipe);
    let args = ["export", "--from-ledger", &ledger.path(), "-o", &pipe, "--format", "ndjson"];
    let export = Process::start(command(&args));
    assert_eq!(billing::entries(&std::fs::read(&pipe).unwrap()), entries());
    assert_eq!(export.end().0, Some(0));
}

/// What went out cannot be taken back.
#[test]
fn in_a_pipe_a_window_of_which_something_is_taken_out_is_incomplete() {
    let ledger = Ledger::from_file(REAL);
    let mut export = Process::start(command(&["export", "--from-ledger", &ledger.path()]));
    // The pipe is full long before the end.
    assert!(export.line().starts_with("timestamp,"));
    let opened = SqliteLedger::open(std::path::Path::new(&ledger.path())).unwrap();
    let account = opened.account("default").unwrap().unwrap();
    let last = opened.placed_entries(account).unwrap().pop().unwrap().0;
    opened.change(&Change { remove: vec![last], ..Change::of(account, at("2026-07-01T00:00:00Z")) }).unwrap();
    let (code, _, said) = export.end();
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("error: entries of account `default` were taken out while it was read"), "{said}");
    assert!(said.contains("hint: what was written so far is incomplete: do not use it"), "{said}");
}

/// What an export from a service left is not thrown away in passing.
#[test]
fn what_another_export_left_stays_until_it_is_to_go() {
    let (ledger, place) = (Ledger::of(&entries()), Place::new());
    let (path, file) = (ledger.path(), place.path("june.csv"));
    let start_ns = at("2026-02-01T00:00:00Z").unix_ns().unwrap();
    let second = |s: i64| Timestamp::from_unix_ns(start_ns + s * 1_000_000_000).to_string();
    let mut book = Book::new((0..100).map(|s| noted(&second(s), "")).collect());
    let mut answers = 0;
    let service = Scripted::start(move |request| {
        answers += 1;
        if answers > 3 { Reply::error(401, "not today") } else { book.answer(request) }
    });
    let slow = ["--page-size", "10", "--checkpoint-every", "0", "--concurrency", "1", "--until", "2026-07"];
    let export = export_command(&service.base_url(), "any-key", &[&["-o", &file][..], &slow].concat());
    finish(export, b"").failed(4, "not today");
    let left = ["june.csv.checkpoint", "june.csv.part"];
    assert_eq!(place.names(), left);
    let export = |args: &[&str]| run(&[&["export", "--from-ledger", &path, "-o", &file], args].concat());
    export(&[]).failed(2, "was begun with other arguments");
    assert_eq!(place.names(), left);
    export(&["--restart"]).done();
    assert_eq!(place.names(), ["june.csv"]);
    assert_eq!(billing::entries(&place.read("june.csv")).len(), 4);
}
