//! Pages in a browser: who may read answers, and that preflights cost nobody anything.

use crate::billing::{ndjson, run};
use crate::conversation::Request;
use crate::host::{BALANCE, HISTORY, Host, USAGE};
use crate::ingest::post;
use crate::ledger::{Ledger, noted};

const APP: &str = "https://app.example";

fn preflight(target: &str, method: &str) -> Request {
    Request::options(target)
        .header("origin", APP)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization,idempotency-key")
}

/// As an application in a browser uses the API: asks whether it may, records, reads a page and its cursor.
#[test]
fn a_page_records_and_reads() {
    let ledger = Ledger::of(&[]);
    let (admin, ingest) = (ledger.key("default", "admin"), ledger.key("default", "ingest"));
    let host =
        Host::start(&ledger.path(), &["--allow-origin", "http://localhost:3000", "--allow-origin", APP]);
    let mut connection = host.connect();
    let asked = connection.ask(&preflight(USAGE, "POST")).unwrap();
    assert_eq!((asked.status, asked.header("access-control-allow-origin")), (200, Some(APP)));
    assert_eq!(asked.header("access-control-allow-headers"), Some("authorization,idempotency-key"));
    assert!(asked.header("x-request-id").is_some());
    let entries: Vec<_> = (10..30).map(|n| noted(&format!("2026-05-01T00:00:{n}Z"), "")).collect();
    let batch = post(&ingest, "of-a-page", "application/x-ndjson", ndjson(&entries)).header("origin", APP);
    let stored = connection.ask(&batch).unwrap();
    assert_eq!((stored.status, stored.header("access-control-allow-origin")), (201, Some(APP)));
    let page = Request::get(&format!("{HISTORY}?pageSize=10")).bearing(&admin).header("accept", "text/csv");
    let page = connection.ask(&page.header("origin", APP)).unwrap();
    assert_eq!((page.status, page.header("access-control-allow-origin")), (200, Some(APP)));
    let exposed = page.header("access-control-expose-headers").unwrap();
    assert!(page.header("x-next-cursor").is_some() && exposed.contains("x-next-cursor"), "{exposed}");
    let said = host.stop();
    assert!(said.contains("OPTIONS") && !said.contains("status=405"), "{said}");
}

/// Even when all places are taken, a browser is told what a page may do.
#[test]
fn a_preflight_is_answered_when_the_server_is_busy() {
    let ledger = Ledger::of(&[]);
    let (admin, ingest) = (ledger.key("default", "admin"), ledger.key("default", "ingest"));
    let host = Host::start(&ledger.path(), &["--max-requests", "1", "--allow-origin", APP]);
    // An unfinished batch holds the place, from the moment at which its body is asked for.
    let mut holder = host.connect();
    let body = ndjson(&[noted("2026-05-01T00:00:00Z", "")]);
    let batch = post(&ingest, "slow", "application/x-ndjson", body.clone());
    let batch = batch.header("expect", "100-continue").bytes();
    let (head, body) = batch.split_at(batch.len() - body.len());
    holder.send(head).unwrap();
    holder.is_asked_to_go_on().unwrap();
    let read = Request::get(BALANCE).bearing(&admin).header("origin", APP);
    let mut connection = host.connect();
    let busy = connection.ask(&read).unwrap();
    assert_eq!((busy.status, busy.header("access-control-allow-origin")), (503, Some(APP)));
    for _ in 0..40 {
        assert_eq!(connection.ask(&preflight(BALANCE, "GET")).unwrap().status, 200);
    }
    assert_eq!(connection.ask(&read).unwrap().status, 503, "the place is still taken");
    holder.send(body).unwrap();
    assert_eq!(holder.answer().unwrap().status, 201);
}

/// Preflights do not count as failures: the first wrong key is refused as such, and not blocked.
#[test]
fn preflights_do_not_block_who_fails_later() {
    let ledger = Ledger::of(&[]);
    let host = Host::start(&ledger.path(), &["--failed-request-limit", "1", "--allow-origin", "*"]);
    let mut connection = host.connect();
    for _ in 0..40 {
        let answer = connection.ask(&preflight(USAGE, "GET")).unwrap();
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some("*")));
    }
    let read = Request::get(BALANCE).header("origin", APP);
    for status in [401, 401, 429] {
        let answer = connection.ask(&read).unwrap();
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, Some("*")));
    }
    assert_eq!(connection.ask(&preflight(USAGE, "GET")).unwrap().status, 200, "also to who is blocked");
}

#[test]
fn without_the_flag_no_answer_speaks_of_origins() {
    let ledger = Ledger::of(&[]);
    let key = ledger.key("default", "admin");
    let host = Host::start(&ledger.path(), &[]);
    assert_eq!(host.ask(&preflight(BALANCE, "GET")).status, 405);
    let answer = host.ask(&Request::get(BALANCE).bearing(&key).header("origin", APP));
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, None));
    assert_eq!(answer.header("vary"), Some("Accept, Accept-Encoding, Authorization, Prefer"));
}

#[test]
fn what_is_no_origin_is_refused_at_the_start() {
    for (origin, said) in [
        ("https://app.example/", "type https://app.example"),
        ("HTTPS://App.Example", "type https://app.example"),
        ("app.example", "type https://app.example"),
        ("https://*.example", "or * alone for all"),
        ("null", "serve the page over http"),
        ("", "it is no origin; type scheme and host"),
        ("ws://app.example", "no page comes over ws"),
    ] {
        // There is no ledger at this path, and it is not even looked for.
        let arguments =
            ["serve", "--ledger", "/nowhere/ledger.db", "--allow-origin", APP, "--allow-origin", origin];
        let refused = run(&arguments);
        refused.failed(2, "--allow-origin");
        refused.failed(2, said);
    }
    let both = ["serve", "--ledger", "/nowhere/ledger.db", "--allow-origin", "*", "--allow-origin", APP];
    run(&both).failed(2, "lets every page in");
}
