//! A service and a key as people type them, and what is said when they are not right.

use billing_testkit::Reply;

use crate::billing::{command, export_command, finish};
use crate::ledger::{Ledger, noted};
use crate::place::Place;
use crate::scripted::Scripted;

#[test]
fn a_base_url_needs_no_scheme() {
    let server = Ledger::of(&[noted("2026-05-01T00:00:00Z", "n")]).serve();
    let typed = server.base_url.strip_prefix("http://").unwrap();
    let run = finish(export_command(typed, &server.key, &["--format", "ndjson"]), b"").done();
    assert_eq!(run.entries().len(), 1);
}

#[test]
fn a_base_url_without_its_path_is_told_what_it_may_be() {
    let server = Ledger::of(&[]).serve();
    let origin = server.base_url.strip_suffix("/api/v1").unwrap();
    let address = origin.strip_prefix("http://").unwrap();
    // Neither endpoint is there, so there is no word of one that were.
    let run = finish(export_command(address, &server.key, &["--format", "csv"]), b"");
    insta::assert_snapshot!(run.said(address), @"
    error: GET http://ADDRESS/billing/usage: 404 Not found
    hint: the API may be at --base-url http://ADDRESS/api/v1
    exit code 5
    ");
    let page = Scripted::answering(Reply::new(200, "text/html", "<!doctype html><title>Sign in</title>"));
    let address = page.base_url();
    let address = address.strip_prefix("http://").unwrap().strip_suffix("/api/v1").unwrap();
    let run = finish(export_command(address, "any-key", &["--format", "csv"]), b"");
    assert!(
        run.said(address).contains("hint: the API may be at --base-url http://ADDRESS/api/v1\n"),
        "{}",
        run.stderr
    );
}

/// Without a scheme, a user name looks like one.
#[test]
fn a_password_in_a_base_url_is_not_shown() {
    let place = Place::new();
    let file = place.write("day.csv", "x");
    for words in [&["export"][..], &["analytics"], &["balance"], &["record", &file, "--idempotency-key", "k"]]
    {
        let said = |base_url: &str| {
            let mut command = command(words);
            command.args(["--base-url", base_url]).env("BILLING_API_KEY", "any-key");
            finish(command, b"").said("no address")
        };
        insta::allow_duplicates! {
            for base_url in ["user:secret@billing.example", "https://user:secret@billing.example/api/v1"] {
                insta::assert_snapshot!(said(base_url), @"
                error: the base URL holds a user name or password; give the key as a key
                hint: a base URL looks like https://api.venice.ai/api/v1
                exit code 2
                ");
            }
            insta::assert_snapshot!(said("https://user:secret@billing.example:port"), @"
            error: base URL `https://***@billing.example:port` is not a URL: invalid port number
            hint: a base URL looks like https://api.venice.ai/api/v1
            exit code 2
            ");
        }
    }
}

#[test]
fn a_key_that_is_refused_is_told_from_others() {
    let service = Scripted::answering(Reply::error(401, "Authentication failed"));
    let (base_url, place) = (service.base_url(), Place::new());
    let address = base_url.strip_prefix("http://").unwrap().strip_suffix("/api/v1").unwrap();
    let file = place.write("key", "sk-0123456789-abcdefghij\n");
    let export = |args: &[&str], variables: &[(&str, &str)], stdin: &[u8]| {
        let mut command = command(&["export", "--base-url", &base_url]);
        command.args(args).envs(variables.iter().copied());
        finish(command, stdin).said(address).replace(&file, "FILE")
    };
    let long = "sk-0123456789-klmnopqrst";
    insta::assert_snapshot!(export(&[], &[("VENICE_API_KEY", long)], b""), @"
    error: GET http://ADDRESS/api/v1/billing/usage-history: 401 Authentication failed
    hint: the key is that of VENICE_API_KEY, which ends in `opqrst`
    hint: an admin key of this service is needed; an inference key is refused
    exit code 4
    ");
    for (args, variables, stdin, which) in [
        (
            &[][..],
            &[("BILLING_API_KEY", "short"), ("VENICE_API_KEY", long)][..],
            &b""[..],
            "that of BILLING_API_KEY",
        ),
        (&["--api-key-file", &file], &[], b"", "that of `FILE`, which ends in `efghij`"),
        (&["--api-key-file", "-"], &[], long.as_bytes(), "that of stdin, which ends in `opqrst`"),
    ] {
        let said = export(args, variables, stdin);
        assert!(said.contains(&format!("\nhint: the key is {which}\n")), "{said}");
    }
}

#[test]
fn a_window_that_may_still_get_entries_is_said_not_to_be_final() {
    let server = Ledger::of(&[noted("2026-05-01T00:00:00Z", "n")]).serve();
    let today = "note: the window ends today and is not final: entries may come hours late\n";
    let ahead = "note: the window has not ended and is not final: entries are still to come\n";
    for (args, said) in
        [(&[][..], Some(today)), (&["--until", "2126-01"], Some(ahead)), (&["--until", "2026-06"], None)]
    {
        let run = server.export(&[&["--format", "csv"], args].concat()).done();
        for note in [today, ahead] {
            assert_eq!(run.stderr.contains(note), said == Some(note), "{args:?}: {}", run.stderr);
        }
    }
}
