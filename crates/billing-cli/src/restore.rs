//! `billing restore`: puts a copy in the place of a ledger.

use std::time::Instant;

use anyhow::anyhow;
use billing_model::Timestamp;
use billing_sqlite::SqliteLedger;
use chrono::Utc;

use crate::args;
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::text::shell_word;
use crate::{ledgers, terminal, text};

pub(crate) fn run(args: &args::Restore) -> Result<(), Failure> {
    let start = Instant::now();
    let place = args.ledger.place_to_make()?;
    let Some(path) = place.file() else { return Err(of_database(&place)) };
    let copy = LedgerPlace::of(&args.from)?;
    if copy.file().is_none() {
        return Err(Failure::usage(anyhow!("`{copy}` is a database, and a backup is a file"))
            .hint("`billing ledger copy` moves a ledger out of a database"));
    }
    let kept = SqliteLedger::restore(&args.from, path, Timestamp::from(Utc::now()))?;
    // The entries are counted in the ledger, so the message is about what the ledger has.
    let entries = ledgers::open(&place)?.accounts()?.iter().map(|account| account.entries).sum();
    terminal::note(&format!("{} in {place}, {}", text::entries(entries), text::seconds(start.elapsed())));
    terminal::note(
        "its keys are those of the copy: one that was revoked since opens it again; see `billing keys list`",
    );
    if let Some(kept) = kept {
        terminal::note(&format!("what was there is {}", kept.display()));
    }
    Ok(())
}

/// The failure for a ledger in a database, which has tools of its own for this.
fn of_database(place: &LedgerPlace) -> Failure {
    let url = shell_word(&place.for_tools());
    Failure::usage(anyhow!("`{place}` is in a database, which PostgreSQL's own programs restore"))
        .hint(format!(
            "into a database that has no schema `billing`: pg_restore --exit-on-error --single-transaction --dbname={url} \
             ledger.dump"
        ))
        .hint("how to come back from pg_basebackup and an archive of the log is in docs/operations.md")
}
