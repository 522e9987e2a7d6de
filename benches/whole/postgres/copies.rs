//! Measures `billing ledger copy` from SQLite into PostgreSQL, which fills the database of the run, and back.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;

use super::database::Database;
use crate::figures::{Table, grouped, per_second};
use crate::process::{Ended, measure, mebibytes};
use crate::say;
use crate::server::ledger::Ledger;
use crate::server::{Missed, judge};

/// Entries a second, at least, into PostgreSQL, compared and all.
const LIMIT: u64 = 100_000;

/// Copies both ways, and prints what a ledger takes on the disk.
///
/// # Errors
/// When a copy fails.
pub(super) fn run(ledger: &Ledger, database: &Database) -> Result<Missed> {
    let (made, entries) = (ledger.made_path(), ledger.entries());
    let into = copy(ledger, &made, Path::new(database.url()))?;
    database.settle();
    let back = ledger.served_path().with_file_name("back.db");
    let out = copy(ledger, Path::new(database.url()), &back)?;
    let mut table = Table::new(["`billing ledger copy`, compared and all", "s", "entries/s", "peak MiB"]);
    for (name, Ended { elapsed, peak_kib }) in [("SQLite to PostgreSQL", into), ("PostgreSQL to SQLite", out)]
    {
        let rate = grouped(per_second(entries, elapsed));
        table.row([name, &elapsed.as_secs().to_string(), &rate, &mebibytes(peak_kib)]);
    }
    say(&format!("\n## Copies\n\n{table}\n"));
    let [entries_bytes, bytes] = database.bytes()?;
    let mut table = Table::new(["bytes an entry on the disk", "its row and index", "the ledger"]);
    let file = fs::metadata(&back)?.len();
    table.row(["SQLite", "", &(file / entries).to_string()]);
    table.row(["PostgreSQL", &(entries_bytes / entries).to_string(), &(bytes / entries).to_string()]);
    say(&format!("\n## On the disk\n\n{table}\n"));
    fs::remove_file(back)?;
    let mut missed = Missed::new();
    let rate = per_second(entries, into.elapsed);
    let said = format!("{} entries/s are copied into PostgreSQL, at least {}", grouped(rate), grouped(LIMIT));
    judge(&mut missed, rate >= LIMIT, said);
    Ok(missed)
}

fn copy(ledger: &Ledger, from: &Path, to: &Path) -> Result<Ended> {
    let mut copy = Command::new(ledger.billing());
    copy.args(["ledger", "copy", "--from"]).arg(from).arg("--to").arg(to).stderr(Stdio::inherit());
    measure(copy, "billing ledger copy")
}
