//! The example as a program: it is interrupted in the middle, and continues when it is run again.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_testkit::{Book, Request, entry_at};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Place, entries_in, june, seconds};

/// Kills the program when the test ends, whatever its result.
struct Program(Child);

impl Program {
    fn start(place: &Place) -> (Self, BufReader<ChildStdout>) {
        let test = std::env::current_exe().unwrap();
        let program = test.ancestors().nth(2).unwrap().join("examples/month");
        assert!(
            program.exists(),
            "`cargo test -p billing-export` builds the example; with `--test` it does not"
        );
        let mut program = Command::new(program)
            .arg(place.path())
            .env("BILLING_BASE_URL", place.upstream.base_url())
            .env("BILLING_API_KEY", "admin-key")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap());
        (Self(program), lines)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The number of entries so far in a line of progress.
fn so_far(line: &str) -> u64 {
    line.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_that_goes_on_is_a_program_of_25_lines() {
    let source = include_str!("../../examples/month.rs");
    assert!(source.lines().filter(|line| !line.starts_with("//!")).count() <= 25);

    let hangs = Arc::new(AtomicBool::new(true));
    let looked_at = Arc::clone(&hangs);
    let change = move |n: usize, request: &Request, book: &mut Book| {
        let is_cut = n > 1 && looked_at.load(Ordering::Relaxed);
        is_cut.then(|| book.answer(request).stalled())
    };
    // The last entry is of July.
    let july = entry_at(june().until().unwrap(), "-7");
    let place = Place::changing([seconds(2500), vec![july]].concat(), change).await;

    let (mut program, lines) = Program::start(&place);
    let mut lines = lines.lines().map(Result::unwrap);
    let came = so_far(&lines.next().unwrap());
    assert!(came > 0 && came < 2500);
    kill_process(Pid::from_child(&program.0), Signal::INT).unwrap();
    assert_eq!(lines.next(), None);
    assert!(!program.0.wait().unwrap().success());
    assert!(!place.path().exists(), "it is whole or not there");

    hangs.store(false, Ordering::Relaxed);
    let (mut program, lines) = Program::start(&place);
    let lines: Vec<_> = lines.lines().map(Result::unwrap).collect();
    assert!(program.0.wait().unwrap().success());
    assert!(so_far(&lines[0]) > came, "{lines:?}");
    assert_eq!(entries_in(&place.path()), seconds(2500));
    assert_eq!(place.names(), ["june.ndjson"]);
}
