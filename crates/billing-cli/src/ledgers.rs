//! Opens ledgers. A ledger of an older version is migrated, and progress is shown.

use std::path::Path;
use std::time::{Duration, Instant};

use billing_ledger::Error;
use billing_sqlite::{Migration, SqliteLedger};
use indicatif::ProgressBar;

use crate::progress::moving_line;
use crate::terminal;
use crate::text::{entries, grouped};

/// The time between two notes where there is no moving line.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Opens an existing ledger.
pub(crate) fn open(path: &Path) -> Result<SqliteLedger, Error> {
    open_saying(path, &plain_note)
}

/// Opens an existing ledger for a command that only reads. One of another user, or one that may not be written to, is read as it is:
/// nothing is made beside it.
pub(crate) fn open_for_a_report(path: &Path) -> Result<SqliteLedger, Error> {
    match SqliteLedger::is_to_be_read_alone(path) {
        true => SqliteLedger::open_to_read(path),
        false => open(path),
    }
}

/// Opens an existing ledger, and writes notes with `note`.
pub(crate) fn open_saying(path: &Path, note: &dyn Fn(&str)) -> Result<SqliteLedger, Error> {
    let mut forward = Forward::new(path, note);
    let ledger = SqliteLedger::open_with_progress(path, |migration| forward.show(migration));
    forward.end();
    ledger
}

/// Opens a ledger, and makes it if there is none.
pub(crate) fn open_or_create(path: &Path) -> Result<SqliteLedger, Error> {
    let mut forward = Forward::new(path, &plain_note);
    let ledger = SqliteLedger::open_or_create_with_progress(path, |migration| forward.show(migration));
    forward.end();
    ledger
}

fn plain_note(text: &str) {
    terminal::note(&format!("note: {text}"));
}

/// Shows the progress of a migration. Nothing is shown for a ledger without entries or of the present version.
struct Forward<'f> {
    path: &'f Path,
    note: &'f dyn Fn(&str),
    /// The moving line, and the time of the last note.
    shown: Option<(ProgressBar, Instant)>,
}

impl<'f> Forward<'f> {
    fn new(path: &'f Path, note: &'f dyn Fn(&str)) -> Self {
        Self { path, note, shown: None }
    }

    fn show(&mut self, migration: &Migration) {
        let Migration { done, entries: all } = *migration;
        if all == 0 {
            return;
        }
        let (line, said) = self.shown.get_or_insert_with(|| {
            (self.note)(&format!(
                "taking the ledger `{}` forward, {}; programs of an older\n  version cannot use it any more",
                self.path.display(),
                entries(all)
            ));
            (moving_line(false, "taking the ledger forward"), Instant::now())
        });
        let words = format!("{} of {} entries", grouped(done), grouped(all));
        if line.is_hidden() && said.elapsed() >= PLAIN_EVERY {
            (self.note)(&format!("taken forward so far: {words}"));
            *said = Instant::now();
        }
        line.set_message(format!("taken forward: {words}"));
    }

    fn end(self) {
        if let Some((line, _)) = self.shown {
            line.finish_and_clear();
        }
    }
}
