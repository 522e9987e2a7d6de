//! The reports of an export, for programs and for finding faults.

use billing_model::{Page, Pagination, Paging, UsageEntry};
use billing_testkit::{Reply, entry_at};
use serde::de::IgnoredAny;

use crate::billing::{export_command, finish};
use crate::ledger::noted;
use crate::place::Place;
use crate::scripted::{Scripted, history_page};

const KEY: &str = "a-key-of-more-than-twenty-characters";

fn entries() -> Vec<UsageEntry> {
    ["-34.2430983650000000176", "0.5", "-1e-7"]
        .into_iter()
        .enumerate()
        .map(|(second, amount)| entry_at(format!("2026-05-01T00:00:0{second}Z").parse().unwrap(), amount))
        .collect()
}

/// Two pages, and before the second one a failure.
fn service() -> Scripted {
    let mut requests = 0;
    Scripted::start(move |_| {
        requests += 1;
        match requests {
            1 => history_page(&entries()[..2], Some("next")),
            2 => Reply::error(503, &format!("no room for {KEY}")),
            _ => history_page(&entries()[2..], None),
        }
    })
}

#[test]
fn a_summary_is_one_object_for_a_program() {
    let (service, place) = (service(), Place::new());
    let path = place.path("may.csv");
    let args = ["--month", "2026-05", "--concurrency", "1", "--json", "-o", &path];
    let run = finish(export_command(&service.base_url(), KEY, &args), b"").done();
    assert_eq!((run.stdout.as_slice(), run.stderr.lines().count()), (&b""[..], 1), "{}", run.stderr);
    serde_json::from_str::<IgnoredAny>(&run.stderr).unwrap();
    let (before, behind) = run.stderr.split_once("\"elapsedMs\":").unwrap();
    let behind = behind.trim_start_matches(|c: char| c.is_ascii_digit());
    let text = format!("{before}\"elapsedMs\":MS{behind}").replace(&path, "FILE");
    let text = text.replace(&service.base_url(), "URL").replace(",\"", ",\n\"");
    insta::assert_snapshot!(text, @r#"
    {"file":"FILE",
    "window":{"since":"2026-05-01T00:00:00.000Z",
    "until":"2026-06-01T00:00:00.000Z"},
    "isFinal":true,
    "service":"URL",
    "endpoint":"usage-history",
    "currency":null,
    "entries":3,
    "added":3,
    "first":"2026-05-01T00:00:00.000Z",
    "last":"2026-05-01T00:00:02.000Z",
    "amounts":{"USD":{"entries":3,
    "charged":"-34.2430984650000000176",
    "credited":"0.5",
    "net":"-33.7430984650000000176"}},
    "serviceTotal":null,
    "resumed":false,
    "requests":3,
    "retries":1,
    "elapsedMs":MS,
    "warnings":[]}
    "#);
}

#[test]
fn warnings_stand_in_the_object_and_errors_behind_none() {
    let service = Scripted::start(|_| {
        let paging = Paging::ByNumber(Pagination::new(500, 1, 3));
        let page = Page { entries: entries(), paging, warning: Some("ends in \"June\"".to_owned()) };
        let mut body = Vec::new();
        page.write_json(&mut body);
        Reply::json(200, body)
    });
    let run =
        finish(export_command(&service.base_url(), KEY, &["--endpoint", "usage", "--json"]), b"").done();
    assert!(run.stderr.starts_with(r#"{"file":null,"#), "{}", run.stderr);
    assert!(run.stderr.contains(r#""isFinal":false,"#), "{}", run.stderr);
    let warnings = r#""warnings":["the service says: ends in \"June\""]}"#;
    assert!(run.stderr.ends_with(&format!("{warnings}\n")), "{}", run.stderr);
    assert_eq!(run.text().lines().count(), 1 + entries().len());
    let refusing = Scripted::answering(Reply::error(401, "Authentication failed"));
    let run = finish(export_command(&refusing.base_url(), "short", &["--json"]), b"");
    run.failed(4, "error: GET ");
    assert!(!run.stderr.contains('{'), "{}", run.stderr);
}

#[test]
fn each_request_is_shown_and_never_the_key() {
    let service = service();
    let args = ["--month", "2026-05", "--concurrency", "1", "--verbose"];
    let run = finish(export_command(&service.base_url(), KEY, &args), b"").done();
    assert!(!run.stderr.contains(KEY), "{}", run.stderr);
    let shown: Vec<_> = run.stderr.lines().filter_map(|line| Some(line.split_once("Z GET ")?.1)).collect();
    let masked: Vec<_> = shown.iter().map(|line| line.rsplit_once(", ").unwrap().0).collect();
    insta::assert_snapshot!(masked.join("\n"), @"
    /billing/usage-history?endTimestamp=2026-06-01T00:00:00.000Z&pageSize=1000&startTimestamp=2026-05-01T00:00:00.000Z: 2 entries
    /billing/usage-history?cursor=…: 503 no room for [key]
    /billing/usage-history?cursor=…: 1 entry
    ");
    assert_eq!(shown.len(), service.requests().len());
    assert!(shown.iter().all(|line| line.ends_with(" ms")), "{shown:?}");
    // Nobody means quiet and verbose together, or one JSON object and other lines.
    for other in ["--quiet", "--json"] {
        finish(export_command(&service.base_url(), KEY, &["-v", other]), b"")
            .failed(2, "cannot be used with");
    }
}

/// Whoever types the last day of a month as its end has left that day out.
#[test]
fn an_end_that_is_the_last_day_of_a_month_is_noted() {
    let said = |until: &str| {
        let service = Scripted::answering(history_page(&[noted("2026-06-01T00:00:00Z", "")], None));
        let args = ["--since", "2026-06-01", "--until", until];
        finish(export_command(&service.base_url(), KEY, &args), b"").done().stderr
    };
    let note = "note: 2026-06-30 itself is not in the window, which ends where that day begins; --until 2026-07-01 takes it in\n";
    assert!(said("2026-06-30").starts_with(note));
    for until in ["2026-07-01", "2026-07", "2026-06-15", "2026-06-30T00:00:00Z"] {
        assert!(!said(until).contains("itself"), "{until}");
    }
}

#[test]
fn an_empty_variable_is_not_given() {
    let service = Scripted::answering(history_page(&[noted("2026-05-01T00:00:00Z", "")], None));
    let mut command = export_command(&service.base_url(), KEY, &["--month", "2026-05"]);
    command.env("BILLING_BASE_URL", "").env("BILLING_LEDGER", "");
    finish(command, b"").done();
    // Without the flag it is the provider, to which no request goes here: the key comes first.
    let mut command = crate::billing::command(&["export", "-o", "never.csv"]);
    command.env("BILLING_BASE_URL", "");
    finish(command, b"").failed(4, "no API key");
}
