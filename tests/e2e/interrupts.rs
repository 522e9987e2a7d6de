//! Ctrl-C and SIGTERM in the middle of an export.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::billing::export_command;
use crate::ledger::noted;
use crate::place::Place;
use crate::process::Process;
use crate::scripted::{Scripted, history_page};

/// A limit for an export that does not ask. No test waits for it.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs an export to the point where it waits for its second page, which never comes, and interrupts it there by
/// a signal.
fn interrupted(signal: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let page = history_page(&[noted("2026-05-01T00:00:00Z", "")], Some("next"));
    let (tell, requests) = channel();
    let mut first = Some(page.clone());
    let service = Scripted::start(move |_| {
        let _ = tell.send(());
        first.take().unwrap_or_else(|| page.clone().stalled())
    });
    let mut process = Process::start(export_command(
        &service.base_url(),
        "any-key",
        &[&["--until", "2026-07"], args].concat(),
    ));
    for _ in 0..2 {
        requests.recv_timeout(LIMIT).expect("it asks for a page, and for the next one");
    }
    process.signal(signal);
    if args.contains(&"-o") {
        // It would wait for the rest of the window.
        let cause = if signal == "TERM" { "terminated" } else { "interrupted" };
        assert_eq!(
            process.said_line(),
            format!("{cause}: finishing the page at hand (once more to stop at once)")
        );
        // The first signal says how it ends.
        process.signal("INT");
    }
    process.end()
}

#[test]
fn an_interrupted_export_leaves_no_file() {
    let place = Place::new();
    let path = place.path("usage.csv");
    let (code, printed, said) = interrupted("INT", &["-o", &path]);
    assert_eq!((code, printed.as_str()), (Some(130), ""), "{said}");
    insta::assert_snapshot!(said, @"
    error: interrupted
    hint: nothing was written; a file that was there before is as it was
    ");
    assert!(place.names().is_empty(), "{:?}", place.names());
}

#[test]
fn an_interrupted_export_keeps_the_file_that_was_there() {
    let place = Place::new();
    let path = place.write("usage.csv", "what was there");
    let (code, _, said) = interrupted("INT", &["-o", &path]);
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(place.names(), ["usage.csv"]);
    assert_eq!(place.read("usage.csv"), b"what was there");
}

#[test]
fn an_interrupted_stream_says_so() {
    let (code, _, said) = interrupted("INT", &[]);
    assert_eq!(code, Some(130), "{said}");
    assert_eq!(said, "error: interrupted\nhint: what was written so far is incomplete: do not use it\n");
}

#[test]
fn a_terminated_export_says_so_and_leaves_no_file() {
    let place = Place::new();
    let path = place.path("usage.csv");
    let (code, printed, said) = interrupted("TERM", &["-o", &path]);
    assert_eq!((code, printed.as_str()), (Some(143), ""), "{said}");
    insta::assert_snapshot!(said, @"
    error: terminated
    hint: nothing was written; a file that was there before is as it was
    ");
    assert!(place.names().is_empty(), "{:?}", place.names());

    let (code, _, said) = interrupted("TERM", &[]);
    assert_eq!(code, Some(143), "{said}");
    assert_eq!(said, "error: terminated\nhint: what was written so far is incomplete: do not use it\n");
}
