//! An export whose stdout is a terminal: nobody's screen is filled unasked.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::billing::{Run, command, export_command, finish};
use crate::ledger::noted;
use crate::place::Place;
use crate::scripted::{Scripted, history_page};

/// Runs a command to its end, and gives what it came to and what it printed to the terminal.
fn on_a_terminal(command: Command) -> (Run, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let near = openpt(flags).unwrap();
    unlockpt(&near).unwrap();
    let run = ended(command, ioctl_tiocgptpeer(&near, flags).unwrap());
    let mut bytes = Vec::new();
    // Nobody has the other side open any more: reading ends with an error, behind all that was printed.
    let _ = File::from(near).read_to_end(&mut bytes);
    (run, String::from_utf8(bytes).unwrap().replace("\r\n", "\n"))
}

/// Whoever calls this has the terminal closed when it returns.
fn ended(mut command: Command, terminal: OwnedFd) -> Run {
    command.stdin(Stdio::null()).stdout(terminal).output().unwrap().into()
}

fn service() -> Scripted {
    Scripted::answering(history_page(&[noted("2026-05-01T00:00:00Z", "one")], None))
}

#[test]
fn a_terminal_is_asked_for() {
    let service = service();
    // Also without a key: what is missing first is said first.
    for command in [
        export_command(&service.base_url(), "any-key", &["--month", "2026-05"]),
        command(&["export", "--base-url", &service.base_url()]),
    ] {
        let (run, printed) = on_a_terminal(command);
        assert_eq!(printed, "");
        insta::allow_duplicates! {
            insta::assert_snapshot!(run.said("nowhere"), @"
            error: stdout is a terminal, and all entries would be printed to it
            hint: -o usage.csv writes them to a file
            hint: -o - prints them here
            exit code 2
            ");
        }
    }
    assert!(service.requests().is_empty());
}

#[test]
fn a_terminal_that_is_asked_for_gets_the_entries() {
    let service = service();
    let args = ["--month", "2026-05", "--format", "ndjson", "-o", "-"];
    let (run, printed) = on_a_terminal(export_command(&service.base_url(), "any-key", &args));
    run.done();
    let piped = finish(export_command(&service.base_url(), "any-key", &args), b"").done();
    assert_eq!((printed.as_str(), piped.entries().len()), (piped.text(), 1));
}

#[test]
fn a_file_is_written_whatever_stdout_is() {
    let (service, place) = (service(), Place::new());
    let path = place.path("usage.csv");
    let args = ["--month", "2026-05", "-o", &path];
    let (run, printed) = on_a_terminal(export_command(&service.base_url(), "any-key", &args));
    run.done();
    assert_eq!((printed.as_str(), place.names()), ("", vec!["usage.csv".to_owned()]));
}
