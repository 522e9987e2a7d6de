//! `billing backup`: a copy of a ledger. The ledger may be in use.

use std::time::Instant;

use anyhow::anyhow;

use crate::args;
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::ledgers::OpenLedger;
use crate::text::shell_word;
use crate::{ledgers, terminal, text};

pub(crate) fn run(args: &args::Backup) -> Result<(), Failure> {
    let start = Instant::now();
    let place = args.ledger.place()?;
    if place.file().is_none() {
        return Err(of_database(&place));
    }
    let copy = LedgerPlace::of(&args.to)?;
    if copy.file().is_none() {
        return Err(Failure::usage(anyhow!("`{copy}` is a database, and a backup is a file"))
            .hint("`billing ledger copy` moves a ledger into a database"));
    }
    if let OpenLedger::File(ledger) = ledgers::open(&place)? {
        ledger.back_up(&args.to)?;
    }
    // The entries are counted in the copy, so the message is about what the copy has.
    let entries = ledgers::open(&copy)?.accounts()?.iter().map(|account| account.entries).sum();
    terminal::note(&format!(
        "{} in {copy}, {}; it holds the keys too, so keep it as private",
        text::entries(entries),
        text::seconds(start.elapsed())
    ));
    Ok(())
}

/// The failure for a ledger in a database, which has tools of its own for this.
fn of_database(place: &LedgerPlace) -> Failure {
    let url = shell_word(&place.for_tools());
    Failure::usage(anyhow!("`{place}` is in a database, which PostgreSQL's own programs back up"))
        .hint(format!("pg_dump --format=custom --schema=billing --file=ledger.dump --dbname={url}"))
        .hint("pg_basebackup and an archive of the log lose nothing of the time since: docs/operations.md")
}
