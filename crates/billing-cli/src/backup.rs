//! `billing backup`: a copy of a ledger. The ledger may be in use.

use std::time::Instant;

use billing_ledger::Ledger;

use crate::args;
use crate::exit::Failure;
use crate::{ledgers, terminal, text};

pub(crate) fn run(args: &args::Backup) -> Result<(), Failure> {
    let start = Instant::now();
    ledgers::open(&args.ledger.path()?)?.back_up(&args.to)?;
    // The entries are counted in the copy, so the message is about what the copy has.
    let entries = ledgers::open(&args.to)?.accounts()?.iter().map(|account| account.entries).sum();
    terminal::note(&format!(
        "{} in {}, {}; it holds the keys too, so keep it as private",
        text::entries(entries),
        args.to.display(),
        text::seconds(start.elapsed())
    ));
    Ok(())
}
