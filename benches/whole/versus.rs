//! Compares the time of `billing export` before and after a change, with two programs that take turns.
//!
//! A machine that others use has good and bad minutes, and both programs must have the same ones. So they take turns
//! within one run, and the order changes with each turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::endpoint::{BY_CURSOR, BY_NUMBER, Endpoint};
use super::export::{Export, MADE_UP_WINDOW, check_equal};
use super::figures::times;
use super::measured::{Measured, tenths_ms};
use super::process::{children_cpu, clear};
use super::program;
use super::say;
use super::upstream::Upstream;
use xtask::{bench, workspace};

/// The limit for the time of the later program, in hundredths of the earlier one's.
const LIMIT_HUNDREDTHS: u32 = 105;

/// The number of late pages, and their latency.
const LATE_PAGES: u64 = 200;
const LATE_MS: u64 = 50;

/// Entries of a run without latency.
const ENTRIES: u64 = 100_000;

/// One way to export, and the number of turns of each program. The number is odd, so that the median is a measured time.
struct Scenario {
    concurrency: Option<u32>,
    latency_ms: u64,
    turns: usize,
}

/// Short runs need many turns. Long runs mostly wait, and need few. A program was compared with itself on two cores
/// that had three times as much work as they could do. With 15 turns the ratio of the medians was 0.77 to 1.07, and
/// that of the fastest runs 0.85 to 1.5. With 31 turns one comparison of eight still had 1.09 for both.
const SCENARIOS: [Scenario; 4] = [
    Scenario { concurrency: None, latency_ms: 0, turns: 31 },
    Scenario { concurrency: Some(1), latency_ms: 0, turns: 31 },
    Scenario { concurrency: Some(1), latency_ms: LATE_MS, turns: 3 },
    Scenario { concurrency: Some(8), latency_ms: LATE_MS, turns: 7 },
];

/// Measures the scenarios of `bench walk` on both programs, and prints a table.
///
/// # Errors
/// When something cannot be run, when two files differ, and at the end when the later program takes more time than it
/// may.
pub(super) fn run(before: &str) -> Result<()> {
    let before = program::existing(before)?;
    let (after, upstream) = (program::billing()?, bench::program("upstream")?);
    let directory = workspace::target_directory()?.join("bench-versus");
    clear(&directory)?;
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let bench = Bench { before, after, upstream, directory };
    say(&format!("\nbefore: {}, after: {}", bench.before.display(), bench.after.display()));
    say(&format!("{:<38}  turns     before      after  of medians  of fastest  of CPU", ""));
    let mut missed = Vec::new();
    for scenario in &SCENARIOS {
        for endpoint in [BY_CURSOR, BY_NUMBER] {
            missed.extend(bench.by_turns(scenario, endpoint)?);
        }
    }
    clear(&bench.directory)?;
    if !missed.is_empty() {
        bail!("{}", missed.join("; "));
    }
    Ok(())
}

/// The two programs, the upstream, and the directory for the files.
struct Bench {
    before: PathBuf,
    after: PathBuf,
    upstream: PathBuf,
    /// The directory of the exports. It is beside the build, because `/tmp` is memory on many machines.
    directory: PathBuf,
}

impl Bench {
    /// Runs both programs by turns and prints the line. Returns the limit that was missed, if one was.
    fn by_turns(&self, scenario: &Scenario, endpoint: Endpoint) -> Result<Option<String>> {
        let Scenario { concurrency, latency_ms, turns } = *scenario;
        let entries = if latency_ms > 0 { LATE_PAGES * endpoint.page_entries } else { ENTRIES };
        let mut pair = Pair {
            upstream: Upstream::start(&self.upstream, entries, latency_ms)?,
            directory: &self.directory,
            endpoint,
            entries,
            concurrency,
            sides: [Side::new("before", &self.before), Side::new("after", &self.after)],
        };
        pair.turn()?;
        // The first turn only warms up the machine, and shows that both programs write the same file.
        let [before, after] = &pair.sides;
        check_equal(&before.file(pair.directory), &after.file(pair.directory))?;
        pair.sides.iter_mut().for_each(Side::forget);
        (0..turns).try_for_each(|_| pair.turn())?;
        // A limit that was missed is measured once more: a bad minute passes, but a slower program stays slower.
        if pair.is_over() {
            (0..2 * turns).try_for_each(|_| pair.turn())?;
        }
        let walkers =
            concurrency.map_or_else(String::new, |concurrency| format!(" --concurrency {concurrency}"));
        let name = format!("{}, {latency_ms} ms{walkers}", endpoint.name);
        say(&pair.line(&name));
        Ok(pair.is_over().then(|| {
            let ratio = times(pair.of_medians().0, pair.of_medians().1);
            format!("{name} takes {ratio} times as long as before, at most {}", limit())
        }))
    }
}

/// The runs of two programs in one scenario.
struct Pair<'a> {
    upstream: Upstream,
    directory: &'a Path,
    endpoint: Endpoint,
    entries: u64,
    concurrency: Option<u32>,
    /// Before and after.
    sides: [Side<'a>; 2],
}

impl Pair<'_> {
    /// Lets both programs export once. The one that was first is second the next time.
    fn turn(&mut self) -> Result<()> {
        let mut order: Vec<&mut Side<'_>> = self.sides.iter_mut().collect();
        if order[0].measured.times.len() % 2 == 1 {
            order.reverse();
        }
        for side in order {
            let file = side.file(self.directory);
            let export = Export {
                billing: side.billing,
                endpoint: self.endpoint,
                entries: self.entries,
                window: &MADE_UP_WINDOW,
                concurrency: self.concurrency,
                file: &file,
                patience: None,
            };
            let cpu = children_cpu()?;
            export.run(&mut self.upstream, &mut side.measured)?;
            side.cpu += children_cpu()?.saturating_sub(cpu);
        }
        Ok(())
    }

    /// The medians of after and before.
    fn of_medians(&self) -> (Duration, Duration) {
        let [before, after] = &self.sides;
        (after.measured.median(), before.measured.median())
    }

    /// The fastest runs of after and before.
    fn of_fastest(&self) -> (Duration, Duration) {
        let [before, after] = &self.sides;
        (after.measured.fastest(), before.measured.fastest())
    }

    /// Other work on the machine makes a run longer, never shorter. So a program counts as slower only when both its
    /// median *and* its fastest run are slower.
    fn is_over(&self) -> bool {
        let is_over = |(after, before): (Duration, Duration)| after * 100 > before * LIMIT_HUNDREDTHS;
        is_over(self.of_medians()) && is_over(self.of_fastest())
    }

    fn line(&self, name: &str) -> String {
        let (medians, fastest, [before, after]) = (self.of_medians(), self.of_fastest(), &self.sides);
        format!(
            "{name:<38}  {:>5}  {:>9}  {:>9}  {:>10}  {:>10}  {:>6}{}",
            after.measured.times.len(),
            tenths_ms(medians.1),
            tenths_ms(medians.0),
            times(medians.0, medians.1),
            times(fastest.0, fastest.1),
            // The CPU time is only shown. It says little about a program that waits, and helps when the other two
            // contradict each other.
            times(after.cpu, before.cpu),
            if self.is_over() { format!("  MISSED: at most {}", limit()) } else { String::new() },
        )
    }
}

/// One of the two programs, and its runs.
struct Side<'a> {
    billing: &'a Path,
    measured: Measured,
    /// The CPU time of all runs.
    cpu: Duration,
}

impl<'a> Side<'a> {
    fn new(name: &'static str, billing: &'a Path) -> Self {
        Self { billing, measured: Measured::new(name), cpu: Duration::ZERO }
    }

    fn file(&self, directory: &Path) -> PathBuf {
        directory.join(self.measured.name).with_extension("csv")
    }

    fn forget(&mut self) {
        self.measured.times.clear();
        self.cpu = Duration::ZERO;
    }
}

fn limit() -> String {
    format!("{}.{:02}", LIMIT_HUNDREDTHS / 100, LIMIT_HUNDREDTHS % 100)
}
