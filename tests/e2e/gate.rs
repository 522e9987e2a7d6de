//! The gate says which tests are the slowest, and hides nothing of what they print for it.
#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::io::{self, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use xtask::overheard::{self, Stream};
use xtask::slowest::{Timed, Watch};

/// Takes lines, each behind the milliseconds at which it comes; those of cargo begin with `!`.
fn watch(threads: usize, lines: &str) -> Watch {
    let mut watch = Watch::new(threads);
    for line in lines.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
        match line.strip_prefix('!') {
            Some(line) => watch.take_cargo_line(line),
            None => {
                let (at, line) = line.split_once(' ').unwrap();
                watch.take_test_line(Duration::from_millis(at.parse().unwrap()), line);
            }
        }
    }
    watch
}

#[track_caller]
fn check(threads: usize, lines: &str, slowest: &[&str]) {
    let said = |Timed { program, name, took }| format!("{} {program} {name}", took.as_millis());
    let found: Vec<String> = watch(threads, lines).slowest(4).into_iter().map(said).collect();
    assert_eq!(found, slowest);
}

#[test]
fn a_test_begins_when_another_makes_room_for_it() {
    let lines = "
        !     Running unittests src/lib.rs (target/debug/deps/billing_csv-0123456789abcdef)
        1000 running 5 tests
        1010 test a ... ok
        1500 test c ... FAILED
        1700 test d - should panic ... ok
        1900 test b ... ok
        1904 test e ... ignored, it is slow
        1905 test result: FAILED. 3 passed; 1 failed; 1 ignored
    ";
    // With two threads, c begins when a has ended, d when c has, and e when d has.
    check(2, lines, &["900 billing_csv b", "490 billing_csv c", "204 billing_csv e", "200 billing_csv d"]);
    // All at once, and one after the other.
    check(9, lines, &["904 billing_csv e", "900 billing_csv b", "700 billing_csv d", "500 billing_csv c"]);
    let in_order = "
        0 running 2 tests
        30 test a ... ok
        50 test b ... ok
        50 test result: ok.
    ";
    check(1, in_order, &["30  a", "20  b"]);
}

#[test]
fn each_program_has_its_own_tests_and_one_that_breaks_off_has_none() {
    check(
        2,
        "
        !   Compiling billing-csv v0.1.0 (/src)
        !     Running tests/it/main.rs (target/debug/deps/it-0123456789abcdef)
        0 running 1 test
        7 test same ... ok
        7 test result: ok. 1 passed
        !     Running tests/kills.rs (target/debug/deps/kills-0123456789abcdef)
        10 running 2 tests
        5000 test quick ... ok
        !error: test failed, to rerun pass `-p x --test kills`
        !   Doc-tests billing_csv
        6000 running 1 test
        6003 test src/lib.rs - Reader (line 7) - compile ... ok
        6003 test result: ok. 1 passed
        9000 test that nobody began ... ok
        ",
        &["7 it same", "3 billing_csv src/lib.rs - Reader (line 7)"],
    );
    // These are no lines of libtest.
    check(1, "0 running late tests\n0 running 7\n5 test a ... ok\n5 test result: ok", &[]);
}

/// What was passed on.
#[derive(Clone, Default)]
struct Passed(Arc<Mutex<Vec<u8>>>);

impl Write for Passed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Passed {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn shell(line: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", line]);
    shell
}

#[test]
fn all_that_is_printed_is_passed_on_and_a_failure_is_one() {
    let (out, err) = (Passed::default(), Passed::default());
    let mut heard = Vec::new();
    let command = shell("printf 'one\\ntw'; printf 'o\\n\\nthree'; printf 'of err\\n' >&2; exit 3");
    let done = overheard::run(command, out.clone(), err.clone(), |stream, _, line| {
        heard.push((stream, line.to_owned()));
    });
    assert!(done.unwrap_err().to_string().ends_with("ended with exit status: 3"));
    assert_eq!((out.text(), err.text()), ("one\ntwo\n\nthree".to_owned(), "of err\n".to_owned()));
    heard.sort_by_key(|(stream, _)| *stream == Stream::Err);
    let heard: Vec<&str> = heard.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(heard, ["one", "two", "", "of err"]);
}

/// A process that a test leaves running has the same output as the tests.
#[test]
fn what_outlives_the_tests_does_not_hold_the_gate() {
    let (reader, writer) = io::pipe().unwrap();
    let mut command = shell("exec 3<&0; cat <&3 & echo ended");
    command.stdin(reader);
    let out = Passed::default();
    overheard::run(command, out.clone(), io::sink(), |_, _, _| {}).unwrap();
    assert_eq!(out.text(), "ended\n");
    drop(writer);
}

/// This reads the output of the real libtest.
#[test]
fn the_times_of_real_tests_are_read() {
    let names = ["a_circle_goes_through_any_number_of_files", "a_module_and_its_children_are_one_room"];
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests.args(["--exact", "--test-threads", "1"]).args(names);
    let (start, mut watch) = (Instant::now(), Watch::new(1));
    let hear = |stream, at, line: &str| {
        if stream == Stream::Out {
            watch.take_test_line(at, line);
        }
    };
    overheard::run(tests, io::sink(), io::sink(), hear).unwrap();
    let mut found = watch.slowest(9);
    assert!(found.iter().map(|test| test.took).sum::<Duration>() <= start.elapsed());
    found.sort_by(|one, other| one.name.cmp(&other.name));
    let found: Vec<&str> = found.iter().map(|test| test.name.as_str()).collect();
    assert_eq!(found, names);
}
