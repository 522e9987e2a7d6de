//! Messages of a service are shown on one line and cannot steer the terminal, wherever in an answer they stand.

use billing_model::{Currency, UsageEntry, is_invisible};
use billing_testkit::{Reply, Request};

use crate::billing::Run;
use crate::ledger::noted;
use crate::scripted::{Scripted, history_page};

/// Clears the screen, begins a line that looks like ours, turns the direction, hides a word; and is much too long.
fn hostile() -> String {
    format!(
        "a\u{1b}[2J\r\nhint: b\u{202e}c\u{2066}\u{200b}\u{feff}\u{e0041}\u{9b}d\u{2028}e{}",
        "f".repeat(50_000)
    )
}

fn hostile_json() -> String {
    serde_json::to_string(&hostile()).unwrap()
}

/// Nothing that it said gets to stderr but what can be read there.
#[track_caller]
fn is_harmless(run: &Run) {
    let steers =
        |c: char| c != '\n' && (c.is_control() || is_invisible(c)) || matches!(c, '\u{2028}' | '\u{2029}');
    assert!(!run.stderr.contains(steers), "{:?}", run.stderr);
    assert!(!run.stderr.contains("\nhint: b"), "a line of the service's own: {}", run.stderr);
    assert!(run.stderr.lines().all(|line| line.chars().count() < 11_000), "{}", run.stderr);
}

#[track_caller]
fn export(script: impl FnMut(&Request) -> Reply + Send + 'static, args: &[&str]) -> Run {
    let run = Scripted::start(script).export(&[&["--format", "ndjson"], args].concat());
    is_harmless(&run);
    run
}

#[test]
fn the_reason_of_a_refusal_is_shown_wherever_it_stands() {
    for (body, said) in [
        (r#"{"error":"no"}"#, "no"),
        (r#"{"error":{"message":"no","type":"invalid","param":null,"code":7}}"#, "no"),
        (r#"{"error":"no","details":"pageSize is too large"}"#, "no: pageSize is too large"),
        (
            r#"{"error":"no","details":{"_errors":[],"filter":{"_errors":[],"to":{"_errors":["Too late"]}}}}"#,
            "no: filter.to: Too late",
        ),
        (
            r#"{"error":"no","details":{"a":{"_errors":["Bad"]}},"issues":[{"path":["a"],"message":"Bad"}]}"#,
            "no: a: Bad",
        ),
    ] {
        let run = export(move |_| Reply::json(400, body), &[]);
        run.failed(1, &format!("400 {said}\n"));
    }
}

#[test]
fn no_text_of_a_service_steers_the_terminal() {
    let text = hostile_json();
    for body in [
        format!(r#"{{"error":{text}}}"#),
        format!(r#"{{"error":{{"message":{text}}}}}"#),
        format!(r#"{{"error":"no","details":{text}}}"#),
        format!(r#"{{"error":"no","details":{{{text}:{{"_errors":[{text}]}}}}}}"#),
        format!(r#"{{"error":"no","issues":[{{"path":[{text}],"message":{text}}}]}}"#),
    ] {
        for (status, code) in [(400, 1), (401, 4), (404, 5)] {
            let reply = Reply::json(status, body.clone());
            export(move |_| reply.clone(), &["--endpoint", "usage-history"])
                .failed(code, &format!("{status} "));
        }
    }
    let location = format!("https://elsewhere.example/{}", "x".repeat(5000));
    let run = export(move |_| Reply::new(302, "text/html", "").header("location", location.as_str()), &[]);
    run.failed(1, "redirects to https://elsewhere.example/xxx");
    assert!(run.stderr.len() < 1000, "{}", run.stderr);
}

#[test]
fn nothing_in_a_page_steers_the_terminal() {
    let entry = noted("2026-05-01T00:00:00Z", "n");
    let page = String::from_utf8(history_page(std::slice::from_ref(&entry), None).body().to_vec()).unwrap();
    let text = hostile_json();
    for (from, to) in [
        ("\"amount\":-0.1", format!("\"amount\":{text}")),
        ("\"timestamp\":\"2026-05-01T00:00:00.000Z\"", format!("\"timestamp\":{text}")),
        ("\"nextCursor\":null", format!("\"nextCursor\":{text}")),
        ("\"data\":[", format!("\"data\":{text},\"more\":[")),
        ("\"inferenceDetails\":null", format!("\"inferenceDetails\":{text}")),
    ] {
        assert!(page.contains(from), "{from} in {page}");
        let body = page.replace(from, &to);
        export(move |_| Reply::json(200, body.clone()), &[]).failed(1, "");
    }
    let csv = format!(
        "timestamp,sku,pricePerUnitUsd,units,amount,currency,notes\n2026-05-01T00:00:00Z,s,1,1,\"{}\",USD,\n",
        hostile()
    );
    export(move |_| Reply::new(200, "text/csv", csv.clone()), &["--wire", "csv"]).failed(1, "`amount`");
}

#[test]
fn what_is_right_and_strange_is_shown_in_short_and_kept_whole() {
    let strange = UsageEntry {
        sku: hostile(),
        notes: hostile(),
        currency: Currency::from(hostile().as_str()),
        ..noted("2026-05-01T00:00:00Z", "")
    };
    let page = String::from_utf8(history_page(std::slice::from_ref(&strange), None).body().to_vec()).unwrap();
    let body = page.replacen('{', &format!("{{\"warningMessage\":{},", hostile_json()), 1);
    let answer = body.clone();
    let run = export(move |_| Reply::json(200, answer.clone()), &[]).done();
    assert_eq!(run.entries(), [strange]);
    assert!(run.stderr.contains("\na [2J hint: bc d efff"), "{}", run.stderr);
    // Another currency than was asked for.
    export(move |_| Reply::json(200, body.clone()), &["--currency", "USD"])
        .failed(6, "was charged in a [2J hint: bc");
}
