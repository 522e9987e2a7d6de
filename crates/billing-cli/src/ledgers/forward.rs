//! Shows that a ledger of an older version is taken forward.

use std::path::Path;
use std::time::{Duration, Instant};

use billing_sqlite::Migration;
use indicatif::ProgressBar;

use crate::progress::moving_line;
use crate::text::{entries, grouped};

/// The time between two notes where there is no moving line.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows the progress of a migration. Nothing is shown for a ledger without entries or of the present version.
pub(super) struct Forward<'f> {
    path: &'f Path,
    note: &'f dyn Fn(&str),
    /// The moving line, and the time of the last note.
    shown: Option<(ProgressBar, Instant)>,
}

impl<'f> Forward<'f> {
    pub(super) fn new(path: &'f Path, note: &'f dyn Fn(&str)) -> Self {
        Self { path, note, shown: None }
    }

    pub(super) fn show(&mut self, migration: &Migration) {
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

    pub(super) fn end(self) {
        if let Some((line, _)) = self.shown {
            line.finish_and_clear();
        }
    }
}
