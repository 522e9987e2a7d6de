//! An export on a terminal: it does not fill the screen unasked, and its progress line leaves nothing behind.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::thread;

use billing_testkit::Reply;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::billing::{Run, command, export_command, finish};
use crate::ledger::noted;
use crate::place::Place;
use crate::scripted::{Scripted, history_page};

/// Runs a command to its end, and gives what it came to and what it printed to the terminal.
fn on_a_terminal(command: Command) -> (Run, String) {
    on_a_terminal_of(command, 0)
}

/// The same, on one of so many columns.
pub(crate) fn on_a_terminal_of(command: Command, columns: u16) -> (Run, String) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let near = openpt(flags).unwrap();
    unlockpt(&near).unwrap();
    tcsetwinsize(&near, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let far = ioctl_tiocgptpeer(&near, flags).unwrap();
    // A terminal holds a few kilobytes, so it is read while more is printed.
    let screen = thread::spawn(move || {
        let mut bytes = Vec::new();
        // When nobody has the other side open any more, reading ends with an error, behind all that was printed.
        let _ = File::from(near).read_to_end(&mut bytes);
        bytes
    });
    let run = ended(command, far);
    (run, String::from_utf8(screen.join().unwrap()).unwrap().replace("\r\n", "\n"))
}

/// Runs the command to its end. Our copies of the terminal are closed when this returns.
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

/// Starts a command whose stderr is a terminal of so many columns, and gives the other side of that.
fn told_on_a_terminal(mut command: Command, columns: u16) -> (Child, File) {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
    let near = openpt(flags).unwrap();
    unlockpt(&near).unwrap();
    let far = ioctl_tiocgptpeer(&near, flags).unwrap();
    tcsetwinsize(&far, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(far).env("TERM", "xterm");
    (command.spawn().unwrap(), File::from(near))
}

/// What is shown until a word comes, or to the end.
fn shown_until(word: &str, terminal: &mut File) -> String {
    let mut shown = Vec::new();
    let mut bytes = [0; 4096];
    while !String::from_utf8_lossy(&shown).contains(word) {
        match terminal.read(&mut bytes) {
            Ok(count @ 1..) => shown.extend_from_slice(&bytes[..count]),
            // Nobody has the other side open any more.
            _ => break,
        }
    }
    String::from_utf8(shown).unwrap()
}

#[test]
fn the_moving_line_leaves_room_for_what_is_typed_and_goes() {
    let mut requests = 0;
    let service = Scripted::start(move |_| {
        requests += 1;
        match requests {
            1 => history_page(
                &["01", "02"].map(|day| noted(&format!("2026-05-{day}T00:00:00Z"), "")),
                Some("next"),
            ),
            _ => Reply::error(429, &"x".repeat(300)).header("retry-after", "300"),
        }
    });
    let place = Place::new();
    let args = ["--month", "2026-05", "--concurrency", "1", "-o", &place.path("may.csv")];
    let (mut export, mut terminal) =
        told_on_a_terminal(export_command(&service.base_url(), "any-key", &args), 80);
    let moving = shown_until("429 xxx", &mut terminal);
    kill_process(Pid::from_child(&export), Signal::INT).unwrap();
    let rest = shown_until("nothing else", &mut terminal);
    assert_eq!(export.wait().unwrap().code(), Some(130), "{rest}");
    for line in moving.split('\r') {
        let text = line.trim_start_matches("\u{1b}[2K");
        // `^C` and what a terminal needs to know that a line is not full.
        assert!(text.chars().count() <= 77, "{text:?}");
    }
    let (before, after) = rest.split_once("error:").unwrap();
    assert!(before.contains("\r\u{1b}[2K\u{1b}[1m\u{1b}[31m"), "{before:?}");
    assert!(!after.contains("429"), "{after:?}");
}

#[test]
fn errors_are_in_colour_on_a_terminal_alone() {
    let plain = "error: unrecognized subcommand 'exprt'\n\
                 hint: some similar subcommands exist: 'import', 'report', 'export'\n\
                 hint: billing --help shows what it takes\n";
    let told = |variables: &[(&str, &str)]| {
        let mut command = command(&["exprt"]);
        command.envs(variables.iter().copied());
        let (mut run, mut terminal) = told_on_a_terminal(command, 80);
        let shown = shown_until("nothing else", &mut terminal).replace("\r\n", "\n");
        assert_eq!(run.wait().unwrap().code(), Some(2));
        shown
    };
    let coloured = plain
        .replace("error:", "\u{1b}[1m\u{1b}[31merror:\u{1b}[0m")
        .replace("hint:", "\u{1b}[32mhint:\u{1b}[0m");
    assert_eq!(told(&[]), coloured);
    assert_eq!(told(&[("NO_COLOR", "1")]), plain);
    assert_eq!(finish(command(&["exprt"]), b"").stderr, plain);
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

#[test]
fn a_table_is_as_wide_as_its_terminal() {
    let body = include_str!("../data/pages/usage-analytics.json").replace("key-1", &"k".repeat(40));
    let service = Scripted::answering(Reply::json(200, body));
    let heads = |columns: u16| {
        let mut command = command(&["analytics", "--base-url", &service.base_url()]);
        command.env("BILLING_API_KEY", "any-key").env("COLUMNS", "20");
        let (run, printed) = on_a_terminal_of(command, columns);
        run.done();
        let by_key = printed.split_once("By API key\n").unwrap().1;
        by_key.lines().next().unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(heads(80), ["key", "id", "units", "USD", "DIEM"]);
    assert_eq!(heads(60), ["key", "units", "USD", "DIEM"]);
    // A terminal of which nobody knows the width.
    assert_eq!(heads(0), ["key", "USD", "DIEM"]);
}

/// What a program reads is the answer; what a person sees means the same, and steers nothing.
#[test]
fn json_of_a_service_does_not_steer_the_terminal() {
    let body = "{\r\n\t\"canConsume\":true,\"balances\":{\"diem\":1},\"diemEpochAllocation\":1,\"a\":\"\u{202e}\u{9b}é\"}";
    let service = Scripted::answering(Reply::json(200, body));
    let mut command = command(&["balance", "--json", "--base-url", &service.base_url()]);
    command.env("BILLING_API_KEY", "any-key");
    let (run, printed) = on_a_terminal(command);
    run.done();
    assert_eq!(
        printed,
        "{ \n \"canConsume\":true,\"balances\":{\"diem\":1},\"diemEpochAllocation\":1,\"a\":\"\\u202e\\u009bé\"}\n"
    );
}
