//! A file recorded at a service as one batch: whole and once, or what stands in the way.

use std::process::Command;

use billing_model::UsageEntry;
use billing_testkit::Reply;

use crate::billing::{Run, command, finish, ndjson};
use crate::copies;
use crate::ingest::batches::{csv, gzip, json};
use crate::ledger::{Ledger, Server, noted};
use crate::place::Place;
use crate::process::Process;
use crate::scripted::Scripted;

fn entries() -> Vec<UsageEntry> {
    ["a", "b", "b"].map(|notes| noted("2026-05-01T00:00:00Z", notes)).into()
}

fn record_command(base_url: &str, key: &str, args: &[&str]) -> Command {
    let mut command = command(&["record", "--base-url", base_url]);
    command.args(args).env("BILLING_API_KEY", key);
    command
}

/// A server without entries, and a key that records there.
fn server() -> (Server, String) {
    let server = Ledger::of(&[]).serve();
    let key = server.key_of("ingest");
    (server, key)
}

fn address(base_url: &str) -> &str {
    base_url.strip_prefix("http://").unwrap().strip_suffix("/api/v1").unwrap()
}

/// What is said of a run that did what it was asked to do.
#[track_caller]
fn said_of(run: Run) -> String {
    let run = run.done();
    assert!(run.stdout.is_empty());
    run.stderr
}

#[test]
fn a_file_is_recorded_whole_and_once_in_every_form() {
    let (entries, place) = (entries(), Place::new());
    let bom = |text: Vec<u8>| [b"\xef\xbb\xbf", text.as_slice()].concat();
    let pretty = [b"\n [", &json(&entries)[1..]].concat();
    let files = [
        ("day.ndjson", ndjson(&entries), &[][..]),
        ("day.json", json(&entries), &[]),
        ("pretty", pretty, &[]),
        ("day.csv", csv(&entries), &[]),
        ("bom.csv", bom(csv(&entries)), &[]),
        ("bom.ndjson", bom(ndjson(&entries)), &[]),
        ("bom.json", bom(json(&entries)), &[]),
        ("day.ndjson.gz", gzip(&ndjson(&entries)), &[]),
        ("day.zst", zstd::encode_all(csv(&entries).as_slice(), 1).unwrap(), &["--format", "csv"]),
    ];
    for (name, bytes, format) in files {
        let (server, key) = server();
        let path = place.write(name, &bytes);
        let args = [&[path.as_str(), "--idempotency-key", "day-1"], format].concat();
        let record = || said_of(finish(record_command(&server.base_url, &key, &args), b""));
        assert_eq!(record(), format!("`{path}`: recorded 3 entries as batch `day-1`\n"));
        let repeated = "batch `day-1` of 3 entries was recorded before; nothing was recorded twice";
        assert_eq!(record(), format!("`{path}`: {repeated}\n"));
        // However it comes, it is the same batch.
        let stdin = [&["-", "--idempotency-key", "day-1"], format].concat();
        let run = finish(record_command(&server.base_url, &key, &stdin), &bytes);
        assert_eq!(said_of(run), format!("stdin: {repeated}\n"));
        assert_eq!(server.export(&["--format", "ndjson"]).done().entries(), entries);
    }
}

#[test]
fn what_is_refused_is_said_with_its_row() {
    let ((server, key), place) = (server(), Place::new());
    let address = address(&server.base_url);
    let text = String::from_utf8(ndjson(&entries())).unwrap();
    let path = place.write("bad.ndjson", text.replace("\"notes\":\"b\"", "\"notes\":7"));
    let record = |args: &[&str]| {
        finish(record_command(&server.base_url, &key, args), b"").said(address).replace(&path, "FILE")
    };
    insta::assert_snapshot!(record(&[&path, "--idempotency-key", "k"]), @"
    error: `FILE`: POST http://ADDRESS/api/v1/billing/usage: 422 2 of 3 rows cannot be recorded; nothing was stored
      row 2, field `notes`: is not a string
      row 3, field `notes`: is not a string
    hint: nothing of the batch was stored; mend these rows and send it again
    exit code 1
    ");
    insta::assert_snapshot!(record(&[&path, "--idempotency-key", "k", "--format", "json"]), @"
    error: `FILE`: POST http://ADDRESS/api/v1/billing/usage: 422 the body cannot be read; nothing was stored
      an array of entries belongs here
    hint: nothing of the batch was stored; mend these rows and send it again
    exit code 1
    ");
    let good = place.write("good.ndjson", &text);
    finish(record_command(&server.base_url, &key, &[&good, "--idempotency-key", "k"]), b"").done();
    // Another batch under the same key.
    let other = place.write("other.ndjson", text.lines().next().unwrap());
    let said = record(&[&other, "--idempotency-key", "k"]).replace(&other, "FILE");
    insta::assert_snapshot!(said, @"
    error: `FILE`: POST http://ADDRESS/api/v1/billing/usage: 409 Another batch was sent with this Idempotency-Key before; this one was not stored
    hint: the entries of the first batch are recorded already; send only the new ones, under another key
    exit code 2
    ");
    let large = place.write("large.csv", "x".repeat((16 << 20) + 1));
    let said = record(&[&large, "--idempotency-key", "l"]).replace(&large, "FILE");
    insta::assert_snapshot!(said, @"
    error: `FILE`: POST http://ADDRESS/api/v1/billing/usage: 413 The body is too large: a batch has at most 16777216 bytes, decompressed too
    hint: nothing was stored; send it as several, each under a key of its own
    exit code 1
    ");
    assert_eq!(server.export(&["--format", "ndjson"]).done().entries(), entries());
}

#[test]
fn an_account_that_is_a_copy_of_a_service_takes_no_batch() {
    let (ledger, place) = (Ledger::of(&[]), Place::new());
    copies::make(&ledger, "copy", &[], &[]);
    let (key, server) = (ledger.key("copy", "ingest"), ledger.serve());
    let address = address(&server.base_url);
    let good = place.write("good.ndjson", ndjson(&entries()));
    // Nobody has to mend rows for it.
    let bad = place.write("bad.ndjson", "{}");
    for path in [&good, &bad] {
        let args = [path, "--idempotency-key", "k"];
        let said = finish(record_command(&server.base_url, &key, &args), b"").said(address);
        insta::allow_duplicates!(insta::assert_snapshot!(said.replace(path, "FILE"), @"
        error: `FILE`: POST http://ADDRESS/api/v1/billing/usage: 409 This account is kept in step with https://api.venice.ai/api/v1 and takes no batches; nothing was stored. Record into another account
        hint: nothing was stored; record into another account, with an ingest key of that one
        exit code 1
        "));
    }
    let other = server.key_of("ingest");
    finish(record_command(&server.base_url, &other, &[&good, "--idempotency-key", "k"]), b"").done();
    assert_eq!(ledger.listed("accounts").accounts.iter().map(|account| account.entries).sum::<u64>(), 3);
}

#[test]
fn all_rows_that_are_refused_are_counted() {
    let ((server, key), place) = (server(), Place::new());
    let path = place.write("bad.ndjson", "{}\n".repeat(50_000));
    let run = finish(record_command(&server.base_url, &key, &[&path, "--idempotency-key", "k"]), b"");
    run.failed(1, "422 50000 of 50000 rows cannot be recorded; nothing was stored");
    assert_eq!(run.stderr.matches("\n  row ").count(), 20, "{}", run.stderr);
    assert!(run.stderr.contains("\n  and 49980 more\nhint: "), "{}", run.stderr);
}

/// A page as a service answers it is one object, and would be sent as an entry in which everything is missing.
#[test]
fn a_page_is_no_batch() {
    let service = Scripted::answering(Reply::error(500, "asked"));
    let place = Place::new();
    let array = String::from_utf8(json(&entries())).unwrap();
    let page = format!(r#"{{"data":{array},"nextCursor":null}}"#);
    let pretty = "\u{feff}\n{\r\n\t\"data\" : [ ],\n  \"pagination\": {}}";
    let record = |bytes: &[u8], format: &[&str]| {
        let path = place.write("page.json", bytes);
        let args = [&[path.as_str(), "--idempotency-key", "k", "--max-wait", "0"], format].concat();
        let run = finish(record_command(&service.base_url(), "any-key", &args), b"");
        run.said(address(&service.base_url())).replace(&path, "FILE")
    };
    for page in [page.as_bytes(), pretty.as_bytes(), &gzip(page.as_bytes())] {
        insta::allow_duplicates! {
            insta::assert_snapshot!(record(page, &[]), @"
            error: `FILE` is a page of a service's answer and no batch, so nothing was sent
            hint: `billing import` reads it; `jq -c '.data[]'` makes NDJSON of it, and may round long numbers
            exit code 1
            ");
        }
    }
    assert!(service.requests().is_empty());
    // What is no page for sure, or was said to be a batch, is the service's to judge.
    let row = r#"{"data":7,"sku":"x"}"#;
    for (bytes, format) in [(row, &[][..]), (&page, &["--format", "ndjson"]), (&page, &["--format", "json"])]
    {
        let said = record(bytes.as_bytes(), format);
        assert!(said.contains("500 asked"), "{said}");
    }
}

#[test]
fn what_cannot_be_sent_is_not() {
    let (service, place) = (Scripted::answering(Reply::error(500, "asked")), Place::new());
    let (base_url, empty) = (service.base_url(), place.write("empty", " \n"));
    let full = place.write("full", ndjson(&entries()));
    for (args, code, said) in [
        (&[empty.as_str(), "--idempotency-key", "k"][..], 1, "there is nothing in it, so nothing was sent"),
        (&["missing", "--idempotency-key", "k"], 1, "`missing`: No such file"),
        (&[&place.path(""), "--idempotency-key", "k"], 1, "directory"),
        (&[&full, "--idempotency-key", "a b"], 2, "give 1 to 255 visible ASCII characters"),
        (&[&full, "--idempotency-key", ""], 2, "give 1 to 255 visible ASCII characters"),
        (&[&full], 2, "--idempotency-key <K>"),
        (&["-", "--idempotency-key", "k", "--api-key-file", "-"], 2, "stdin is the file and the key"),
    ] {
        finish(record_command(&base_url, "any-key", args), b"").failed(code, said);
    }
    let mut keyless = record_command(&base_url, "", &[&full, "--idempotency-key", "k"]);
    keyless.env_remove("BILLING_API_KEY");
    let keyless = finish(keyless, b"");
    keyless.failed(4, "error: no API key");
    insta::assert_snapshot!(keyless.stderr, @"
    error: no API key
    hint: put an ingest key of the service in BILLING_API_KEY, or in a file for --api-key-file
    hint: whoever runs the service makes one with `billing keys create --kind ingest`
    ");
    assert!(service.requests().is_empty());
}

/// Venice is where other commands go that are told of no service. It takes no batches, and no rows of somebody's users.
#[test]
fn a_batch_goes_only_where_it_is_told_to() {
    let place = Place::new();
    let file = place.write("day.ndjson", ndjson(&entries()));
    let record = |args: &[&str], base_url: &str| {
        let mut command = command(&["record", &file, "--idempotency-key", "k"]);
        command.args(args).env("BILLING_BASE_URL", base_url);
        // There is no key either, which would be said next.
        finish(command, b"").said("no address")
    };
    insta::assert_snapshot!(record(&[], ""), @"
    error: the following required arguments were not provided: --base-url <URL>
    hint: name the service that takes the batch, a `billing serve`: --base-url localhost:8787/api/v1, or BILLING_BASE_URL; Venice takes no batches
    hint: billing record --help shows what it takes
    exit code 2
    ");
    insta::allow_duplicates! {
        for (args, base_url) in [
            (&["--base-url", "api.venice.ai/api/v1"][..], ""),
            (&[], "https://api.venice.ai/api/v1/"),
            // A URL is read in more spellings than it is written in.
            (&[], "https:/api.venice.ai/api/v1"),
            (&[], "https://api%2evenice.ai/api/v1"),
        ] {
            insta::assert_snapshot!(record(args, base_url), @"
            error: Venice takes no batches, so nothing was sent there
            hint: name a service that does, a `billing serve`, with --base-url or BILLING_BASE_URL
            exit code 2
            ");
        }
    }
    assert!(record(&[], "localhost:1/api/v1").starts_with("error: no API key"));
}

#[test]
fn a_server_that_is_stopped_is_said_to_have_recorded_nothing() {
    let (server, key) = server();
    let base_url = server.base_url.clone();
    drop(server);
    let place = Place::new();
    let file = place.write("day.ndjson", ndjson(&entries()));
    let mut command = record_command(&base_url, &key, &[&file, "--idempotency-key", "k"]);
    command.args(["--max-wait", "0"]);
    let said = finish(command, b"").said(address(&base_url)).replace(&file, "FILE");
    insta::assert_snapshot!(said, @"
    error: `FILE` was not recorded: POST http://ADDRESS/api/v1/billing/usage: cannot connect: Connection refused (os error 111)
    hint: check --base-url and the network
    exit code 5
    ");
}

/// What a service says to the batch of [`entries`], which comes to it in every try alike.
fn refused(reply: Reply) -> String {
    let service = Scripted::answering(reply);
    let (base_url, body) = (service.base_url(), ndjson(&entries()));
    let mut command = record_command(&base_url, "any-key", &["-", "--idempotency-key", "k-1"]);
    command.args(["--max-wait", "0"]);
    let said = finish(command, &body).said(address(&base_url));
    for request in service.requests() {
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/billing/usage"));
        assert_eq!((request.header("idempotency-key"), request.body == body), ("k-1", true));
        assert_eq!(request.header("content-type"), "application/x-ndjson");
    }
    said
}

#[test]
fn an_outcome_that_is_not_known_is_said_to_be_safe_to_repeat() {
    let receipt = r#"{"idempotencyKey":"k-1","recorded":3}"#;
    insta::assert_snapshot!(refused(Reply::json(201, receipt).cut_at(5)), @"
    error: stdin: POST http://ADDRESS/api/v1/billing/usage: it is not known whether the batch was stored; send it again with the same idempotency key, which stores it once: the connection broke within the answer: end of file before message length reached
    hint: run the same command again: under the same --idempotency-key it is recorded once
    exit code 6
    ");
    insta::assert_snapshot!(refused(Reply::error(504, "too long")), @"
    error: stdin: POST http://ADDRESS/api/v1/billing/usage: it is not known whether the batch was stored; send it again with the same idempotency key, which stores it once: 504 too long
    hint: run the same command again: under the same --idempotency-key it is recorded once
    exit code 6
    ");
    insta::assert_snapshot!(refused(Reply::error(503, "closed").header("retry-after", "3600")), @"
    error: stdin: POST http://ADDRESS/api/v1/billing/usage: it is not known whether the batch was stored; send it again with the same idempotency key, which stores it once: 503 the service asks to come back in 3600 s, which is longer than this client waits
    hint: the service asks for patience; try again later, or allow more with --max-wait
    hint: run the same command again: under the same --idempotency-key it is recorded once
    exit code 6
    ");
    insta::assert_snapshot!(refused(Reply::new(200, "text/html", "<html>")), @"
    error: stdin: POST http://ADDRESS/api/v1/billing/usage: it is not known whether the batch was stored; send it again with the same idempotency key, which stores it once: 200 is no answer of this API; is there a proxy between?
    hint: check --base-url; a proxy or a login page may be in between
    hint: run the same command again: under the same --idempotency-key it is recorded once
    exit code 6
    ");
    insta::assert_snapshot!(refused(Reply::new(201, "text/html", "<html>")), @"
    error: stdin: POST http://ADDRESS/api/v1/billing/usage: it is not known whether the batch was stored; send it again with the same idempotency key, which stores it once: 201 with `text/html` instead of application/json: not the API; is there a proxy between?
    hint: check --base-url; a proxy or a login page may be in between
    hint: run the same command again: under the same --idempotency-key it is recorded once
    exit code 6
    ");
}

#[test]
fn a_service_that_takes_no_batch_is_told_what_it_may_be() {
    insta::assert_snapshot!(refused(Reply::error(404, "Not found")), @"
    error: stdin was not recorded: POST http://ADDRESS/api/v1/billing/usage: 404 Not found
    hint: the service may take no batches: `billing serve` does, Venice does not; otherwise check --base-url, and its path, such as /api/v1
    exit code 5
    ");
    insta::assert_snapshot!(refused(Reply::error(405, "Method not allowed")), @"
    error: stdin was not recorded: POST http://ADDRESS/api/v1/billing/usage: 405 Method not allowed
    hint: the service may take no batches: `billing serve` does, Venice does not; otherwise check --base-url, and its path, such as /api/v1
    exit code 5
    ");
    insta::assert_snapshot!(refused(Reply::error(401, "Ingest API key required")), @"
    error: stdin was not recorded: POST http://ADDRESS/api/v1/billing/usage: 401 Ingest API key required
    hint: the key is that of BILLING_API_KEY
    hint: an ingest key of this service is needed: `billing keys create --kind ingest` makes one
    exit code 4
    ");
    insta::assert_snapshot!(refused(Reply::error(429, "slow down").header("retry-after", "30")), @"
    error: stdin was not recorded: POST http://ADDRESS/api/v1/billing/usage: 429 the service asks to come back in 30 s, which is longer than this client waits
    hint: the service asks for patience; try again later, or allow more with --max-wait
    exit code 5
    ");
    insta::assert_snapshot!(refused(Reply::error(507, "the disk is full").header("retry-after", "30")), @"
    error: stdin was not recorded: POST http://ADDRESS/api/v1/billing/usage: 507 the disk is full
    hint: the service fails; try again later
    exit code 5
    ");
}

/// The first answer gets lost, and the second tells that the first has come.
#[test]
fn a_batch_whose_answer_was_lost_is_said_to_be_recorded() {
    let receipt = r#"{"idempotencyKey":"k-1","recorded":3}"#;
    let mut requests = 0;
    let service = Scripted::start(move |_| {
        requests += 1;
        match requests {
            1 => Reply::json(201, receipt).cut_at(5),
            _ => Reply::json(201, receipt).header("idempotency-replayed", "true"),
        }
    });
    let command = record_command(&service.base_url(), "any-key", &["-", "--idempotency-key", "k-1"]);
    let said = said_of(finish(command, &ndjson(&entries())));
    assert_eq!(said, "stdin: batch `k-1` of 3 entries was recorded before; nothing was recorded twice\n");
}

#[test]
fn an_interrupted_record_does_not_know_what_came_of_it() {
    for (signal, code, word) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let (service, place) = (Scripted::answering(Reply::json(201, "{}").stalled()), Place::new());
        let file = place.write("day.ndjson", ndjson(&entries()));
        let args = [file.as_str(), "--idempotency-key", "k"];
        let process = Process::start(record_command(&service.base_url(), "any-key", &args));
        while service.requests().is_empty() {
            std::thread::yield_now();
        }
        process.signal(signal);
        let (ended, printed, said) = process.end();
        assert_eq!((ended, printed.as_str()), (Some(code), ""));
        assert_eq!(
            said,
            format!(
                "error: {word}: whether the batch was stored is not known\n\
                 hint: run the same command again: under the same --idempotency-key it is recorded once\n"
            )
        );
    }
}
