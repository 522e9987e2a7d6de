//! What stands in the way of an answer, and what is said of it.

use billing_testkit::Reply;

use super::asking::{ALL, ANALYTICS, BALANCE, ask_command, of_service, said, server, shown};
use crate::billing::finish;
use crate::place::Place;
use crate::process::Process;
use crate::scripted::Scripted;

#[test]
fn a_service_that_fails_is_told_what_it_may_be() {
    let html = Reply::new(200, "text/html", "<!doctype html><title>Sign in</title>");
    for words in ALL {
        let path = if words[0] == "balance" { "billing/balance" } else { "billing/usage-analytics" };
        let said = |reply: Reply| said(reply, words).replace(path, "PATH");
        insta::allow_duplicates! {
            insta::assert_snapshot!(said(Reply::error(429, "slow down").header("retry-after", "7")), @"
            error: GET http://ADDRESS/api/v1/PATH: 429 the service asks to come back in 7 s, which is longer than this client waits
            hint: the service asks for patience; try again later, or allow more with --max-wait
            exit code 5
            ");
            insta::assert_snapshot!(said(Reply::error(429, "slow down")), @"
            error: GET http://ADDRESS/api/v1/PATH: 429 slow down
            hint: the service asks for patience; try again later, or allow more with --max-wait
            exit code 5
            ");
            insta::assert_snapshot!(said(html.clone()), @"
            error: GET http://ADDRESS/api/v1/PATH: 200 with `text/html` instead of application/json: not the API; is there a proxy between?
            hint: check --base-url; a proxy or a login page may be in between
            exit code 1
            ");
            insta::assert_snapshot!(said(Reply::json(200, "")), @"
            error: GET http://ADDRESS/api/v1/PATH: 200 with an empty body instead of application/json: not the API; is there a proxy between?
            hint: check --base-url; a proxy or a login page may be in between
            exit code 1
            ");
            insta::assert_snapshot!(said(Reply::error(401, "Authentication failed")), @"
            error: GET http://ADDRESS/api/v1/PATH: 401 Authentication failed
            hint: the key is that of BILLING_API_KEY
            hint: an admin key of this service is needed; an inference key is refused
            exit code 4
            ");
            insta::assert_snapshot!(said(Reply::error(503, "closed")), @"
            error: GET http://ADDRESS/api/v1/PATH: 503 closed
            hint: the service fails; try again later
            exit code 5
            ");
            insta::assert_snapshot!(said(Reply::error(503, "closed").header("retry-after", "3600")), @"
            error: GET http://ADDRESS/api/v1/PATH: 503 the service asks to come back in 3600 s, which is longer than this client waits
            hint: the service asks for patience; try again later, or allow more with --max-wait
            exit code 5
            ");
            insta::assert_snapshot!(said(Reply::error(410, "ended")), @"
            error: GET http://ADDRESS/api/v1/PATH: 410 ended
            hint: the service has ended this route
            exit code 5
            ");
            insta::assert_snapshot!(said(Reply::json(200, BALANCE).cut_at(20)), @"
            error: GET http://ADDRESS/api/v1/PATH: the connection broke within the answer: end of file before message length reached
            hint: the answer broke off every time; try again
            exit code 6
            ");
        }
    }
    let too_long = || Reply::error(504, "The request took too long");
    insta::assert_snapshot!(said(too_long(), &["analytics"]), @"
    error: GET http://ADDRESS/api/v1/billing/usage-analytics: 504 The request took too long
    hint: to sum up so many days may take the service too long: ask for fewer, or try again later
    exit code 5
    ");
    insta::assert_snapshot!(said(too_long(), &["balance"]), @"
    error: GET http://ADDRESS/api/v1/billing/balance: 504 The request took too long
    hint: the service fails; try again later
    exit code 5
    ");
    insta::assert_snapshot!(said(Reply::json(200, r#"{"data":[]}"#), &["analytics"]), @"
    error: GET http://ADDRESS/api/v1/billing/usage-analytics: the answer cannot be read: the body is not an answer of usage analytics: missing field `lookback` at line 1 column 11
    hint: nothing was rounded or left out; report this if the service is right
    exit code 1
    ");
    insta::assert_snapshot!(said(Reply::json(200, "[]"), &["balance"]), @"
    error: GET http://ADDRESS/api/v1/billing/balance: the answer cannot be read: the body is not a balance: invalid type: sequence, expected a JSON object at line 1 column 0
    hint: nothing was rounded or left out; report this if the service is right
    exit code 1
    ");
    insta::assert_snapshot!(said(Reply::json(200, BALANCE.replace("90.5", "\"a lot\"")), &["balance"]), @"
    error: GET http://ADDRESS/api/v1/billing/balance: the answer cannot be read: the body is not a balance: `a lot` is not a decimal number at line 1 column 74
    hint: nothing was rounded or left out; report this if the service is right
    exit code 1
    ");
    insta::assert_snapshot!(said(Reply::error(404, "Not found"), &["analytics"]), @"
    error: GET http://ADDRESS/api/v1/billing/usage-analytics: 404 Not found
    hint: the service may have no analytics; otherwise check --base-url, and its path, such as /api/v1
    exit code 5
    ");
    insta::assert_snapshot!(said(Reply::error(404, "Not found"), &["balance"]), @"
    error: GET http://ADDRESS/api/v1/billing/balance: 404 Not found
    hint: the service may tell no balance; otherwise check --base-url, and its path, such as /api/v1
    exit code 5
    ");
    insta::assert_snapshot!(
        said(Reply::error(400, "Invalid date range"), &["analytics", "--since", "2026-01", "--until", "2026-05"]),
        @"
        error: GET http://ADDRESS/api/v1/billing/usage-analytics: 400 Invalid date range
        hint: 120 days may be more than the service sums up: Venice takes 90, `billing serve` 366
        exit code 2
        "
    );
    insta::assert_snapshot!(said(Reply::error(400, "Invalid date range"), &["analytics", "--month", "2026-01"]), @"
    error: GET http://ADDRESS/api/v1/billing/usage-analytics: 400 Invalid date range
    exit code 1
    ");
}

#[test]
fn a_base_url_without_its_path_is_told_what_it_may_be() {
    let server = server();
    let origin = server.base_url.strip_suffix("/api/v1").unwrap();
    let address = origin.strip_prefix("http://").unwrap();
    for words in ALL {
        let said = finish(ask_command(address, &server.key, "80", words), b"").said(address);
        assert!(said.contains("\nhint: the API may be at --base-url http://ADDRESS/api/v1\n"), "{said}");
        assert_eq!(said.matches("hint: ").count(), 1, "{said}");
    }
    // A key that records reads nothing.
    let ingest = server.key_of("ingest");
    let said = finish(ask_command(&server.base_url, &ingest, "80", &["balance"]), b"").said(address);
    assert!(
        said.contains("401 Admin API key required\nhint: the key is that of BILLING_API_KEY, "),
        "{said}"
    );
}

/// What is wrong with it is said before the key is looked for.
#[test]
fn the_way_to_the_service_is_that_of_an_export() {
    let record = &["record", "file", "--idempotency-key", "k"][..];
    let place = Place::new();
    place.write("file", "x");
    for words in ALL.iter().copied().chain([record]) {
        for (base_url, way, said) in [
            (
                "https://billing.example",
                &["--proxy", "ftp://x"][..],
                "hint: a proxy looks like http://HOST:PORT",
            ),
            ("https://billing.example", &["--cacert", "missing"], "--cacert `missing`"),
            ("http://billing.example", &[], "hint: the key goes only over https, or to this machine"),
            ("nowhere at all", &[], "hint: a base URL looks like https://api.venice.ai/api/v1"),
        ] {
            let mut command = ask_command(base_url, "", "80", words);
            command.args(way).current_dir(place.path(""));
            finish(command, b"").failed(2, said);
        }
    }
}

/// A refusal that says for how long is waited for.
#[test]
fn a_service_that_asks_for_patience_gets_it() {
    for words in ALL {
        let body = if words[0] == "balance" { BALANCE } else { ANALYTICS };
        let mut requests = 0;
        let service = Scripted::start(move |_| {
            requests += 1;
            match requests {
                1 => Reply::error(429, "slow down").header("retry-after", "1"),
                2 => Reply::error(504, "too long"),
                _ => Reply::json(200, body),
            }
        });
        let run = finish(ask_command(&service.base_url(), "any-key", "80", words), b"");
        assert_eq!(shown(run), of_service(body, "80", words));
        assert_eq!(service.requests().len(), 3);
    }
}

#[test]
fn what_is_interrupted_says_so() {
    let service = Scripted::answering(Reply::json(200, BALANCE).stalled());
    let process = Process::start(ask_command(&service.base_url(), "any-key", "80", &["balance"]));
    while service.requests().is_empty() {
        std::thread::yield_now();
    }
    process.signal("INT");
    let (code, printed, said) = process.end();
    assert_eq!((code, printed.as_str(), said.as_str()), (Some(130), "", "error: interrupted\n"));
}
