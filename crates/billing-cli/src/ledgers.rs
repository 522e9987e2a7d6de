//! Ledgers that are opened: one of an older version is taken forward, and says how far it is.

use std::path::Path;
use std::time::{Duration, Instant};

use billing_ledger::Error;
use billing_sqlite::{Migration, SqliteLedger};
use indicatif::ProgressBar;

use crate::progress::moving_line;
use crate::terminal;
use crate::text::grouped;

/// Where no line moves, one is written so often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Opens a ledger that is there.
pub(crate) fn open(path: &Path) -> Result<SqliteLedger, Error> {
    let mut forward = Forward::default();
    let ledger = SqliteLedger::open_with_progress(path, |migration| forward.show(path, migration))?;
    forward.end(path);
    Ok(ledger)
}

/// Opens a ledger, or makes one.
pub(crate) fn open_or_create(path: &Path) -> Result<SqliteLedger, Error> {
    let mut forward = Forward::default();
    let ledger = SqliteLedger::open_or_create_with_progress(path, |migration| forward.show(path, migration))?;
    forward.end(path);
    Ok(ledger)
}

/// How far a ledger was taken forward. Nothing of it is shown of one that has no entries, or is of today.
#[derive(Default)]
struct Forward {
    line: Option<ProgressBar>,
    said: Option<Instant>,
    entries: u64,
}

impl Forward {
    fn show(&mut self, path: &Path, migration: &Migration) {
        self.entries = migration.entries;
        if migration.entries == 0 {
            return;
        }
        let line = self.line.get_or_insert_with(|| moving_line(false, "taking the ledger forward"));
        let (done, all) = (grouped(migration.done), grouped(migration.entries));
        let words = format!("taking the ledger forward to this version: {done} of {all} entries");
        let is_due = self.said.get_or_insert_with(Instant::now).elapsed() >= PLAIN_EVERY;
        if line.is_hidden() && is_due {
            terminal::note(&format!("{words} ({})", path.display()));
            self.said = Some(Instant::now());
        }
        line.set_message(words);
    }

    fn end(self, path: &Path) {
        let Some(line) = self.line else { return };
        line.finish_and_clear();
        terminal::note(&format!(
            "note: the ledger `{}` was taken forward to this version, {} entries; older programs cannot use it any more",
            path.display(),
            grouped(self.entries)
        ));
    }
}
