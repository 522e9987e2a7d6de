//! Measures reports of a ledger, by the real program: from sums of days, from entries, and what stands in a prompt.
//!
//! The same sums are made by DuckDB over the exported CSV file, and ccusage sums up as many lines of its own kind.

mod peers;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use billing_model::{Timestamp, UsageEntry};
use billing_sample::History;

use super::figures::{Table, grouped, milliseconds, times};
use super::process::{mebibytes, succeeded};
use super::program;
use super::say;
use super::server::ledger::Ledger;
use super::sync::job::Job;

/// Entries of the ledger without `--entries`, and of its last days, those of `today`.
const ENTRIES: u64 = 1_000_000;
const RECENT_DAYS: u64 = 15;

/// Days of the made-up history.
const HISTORY_DAYS: u64 = 181;

/// The turns of each measurement without `--turns`. The number is odd, so that the median is a measured time.
const TURNS: usize = 11;

/// Turns of a peer, which takes longer.
const PEER_TURNS: usize = 3;

const ACCOUNT: &str = "default";
const DIRECTORY: &str = "bench-report";

/// What is measured, by its arguments, and the time that it may take.
const REPORTS: [(&str, &[&str], Duration); 7] = [
    ("by day and model (sums of days)", &["report", "--by", "day,model"], Duration::from_millis(50)),
    ("by hour", &["report", "--by", "hour"], Duration::from_secs(1)),
    ("by day in Berlin", &["report", "--by", "day", "--timezone", "Europe/Berlin"], Duration::from_secs(1)),
    ("by model, with requests", &["report", "--by", "model", "--requests"], Duration::from_secs(1)),
    ("by request, top 20", &["report", "--by", "request", "--top", "20"], Duration::from_secs(1)),
    ("`billing today`", &["today"], Duration::from_millis(50)),
    ("`billing statusline`", &["statusline"], Duration::from_millis(10)),
];

/// The most memory of a line for a prompt.
const MOST_STATUSLINE_KIB: u64 = 16 << 10;

/// Measures, prints the table, and checks the limits.
///
/// # Errors
/// When something cannot be run, and at the end when a limit was missed.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let billing = program::billing()?;
    let ledger = Ledger::of(billing.clone(), DIRECTORY, options.entries)?;
    let path = ledger.served_path();
    let all = options.entries + add_recent(&billing, &path, options.entries)?;
    say(&format!(
        "\n{} entries, {} of them of the last {RECENT_DAYS} days",
        grouped(all),
        grouped(all - options.entries)
    ));
    let mut table = Table::new(["report", "turns", "median, ms", "CPU, ms", "peak MiB"]);
    let (mut missed, mut first) = (Vec::new(), Duration::ZERO);
    for (name, report, most) in REPORTS {
        let mut job = Job::default();
        for _ in 0..options.turns {
            let mut command = Command::new(&billing);
            command.args(report).arg("--ledger").arg(&path).stdout(Stdio::null()).stderr(Stdio::null());
            job.add(command, name)?;
        }
        if first.is_zero() {
            first = job.median();
        }
        add_row(&mut table, name, &job);
        if job.median() >= most {
            missed.push(format!("{name}: {} ms, less than {}", milliseconds(job.median()), most.as_millis()));
        }
        if report == ["statusline"] && job.peak_kib >= MOST_STATUSLINE_KIB {
            let most = mebibytes(MOST_STATUSLINE_KIB);
            missed.push(format!("{name}: {} MiB, less than {most}", mebibytes(job.peak_kib)));
        }
    }
    if !options.without_peers {
        let duckdb = peers::duckdb(&billing, &path, all, PEER_TURNS);
        add_peer(&mut table, &format!("{} over the CSV, by day and sku", peers::DUCKDB), first, duckdb);
        let ccusage = peers::ccusage(all, PEER_TURNS);
        add_peer(&mut table, &format!("{} daily, as many lines", peers::CCUSAGE), first, ccusage);
    }
    say(&format!("\n## Reports\n\n{table}\n"));
    ledger.clear(options.keep)?;
    ensure!(missed.is_empty(), "{}", missed.join("; "));
    Ok(())
}

fn add_row(table: &mut Table, name: &str, job: &Job) {
    let [turns, median, cpu, _, _, peak] = job.row(None);
    table.row([name, &turns, &median, &cpu, &peak]);
}

fn add_peer(table: &mut Table, name: &str, ours: Duration, peer: Result<Job>) {
    match peer {
        Ok(job) => {
            add_row(table, name, &job);
            say(&format!("{name}: {} times as long as by day and model", times(job.median(), ours)));
        }
        Err(error) => say(&format!("{name} was left out: {error:#}")),
    }
}

/// Adds the last days, as dense as the history is: its own days are over. Returns how many entries they are.
fn add_recent(billing: &Path, ledger: &Path, entries: u64) -> Result<u64> {
    let recent = (entries * RECENT_DAYS / HISTORY_DAYS).max(1);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let first_s = now_s.saturating_sub(RECENT_DAYS * 86_400);
    let mut import = Command::new(billing);
    import.args(["import", "-", "--format", "ndjson", "--account", ACCOUNT, "--ledger"]).arg(ledger);
    let mut import =
        import.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().context("cannot start billing")?;
    let mut lines = Vec::new();
    for (place, entry) in (0..recent).zip(History::new(2, recent)) {
        let at_s = first_s + place * (now_s - first_s) / recent;
        let timestamp = Timestamp::from_unix_ns(i64::try_from(at_s)? * 1_000_000_000);
        UsageEntry { timestamp, ..entry }.write_json(&mut lines);
        lines.push(b'\n');
    }
    let mut stdin = import.stdin.take().context("the import has no input")?;
    stdin.write_all(&lines)?;
    drop(stdin);
    succeeded(import.wait()?, "billing import")?;
    // Synced now, so that the system does not write it while something is measured.
    File::open(ledger)?.sync_all()?;
    ensure!(fs::metadata(ledger)?.len() > 0, "the ledger is empty");
    Ok(recent)
}

struct Options {
    entries: u64,
    turns: usize,
    /// Whether the ledger is kept for the next run.
    keep: bool,
    without_peers: bool,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { entries: ENTRIES, turns: TURNS, keep: false, without_peers: false };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || {
                let number = arguments.next().with_context(|| format!("`{argument}` takes a number"))?;
                number.parse().with_context(|| format!("`{argument} {number}`"))
            };
            match *argument {
                "--keep" => options.keep = true,
                "--without-peers" => options.without_peers = true,
                "--entries" => options.entries = number()?,
                "--turns" => options.turns = usize::try_from(number()?)?,
                other => {
                    bail!("`{other}` is none of `--entries N`, `--turns N`, `--keep` and `--without-peers`")
                }
            }
        }
        ensure!(options.turns > 0 && options.entries > 0, "`--entries` and `--turns` take 1 or more");
        Ok(options)
    }
}
