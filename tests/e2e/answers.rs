//! Wrong answers of a service: the run says what came, and nothing of it gets into the result.

use std::sync::atomic::{AtomicUsize, Ordering};

use billing_model::UsageEntry;
use billing_testkit::{Reply, Request};

use crate::billing::Run;
use crate::ledger::noted;
use crate::place::Place;
use crate::scripted::{Scripted, history_page};

/// Three entries, told apart by their notes.
fn entries() -> Vec<UsageEntry> {
    ["1", "2", "3"]
        .into_iter()
        .zip(1..)
        .map(|(notes, day)| noted(&format!("2026-05-0{day}T00:00:00Z"), notes))
        .collect()
}

/// The page as text, with one text in it replaced.
fn page_with(from: &str, to: &str) -> String {
    let body = String::from_utf8(history_page(&entries(), None).body().to_vec()).unwrap();
    let at = body.rfind(from).expect("the text to replace");
    format!("{}{to}{}", &body[..at], &body[at + from.len()..])
}

/// A first page that is right, then this.
fn then(second: Reply) -> impl FnMut(&Request) -> Reply + Send + 'static {
    let first = history_page(&entries(), Some("next"));
    move |request| if request.query.contains("cursor=") { second.clone() } else { first.clone() }
}

/// Fails so, once with no file before and once with one, which stays as it is; and so on stdout.
#[track_caller]
fn check(script: impl FnMut(&Request) -> Reply + Send + 'static, args: &[&str], code: i32, said: &str) {
    let service = Scripted::start(script);
    let place = Place::new();
    let path = place.path("usage.csv");
    let args = [args, &["-o", &path]].concat();
    // The right part before may be kept, so that a later run can go on, but not under the name of the file.
    let is_kept = |name: &String| matches!(name.as_str(), "usage.csv.part" | "usage.csv.checkpoint");
    service.export(&args).failed(code, said);
    assert!(place.names().iter().all(is_kept), "{:?}", place.names());
    place.write("usage.csv", "what was there");
    let args = [&args[..], &["--restart"]].concat();
    service.export(&args).failed(code, said);
    assert_eq!(place.read("usage.csv"), b"what was there");
}

#[test]
fn what_is_not_the_api_is_not_read() {
    for (reply, said) in [
        (Reply::new(200, "text/html", "<!doctype html><title>Log in</title>"), "200 with `text/html`"),
        (Reply::json(200, "<!doctype html>"), "not the API; is there a proxy between?"),
        (Reply::json(200, ""), "200 with an empty body"),
        (Reply::json(200, r#"{"rows":[]}"#), "`data`"),
        (Reply::json(204, ""), "204 "),
        (
            Reply::new(302, "text/html", "").header("location", "https://elsewhere.example/"),
            "https://elsewhere.example/",
        ),
        (Reply::json(400, r#"{"error":"no"}"#), "400 no"),
    ] {
        let again = reply.clone();
        check(move |_| reply.clone(), &[], 1, said);
        // The same in the middle of a walk. A refused cursor is different and tested elsewhere.
        if said != "400 no" {
            check(then(again), &[], 1, said);
        }
    }
}

#[test]
fn an_entry_that_cannot_be_read_exactly_ends_the_run() {
    for (from, to, said) in [
        ("\"amount\":-0.1,", "", "entry 3, field `amount`: is missing"),
        ("\"amount\":-0.1,", "\"amount\":null,", "entry 3, field `amount`"),
        ("\"amount\":-0.1,", "\"amount\":1e400,", "entry 3, field `amount`: `1e400` does not fit"),
        ("\"amount\":-0.1,", "\"amount\":-1.00000000000000000000000000001,", "entry 3, field `amount`"),
        ("\"amount\":-0.1,", "\"amount\":79228162514264337593543950336,", "entry 3, field `amount`"),
        (
            "\"amount\":-0.1,",
            "\"amount\":\"-0.1O\",",
            "entry 3, field `amount`: `-0.1O` is not a decimal number",
        ),
        ("\"timestamp\":\"2026-05-03T", "\"timestamp\":\"2026-02-30T", "entry 3, field `timestamp`"),
        ("\"currency\":\"USD\",", "", "entry 3, field `currency`: is missing"),
    ] {
        let body = page_with(from, to);
        check(move |_| Reply::json(200, body.clone()), &[], 1, said);
    }
    let csv = "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n2026-05-01T00:00:00Z,s,1,1,,USD,\n";
    check(
        move |_| Reply::new(200, "text/csv", csv),
        &["--wire", "csv"],
        1,
        "record 1 (line 2), column `amount`",
    );
}

#[test]
fn pages_that_contradict_each_other_are_not_the_ledger() {
    for (script, said) in [
        (then(history_page(&entries()[..0], Some("next"))), "cursor"),
        (then(history_page(&entries()[..1], None)), "earlier than the one before it"),
        (then(history_page(&[noted("2026-08-01T00:00:00Z", "")], None)), "outside the window"),
    ] {
        check(script, &[], 6, said);
    }
}

/// Ten tries take a while, so the ways of being cut are tried side by side.
#[test]
fn a_body_that_is_always_cut_is_incomplete() {
    let page = history_page(&entries(), None);
    let length = page.body().len();
    let csv =
        "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n2026-05-01T00:00:00Z,s,1,1,-1,USD,\n";
    std::thread::scope(|scope| {
        for (reply, wire) in [
            (page.clone().cut_at(0), "json"),
            (page.clone().cut_at(length / 2), "json"),
            (page.clone().cut_at(length - 1), "json"),
            (page.clone().undelimited().cut_at(length - 1), "json"),
            // Cut at the end of a row: what came looks whole.
            (Reply::new(200, "text/csv", csv.repeat(2)).cut_at(csv.len()), "csv"),
        ] {
            scope.spawn(move || {
                let (service, place) = (Scripted::answering(reply), Place::new());
                let path = place.write("usage.csv", "what was there");
                service.export(&["--wire", wire, "-o", &path]).failed(6, "tried 10 times");
                assert_eq!(service.requests().len(), 10);
                assert_eq!(
                    (place.names(), place.read("usage.csv")),
                    (vec!["usage.csv".to_owned()], b"what was there".to_vec())
                );
            });
        }
    });
}

/// Each fault passes, and the export is the same as without it.
#[test]
fn faults_that_pass_cost_nothing_but_time() {
    let (first, second) = (history_page(&entries()[..2], Some("next")), history_page(&entries()[2..], None));
    let tries = AtomicUsize::new(0);
    let service = Scripted::start(move |request| {
        let page = if request.query.contains("cursor=") { &second } else { &first };
        match tries.fetch_add(1, Ordering::Relaxed) % 5 {
            0 => Reply::new(200, "text/html", "<h1>Maintenance</h1>"),
            1 => page.clone().cut_at(page.body().len() / 3),
            2 => Reply::error(503, "try later"),
            3 => Reply::new(502, "text/html", "<h1>Bad gateway</h1>"),
            _ => page.clone(),
        }
    });
    let run = service.export(&["--format", "ndjson"]).done();
    assert_eq!(run.entries(), entries());
    assert_eq!(service.requests().len(), 10);
}

/// A service with one endpoint: `usage`, say; everything else is `reply`.
fn only(endpoint: &'static str, reply: Reply, page: Reply) -> Scripted {
    Scripted::start(move |request| match request.path.rsplit('/').next() {
        Some(name) if name == endpoint => page.clone(),
        _ => reply.clone(),
    })
}

fn usage_page() -> Reply {
    let mut body = page_with(
        "\"nextCursor\":null",
        "\"pagination\":{\"limit\":500,\"page\":1,\"total\":3,\"totalPages\":1}",
    );
    body.push('\n');
    Reply::json(200, body)
}

fn notes(run: &Run) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.starts_with("note:")).collect()
}

#[test]
fn auto_goes_where_the_endpoint_is() {
    let missing = || Reply::error(404, "Not found");
    let service = only("usage", missing(), usage_page());
    let run = service.export(&["--format", "ndjson"]).done();
    assert_eq!(run.entries(), entries());
    assert_eq!(notes(&run), ["note: the service has no /billing/usage-history; using /billing/usage"]);
    // An endpoint that was named is the only one that is tried.
    service.export(&["--endpoint", "usage-history"]).failed(5, "404 Not found");
    assert_eq!(service.export(&["--endpoint", "usage", "--quiet"]).done().stderr, "");
    for endpoint in ["auto", "usage", "usage-history"] {
        check(move |_| missing(), &["--endpoint", endpoint], 5, "404 Not found");
    }
}

#[test]
fn an_endpoint_that_has_ended_leads_to_its_successor() {
    let gone = Reply::error(410, "This endpoint is gone, use the successor");
    for endpoint in ["usage", "usage-history"] {
        let gone = gone.clone();
        check(move |_| gone.clone(), &["--endpoint", endpoint], 5, "410 This endpoint is gone");
    }
    let linked = |link: &str| gone.clone().header("link", link);
    let successor = "</api/v1/billing/usage-history>; rel=\"successor-version\"";
    let service = only("usage-history", linked(successor), history_page(&entries(), None));
    let run = service.export(&["--endpoint", "usage", "--format", "ndjson"]).done();
    assert_eq!(run.entries(), entries());
    assert_eq!(
        notes(&run),
        ["note: the service has ended /billing/usage; going on with its successor /billing/usage-history"]
    );
    assert_eq!(service.export(&["--endpoint", "usage", "--quiet"]).done().stderr, "");

    // Not to another machine, with the key.
    let elsewhere =
        linked("<https://elsewhere.example/api/v1/billing/usage-history>; rel=\"successor-version\"");
    check(move |_| elsewhere.clone(), &["--endpoint", "usage"], 5, "410 This endpoint is gone");
    // Not in a circle.
    let circle = linked(successor);
    check(move |_| circle.clone(), &["--endpoint", "usage"], 5, "410 This endpoint is gone");
}

/// What a deprecated endpoint says of itself reaches the user, once.
#[test]
fn a_warning_of_the_service_is_passed_on() {
    let body = String::from_utf8(usage_page().body().to_vec()).unwrap();
    let body = body.replacen('{', "{\"warningMessage\":\"ends on 16 September\\n\",", 1);
    let service = Scripted::answering(Reply::json(200, body));
    let run = service.export(&["--endpoint", "usage", "--format", "ndjson"]).done();
    assert_eq!(
        run.stderr.matches("warning: the service says: ends on 16 September").count(),
        1,
        "{}",
        run.stderr
    );
    assert_eq!(run.entries(), entries());
}
