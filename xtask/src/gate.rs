//! The one gate: every check that a change must pass, in order, the same on every machine.

use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use anyhow::{Context, Result, bail};

use crate::command::{self, cargo, shell};
use crate::overheard::{self, Stream};
use crate::slowest::Watch;
use crate::{conformance, dist, readme, workspace};

/// How many of the slowest tests are listed.
const SLOWEST: usize = 20;

/// The steps that were taken, and how long each took.
#[derive(Default)]
struct Steps {
    taken: Vec<(&'static str, Duration, bool)>,
    /// The slowest tests, a line for each.
    slowest: String,
}

/// Runs every step until one fails, and says at the end how long each took.
///
/// # Errors
/// The first step that fails, by name.
pub fn run() -> Result<()> {
    let mut steps = Steps::default();
    let done = take_all(&mut steps);
    say(&steps.report());
    done
}

/// Cheap steps come first: whoever forgot to format should not wait for the tests.
fn take_all(steps: &mut Steps) -> Result<()> {
    steps.take("toolchain", toolchain)?;
    steps.take("fmt", || command::run(cargo(["fmt", "--all", "--check"])))?;
    // All targets, so that the benchmarks are checked too, without the cost of linking them.
    steps.take("clippy", || {
        command::run(cargo([
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "--deny",
            "warnings",
        ]))
    })?;
    // The house rules (`cargo xtask tidy`) are among the tests. One of them says that a plain `cargo test` leaves
    // no test out, so the suite need not run a second time for that.
    let mut slowest = String::new();
    let tested = steps.take("test", || test(&mut slowest));
    steps.slowest = slowest;
    tested?;
    // It uses the program that the tests have built.
    steps.take("conformance", || conformance::run(&[]))?;
    steps.take("doc", || {
        let mut doc = cargo(["doc", "--workspace", "--no-deps", "--locked"]);
        doc.env("RUSTDOCFLAGS", "--deny warnings");
        command::run(doc)
    })?;
    steps.take("deny", deny)?;
    steps.take("demo", demo)?;
    // It packs the program that the demo ran. A build as by `cargo xtask dist` would take minutes.
    steps.take("dist", || dist::make(workspace::target_directory()?.join("release").join("billing")))
}

/// Prints the toolchain. The gate is the only test of `rust-version`, and only when it runs with that version.
fn toolchain() -> Result<()> {
    let version = command::output(cargo(["--version"]))?;
    say(&version);
    let promised = workspace::rust_version()?;
    if !version.starts_with(&format!("cargo {promised}.")) {
        say(&format!("note: `rust-version` is {promised}, which this run does not test"));
    }
    Ok(())
}

/// Runs the README's command as it stands there, and finds out which tests were the slowest, also when one failed.
fn test(slowest: &mut String) -> Result<()> {
    let path = workspace::root().join("README.md");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let Some(line) = readme::test_command(&text) else {
        bail!(
            "README.md must give the command that runs the tests: a fenced line that starts with `cargo test`"
        );
    };
    say(&format!("README.md says: {line}"));
    let mut test = shell(line);
    // Without this, tests that need a missing program are left out. Here all of them have to run.
    test.env("BILLING_TEST_ALL", "1");
    let mut watch = Watch::new(test_threads()?);
    let done = overheard::run(test, io::stdout(), io::stderr(), |stream, at, line| match stream {
        Stream::Out => watch.take_test_line(at, line),
        Stream::Err => watch.take_cargo_line(line),
    });
    for test in watch.slowest(SLOWEST) {
        let tenths = test.took.as_millis() / 100;
        *slowest += &format!("\n{:>4}.{} s  {}: {}", tenths / 10, tenths % 10, test.program, test.name);
    }
    done
}

/// How many tests a program runs at a time: as libtest has it.
fn test_threads() -> Result<usize> {
    match env::var("RUST_TEST_THREADS") {
        Ok(threads) => threads.parse().with_context(|| format!("RUST_TEST_THREADS is `{threads}`")),
        Err(_) => Ok(thread::available_parallelism()?.get()),
    }
}

/// Licences, bans and sources. Not `advisories`: that check fetches its database from another host on every run, which
/// not every machine can reach, and its verdict changes without a change of ours. Run it by hand before a release.
fn deny() -> Result<()> {
    command::output(cargo(["deny", "--version"])).context(
        "cargo-deny is missing: `.ci/run` installs it, `cargo install --locked cargo-deny` does too",
    )?;
    command::run(cargo(["deny", "--workspace", "--locked", "check", "licenses", "bans", "sources"]))
}

/// The README's main job as a user runs it: an empty directory, the release build, no arguments.
fn demo() -> Result<()> {
    let target = workspace::target_directory()?;
    let directory = target.join("demo");
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;

    let mut run = cargo(["run", "--release", "--locked"]);
    // Both paths are given, because the program starts in a directory that is not the project's.
    run.arg("--manifest-path").arg(workspace::root().join("Cargo.toml"));
    run.arg("--target-dir").arg(&target).args(["--", "demo"]).current_dir(&directory);
    command::run(run)?;

    let file = directory.join("billing-demo").join("usage.csv");
    let text = fs::read_to_string(&file).context("the demo ended well but left no billing-demo/usage.csv")?;
    if text.lines().count() < 2 {
        bail!("the demo ended well but its billing-demo/usage.csv holds no entry");
    }
    fs::remove_dir_all(&directory).with_context(|| format!("cannot clear {}", directory.display()))
}

impl Steps {
    fn take(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) -> Result<()> {
        say(&format!("\n== {name}"));
        let start = Instant::now();
        let done = step();
        self.taken.push((name, start.elapsed(), done.is_ok()));
        done.with_context(|| format!("step `{name}` failed"))
    }

    fn report(&self) -> String {
        let mut report = String::new();
        if !self.slowest.is_empty() {
            report += &format!("\nslowest tests, by the clock{}\n", self.slowest);
        }
        report += "\nstep           time";
        for (name, time, good) in &self.taken {
            let mark = if *good { "" } else { "  FAILED" };
            report += &format!("\n{name:<12} {:>4} s{mark}", time.as_secs());
        }
        let sum: Duration = self.taken.iter().map(|(_, time, _)| *time).sum();
        report + &format!("\n{:<12} {:>4} s", "all", sum.as_secs())
    }
}

#[expect(clippy::print_stderr, reason = "the gate reports to whoever started it")]
fn say(line: &str) {
    eprintln!("{line}");
}
