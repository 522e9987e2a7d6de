//! Ledgers that are opened: one of an older version is taken forward, and says how far it is.

use std::path::Path;
use std::time::{Duration, Instant};

use billing_ledger::Error;
use billing_sqlite::{Migration, SqliteLedger};
use indicatif::ProgressBar;

use crate::progress::moving_line;
use crate::terminal;
use crate::text::{entries, grouped};

/// Where no line moves, one is written so often.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Opens a ledger that is there.
pub(crate) fn open(path: &Path) -> Result<SqliteLedger, Error> {
    open_saying(path, &plain_note)
}

/// The same for whoever has notes said in another way.
pub(crate) fn open_saying(path: &Path, note: &dyn Fn(&str)) -> Result<SqliteLedger, Error> {
    let mut forward = Forward::new(path, note);
    let ledger = SqliteLedger::open_with_progress(path, |migration| forward.show(migration));
    forward.end();
    ledger
}

/// Opens a ledger, or makes one.
pub(crate) fn open_or_create(path: &Path) -> Result<SqliteLedger, Error> {
    let mut forward = Forward::new(path, &plain_note);
    let ledger = SqliteLedger::open_or_create_with_progress(path, |migration| forward.show(migration));
    forward.end();
    ledger
}

fn plain_note(text: &str) {
    terminal::note(&format!("note: {text}"));
}

/// How far a ledger is taken forward. Nothing of it is shown of one that has no entries, or is of today.
struct Forward<'f> {
    path: &'f Path,
    note: &'f dyn Fn(&str),
    /// The line that moves, and when the last note was.
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
