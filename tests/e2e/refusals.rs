//! What is refused before anything is sent, or by the service: an exit code, one sentence, and nothing written.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use crate::billing::{command, export_command, finish, run};
use crate::ledger::{Ledger, noted};
use crate::place::Place;
use crate::scripted::{Scripted, history_page};

/// A port of loopback at which nobody listens: it was free a moment ago.
fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/api/v1", listener.local_addr().unwrap())
}

/// An export to a file, at a service that has entries, with a key in the environment.
#[track_caller]
fn check(args: &[&str], code: i32, said: &str) {
    let (place, service) =
        (Place::new(), Scripted::answering(history_page(&[noted("2026-05-01T00:00:00Z", "")], None)));
    let path = place.path("usage.csv");
    let mut command = export_command(&service.base_url(), "any-key", &["-o", &path]);
    command.args(args);
    finish(command, b"").failed(code, said);
    assert!(place.names().is_empty(), "{:?}", place.names());
    assert!(service.requests().is_empty(), "refused, but asked for all the same");
}

#[test]
fn wrong_flags_are_wrong_usage() {
    for (args, said) in [
        (
            &["--since", "2026-06", "--until", "2026-05"][..],
            "the window is empty: --since 2026-06-01T00:00:00.000Z",
        ),
        (&["--since", "2026-06", "--until", "2026-06"], "the window is empty"),
        (&["--concurrency", "0"], "0 is not in 1..=16"),
        (&["--concurrency", "17"], "17 is not in 1..=16"),
        (&["--since", "tomorrow"], "--since: `tomorrow` is not a time"),
        (&["--until", "2026-13"], "--until: `2026-13` is not a time"),
        (&["--until", "7x"], "--until: `7x` is not a time"),
        (&["--since", "-7d"], "--since: `-7d` is not a time"),
        // A month to one reader, a minute to another.
        (&["--since", "1m"], "--since: `1m` is not a time: m could be months or minutes; give days or hours"),
        (
            &["--start", "2026-06", "--end", "2026-05"],
            "the window is empty: --since 2026-06-01T00:00:00.000Z",
        ),
        (&["--from", "1m"], "--since: `1m` is not a time"),
        (&["--to", "7x"], "--until: `7x` is not a time"),
        (&["--month", "june"], "--month: `june` is not a month; give it as 2026-06"),
        (&["--month", "2026-13"], "--month: `2026-13` is not a month"),
        (&["--month", "2026-06-01"], "--month: `2026-06-01` is not a month"),
        (&["--month", "-1"], "--month: `-1` is not a month"),
        (
            &["--month", "2026-06", "--since", "2026-06"],
            "'--month <YYYY-MM>' cannot be used with '--since <T>'",
        ),
        (
            &["--month", "2026-06", "--end", "2026-06"],
            "'--month <YYYY-MM>' cannot be used with '--until <T>'",
        ),
        (&["--month", "2026-06", "--days", "7"], "'--month <YYYY-MM>' cannot be used with '--days <N>'"),
        (&["--days", "7", "--start-date", "2026-06"], "'--days <N>' cannot be used with '--since <T>'"),
        // N days before the end, or before now?
        (&["--days", "7", "--end-date", "2026-06"], "'--days <N>' cannot be used with '--until <T>'"),
        (&["--days", "0"], "it is a number of days from 1 to 20000"),
        (&["--days", "-7"], "it is a number of days from 1 to 20000"),
        (&["--days", "7d"], "invalid value '7d' for '--days <N>'"),
        (
            &["--endpoint", "usage", "--page-size", "0"],
            "--page-size: 0 is out of range; usage-history takes 10 to 1000, usage 1 to 500",
        ),
        (
            &["--endpoint", "usage", "--page-size", "501"],
            "--page-size: 501 is out of range; usage-history takes",
        ),
        (
            &["--endpoint", "usage-history", "--page-size", "9"],
            "--page-size: 9 is out of range; usage-history takes",
        ),
        (&["--endpoint", "usage-history", "--page-size", "1001"], "--page-size: 1001 is out of range;"),
        (&["--page-size", "9"], "usage-history takes 10 to 1000, usage 1 to 500"),
        (
            &["--page-size", "-1"],
            "invalid value '-1' for '--page-size <N>': it is not a whole number; usage-history",
        ),
        (
            &["--page-size", "many"],
            "it is not a whole number; usage-history takes 10 to 1000, usage 1 to 500",
        ),
        (&["--currency", "EUR"], "`EUR` is not one of USD, "),
        (&["--currency", "EUR"], "hint: without --currency all entries come, whatever they are charged in\n"),
        (&["--currency", "VCU", "--endpoint", "usage-history"], "`VCU` is not one of USD, "),
        (
            &["--currency", "VCU", "--endpoint", "usage-history"],
            "hint: without --currency all entries come; --endpoint usage takes this one, where there is that\n",
        ),
        (
            &["--currency", "EARNED_CREDITS", "--endpoint", "usage"],
            "; --endpoint usage-history takes this one",
        ),
        (&["--endpoint", "usage-analytics"], "invalid value 'usage-analytics'"),
        (&["--format", "parquet"], "invalid value 'parquet' for '--format <FORMAT>'"),
        (&["--format", "parquet"], "hint: possible values: csv, json, ndjson"),
        (&["--wire", "xml"], "invalid value 'xml'"),
        (&["--api-key", "secret"], "unexpected argument '--api-key'"),
        (&["--everything"], "unexpected argument '--everything'"),
        (&["--token", "secret"], "hint: the key is in BILLING_API_KEY, or in the file of --api-key-file\n"),
        (&["june.csv"], "hint: a file is named with -o june.csv\n"),
        (&["--gzip"], "hint: a name that ends in .gz makes it gzip: -o usage.csv.gz\n"),
        (&["usage"], "unexpected argument 'usage'"),
    ] {
        check(args, 2, said);
    }
    run(&["export", "--manifest"])
        .failed(2, "a manifest stands beside a file, and this export goes to stdout");
    for stdout in [&[][..], &["-o", "-"]] {
        let run = run(&[&["export", "--restart"], stdout].concat());
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.said("nowhere"), @"
            error: --restart throws away what is left of a file, and this export goes to stdout
            hint: name the file with -o, or leave --restart out
            exit code 2
            ");
        }
    }
    assert_eq!(run(&[]).code, Some(2), "no command at all");
    for (name, said) in [
        ("june.gz", ".gz"),
        ("june.tar.gz", ".gz"),
        ("june.csv.zst", ".zst"),
        ("june.tsv", ".tsv"),
        ("june.xlsx", ".xlsx"),
    ] {
        let place = Place::new();
        let run = run(&["export", "-o", &place.path(name)]);
        let hint = match said {
            ".gz" => "say what is in it: name it usage.csv.gz or usage.ndjson.gz, or add --format csv",
            _ => {
                "name it .csv, .json or .ndjson, with .gz behind it for gzip, or say what it is with --format"
            }
        };
        assert_eq!(run.stderr, format!("error: an export cannot be written as {said}\nhint: {hint}\n"));
        assert_eq!((run.code, run.text()), (Some(2), ""));
        assert!(place.names().is_empty());
    }
    run(&["exports"]).failed(2, "unrecognized subcommand 'exports'");
}

/// At the first address nobody answers and nobody refuses, so that three tries to connect would take half a minute.
#[test]
fn a_key_goes_over_https_or_stays_here() {
    let (start, place) = (Instant::now(), Place::new());
    let path = place.path("usage.csv");
    for (base_url, said) in [
        ("http://10.255.255.1/api/v1", "would send the key in the clear; use https"),
        ("http://billing.example/api/v1", "would send the key in the clear; use https"),
        ("http://localhost.example/api/v1", "would send the key in the clear; use https"),
        ("http://127.0.0.1@10.255.255.1/api/v1", "holds a user name or password"),
        ("ftp://127.0.0.1/api/v1", "is neither https nor http"),
        ("127.0.0.1:x", "base URL"),
        ("", "base URL"),
    ] {
        finish(export_command(base_url, "any-key", &["-o", &path]), b"").failed(2, said);
        // Whatever the key, and whether there is one.
        finish(command(&["export", "--base-url", base_url]), b"").failed(2, said);
    }
    assert!(start.elapsed() < Duration::from_secs(30), "somebody tried to connect");
    assert!(place.names().is_empty());
}

#[test]
fn a_key_that_is_missing_or_is_none_is_a_key_refused() {
    let (place, base_url) = (Place::new(), nobody());
    let no_key = |args: &[&str]| {
        let mut command = command(&["export", "--base-url", &base_url]);
        command.args(args);
        command
    };
    let run = finish(no_key(&[]), b"");
    run.failed(4, "no API key");
    insta::assert_snapshot!(run.stderr, @"
    error: no API key
    hint: put an admin key in BILLING_API_KEY or VENICE_API_KEY, or in a file for --api-key-file
    hint: Venice makes keys at https://venice.ai/settings/api, `billing serve` with `billing keys create`
    ");
    let mut blank = no_key(&[]);
    blank.env("BILLING_API_KEY", " ").env("VENICE_API_KEY", "");
    finish(blank, b"").failed(4, "no API key");
    let missing = place.path("missing");
    finish(no_key(&["--api-key-file", &missing]), b"").failed(4, "the API key cannot be read from");
    let two_lines = place.write("two-lines", "one\ntwo\n");
    finish(no_key(&["--api-key-file", &two_lines]), b"").failed(4, "error: ");
    finish(no_key(&["--api-key-file", "-"]), b"").failed(4, "error: ");
}

#[test]
fn a_key_that_the_service_does_not_take_is_refused() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let server = ledger.serve();
    let place = Place::new();
    let path = place.path("usage.csv");
    let inference = ledger.key("default", "inference");
    let mut wrong = server.key.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == 'A' { 'B' } else { 'A' });
    for endpoint in ["auto", "usage", "usage-history"] {
        for (key, said) in [
            ("sk-nonsense", "401 Authentication failed"),
            (wrong.as_str(), "401 Authentication failed"),
            (inference.as_str(), "401 Admin API key required"),
        ] {
            server.export_with(key, &["--endpoint", endpoint, "-o", &path]).failed(4, said);
            server.export_with(key, &["--endpoint", endpoint]).failed(4, said);
        }
    }
    assert!(place.names().is_empty());
}

#[test]
fn a_service_that_is_not_there_is_unreachable() {
    let (place, base_url) = (Place::new(), nobody());
    let path = place.path("usage.csv");
    let run = finish(export_command(&base_url, "any-key", &["-o", &path]), b"");
    run.failed(5, "cannot connect (tried 5 times in ");
    assert!(run.stderr.ends_with("hint: check --base-url and the network\n"), "{}", run.stderr);
    assert!(place.names().is_empty());
}

/// The key never stands in what is said.
#[test]
fn a_key_is_not_shown() {
    let secret = "sk-very-secret-0123456789";
    let ledger = Ledger::of(&[]);
    for base_url in [ledger.serve().base_url, nobody(), "http://10.255.255.1/".to_owned()] {
        let run = finish(export_command(&base_url, secret, &[]), b"");
        assert_ne!(run.code, Some(0));
        assert!(!run.stderr.contains("very-secret"), "{}", run.stderr);
    }
}
