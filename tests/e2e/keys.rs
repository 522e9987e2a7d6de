//! Who may read what.

use billing_testkit::Reply;

use crate::billing::{command, finish, run};
use crate::ledger::{Ledger, noted};
use crate::place::Place;
use crate::scripted::Scripted;

/// The id of the only key, as `keys list` shows it.
fn only_id(ledger: &Ledger) -> String {
    let list = run(&["keys", "list", "--ledger", &ledger.path()]).done();
    let rows: Vec<&str> = list.text().lines().skip(1).collect();
    assert_eq!(rows.len(), 1, "{}", list.text());
    rows[0].split_whitespace().next().unwrap().to_owned()
}

#[test]
fn a_key_is_shown_once_and_alone() {
    let ledger = Ledger::of(&[]);
    for kind in ["admin", "inference"] {
        let created =
            run(&["keys", "create", "--ledger", &ledger.path(), "--kind", kind, "--account", "acme"]).done();
        let key = created.text().strip_suffix('\n').unwrap();
        assert!(key.len() > 40 && key.bytes().all(|byte| byte.is_ascii_graphic()), "{key}");
        let secret = key.rsplit_once(&format!("{kind}-")).unwrap().1;
        let list = run(&["keys", "list", "--ledger", &ledger.path()]).done();
        assert!(list.text().contains("acme") && list.text().contains(kind), "{}", list.text());
        // Its last six characters tell it from others. No more of it is shown anywhere.
        let more: Vec<&str> = (0..secret.len() - 6).map(|at| &secret[at..at + 7]).collect();
        let ledger_bytes = std::fs::read(ledger.path()).unwrap();
        for part in more {
            assert!(!list.text().contains(part) && !created.stderr.contains(part));
            assert!(!ledger_bytes.windows(part.len()).any(|bytes| bytes == part.as_bytes()), "in the ledger");
        }
    }
}

#[test]
fn a_key_that_is_revoked_opens_nothing_from_then_on() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let server = ledger.serve();
    assert_eq!(server.export(&["--format", "ndjson"]).done().entries().len(), 1);
    let id = only_id(&ledger);
    run(&["keys", "revoke", &id, "--ledger", &ledger.path()]).done();
    for endpoint in ["usage", "usage-history"] {
        server.export(&["--endpoint", endpoint]).failed(4, "401 Authentication failed");
    }
    run(&["keys", "revoke", &id, "--ledger", &ledger.path()]).failed(1, "there is no key ");
    run(&["keys", "revoke", "0000000000000000", "--ledger", &ledger.path()]).failed(1, "there is no key ");
    // Another key still works, also one that was made while the server runs.
    let key = ledger.key("default", "admin");
    assert_eq!(server.export_with(&key, &["--format", "ndjson"]).done().entries().len(), 1);
}

#[test]
fn an_account_sees_its_own_entries_only() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "ours")]);
    let place = Place::new();
    let theirs = [noted("2026-05-01T00:00:00Z", "theirs"), noted("2026-05-02T00:00:00Z", "theirs")];
    let file = place.write("theirs.ndjson", crate::billing::ndjson(&theirs));
    run(&["import", &file, "--ledger", &ledger.path(), "--account", "other"]).done();
    let server = ledger.serve();
    let keys = [
        (server.key.clone(), vec!["ours"]),
        (ledger.key("other", "admin"), vec!["theirs", "theirs"]),
        (ledger.key("empty", "admin"), vec![]),
    ];
    for (key, expect) in keys {
        for endpoint in ["usage", "usage-history"] {
            for wire in ["json", "csv"] {
                let args = ["--endpoint", endpoint, "--wire", wire, "--format", "ndjson"];
                let notes: Vec<_> = server
                    .export_with(&key, &args)
                    .done()
                    .entries()
                    .into_iter()
                    .map(|entry| entry.notes)
                    .collect();
                assert_eq!(notes, expect, "{endpoint} over {wire}");
            }
        }
    }
}

#[test]
fn a_key_comes_from_a_file_from_stdin_or_from_a_variable() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let (server, place) = (ledger.serve(), Place::new());
    let with_line_end = format!("{}\r\n", server.key);
    let file = place.write("key", &with_line_end);
    let export = |args: &[&str], variables: &[(&str, &str)], stdin: &str| {
        let mut command = command(&["export", "--quiet", "--format", "ndjson"]);
        command.args(args).env("BILLING_BASE_URL", &server.base_url).envs(variables.iter().copied());
        finish(command, stdin.as_bytes())
    };
    let key = server.key.as_str();
    for (args, variables, stdin) in [
        (&["--api-key-file", &file][..], &[][..], ""),
        (&["--api-key-file", "-"], &[], with_line_end.as_str()),
        (&[], &[("BILLING_API_KEY", key)], ""),
        (&[], &[("VENICE_API_KEY", key)], ""),
        (&[], &[("BILLING_API_KEY", ""), ("VENICE_API_KEY", key)], ""),
        // Ours before theirs, and a file before both.
        (&[], &[("BILLING_API_KEY", key), ("VENICE_API_KEY", "wrong")], ""),
        (&["--api-key-file", &file], &[("BILLING_API_KEY", "wrong")], ""),
    ] {
        assert_eq!(export(args, variables, stdin).done().entries().len(), 1, "{args:?} {variables:?}");
    }
    // A flag before a variable.
    let elsewhere = [("BILLING_BASE_URL", "http://127.0.0.1:1/api/v1"), ("BILLING_API_KEY", key)];
    export(&["--base-url", &server.base_url], &elsewhere, "").done();
    export(&[], &elsewhere, "").failed(5, "cannot connect");
}

/// It may read somebody's ledger at Venice, and the server of a batch is somebody else's.
#[test]
fn a_key_of_venice_is_not_sent_with_a_batch() {
    let (service, place) = (Scripted::answering(Reply::error(401, "asked")), Place::new());
    let file = place.write("day.ndjson", crate::billing::ndjson(&[noted("2026-05-01T00:00:00Z", "")]));
    let record = |ours: &str| {
        let base_url = service.base_url();
        let mut command = command(&["record", &file, "--idempotency-key", "k", "--base-url", &base_url]);
        command.env("VENICE_API_KEY", "venice-admin-key-of-somebody").env("BILLING_API_KEY", ours);
        finish(command, b"")
    };
    for ours in ["", " "] {
        let run = record(ours);
        run.failed(4, "");
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.stderr, @"
            error: no API key: that of VENICE_API_KEY is for Venice, and was not sent
            hint: put an ingest key of the service in BILLING_API_KEY, or in a file for --api-key-file
            hint: whoever runs the service makes one with `billing keys create --kind ingest`
            ");
        }
    }
    assert!(service.requests().is_empty());
    record("ingest-key").failed(4, "hint: the key is that of BILLING_API_KEY");
    let keys: Vec<_> =
        service.requests().iter().map(|request| request.header("authorization").to_owned()).collect();
    assert_eq!(keys, ["Bearer ingest-key"]);
    let help = run(&["record", "--help"]).done();
    assert!(help.text().contains("otherwise BILLING_API_KEY") && !help.text().contains("VENICE_API_KEY"));
}
