//! Two programs by turns: what `billing export` took before a change, and what it takes after it.
//!
//! A machine that others use has good and bad minutes, and each of them must be one of both programs. So they take
//! turns within one run, and who goes first changes with each turn.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::export::{BY_CURSOR, BY_NUMBER, Endpoint, Export, MADE_UP_WINDOW, check_equal};
use super::figures::times;
use super::measured::{Measured, tenths_ms};
use super::process::{children_cpu, clear};
use super::program;
use super::say;
use super::upstream::Upstream;
use crate::workspace;

/// The later program takes at most this many hundredths of the earlier one's time.
const LIMIT_HUNDREDTHS: u32 = 105;

/// Pages that are late: so many, by so much.
const LATE_PAGES: u64 = 200;
const LATE_MS: u64 = 50;

/// Entries of pages at once.
const ENTRIES: u64 = 100_000;

/// One way to export. Turns are odd, so that a median is one of them.
struct Scenario {
    concurrency: Option<u32>,
    latency_ms: u64,
    turns: u32,
}

/// Short runs need many turns, and long ones, which mostly wait, few. One program beside itself on two cores that were
/// wanted three times over: of 15 turns the medians were 0.77 to 1.07 times each other and the fastest runs 0.85 to 1.5
/// times, of 31 turns the lesser of the two was never over 1.01.
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
    let before = fs::canonicalize(before).with_context(|| format!("there is no program `{before}`"))?;
    let (after, upstream) = (program::billing()?, program::of_benches("upstream")?);
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

/// The two programs, and what they are let loose on.
struct Bench {
    before: PathBuf,
    after: PathBuf,
    upstream: PathBuf,
    /// Where exports are written: beside the build, since `/tmp` is memory on many machines.
    directory: PathBuf,
}

impl Bench {
    /// Runs both programs by turns, prints the line, and gives the limit that was missed.
    fn by_turns(&self, scenario: &Scenario, endpoint: Endpoint) -> Result<Option<String>> {
        let Scenario { concurrency, latency_ms, turns } = *scenario;
        ensure!(turns % 2 == 1, "an even number of turns has no median");
        let entries = if latency_ms > 0 { LATE_PAGES * endpoint.page_entries } else { ENTRIES };
        let mut upstream = Upstream::start(&self.upstream, entries, latency_ms)?;
        let file = |side: &Side<'_>| self.directory.join(side.measured.name).with_extension("csv");
        let mut export = |side: &mut Side<'_>| {
            let (window, file) = (&MADE_UP_WINDOW[..], file(side));
            let (billing, file, patience) = (side.billing, file.as_path(), None);
            let cpu = children_cpu()?;
            Export { billing, endpoint, entries, window, concurrency, file, patience }
                .run(&mut upstream, &mut side.measured)?;
            side.cpu += children_cpu()?.saturating_sub(cpu);
            anyhow::Ok(())
        };
        let mut sides = [Side::new("before", &self.before), Side::new("after", &self.after)];
        for side in &mut sides {
            export(side)?;
        }
        // The first turn warmed up what both use, and shows that they do the same.
        check_equal(&file(&sides[0]), &file(&sides[1]))?;
        sides.iter_mut().for_each(Side::forget);
        for turn in 0..turns {
            let mut order: Vec<&mut Side<'_>> = sides.iter_mut().collect();
            if turn % 2 == 0 {
                order.reverse();
            }
            for side in order {
                export(side)?;
            }
        }
        let walkers =
            concurrency.map_or_else(String::new, |concurrency| format!(" --concurrency {concurrency}"));
        Ok(judge(&format!("{}, {latency_ms} ms{walkers}", endpoint.name), &sides))
    }
}

/// One of the two programs, and its runs.
struct Side<'a> {
    billing: &'a Path,
    measured: Measured,
    /// What all runs took of the processors.
    cpu: Duration,
}

impl<'a> Side<'a> {
    fn new(name: &'static str, billing: &'a Path) -> Self {
        Self { billing, measured: Measured::new(name), cpu: Duration::ZERO }
    }

    fn forget(&mut self) {
        self.measured.times.clear();
        self.cpu = Duration::ZERO;
    }
}

/// Prints a line, and gives the limit that was missed.
///
/// The work of others makes a run longer, never shorter: a program that is slower is slower in its median *and* in its
/// fastest run, and only what is over the limit in both is a miss. What it took of the processors is for the reader: it
/// says little of a program that waits, and much where the other two contradict each other.
fn judge(name: &str, [before, after]: &[Side<'_>; 2]) -> Option<String> {
    let of_medians = (after.measured.median(), before.measured.median());
    let of_fastest = (after.measured.fastest(), before.measured.fastest());
    let is_over = |(after, before): (Duration, Duration)| after * 100 > before * LIMIT_HUNDREDTHS;
    let is_missed = is_over(of_medians) && is_over(of_fastest);
    let limit = format!("at most {}.{:02}", LIMIT_HUNDREDTHS / 100, LIMIT_HUNDREDTHS % 100);
    say(&format!(
        "{name:<38}  {:>5}  {:>9}  {:>9}  {:>10}  {:>10}  {:>6}{}",
        after.measured.times.len(),
        tenths_ms(of_medians.1),
        tenths_ms(of_medians.0),
        times(of_medians.0, of_medians.1),
        times(of_fastest.0, of_fastest.1),
        times(after.cpu, before.cpu),
        if is_missed { format!("  MISSED: {limit}") } else { String::new() },
    ));
    is_missed.then(|| {
        format!("{name} takes {} times as long as before, {limit}", times(of_medians.0, of_medians.1))
    })
}
