//! Measures an export from a service that hangs, and compares it with a plain walk over the same pages.
//!
//! The upstream answers 500 after half a minute where the real service does so: to a first request for a narrow or an
//! empty window. A plain walk only follows the cursor and never meets this. So an export may take only a little longer
//! than a plain walk, and less with windows side by side. It has to write the same file as from a service that does not
//! hang.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use super::connection::{Connection, next_target};
use super::endpoint::{BY_CURSOR, BY_NUMBER, Endpoint};
use super::export::{Export, check_equal};
use super::figures::times;
use super::measured::{Measured, title};
use super::process::{Ended, clear};
use super::program;
use super::say;
use super::upstream::{Traits, Upstream};
use xtask::{bench, workspace};

/// The number of entries without `--entries`: five months of a heavy user.
const ENTRIES: u64 = 1_000_000;

/// The latency of each page.
const LATENCY_MS: u64 = 100;

/// How long a request hangs.
const HANG_MS: u64 = 30_000;

/// The age of the last entry when the run begins. After it there is an empty window.
const QUIET: Duration = Duration::from_secs(3600);

/// The limit for the time of an export without concurrency, in hundredths of a plain walk's.
const ALONE_HUNDREDTHS: u32 = 120;

/// An export is killed when it takes longer than this and three times a plain walk.
const PATIENCE: Duration = Duration::from_secs(600);

/// The concurrency of exports with windows side by side.
const SIDE_BY_SIDE: u32 = 4;

/// Measures, prints a table, and judges.
///
/// # Errors
/// When something cannot be run, and at the end when an export failed, took longer than it may, or wrote another file.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let Options { entries, endpoint, billing } = Options::parse(arguments)?;
    let billing = billing.map_or_else(program::billing, Ok)?;
    let upstream = bench::program("upstream")?;
    let directory = workspace::target_directory()?.join("bench-hangs");
    clear(&directory)?;
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let end = SystemTime::now().duration_since(UNIX_EPOCH)? - QUIET;
    let traits = Traits { latency_ms: LATENCY_MS, end_unix_s: Some(end.as_secs()), hang_ms: Some(HANG_MS) };
    let mut bench = Bench { billing, directory, endpoint, entries, files: Vec::new(), missed: Vec::new() };

    let mut service = Upstream::start_with(&upstream, entries, traits)?;
    let [close, wide] = service.windows();
    say(&format!("{}  hung", title(endpoint, entries, LATENCY_MS)));
    let plain = bench.plain_walk(&mut service)?;
    bench.export(&mut service, "--concurrency 1", &[], 1, Limit::Alone(plain))?;
    bench.export(&mut service, "--concurrency 4", &[], SIDE_BY_SIDE, Limit::SideBySide(plain))?;
    bench.export(&mut service, "20 days wider, 1", &wide.flags(), 1, Limit::Alone(plain))?;
    bench.export(&mut service, "20 days wider, 4", &wide.flags(), SIDE_BY_SIDE, Limit::SideBySide(plain))?;
    bench.export(&mut service, "30 min wider, 4", &close.flags(), SIDE_BY_SIDE, Limit::SideBySide(plain))?;
    // Only one service at a time, because each has the whole ledger in memory.
    drop(service);
    let mut behaving = Upstream::start_with(&upstream, entries, Traits { hang_ms: None, ..traits })?;
    bench.export(&mut behaving, "without hangs, 4", &[], SIDE_BY_SIDE, Limit::Behaving(plain))?;
    drop(behaving);
    say(&format!(
        "\nentries of five months up to an hour ago; a request hangs for {} s; 20 days wider: {}",
        HANG_MS / 1000,
        wide.flags().join(" ")
    ));
    bench.compare()?;
    clear(&bench.directory)?;
    if !bench.missed.is_empty() {
        bail!("{}", bench.missed.join("; "));
    }
    Ok(())
}

struct Options {
    entries: u64,
    endpoint: Endpoint,
    /// Another program to measure; `None` for that of the present code.
    billing: Option<PathBuf>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { entries: ENTRIES, endpoint: BY_CURSOR, billing: None };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--entries" => {
                    let number = arguments.next().context("`--entries` takes a number")?;
                    options.entries = number.parse().with_context(|| format!("`--entries {number}`"))?;
                }
                "--usage" => options.endpoint = BY_NUMBER,
                "--by" => {
                    let program = arguments.next().context("`--by` takes a program")?;
                    options.billing = Some(program::existing(program)?);
                }
                other => bail!("`{other}` is none of `--entries N`, `--usage` and `--by PROGRAM`"),
            }
        }
        ensure!(options.entries > 0, "a walk over nothing measures nothing");
        Ok(options)
    }
}

/// The limit for an export's time, with the time of the plain walk.
#[derive(Clone, Copy)]
enum Limit {
    /// No limit: the service does not hang.
    Behaving(Duration),
    /// At most [`ALONE_HUNDREDTHS`] of this.
    Alone(Duration),
    /// Less than this.
    SideBySide(Duration),
}

impl Limit {
    /// The time after which an export is killed. One that is so far beyond its limit could go on for hours.
    fn patience(self) -> Duration {
        let (Self::Behaving(plain) | Self::Alone(plain) | Self::SideBySide(plain)) = self;
        plain * 3 + PATIENCE
    }
}

/// What the measurement needs, the files that were written, and the limits that were missed.
struct Bench {
    billing: PathBuf,
    /// The directory of the exports. It is beside the build, because `/tmp` is memory on many machines.
    directory: PathBuf,
    endpoint: Endpoint,
    entries: u64,
    files: Vec<PathBuf>,
    missed: Vec<String>,
}

impl Bench {
    /// Fetches all pages one after the other over one connection, and drops them.
    fn plain_walk(&self, service: &mut Upstream) -> Result<Duration> {
        let mut connection = Connection::bearer(service.base_url(), "none")?;
        let size = self.endpoint.page_entries;
        let pages = self.entries.div_ceil(size);
        let numbered = |page: u64| format!("/billing/usage?limit={size}&page={page}&sortOrder=asc");
        let start = Instant::now();
        if self.endpoint == BY_NUMBER {
            for page in 1..=pages {
                connection.get(&numbered(page))?;
            }
        } else {
            let mut target = Some(format!("/billing/usage-history?pageSize={size}"));
            while let Some(wanted) = target {
                target = next_target(connection.get(&wanted)?.body());
            }
        }
        let elapsed = start.elapsed();
        let counts = service.counts()?;
        ensure!(
            (counts.requests, counts.hung) == (pages, 0),
            "a plain walk should ask for {pages} pages: {counts:?}"
        );
        let mut measured = Measured::new("plain walk");
        measured.add(Ended { elapsed, peak_kib: 0 }, counts);
        say(&measured.line("   0"));
        Ok(elapsed)
    }

    /// Exports once, prints the line, and compares it with the limit. An export that fails counts as a missed limit, so
    /// that the others are still measured.
    fn export(
        &mut self,
        service: &mut Upstream,
        name: &'static str,
        window: &[&str],
        concurrency: u32,
        limit: Limit,
    ) -> Result<()> {
        let file = self.directory.join(name.replace([' ', ','], "")).with_extension("csv");
        let mut measured = Measured::new(name);
        let export = Export {
            billing: &self.billing,
            endpoint: self.endpoint,
            entries: self.entries,
            window,
            concurrency: Some(concurrency),
            file: &file,
            patience: Some(limit.patience()),
        };
        let start = Instant::now();
        if let Err(failed) = export.run(service, &mut measured) {
            let said = format!("{name} failed after {} s: {failed:#}", start.elapsed().as_secs());
            say(&said);
            self.missed.push(said);
            return Ok(());
        }
        self.files.push(file);
        let (took, hung) = (measured.median(), measured.counts.hung);
        let (holds, said) = match limit {
            Limit::Behaving(_) => (true, String::new()),
            Limit::Alone(plain) => {
                let limit = format!("{}.{:02}", ALONE_HUNDREDTHS / 100, ALONE_HUNDREDTHS % 100);
                (
                    took * 100 <= plain * ALONE_HUNDREDTHS,
                    format!("{} times as long as the plain walk, at most {limit}", times(took, plain)),
                )
            }
            Limit::SideBySide(plain) => {
                (took < plain, format!("{} times as fast as the plain walk, more than 1", times(plain, took)))
            }
        };
        say(&measured.line(&format!("{hung:>4}  {}{said}", if holds { "" } else { "MISSED: " })));
        if !holds {
            self.missed.push(format!("{name} is {said}"));
        }
        Ok(())
    }

    /// Checks that all files are the same, whatever the service and the flags were.
    fn compare(&mut self) -> Result<()> {
        let Some((first, others)) = self.files.split_first() else { return Ok(()) };
        let differ = |other: &PathBuf| check_equal(first, other).err().map(|error| error.to_string());
        let differing: Vec<String> = others.iter().filter_map(differ).collect();
        let (count, bytes) = (self.files.len(), size(first)?);
        if differing.is_empty() {
            say(&format!("{count} files of {bytes} bytes, all the same"));
        }
        self.missed.extend(differing);
        Ok(())
    }
}

fn size(file: &Path) -> Result<u64> {
    Ok(fs::metadata(file).with_context(|| format!("cannot read {}", file.display()))?.len())
}
