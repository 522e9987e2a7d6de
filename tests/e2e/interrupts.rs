//! Ctrl-C and SIGTERM in the middle of an export.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use crate::billing::export_command;
use crate::ledger::noted;
use crate::place::Place;
use crate::process::Process;
use crate::scripted::history_page;

/// Runs an export to the point where it waits for its second page, which never comes, and interrupts it there by
/// a signal.
fn interrupted(signal: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let page = history_page(&[noted("2026-05-01T00:00:00Z", "")], Some("next"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    let mut process =
        Process::start(export_command(&base_url, "any-key", &[&["--until", "2026-07"], args].concat()));
    let (mut stream, _) = listener.accept().unwrap();
    let mut requests = BufReader::new(stream.try_clone().unwrap());
    let mut read_request =
        || requests.by_ref().lines().map(Result::unwrap).take_while(|line| !line.is_empty()).count();
    assert!(read_request() > 0);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        page.body().len()
    );
    stream.write_all(&[head.as_bytes(), page.body()].concat()).unwrap();
    assert!(read_request() > 0, "the second request, on the same connection");
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
