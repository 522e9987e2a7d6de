//! Measures `billing sync`, the real program, into a ledger from a `billing serve` of a large one.
//!
//! What is measured: the first sync, alone and beside a server that records batches in the same ledger; a sync when nothing has
//! changed; a verify. The same first job is done by dlt into duckdb, from the same server.

mod beside;
pub(crate) mod job;
mod peer;

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use self::beside::Batches;
use self::job::{Done, Job, Source, Target};
use super::figures::{Table, Times, grouped, milliseconds, per_second, ratio, times};
use super::process::{clear, mebibytes};
use super::program;
use super::say;
use super::server::ledger::Ledger;
use xtask::workspace;

/// Entries of the service without `--entries`.
const ENTRIES: u64 = 1_000_000;

/// The turns of each measurement without `--turns`. The number is odd, so that the median is a measured time.
const TURNS: usize = 5;

/// A first sync has to bring at least so many entries a second, in at most so much memory.
const LEAST_PER_SECOND: u64 = 150_000;
const MOST_KIB: u64 = 64 << 10;

/// A batch beside a first sync is answered within this time, 99 times of 100.
const MOST_P99: Duration = Duration::from_millis(250);

/// A sync when nothing has changed ends within this time, and sends at most so many requests beside the pages that it walks again.
const MOST_UNCHANGED: Duration = Duration::from_secs(1);
const MOST_REQUESTS: u64 = 10;

/// Entries on a page.
const PAGE_ENTRIES: u64 = 1000;

/// The account of the service, and the directory of all ledgers, below the build.
const ACCOUNT: &str = "default";
const DIRECTORY: &str = "bench-sync";

/// Measures, prints the table, and checks the limits.
///
/// # Errors
/// When something cannot be run, and at the end when a limit was missed.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let billing = program::billing()?;
    let ledger = Ledger::of(billing.clone(), DIRECTORY, options.entries)?;
    let key = ledger.create_key(ACCOUNT, "admin")?;
    let server = ledger.serve()?;
    let source = Source { billing, base_url: server.base_url().to_owned(), key };
    let batches = Batches::prepare(&ledger)?;
    say(&format!("\n{} entries at the service; load {}", grouped(options.entries), load()?));
    let mut bench = Bench { options, source: &source, rows: Vec::new(), missed: Vec::new() };

    let target = bench.target("alone")?;
    let first = bench.first(&target)?;
    bench.unchanged(&target)?;
    bench.verify(&target)?;
    clear(&target.directory)?;
    let target = bench.target("beside")?;
    bench.beside(&target, &batches)?;
    clear(&target.directory)?;
    let peer = bench.peer(&first);

    let mut table =
        Table::new(["job", "turns", "median, ms", "its CPU, ms", "entries/s", "requests", "peak MiB"]);
    for (name, [turns, median, cpu, rate, requests, peak]) in &bench.rows {
        table.row([name, turns, median, cpu, rate, requests, peak]);
    }
    say(&format!("\n## Sync\n\n{table}\n"));
    peer.unwrap_or_else(|error| say(&format!("{} was left out: {error:#}", peer::NAME)));
    say(&format!("load {}", load()?));
    drop(server);
    ledger.clear(bench.options.keep)?;
    ensure!(bench.missed.is_empty(), "{}", bench.missed.join("; "));
    Ok(())
}

/// The service, the lines of the table so far, and the limits that were missed.
struct Bench<'a> {
    options: Options,
    source: &'a Source,
    rows: Vec<(String, [String; 6])>,
    missed: Vec<String>,
}

impl<'a> Bench<'a> {
    fn target(&self, name: &str) -> Result<Target<'a>> {
        let directory = workspace::target_directory()?.join(DIRECTORY).join(name);
        Ok(Target { source: self.source, directory })
    }

    /// Into a new ledger each time. The last one stays, for what follows.
    fn first(&mut self, target: &Target<'_>) -> Result<Job> {
        let mut job = Job::default();
        for _ in 0..self.options.turns {
            target.begin()?;
            let done = target.sync(&mut job)?;
            self.is_whole(&done)?;
        }
        self.row("first sync", &job, true);
        let rate = per_second(self.options.entries, job.median());
        let least = grouped(LEAST_PER_SECOND);
        let said = format!("a first sync brings {} entries/s, at least {least}", grouped(rate));
        self.judge(rate >= LEAST_PER_SECOND, said);
        let said = format!("it takes {} MiB, less than {}", mebibytes(job.peak_kib), mebibytes(MOST_KIB));
        self.judge(job.peak_kib < MOST_KIB, said);
        Ok(job)
    }

    /// The same, while a server records batches in the ledger.
    fn beside(&mut self, target: &Target<'_>, batches: &Batches) -> Result<()> {
        let (mut job, mut answers) = (Job::default(), Times::default());
        for _ in 0..self.options.turns {
            target.begin()?;
            let done = batches.beside(target, &mut job, &mut answers)?;
            self.is_whole(&done)?;
        }
        self.row("first sync beside batches", &job, true);
        let said = format!(
            "{} batches beside it are answered in {} ms (p50), {} ms (p99), {} ms at the most; p99 less than {} ms",
            answers.len(),
            milliseconds(answers.p50()),
            milliseconds(answers.p99()),
            milliseconds(answers.most()),
            MOST_P99.as_millis(),
        );
        self.judge(answers.p99() < MOST_P99, said);
        Ok(())
    }

    fn unchanged(&mut self, target: &Target<'_>) -> Result<()> {
        let mut job = Job::default();
        let mut beside = 0;
        for _ in 0..self.options.turns {
            let done = target.sync(&mut job)?;
            ensure!(done.added == 0, "{} entries were added, and nothing has changed", done.added);
            ensure!(done.walked > 0, "the overlap has no entries");
            beside = done.requests.saturating_sub(done.walked.div_ceil(PAGE_ENTRIES));
        }
        self.row("sync, nothing new", &job, false);
        let said = format!(
            "a sync of nothing new takes {} ms, less than {}",
            milliseconds(job.median()),
            MOST_UNCHANGED.as_millis()
        );
        self.judge(job.median() < MOST_UNCHANGED, said);
        let said =
            format!("it sends {beside} requests beside the pages of the overlap, at most {MOST_REQUESTS}");
        self.judge(beside <= MOST_REQUESTS, said);
        Ok(())
    }

    fn verify(&mut self, target: &Target<'_>) -> Result<()> {
        let mut job = Job::default();
        (0..self.options.turns).try_for_each(|_| target.verify(&mut job))?;
        self.row("verify", &job, true);
        Ok(())
    }

    fn peer(&mut self, first: &Job) -> Result<()> {
        ensure!(!self.options.without_peer, "as was asked for");
        let job = peer::run(self.source, self.options.entries)?;
        self.row(&format!("the first by {}", peer::NAME), &job, true);
        say(&format!(
            "{} takes {} times as long as `billing sync`, {} times the CPU, and {} times the memory",
            peer::NAME,
            times(job.median(), first.median()),
            times(job.cpu(), first.cpu()),
            ratio(job.peak_kib.into(), first.peak_kib.into()),
        ));
        Ok(())
    }

    fn is_whole(&self, done: &Done) -> Result<()> {
        let expected = self.options.entries;
        ensure!(done.added == expected, "{} entries were added of {expected}", done.added);
        Ok(())
    }

    fn row(&mut self, name: &str, job: &Job, brings_all: bool) {
        self.rows.push((name.to_owned(), job.row(brings_all.then_some(self.options.entries))));
    }

    /// Prints a sentence about a limit, and notes it when the limit was missed.
    fn judge(&mut self, holds: bool, said: String) {
        say(&format!("{}{said}", if holds { "" } else { "MISSED: " }));
        if !holds {
            self.missed.push(said);
        }
    }
}

struct Options {
    entries: u64,
    turns: usize,
    /// Whether the service's ledger is kept for the next run.
    keep: bool,
    /// Whether dlt is left out. It takes minutes.
    without_peer: bool,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { entries: ENTRIES, turns: TURNS, keep: false, without_peer: false };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let number = arguments.next().with_context(|| format!("`{argument}` takes a number"))?;
                number.parse().with_context(|| format!("`{argument} {number}`"))
            };
            match *argument {
                "--keep" => options.keep = true,
                "--without-dlt" => options.without_peer = true,
                "--entries" => options.entries = number()?,
                "--turns" => options.turns = usize::try_from(number()?)?,
                other => {
                    bail!("`{other}` is none of `--entries N`, `--turns N`, `--keep` and `--without-dlt`")
                }
            }
        }
        ensure!(options.turns > 0 && options.entries > 0, "`--entries` and `--turns` take 1 or more");
        Ok(options)
    }
}

/// What else the machine does, as it says: its load of the last minute.
fn load() -> Result<String> {
    let load = fs::read_to_string("/proc/loadavg").context("only Linux has /proc")?;
    Ok(load.split_whitespace().next().unwrap_or_default().to_owned())
}
