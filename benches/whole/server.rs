//! Measures the server: the real program over a large ledger, as its clients see it.
//!
//! Each section has its own file, prints a table for `docs/performance.md`, and returns the limits that were missed. All
//! sections are measured before the run fails, because all figures together say more than one.

pub(super) mod analytics;
mod encodings;
mod ingest;
mod pages;
mod peer;
mod readers;
mod versus;

pub(super) mod ledger;
pub(super) mod load;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use self::ledger::Ledger;
use super::connection::Connection;
use super::figures::{Table, grouped, times};
use super::process::{mebibytes, peak_kib};
use super::program::Server;
use super::say;

/// The entries of the ledger without `--entries`.
const ENTRIES: u64 = 5_000_000;

/// Entries on a page: the most that `usage` gives.
pub(super) const PAGE_ENTRIES: u64 = 500;

/// The least number of pages. With fewer the deep ones are not deep.
pub(super) const MIN_ENTRIES: u64 = 100 * PAGE_ENTRIES;

/// The account that is read. Batches go into another one, so that all sections read the same entries.
pub(super) const ACCOUNT: &str = "default";

/// The limits that a section missed, in words.
pub(super) type Missed = Vec<String>;

/// Measures one thing and prints its table.
type Section = fn(&Bench) -> Result<Missed>;

/// The sections by name, in the order in which they are measured. Those that write are last.
const SECTIONS: [(&str, Section); 6] = [
    ("pages", pages::run),
    ("analytics", analytics::run),
    ("peer", peer::run),
    ("encodings", encodings::run),
    ("ingest", ingest::run),
    ("readers", readers::run),
];

/// Measures, prints the tables, and checks the limits.
///
/// # Errors
/// When something cannot be run, and at the end when a section could not be measured or a limit was missed.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    if let Some(before) = &options.before {
        let missed = versus::run(before, options.entries.unwrap_or(versus::ENTRIES))?;
        ensure!(missed.is_empty(), "{}", missed.join("; "));
        return Ok(());
    }
    let bench = Bench::prepare(&options)?;
    let mut memory = Table::new(["after", "server, peak MiB"]);
    let mut missed = Missed::new();
    for (name, section) in SECTIONS {
        if !options.sections.is_empty() && !options.sections.iter().any(|wanted| wanted == name) {
            continue;
        }
        let limits = section(&bench).unwrap_or_else(|error| {
            let not_measured = format!("`{name}` could not be measured: {error:#}");
            say(&format!("\n{not_measured}"));
            vec![not_measured]
        });
        missed.extend(limits);
        let peak_kib = peak_kib(bench.server.id()).context("the server is gone")?;
        memory.row([name, &mebibytes(peak_kib)]);
    }
    say(&format!("\n## Memory of the server\n\n{memory}"));
    bench.end(options.keep)?;
    if !missed.is_empty() {
        bail!("{}", missed.join("; "));
    }
    Ok(())
}

struct Options {
    entries: Option<u64>,
    /// The earlier program, to be measured by turns with this one.
    before: Option<String>,
    /// Whether the ledger is kept for the next run.
    keep: bool,
    /// The sections to measure; all when none is named.
    sections: Vec<String>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { entries: None, before: None, keep: false, sections: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--keep" => options.keep = true,
                "--entries" => {
                    let number = arguments.next().context("`--entries` takes a number")?;
                    let number = number.parse().with_context(|| format!("`--entries {number}`"))?;
                    ensure!(number >= MIN_ENTRIES, "`--entries` takes {MIN_ENTRIES} or more");
                    options.entries = Some(number);
                }
                "--vs" => {
                    let before = arguments.next().context("`--vs` takes the program of before")?;
                    options.before = Some((*before).to_owned());
                }
                name if SECTIONS.iter().any(|(section, _)| *section == name) => {
                    options.sections.push(name.to_owned());
                }
                other => {
                    let names = SECTIONS.map(|(name, _)| name).join(", ");
                    bail!("`{other}` is neither `--entries N`, `--vs PROGRAM`, `--keep`, nor one of {names}");
                }
            }
        }
        Ok(options)
    }
}

/// A server over a copy of the ledger, and the key of its reader.
struct Bench {
    /// The first field, so that the server ends before its file is removed.
    server: Server,
    ledger: Ledger,
    admin_key: String,
}

impl Bench {
    fn prepare(options: &Options) -> Result<Self> {
        Self::of(Ledger::prepare(options.entries.unwrap_or(ENTRIES))?)
    }

    fn of(ledger: Ledger) -> Result<Self> {
        let expected = ledger.entries();
        let admin_key = ledger.create_key(ACCOUNT, "admin")?;
        let server = ledger.serve()?;
        let bench = Self { server, ledger, admin_key };
        let total = total(&mut bench.connect()?)?;
        ensure!(
            total == expected,
            "{} should hold {expected} entries and holds {total}",
            bench.ledger.made()
        );
        say(&format!("\n{} entries of 181 days, served by `billing serve`", grouped(total)));
        Ok(bench)
    }

    /// A new connection with the reader's key.
    fn connect(&self) -> Result<Connection> {
        Connection::bearer(self.server.base_url(), &self.admin_key)
    }

    /// The number of the last full page.
    fn last_page(&self) -> u64 {
        self.ledger.entries() / PAGE_ENTRIES
    }

    fn end(self, keep: bool) -> Result<()> {
        drop(self.server);
        self.ledger.clear(keep)
    }
}

/// A page by its number, oldest entries first.
pub(super) fn numbered(page: u64) -> String {
    format!("/billing/usage?limit={PAGE_ENTRIES}&page={page}&sortOrder=asc")
}

/// How many entries the account of a connection has.
pub(super) fn total(connection: &mut Connection) -> Result<u64> {
    #[derive(serde::Deserialize)]
    struct Page {
        pagination: Pagination,
    }
    #[derive(serde::Deserialize)]
    struct Pagination {
        total: u64,
    }
    let page: Page = serde_json::from_slice(connection.get("/billing/usage?limit=1")?.body())?;
    Ok(page.pagination.total)
}

/// Prints a sentence about a limit, and adds it to the missed ones when the limit was missed.
pub(super) fn judge(missed: &mut Missed, holds: bool, said: String) {
    say(&format!("{}{said}", if holds { "" } else { "MISSED: " }));
    if !holds {
        missed.push(said);
    }
}

/// Checks that one time is at most so many times another one.
pub(super) fn judge_times(missed: &mut Missed, what: &str, long: Duration, short: Duration, limit: u32) {
    judge(
        missed,
        long <= short * limit,
        format!("{what} is {} times as long, at most {limit}", times(long, short)),
    );
}
