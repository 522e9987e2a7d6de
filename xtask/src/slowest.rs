//! Finds the slowest tests from the output of `cargo test` and the times at which it comes.
//!
//! On a stable toolchain, libtest does not report the times of tests. But it prints a line when a test ends, and its
//! order is known: it takes the tests by name, runs as many at a time as it has threads, and begins the next one when
//! one has ended. So the first tests begin with the program, and each later one when the end of another made room for
//! it.

use std::time::Duration;

/// A test, and the time from its beginning to its end by the clock. Other tests may have run at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// The program that it is a part of, `billing_csv`.
    pub program: String,
    /// Its name in there.
    pub name: String,
    /// How long it took.
    pub took: Duration,
}

/// Reads what `cargo test` prints.
#[derive(Debug)]
pub struct Watch {
    threads: usize,
    /// The program whose tests come next.
    program: String,
    /// The run that is under way, if one is.
    run: Option<Run>,
    tests: Vec<Timed>,
}

/// The tests of one program.
#[derive(Debug)]
struct Run {
    began: Duration,
    /// The names, and when each of them ended, in that order.
    ended: Vec<(String, Duration)>,
}

impl Watch {
    /// For a run in which each program has so many threads.
    pub fn new(threads: usize) -> Self {
        Self { threads: threads.max(1), program: String::new(), run: None, tests: Vec::new() }
    }

    /// Takes a line that cargo itself printed, on stderr.
    pub fn take_cargo_line(&mut self, line: &str) {
        if let Some(program) = program(line.trim()) {
            self.program = program.to_owned();
        }
    }

    /// Takes a line that a program of tests printed, on stdout, and when that was.
    pub fn take_test_line(&mut self, at: Duration, line: &str) {
        let line = line.trim_end();
        if is_beginning(line) {
            // An earlier run that did not end is left out, because it is not known which of its tests had begun.
            self.run = Some(Run { began: at, ended: Vec::new() });
        } else if line.starts_with("test result: ") {
            if let Some(run) = self.run.take() {
                let times = run.times(self.threads);
                let program = &self.program;
                let timed = |(name, took)| Timed { program: program.clone(), name, took };
                self.tests.extend(times.into_iter().map(timed));
            }
        } else if let (Some(run), Some(name)) = (&mut self.run, ended_test(line)) {
            run.ended.push((name.to_owned(), at));
        }
    }

    /// So many of the tests, those that took the longest first.
    pub fn slowest(&self, count: usize) -> Vec<Timed> {
        let mut tests = self.tests.clone();
        tests.sort_by_key(|test| std::cmp::Reverse(test.took));
        tests.truncate(count);
        tests
    }
}

impl Run {
    /// The time of each test. The first ones begin with the run; test `n` begins when so many have ended that it finds a
    /// free thread, which is at the end number `n - threads`.
    fn times(self, threads: usize) -> Vec<(String, Duration)> {
        let ends: Vec<Duration> = self.ended.iter().map(|(_, end)| *end).collect();
        let mut by_name = self.ended;
        by_name.sort_by(|(one, _), (other, _)| one.cmp(other));
        let time = |(at, (name, end)): (usize, (String, Duration))| {
            let began = at.checked_sub(threads).map_or(self.began, |before| ends[before]);
            (name, end.saturating_sub(began))
        };
        by_name.into_iter().enumerate().map(time).collect()
    }
}

/// `Running tests/it/main.rs (target/debug/deps/it-0123456789abcdef)` and `Doc-tests billing_csv`.
fn program(line: &str) -> Option<&str> {
    if let Some(package) = line.strip_prefix("Doc-tests ") {
        return Some(package);
    }
    let (_, path) = line.strip_prefix("Running ")?.split_once('(')?;
    let file = path.trim_end_matches(')').rsplit(['/', '\\']).next()?;
    file.rsplit_once('-').map(|(name, _hash)| name)
}

/// `running 34 tests`.
fn is_beginning(line: &str) -> bool {
    let count = line.strip_prefix("running ").and_then(|rest| rest.split_once(' '));
    count.is_some_and(|(count, word)| {
        !count.is_empty()
            && count.bytes().all(|byte| byte.is_ascii_digit())
            && matches!(word, "test" | "tests")
    })
}

/// The name in `test reader::tests::a_cut_file ... ok`. What stands between the name and the dots is not part of it.
fn ended_test(line: &str) -> Option<&str> {
    let (name, _outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
    let manners = [" - should panic", " - compile fail", " - compile"];
    Some(manners.iter().find_map(|manner| name.strip_suffix(manner)).unwrap_or(name))
}
