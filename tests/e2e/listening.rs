//! Where `billing serve` listens, what it says at its start, and how much of it.

use std::process::Command;

use serde::de::IgnoredAny;

use crate::billing::{command, finish, run};
use crate::conversation::Request;
use crate::host::{HISTORY, Host};
use crate::ledger::{Ledger, noted};
use crate::place::Place;
use crate::process::Process;

#[test]
fn a_port_alone_is_one_of_this_machine() {
    let ledger = Ledger::of(&[]);
    for typed in ["0", ":0", "localhost:0", "127.0.0.1:0"] {
        let mut process = Process::start(command(&["serve", "--ledger", &ledger.path(), "--listen", typed]));
        let line = process.line();
        assert!(line.starts_with("http://127.0.0.1:"), "{typed}: {line}");
    }
    for typed in ["0", ":0", "localhost:0"] {
        let host = Host::start(&ledger.path(), &["--metrics-listen", typed]);
        let address = host.metrics_address();
        assert!(address.starts_with("127.0.0.1:"), "{typed}: {address}");
    }
}

#[test]
fn an_address_that_is_none_is_wrong_usage() {
    let ledger = Ledger::of(&[]);
    let said =
        |flag: &str, typed: &str| run(&["serve", "--ledger", &ledger.path(), flag, typed]).said("no address");
    insta::assert_snapshot!(said("--listen", "everywhere"), @"
    error: invalid value 'everywhere' for '--listen <ADDRESS>': give a port of this machine alone, as 8787, :8787 or localhost:8787, or ADDRESS:PORT, as 0.0.0.0:8787
    hint: billing serve --help shows what it takes
    exit code 2
    ");
    insta::assert_snapshot!(said("--metrics-listen", "70000"), @"
    error: invalid value '70000' for '--metrics-listen <ADDRESS>': give a port of this machine alone, as 8787, :8787 or localhost:8787, or ADDRESS:PORT, as 0.0.0.0:8787
    hint: billing serve --help shows what it takes
    exit code 2
    ");
}

/// What a server of this ledger says when it gets no requests. Its connections are limited, so that the machine has
/// enough open files for them.
fn said_of(ledger: &str) -> String {
    Host::start(ledger, &["--max-connections", "16"]).stop().replace(ledger, "LEDGER")
}

#[test]
fn a_ledger_without_keys_says_how_to_make_one() {
    let ledger = Ledger::of(&[]);
    let expect =
        "note: nobody has a key to this ledger; this makes one:\n  billing keys create --ledger LEDGER\n";
    assert_eq!(said_of(&ledger.path()), expect);
    ledger.key("default", "ingest");
    assert_eq!(said_of(&ledger.path()), "");
    // One that is revoked opens nothing.
    ledger.revoke_keys_of("default");
    assert_eq!(said_of(&ledger.path()), expect);
}

#[test]
fn the_command_that_makes_a_key_can_be_copied() {
    let place = Place::new();
    let (empty, path) = (place.write("empty.ndjson", ""), place.path("it's a $ledger.db"));
    run(&["import", &empty, "--ledger", &path]).done();
    let said = Host::start(&path, &["--max-connections", "16"]).stop();
    let typed = said.lines().nth(1).unwrap().trim_start().strip_prefix("billing ").unwrap().to_owned();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("'{}' {typed}", env!("CARGO_BIN_EXE_billing"))]).env_clear();
    assert!(finish(shell, b"").done().text().starts_with("billing-admin-"));
    assert_eq!(said_of(&path), "");
}

#[test]
fn a_server_says_as_much_as_it_is_told_to() {
    let ledger = Ledger::of(&[]);
    let levels = [
        (&["--quiet"][..], [false, false, false]),
        (&["--log-level", "error"], [false, false, false]),
        (&["--log-level", "warn"], [true, false, false]),
        (&["--log-level", "info"], [true, true, true]),
        (&[], [true, true, true]),
        (&["--log-level", "debug"], [true, true, true]),
        (&["--log-level", "debug", "--log-format", "json"], [true, true, true]),
        (&["--quiet", "--log-format", "json"], [false, false, false]),
    ];
    for (args, expect) in levels {
        // It warns of metrics beyond this machine, notes that there is no key, and logs the request.
        let host = Host::start(&ledger.path(), &[args, &["--metrics-listen", "0.0.0.0:0"]].concat());
        assert_eq!(host.ask(&Request::get(HISTORY)).status, 401);
        let said = host.stop();
        let is_json = args.contains(&"json");
        let found = match is_json {
            // Whoever reads it by a program finds nothing that is not JSON.
            true => {
                [r#""level":"WARN","message":"whoever reaches"#, r#""message":"nobody has a key"#, "answered"]
            }
            false => ["warning: whoever reaches", "note: nobody has a key", "answered"],
        };
        assert_eq!(found.map(|words| said.contains(words)), expect, "{args:?}: {said}");
        let is_object = |line: &str| serde_json::from_str::<IgnoredAny>(line).is_ok();
        assert!(!is_json || said.lines().all(is_object), "{said}");
        assert!(expect[0] || said.is_empty(), "{args:?}: {said}");
    }
}

#[test]
fn quiet_and_a_level_contradict_each_other() {
    let ledger = Ledger::of(&[]);
    let both = run(&["serve", "--ledger", &ledger.path(), "--quiet", "--log-level", "info"]);
    insta::assert_snapshot!(both.said("no address"), @"
        error: the argument '--quiet' cannot be used with '--log-level <LEVEL>'
        hint: billing serve --help shows what it takes
        exit code 2
        ");
    run(&["serve", "--ledger", &ledger.path(), "--log-level", "loud"]).failed(2, "invalid value 'loud'");
}

/// An error says which request it is of, also where nothing else is logged.
#[test]
fn an_error_has_the_id_of_its_request_at_any_level() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let key = ledger.key("default", "admin");
    let host = Host::start(&ledger.path(), &["--quiet"]);
    std::fs::rename(ledger.path(), format!("{}.moved", ledger.path())).unwrap();
    let asked = Request::get(HISTORY).bearing(&key).header("x-request-id", "our-request");
    assert_eq!(host.ask(&asked).status, 500);
    let said = host.stop();
    assert!(said.contains("ERROR") && said.contains("our-request"), "{said}");
}

#[test]
fn the_address_of_a_server_leads_to_its_page() {
    let ledger = Ledger::of(&[]);
    let host = Host::start(&ledger.path(), &["--failed-request-limit", "1"]);
    // As often as one likes, and with no key.
    for _ in 0..3 {
        let answer = host.ask(&Request::get("/"));
        assert_eq!((answer.status, answer.header("location")), (307, Some("/docs")));
    }
    let page = host.ask(&Request::get("/docs"));
    assert_eq!(page.status, 200);
    for words in
        ["BILLING_BASE_URL", "BILLING_API_KEY", "<em>admin</em>", "<em>ingest</em>", "<em>inference</em>"]
    {
        assert!(page.text().contains(words), "{words}");
    }
    for other in ["BILLING_URL", "BILLING_KEY", "INGEST_KEY"] {
        assert!(!page.text().contains(other), "{other}");
    }
    assert_eq!(host.ask(&Request::get(HISTORY)).status, 401);
}
