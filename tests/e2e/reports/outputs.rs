//! Where a report goes: a file that is whole or not there, or stdout.

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use super::charge;
use crate::billing::{Run, command, run};
use crate::ledger::Ledger;
use crate::place::Place;

fn ledger() -> Ledger {
    Ledger::of(&[charge("2026-06-01T10:00:00Z", "claude-opus-4-5-llm-input-mtoken", "1")])
}

#[test]
fn the_name_of_the_file_says_what_is_in_it() {
    let (ledger, place) = (ledger(), Place::new());
    let path = ledger.path();
    for (name, form) in [
        ("report.json", "json"),
        ("report.CSV", "csv"),
        ("report.md", "markdown"),
        ("report.txt", "table"),
        ("report", "table"),
    ] {
        let shown = run(&["report", "--ledger", &path, "--format", form]).done();
        let written = run(&["report", "--ledger", &path, "-o", &place.path(name)]).done();
        assert_eq!((written.text(), &*written.stderr), ("", &*format!("{}: 1 entry\n", place.path(name))));
        let (written, shown) = (place.read(name), shown.stdout);
        assert_eq!(written.len(), shown.len(), "{name}");
    }
    assert!(
        String::from_utf8(place.read("report.json"))
            .unwrap()
            .starts_with("{\n  \"schema\": \"billing-report/1\"")
    );
    let page = place.path("report.html");
    run(&["report", "--ledger", &path, "-o", &page]).done();
    // What is said goes before what the name says.
    run(&["report", "--ledger", &path, "-o", &page, "--format", "json"]).done();
    assert!(place.read("report.html").starts_with(b"{"));
    let refused = run(&["report", "--ledger", &path, "-o", &place.path("report.xlsx")]);
    refused.failed(2, "a report cannot be written as .xlsx");
    assert!(!place.names().iter().any(|name| name.contains("xlsx") || name.contains("part")));
}

#[test]
fn stdout_has_names_too() {
    let ledger = ledger();
    let path = ledger.path();
    let plain = run(&["report", "--ledger", &path, "--format", "csv"]).done();
    for name in ["-", "/dev/stdout"] {
        assert_eq!(
            run(&["report", "--ledger", &path, "--format", "csv", "-o", name]).done().text(),
            plain.text()
        );
    }
}

#[test]
fn an_old_file_stays_until_the_new_one_is_whole() {
    let (ledger, place) = (ledger(), Place::new());
    let path = ledger.path();
    let old = place.write("report.csv", "old");
    run(&["report", "--ledger", &path, "--account", "none", "-o", &old]).failed(1, "there is no account");
    run(&["report", "--ledger", &path, "--jq", ".rows.x", "-o", &old]).failed(2, "cannot index");
    assert_eq!((place.read("report.csv"), place.names()), (b"old".to_vec(), vec!["report.csv".to_owned()]));
    run(&["report", "--ledger", &path, "-o", &old]).done();
    assert_ne!(place.read("report.csv"), b"old");
    // Behind a link, the file is replaced.
    let link = place.path("link.json");
    symlink(&old, &link).unwrap();
    run(&["report", "--ledger", &path, "-o", &link]).done();
    assert!(place.read("report.csv").starts_with(b"{"));
}

#[test]
fn what_is_no_file_is_left_alone() {
    let (ledger, place) = (ledger(), Place::new());
    let path = ledger.path();
    run(&["report", "--ledger", &path, "-o", "/dev/null"]).failed(2, "`/dev/null` is not a regular file");
    run(&["report", "--ledger", &path, "-o", &place.path("none/report.csv")]).failed(1, "none/report.csv");
    std::fs::create_dir(place.path("reports.csv")).unwrap();
    run(&["report", "--ledger", &path, "-o", &place.path("reports.csv")]).failed(1, "is a directory");
}

/// Under another name too: a ledger that is replaced by its report is gone.
#[test]
fn nothing_is_written_over_what_it_is_made_of() {
    let (ledger, place) = (ledger(), Place::new());
    let (path, link) = (ledger.path(), place.path("link.csv"));
    symlink(&path, &link).unwrap();
    let before = std::fs::read(&path).unwrap();
    for output in [&path, &link] {
        run(&["report", "--ledger", &path, "--format", "csv", "-o", output]).failed(2, "which it is made of");
        let export = ["export", "--from-ledger", &path, "--format", "csv", "-o", output];
        run(&export).failed(2, "which it is made of");
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let june = place.path("june.csv");
    run(&["export", "--from-ledger", &path, "-o", &june]).done();
    let before = place.read("june.csv");
    run(&["report", &june, "-o", &june]).failed(2, "which it is made of");
    std::fs::hard_link(&june, place.path("other.csv")).unwrap();
    run(&["report", &june, "-o", &place.path("other.csv")]).failed(2, "which it is made of");
    assert_eq!(place.read("june.csv"), before);
    let mut itself = command(&["report", "-", "-o", &june]);
    itself.stdin(std::fs::File::open(&june).unwrap());
    Run::from(itself.output().unwrap()).failed(2, "which it is made of");
    assert_eq!(place.read("june.csv"), before);
}

/// A ledger's log holds what was recorded last, and an export that broke off is gone on with.
#[test]
fn nothing_is_written_over_a_log_or_what_an_export_has_kept() {
    let (ledger, place) = (ledger(), Place::new());
    let path = ledger.path();
    let log = format!("{path}-wal");
    std::fs::write(&log, "").unwrap();
    run(&["report", "--ledger", &path, "--format", "csv", "-o", &log]).failed(2, "which it is made of");
    let link = place.path("link.db");
    symlink(&path, &link).unwrap();
    run(&["report", "--ledger", &link, "--format", "csv", "-o", &log]).failed(2, "which it is made of");
    std::fs::remove_file(&link).unwrap();
    std::fs::remove_file(&log).unwrap();
    place.write("june.csv.checkpoint", "kept");
    run(&["report", "--ledger", &path, "-o", &place.path("june.csv")]).failed(2, "has not ended");
    assert_eq!(place.names(), ["june.csv.checkpoint"]);
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    let ledger = ledger();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut report = command(&["report", "--ledger", &ledger.path(), "--format", "json"]);
    let ended = report.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
}

/// Results come without end, and are written as they come. An error leaves no half of a file.
#[test]
fn results_of_an_expression_are_not_gathered() {
    let (ledger, place) = (ledger(), Place::new());
    let mut endless = command(&["report", "--ledger", &ledger.path(), "--jq", "repeat(1)"]);
    let mut child = endless.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    // The end of this reader is the end of the pipe.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "1\n");
    assert!(child.wait().unwrap().success());
    let failed = run(&["report", "--ledger", &ledger.path(), "--jq", "1, error(\"no\")"]);
    assert_eq!((failed.code, &failed.stdout[..]), (Some(2), &b"1\n"[..]));
    assert!(failed.stderr.contains("error: --jq: no"), "{}", failed.stderr);
    let file = place.path("results.json");
    run(&["report", "--ledger", &ledger.path(), "--jq", "1, error(\"no\")", "-o", &file])
        .failed(2, "--jq: no");
    assert!(!std::path::Path::new(&file).exists());
    run(&["report", "--ledger", &ledger.path(), "--jq", "1, 2", "-o", &file]).done();
    assert_eq!(place.read("results.json"), b"1\n2\n");
}
