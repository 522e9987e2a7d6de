//! `billing demo`: the first thing that anybody runs.

use std::os::unix::fs::PermissionsExt;

use billing_model::UsageEntry;
use billing_sample::History;

use crate::billing::{Run, command, finish, run};
use crate::conversation::Request;
use crate::host::{HISTORY, Host};
use crate::place::Place;
use crate::process::Process;

fn demo<'a>(dir: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["demo", "--entries", "2000", "--dir", dir], more].concat()
}

#[test]
fn the_demo_shows_and_proves_it() {
    let place = Place::new();
    let dir = place.path("demo");
    let shown = run(&demo(&dir, &[])).done();
    let text = shown.text();
    for piece in [
        "recorded 2,000 made-up entries",
        "the two exports are the same entries",
        "DIEM ",
        "USD ",
        "BUNDLED_CREDITS ",
        "EARNED_CREDITS ",
        "VCU ",
        "/billing/usage ",
        "/billing/usage-history ",
        "usage.csv is written",
        "Next, in one terminal:",
    ] {
        assert!(text.contains(piece), "{piece:?} is not shown in:\n{text}");
    }
    assert_eq!(shown.stderr, "");
    let expect: Vec<_> = History::new(1, 2_000).collect();
    assert!(billing_csv::decode(&place.read("demo/usage.csv")).unwrap() == expect);
    let mode = std::fs::metadata(place.path("demo/api-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the key is its owner's");
}

/// Named after what broke: the demo says how to serve its ledger, and the next demo removed the ledger under that
/// server.
#[test]
fn a_demo_does_not_take_its_ledger_from_a_server() {
    let place = Place::new();
    let dir = place.path("demo");
    run(&demo(&dir, &[])).done();
    let ledger = place.path("demo/ledger.db");
    let key = String::from_utf8(place.read("demo/api-key")).unwrap();
    let host = Host::start(&ledger, &[]);
    run(&demo(&dir, &[])).failed(1, "is open in another program, a server perhaps: stop it first");
    assert_eq!(host.ask(&Request::get(HISTORY).bearing(key.trim_end())).status, 200);
    host.stop();
    run(&demo(&dir, &[])).done();
}

#[test]
fn a_seed_is_a_history() {
    let place = Place::new();
    let dirs = ["a", "b", "c"].map(|name| place.path(name));
    run(&demo(&dirs[0], &["--seed", "7"])).done();
    run(&demo(&dirs[1], &["--seed", "7"])).done();
    run(&demo(&dirs[2], &["--seed", "8"])).done();
    let usage = |name: &str| place.read(&format!("{name}/usage.csv"));
    assert!(usage("a") == usage("b"));
    assert!(usage("a") != usage("c"));
    // A demo overwrites its own files and no others.
    place.write("a/notes.txt", "mine");
    run(&demo(&dirs[0], &["--seed", "8"])).done();
    assert!(usage("a") == usage("c"));
    assert_eq!(place.read("a/notes.txt"), b"mine");
}

/// `ledger.db` is the name that docs/server.md teaches.
#[test]
fn a_demo_leaves_a_directory_alone_that_no_demo_made() {
    let place = Place::new();
    let names = ["api-key", "ledger.db", "usage.csv"];
    for name in names {
        place.write(name, "precious");
    }
    run(&demo(&place.path(""), &[])).failed(1, "no demo made it");
    assert_eq!(place.names(), names);
    assert!(names.iter().all(|name| place.read(name) == b"precious"));
}

/// What a demo shows to be typed next, typed at a server that another port was given to.
struct Next {
    shown: String,
    host: Host,
}

impl Next {
    fn of(dir: &str) -> Self {
        let shown = run(&demo(dir, &[])).done().text().replace("\\\n", "");
        let serve = words(&shown, "serve");
        assert_eq!(serve[..2], ["serve", "--ledger"]);
        Self { host: Host::start(&serve[2], &[]), shown }
    }

    /// Runs the command of this name as it is shown, in the environment that is shown, in this directory.
    fn run(&self, name: &str, directory: &str) -> Run {
        let words = words(&self.shown, name);
        let mut command = command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        let base_url = self.shown.split_once("  export BILLING_BASE_URL=").unwrap().1.lines().next().unwrap();
        command.env("BILLING_BASE_URL", base_url.replace("localhost:8787", self.host.address()));
        command.current_dir(directory);
        finish(command, b"").done()
    }
}

/// The words behind the program's name.
fn words(shown: &str, name: &str) -> Vec<String> {
    let line = shown.lines().find(|line| line.contains(&format!("billing {name} "))).unwrap();
    line.split_whitespace().skip(1).map(str::to_owned).collect()
}

/// June is June, from a server of the ledger that is left.
#[test]
fn what_is_shown_as_next_works() {
    let place = Place::new();
    Next::of(&place.path("demo")).run("export", &place.path(""));
    let found = billing_csv::decode(&place.read("june.csv")).unwrap();
    // The eleven columns.
    let all = History::new(1, 2_000).map(|entry| UsageEntry { api_key_id: None, ..entry });
    let expect: Vec<_> = all.filter(|entry| entry.timestamp.to_string().starts_with("2026-06")).collect();
    assert!(!expect.is_empty());
    assert_eq!(found, expect);
}

/// So do the questions, and the batch, which is recorded once.
#[test]
fn what_is_asked_and_recorded_next_works() {
    let place = Place::new();
    let shown = Next::of(&place.path("demo"));
    let next = |name: &str| shown.run(name, &place.path(""));
    let spend = next("analytics");
    assert!(spend.text().starts_with("Spend from 2026-06-01 to 2026-06-30 (UTC), before refunds.\n"));
    assert!(next("record").stderr.ends_with(": recorded 3 entries as batch `demo-1`\n"));
    let repeated = ": batch `demo-1` of 3 entries was recorded before; nothing was recorded twice\n";
    assert!(next("record").stderr.ends_with(repeated));
    assert!(next("balance").text().contains("The next request is charged in "));
    let mode = std::fs::metadata(place.path("demo/ingest-key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "the key is its owner's");
}

/// The commands that are shown work, with the key and the ledger that are left.
#[test]
fn a_demo_that_serves_can_be_exported_from() {
    let place = Place::new();
    let dir = place.path("demo");
    let mut process = Process::start(command(&demo(&dir, &["--serve"])));
    let mut base_url = None;
    // Up to the last line of two commands. After its end there are lines without a word.
    let is_shown = (0..100).any(|_| {
        let line = process.line();
        base_url = base_url.take().or_else(|| line.strip_prefix("serving it at ").map(str::to_owned));
        line.contains("/billing/usage-history?pageSize=")
    });
    assert!(is_shown, "no commands");
    let (base_url, key) = (base_url.unwrap(), place.path("demo/api-key"));
    let args = [
        "export",
        "--base-url",
        &base_url,
        "--api-key-file",
        &key,
        "--with-api-key-id",
        "--until",
        "2200-01",
    ];
    let exported = run(&args).done().stdout;
    assert!(exported == place.read("demo/usage.csv"));
    process.signal("INT");
    let (code, _, said) = process.end();
    assert_eq!((code, said.as_str()), (Some(0), ""));
}

#[test]
fn a_demo_of_nothing_and_of_one_end_well() {
    for entries in ["0", "1"] {
        let place = Place::new();
        run(&["demo", "--entries", entries, "--dir", &place.path("demo")]).done();
        let decoded = billing_csv::decode(&place.read("demo/usage.csv")).unwrap();
        assert_eq!(decoded.len().to_string(), entries);
    }
}

#[test]
fn a_demo_needs_a_directory() {
    let place = Place::new();
    let file = place.write("file", "mine");
    run(&demo(&file, &[])).failed(1, "cannot use the directory");
    assert_eq!(place.read("file"), b"mine");
}
