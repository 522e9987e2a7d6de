//! The server: the real program over a large ledger, as its clients see it.
//!
//! Each section stands in a file of its own, prints a table for `docs/performance.md`, and says which of its limits were
//! missed. All are measured before the run fails: one figure that is off says less than all of them.

mod analytics;
mod encodings;
mod ingest;
mod pages;
mod peer;
mod readers;
mod versus;

mod ledger;
mod load;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use self::ledger::Ledger;
use super::connection::Connection;
use super::figures::{Table, grouped, times};
use super::process::{mebibytes, peak_kib};
use super::program::Server;
use super::say;

/// Entries of the ledger unless `--entries` says otherwise.
const ENTRIES: u64 = 5_000_000;

/// Entries on a page: as many as `usage` gives.
const PAGE_ENTRIES: u64 = 500;

/// With fewer pages the deep ones are not deep.
const MIN_ENTRIES: u64 = 100 * PAGE_ENTRIES;

/// The account that is read. What is recorded meanwhile goes into another one, so that all sections read the same.
const ACCOUNT: &str = "default";

/// The limits that a section missed, in words.
type Missed = Vec<String>;

/// Measures one thing and prints its table.
type Section = fn(&Bench) -> Result<Missed>;

/// By name, in the order in which they are measured: those that write come last.
const SECTIONS: [(&str, Section); 6] = [
    ("pages", pages::run),
    ("analytics", analytics::run),
    ("peer", peer::run),
    ("encodings", encodings::run),
    ("ingest", ingest::run),
    ("readers", readers::run),
];

/// Measures, prints the tables, and judges.
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
    /// The program of before, to be measured by turns with this one.
    before: Option<String>,
    /// Leave the ledger for the next run.
    keep: bool,
    /// What to measure; all when none is named.
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

/// A server over a copy of the made ledger, and the key of who reads it.
struct Bench {
    /// First, so that it ends before its file goes.
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

    /// A new connection of the account's reader.
    fn connect(&self) -> Result<Connection> {
        Connection::bearer(self.server.base_url(), &self.admin_key)
    }

    /// The number of the last page that is full.
    fn last_page(&self) -> u64 {
        self.ledger.entries() / PAGE_ENTRIES
    }

    fn end(self, keep: bool) -> Result<()> {
        drop(self.server);
        self.ledger.clear(keep)
    }
}

/// A page by its number, oldest entries first.
fn numbered(page: u64) -> String {
    format!("/billing/usage?limit={PAGE_ENTRIES}&page={page}&sortOrder=asc")
}

/// How many entries the account of a connection has.
fn total(connection: &mut Connection) -> Result<u64> {
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

/// Says how a limit was kept, and keeps what is said when it was not.
fn judge(missed: &mut Missed, holds: bool, said: String) {
    say(&format!("{}{said}", if holds { "" } else { "MISSED: " }));
    if !holds {
        missed.push(said);
    }
}

/// Judges how many times as long as another a thing may take.
fn judge_times(missed: &mut Missed, what: &str, long: Duration, short: Duration, limit: u32) {
    judge(
        missed,
        long <= short * limit,
        format!("{what} is {} times as long, at most {limit}", times(long, short)),
    );
}
