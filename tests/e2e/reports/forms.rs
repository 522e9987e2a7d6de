//! The forms of a report, and a saved one in another form.

use billing_report::Report;

use super::{charge, of};
use crate::billing::{run, run_reading};
use crate::imports::gzip;
use crate::ledger::Ledger;
use crate::place::Place;

const FORMS: [&str; 5] = ["table", "json", "csv", "markdown", "html"];

fn ledger() -> Ledger {
    Ledger::of(&[
        charge("2026-06-01T10:00:00Z", "claude-opus-4-5-llm-input-mtoken", "1.0000000000000000001"),
        charge("2026-06-02T10:00:00Z", "zai-org-glm-5-1-llm-output-mtoken", "2"),
    ])
}

/// A direct report with the moment at which another one was made, wherever that one says it.
fn made_at(direct: &str, other: &str, created: &str) -> String {
    let mut made = direct.to_owned();
    for (place, _) in other.match_indices(created) {
        made.replace_range(place..place + created.len(), created);
    }
    made
}

#[test]
fn a_saved_report_gives_the_same_bytes_as_a_direct_one() {
    let (ledger, place) = (ledger(), Place::new());
    let (path, saved) = (ledger.path(), place.path("report.json"));
    for args in [
        &["--by", "day,model"][..],
        &["--by", "model", "--usd", "--month", "2026-06", "--compare", "previous"],
    ] {
        let args = [&["report", "--ledger", &path, "--charts"], args].concat();
        for form in FORMS {
            run(&[&args[..], &["--format", "json", "-o", &saved]].concat()).done();
            let direct = run(&[&args[..], &["--format", form]].concat()).done();
            let rendered = run(&["render", &saved, "--format", form]).done();
            let created = Report::from_json(&String::from_utf8(place.read("report.json")).unwrap()).unwrap();
            let created = created.meta.created;
            assert_eq!(rendered.text(), made_at(direct.text(), rendered.text(), &created), "{args:?} {form}");
        }
    }
    let mut marked = "\u{feff}".as_bytes().to_vec();
    marked.extend(place.read("report.json"));
    let zipped = run_reading(&["render", "-"], &gzip(&marked)).done();
    assert_eq!(zipped.text(), run(&["render", &saved]).done().text());
    let piped = run_reading(&["render", "-"], &place.read("report.json")).done();
    assert_eq!(piped.text(), run(&["render", &saved]).done().text());
}

#[test]
fn every_form_has_the_whole_amount() {
    let ledger = ledger();
    let path = ledger.path();
    for form in ["json", "csv", "html"] {
        let shown = run(&["report", "--ledger", &path, "--format", form, "--by", "model"]).done();
        assert!(shown.text().contains("1.0000000000000000001"), "{form}: {}", shown.text());
    }
}

#[test]
fn what_is_no_report_is_not_rendered() {
    let place = Place::new();
    for (text, said) in [
        ("{", "this is not a report in JSON"),
        ("[]", "this is not a report in JSON"),
        (r#"{"schema":"billing-report/9"}"#, "this is of the form `billing-report/9`"),
        (r#"{"schema":"billing-report/1"}"#, "this is not a report in JSON"),
    ] {
        let file = place.write("report.json", text);
        let failed = run(&["render", &file]);
        failed.failed(1, said);
        assert!(failed.stderr.contains("hint: billing report --format json"), "{}", failed.stderr);
    }
    let contradiction = r#"{"schema":"billing-report/1","meta":{"by":[],"created":"","source":{},"window":{"since":null,"until":null},
        "timeZone":"UTC","weekStart":"monday","isFinal":true,"entries":0},"rows":[],"totals":[]}"#;
    let file = place.write("report.json", contradiction);
    run(&["render", &file]).failed(1, "this is not a report as it was saved: its rows are by one dimension");
    let failed = run(&["render", &ledger().path()]);
    failed.failed(1, "ledger.db`");
    assert!(
        failed.stderr.contains("hint: a report of a ledger is billing report --ledger"),
        "{}",
        failed.stderr
    );
    run(&["render", "/dev/zero"]).failed(1, "/dev/zero`");
    let long = place.write("long.json", " ".repeat((64 << 20) + 1));
    run(&["render", &long]).failed(1, "is longer than 64 MiB");
    run(&["render", &place.path("none.json")]).failed(1, "none.json`: No such file");
}

#[test]
fn charts_for_a_form_without_them_are_told_so() {
    let ledger = ledger();
    for (form, is_told) in [("table", true), ("csv", true), ("json", false), ("html", false)] {
        let shown = run(&["report", "--ledger", &ledger.path(), "--charts", "--format", form]).done();
        assert_eq!(shown.stderr.contains("note: --charts adds something"), is_told, "{form}");
    }
}

#[test]
fn a_page_of_a_report_without_charts_says_so() {
    let (ledger, place) = (ledger(), Place::new());
    let saved = place.path("report.json");
    run(&["report", "--ledger", &ledger.path(), "-o", &saved]).done();
    let page = run(&["render", &saved, "--format", "html"]).done();
    assert!(page.stderr.contains("note: the report was saved without --charts"), "{}", page.stderr);
    assert!(of(&ledger, &["--charts"]).charts.is_some());
}

#[test]
fn an_expression_picks_out_of_the_json() {
    let (ledger, place) = (ledger(), Place::new());
    let path = ledger.path();
    let picked = |expression: &str| {
        run(&["report", "--ledger", &path, "--by", "model", "--jq", expression]).done().text().to_owned()
    };
    assert_eq!(picked(".totals[].spend"), "3.0000000000000000001\n");
    assert_eq!(picked(".rows[] | .model"), "zai-org-glm-5-1\nclaude-opus-4-5\n");
    assert_eq!(
        picked(".rows[] | [.model, .spend, .entries] | @csv"),
        "\"zai-org-glm-5-1\",\"2\",1\n\"claude-opus-4-5\",\"1.0000000000000000001\",1\n"
    );
    assert_eq!(picked(".meta.entries"), "2\n");
    let saved = place.path("report.json");
    run(&["report", "--ledger", &path, "-o", &saved]).done();
    assert_eq!(run(&["render", &saved, "--jq", ".schema"]).done().text(), "billing-report/1\n");
    for (expression, said) in [
        (".rows[", "--jq: at the end of `.rows[`: closing bracket expected"),
        (".rows | nothing", "--jq: at character 9, `nothing`: there is no such function"),
        (".rows.model", "--jq: cannot index "),
        ("env", "--jq: at character 1, `env`: there is no such function"),
    ] {
        run(&["report", "--ledger", &path, "--jq", expression]).failed(2, said);
    }
    run(&["report", "--ledger", &path, "--jq", ".", "--format", "csv"])
        .failed(2, "--format asks for another form");
}
