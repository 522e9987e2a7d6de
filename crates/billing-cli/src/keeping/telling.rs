//! What is said of what happens while an account is brought in line or proven.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use billing_sync::{Cause, Error, Event, Tally};

use crate::progress::{Progress, Shown};

/// How long somebody else who changes the account is waited for, and how often is looked whether that one has ended.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Tells what happens, and counts what is stored.
pub(crate) struct Telling {
    progress: Arc<Progress>,
    done: Cell<Tally>,
    has_asked_again: Cell<bool>,
    has_altered: Cell<bool>,
}

impl Telling {
    pub(crate) fn new(shown: Shown) -> Self {
        let progress = Arc::new(Progress::new(shown, false));
        Self {
            progress,
            done: Cell::default(),
            has_asked_again: Cell::default(),
            has_altered: Cell::default(),
        }
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        match event {
            Event::ComparingKey => self
                .progress
                .say("note: the key is another one than before; comparing what it opens with what is held"),
            Event::Walking { window } => self.progress.towards(*window),
            Event::InLine(window) => {
                let mut done = self.done.get();
                done.windows += 1;
                done.added += window.missing;
                self.done.set(done);
                if window.is_altered && !self.has_altered.replace(true) {
                    self.progress.warn(
                        "somebody else has written to this account; a sync and --repair make its counts and sums anew",
                    );
                }
            }
            Event::AskingAgain { .. } if !self.has_asked_again.replace(true) => self.progress.say(
                "note: the service does not have all that is held; asking once more before that is believed",
            ),
            Event::Again { .. } => {
                self.progress.say("note: entries arrived behind the walk; reading the window again");
            }
            Event::WaitingForAnalytics { seconds } => {
                self.progress.say(&format!(
                    "note: all entries agree, and the usage analytics do not: they may be of some minutes ago\n\
                     waiting {seconds} s to ask for them again; Ctrl-C ends it, and the entries are proven"
                ));
                // Nothing moves until then.
                self.progress.end();
            }
            _ => {}
        }
    }

    pub(crate) fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// The windows that were stored, and the entries that were added in them.
    pub(crate) fn done(&self) -> Tally {
        self.done.get()
    }
}

/// Runs, and waits for a while for another process that changes the account.
pub(crate) async fn in_turn<T>(
    progress: &Progress,
    run: impl AsyncFn() -> Result<T, Error>,
) -> Result<T, Error> {
    let begun = Instant::now();
    let mut is_said = false;
    loop {
        let ended = run().await;
        let Err(error) = &ended else { return ended };
        let Cause::Held(holder) = error.cause() else { return ended };
        if begun.elapsed() >= PATIENCE {
            return ended;
        }
        if !is_said {
            progress.say(&format!("note: another sync of this account runs ({holder}); waiting for it"));
            is_said = true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
