//! `billing restore`: puts a copy in the place of a ledger.

use std::time::Instant;

use billing_ledger::Ledger;
use billing_model::Timestamp;
use billing_sqlite::SqliteLedger;
use chrono::Utc;

use crate::args;
use crate::exit::Failure;
use crate::{ledgers, terminal, text};

pub(crate) fn run(args: &args::Restore) -> Result<(), Failure> {
    let start = Instant::now();
    let path = args.ledger.path_to_make()?;
    let kept = SqliteLedger::restore(&args.from, &path, Timestamp::from(Utc::now()))?;
    // The entries are counted in the ledger, so the message is about what the ledger has.
    let entries = ledgers::open(&path)?.accounts()?.iter().map(|account| account.entries).sum();
    terminal::note(&format!(
        "{} in {}, {}",
        text::entries(entries),
        path.display(),
        text::seconds(start.elapsed())
    ));
    terminal::note(
        "its keys are those of the copy: one that was revoked since opens it again; see `billing keys list`",
    );
    if let Some(kept) = kept {
        terminal::note(&format!("what was there is {}", kept.display()));
    }
    Ok(())
}
