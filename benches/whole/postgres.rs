//! Measures the ledger in PostgreSQL beside the same ledger in SQLite, in one run: real servers over both, as their clients see them.
//!
//! Each section has its own file, prints a table for `docs/performance.md`, and returns the limits that were missed. The database is a
//! server of this run's own, with PostgreSQL's own settings.

mod analytics;
mod copies;
mod ingest;
mod pages;

mod database;
mod side;

use anyhow::{Context, Result, bail, ensure};

use self::database::Database;
use self::side::Side;
use super::figures::{Table, grouped};
use super::process::mebibytes;
use super::server::ledger::Ledger;
use super::server::{ACCOUNT, MIN_ENTRIES, Missed, judge, total};
use super::{program, say};

/// The entries of both ledgers without `--entries`.
const ENTRIES: u64 = 5_000_000;

/// The directory of the ledger in SQLite, which stays with `--keep`.
const DIRECTORY: &str = "bench-postgres";

/// The most memory that a server may take, after everything.
const SERVER_KIB: u64 = 96 << 10;

/// Measures one thing and prints its table.
type Section = fn(&Bench) -> Result<Missed>;

/// The sections by name, in the order in which they are measured. Those that write are last.
const SECTIONS: [(&str, Section); 3] =
    [("pages", pages::run), ("analytics", analytics::run), ("ingest", ingest::run)];

/// Measures, prints the tables, and checks the limits.
///
/// # Errors
/// When something cannot be run, and at the end when a section could not be measured or a limit was missed.
pub(super) fn run(arguments: &[&str]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let ledger = Ledger::of(program::billing()?, DIRECTORY, options.entries)?;
    let database = Database::start(&options.settings)?;
    let mut missed = copies::run(&ledger, &database)?;
    let bench = Bench::of(&ledger, &database)?;
    let mut memory = Table::new(["after", "server over SQLite, peak MiB", "over PostgreSQL"]);
    for (name, section) in SECTIONS {
        if !options.sections.is_empty() && !options.sections.iter().any(|wanted| wanted == name) {
            continue;
        }
        missed.extend(section(&bench).unwrap_or_else(|error| {
            let not_measured = format!("`{name}` could not be measured: {error:#}");
            say(&format!("\n{not_measured}"));
            vec![not_measured]
        }));
        let [file, database] = bench.sides().map(|side| side.peak_kib().map(mebibytes));
        memory.row([name, &file?, &database?]);
    }
    say(&format!("\n## Memory of the servers\n\n{memory}\n"));
    let peak = bench.database.peak_kib()?;
    let said =
        format!("the server over PostgreSQL takes {} MiB, under {}", mebibytes(peak), SERVER_KIB >> 10);
    judge(&mut missed, peak < SERVER_KIB, said);
    drop(bench);
    ledger.clear(options.keep)?;
    if !missed.is_empty() {
        bail!("{}", missed.join("; "));
    }
    Ok(())
}

struct Options {
    entries: u64,
    /// Whether the ledger in SQLite is kept for the next run.
    keep: bool,
    /// Settings of the database that are not PostgreSQL's own.
    settings: Vec<(String, String)>,
    /// The sections to measure; all when none is named.
    sections: Vec<String>,
}

impl Options {
    fn parse(arguments: &[&str]) -> Result<Self> {
        let mut options = Self { entries: ENTRIES, keep: false, settings: Vec::new(), sections: Vec::new() };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match *argument {
                "--keep" => options.keep = true,
                "--entries" => {
                    let number = arguments.next().context("`--entries` takes a number")?;
                    options.entries = number.parse().with_context(|| format!("`--entries {number}`"))?;
                    ensure!(options.entries >= MIN_ENTRIES, "`--entries` takes {MIN_ENTRIES} or more");
                }
                "--setting" => {
                    let setting = arguments.next().and_then(|setting| setting.split_once('='));
                    let (name, value) =
                        setting.context("`--setting` takes NAME=VALUE, as `shared_buffers=1GB`")?;
                    options.settings.push((name.to_owned(), value.to_owned()));
                }
                name if SECTIONS.iter().any(|(section, _)| *section == name) => {
                    options.sections.push(name.to_owned());
                }
                other => {
                    let names = SECTIONS.map(|(name, _)| name).join(", ");
                    bail!(
                        "`{other}` is neither `--entries N`, `--keep`, `--setting NAME=VALUE`, nor one of {names}"
                    );
                }
            }
        }
        Ok(options)
    }
}

/// Servers over both ledgers, which have the same entries.
struct Bench<'l> {
    ledger: &'l Ledger,
    file: Side<'l>,
    database: Side<'l>,
}

impl<'l> Bench<'l> {
    fn of(ledger: &'l Ledger, postgres: &'l Database) -> Result<Self> {
        let file = Side::serve("SQLite", ledger, ledger.served_path(), None)?;
        let database = Side::serve("PostgreSQL", ledger, postgres.url().into(), Some(postgres))?;
        let bench = Self { ledger, file, database };
        for side in bench.sides() {
            let (name, found) = (side.name(), total(&mut side.connect(ACCOUNT)?)?);
            ensure!(
                found == ledger.entries(),
                "{name} should have {} entries and has {found}",
                ledger.entries()
            );
        }
        say(&format!("\n{} entries of 181 days, served by `billing serve`", grouped(ledger.entries())));
        Ok(bench)
    }

    /// SQLite, and PostgreSQL.
    fn sides(&self) -> [&Side<'l>; 2] {
        [&self.file, &self.database]
    }
}
