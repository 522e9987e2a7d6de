//! Measures the time of `billing export`, the real program, with late pages and with immediate ones.
//!
//! Late pages show the gain of windows side by side. Immediate pages show the cost of the client itself, compared with
//! curl, which only fetches. The pages come from `benches/upstream/`, a process of its own like a real service.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::endpoint::{BY_CURSOR, BY_NUMBER, Endpoint};
use super::export::{Export, MADE_UP_WINDOW, check_equal};
use super::figures::times;
use super::measured::{Measured, title};
use super::process::{LIMIT_KIB, clear, measure, mebibytes};
use super::program;
use super::say;
use super::upstream::Upstream;
use xtask::{bench, command, workspace};

/// The latency of a page in the first table.
const LATENCY_MS: u64 = 50;

/// The number of late pages. Each has the most entries that its endpoint gives.
const PAGES: u64 = 200;

/// An export of eight windows side by side has to be at least so many times as fast.
const FASTER_TIMES: u32 = 6;

/// Entries of a run with immediate pages.
const ENTRIES: u64 = 100_000;

/// An export of immediate pages may take at most so many times as long as curl.
const CURL_TIMES: u32 = 4;

/// Measured runs of each program with immediate pages. They are short, so one is not enough.
const RUNS: usize = 5;

/// Measures both kinds of pages, and prints a table of each.
///
/// # Errors
/// When something cannot be run, or when an export is not whole or takes too much time or memory.
pub(super) fn run() -> Result<()> {
    let curl =
        command::output(curl(&["--version"])).context("the export is measured beside curl: install it")?;
    let (billing, upstream) = (program::billing()?, bench::program("upstream")?);
    let directory = workspace::target_directory()?.join("bench-walk");
    clear(&directory)?;
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut bench = Bench { billing, upstream, directory, broken: Vec::new() };
    bench.side_by_side(BY_CURSOR, Some(FASTER_TIMES))?;
    bench.side_by_side(BY_NUMBER, None)?;
    bench.beside_curl(BY_CURSOR, Some(CURL_TIMES))?;
    bench.beside_curl(BY_NUMBER, None)?;
    say(&format!("\nby {}; an export may take {} MiB", first_words(&curl), LIMIT_KIB >> 10));
    clear(&bench.directory)?;
    if !bench.broken.is_empty() {
        bail!("{}", bench.broken.join("; "));
    }
    Ok(())
}

fn first_words(version: &str) -> String {
    version.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

/// What the measurement needs, and the limits that were missed.
struct Bench {
    billing: PathBuf,
    upstream: PathBuf,
    /// The directory of the exports. It is beside the build, because `/tmp` is memory on many machines.
    directory: PathBuf,
    broken: Vec<String>,
}

impl Bench {
    /// Exports late pages, one after the other and eight at a time. The files have to be the same.
    fn side_by_side(&mut self, endpoint: Endpoint, limit: Option<u32>) -> Result<()> {
        let entries = PAGES * endpoint.page_entries;
        let mut upstream = Upstream::start(&self.upstream, entries, LATENCY_MS)?;
        say(&title(endpoint, entries, LATENCY_MS));
        let mut one = Measured::new("--concurrency 1");
        let alone = self.export(&mut upstream, &mut one, endpoint, entries, Some(1))?;
        say(&one.line(""));

        let mut eight = Measured::new("--concurrency 8");
        for _ in 0..3 {
            let file = self.export(&mut upstream, &mut eight, endpoint, entries, Some(8))?;
            check_equal(&alone, &file)?;
        }
        let (slow, fast) = (one.median(), eight.median());
        let limit_said = limit.map(|limit| format!(", at least {limit}")).unwrap_or_default();
        say(&eight.line(&format!("{} times as fast{limit_said}", times(slow, fast))));
        if limit.is_some_and(|limit| fast * limit > slow) {
            self.broken
                .push(format!("8 windows side by side are only {} times as fast as 1", times(slow, fast)));
        }
        self.judge_memory(&[&one, &eight]);
        Ok(())
    }

    /// Fetches immediate pages with curl and exports them. The two take turns, so that a slow hour of the machine hits
    /// both.
    fn beside_curl(&mut self, endpoint: Endpoint, limit: Option<u32>) -> Result<()> {
        let mut upstream = Upstream::start(&self.upstream, ENTRIES, 0)?;
        say(&title(endpoint, ENTRIES, 0));
        let (mut curl, mut export) = (Measured::new("curl"), Measured::new("as it comes"));
        let mut alone = Measured::new("--concurrency 1");
        for run in 0..=RUNS {
            fetch(&mut upstream, &mut curl, endpoint)?;
            self.export(&mut upstream, &mut export, endpoint, ENTRIES, None)?;
            self.export(&mut upstream, &mut alone, endpoint, ENTRIES, Some(1))?;
            if run == 0 {
                // The time of the first run is not counted, because it warms up the machine. Its memory is counted.
                [&mut curl, &mut export, &mut alone].into_iter().for_each(|measured| measured.times.clear());
            }
        }
        let floor = curl.median();
        let said = |measured: &Measured| format!("{} times as long", times(measured.median(), floor));
        say(&curl.line(""));
        let limit_said = limit.map(|limit| format!(", at most {limit}")).unwrap_or_default();
        say(&export.line(&format!("{}{limit_said}", said(&export))));
        say(&alone.line(&said(&alone)));
        if limit.is_some_and(|limit| export.median() > floor * limit) {
            self.broken.push(format!("an export takes {} as curl", said(&export)));
        }
        self.judge_memory(&[&export, &alone]);
        Ok(())
    }

    /// Exports everything from the upstream once more, and returns the file.
    fn export(
        &self,
        upstream: &mut Upstream,
        measured: &mut Measured,
        endpoint: Endpoint,
        entries: u64,
        concurrency: Option<u32>,
    ) -> Result<PathBuf> {
        let name = concurrency.map_or_else(|| "default".to_owned(), |concurrency| concurrency.to_string());
        let file = self.directory.join(name).with_extension("csv");
        Export {
            billing: &self.billing,
            endpoint,
            entries,
            window: &MADE_UP_WINDOW,
            concurrency,
            file: &file,
            patience: None,
        }
        .run(upstream, measured)?;
        Ok(file)
    }

    fn judge_memory(&mut self, exports: &[&Measured]) {
        let peak_kib = exports.iter().map(|export| export.peak_kib).max().unwrap_or_default();
        if peak_kib > LIMIT_KIB {
            self.broken.push(format!(
                "an export took {} MiB, which is more than {}",
                mebibytes(peak_kib),
                LIMIT_KIB >> 10
            ));
        }
    }
}

/// Fetches pages of the largest size one after the other over one connection, and drops them.
fn fetch(upstream: &mut Upstream, measured: &mut Measured, endpoint: Endpoint) -> Result<()> {
    // Without `--fail-early` only the last page decides about success, and a failed walk would look fast.
    let url = upstream.counted_url(endpoint.name)?;
    let process = curl(&["--silent", "--show-error", "--fail", "--fail-early", "--output", "/dev/null", url]);
    let ended = measure(process, "curl")?;
    let counts = upstream.counts()?;
    let pages = ENTRIES / endpoint.page_entries;
    if counts.requests != pages {
        bail!("curl should have asked for {pages} pages and asked for {}", counts.requests);
    }
    measured.add(ended, counts);
    Ok(())
}

/// `curl`, without the user's own configuration.
fn curl(arguments: &[&str]) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--disable", "--noproxy", "*"]).args(arguments).stdin(Stdio::null());
    curl
}
