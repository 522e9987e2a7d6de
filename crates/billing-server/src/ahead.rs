//! The page that a walk is about to ask for, made while the one before is on its way to the client.
//!
//! A client that has followed one cursor mostly follows the next one too. Without this, client and server wait for each
//! other in turn. The next page is made only when a reader is free that nobody waits for, and memory. It is of the
//! walk's own snapshot, and before it is handed out the ledger is asked whether the walk may go on. So it is the very
//! page that would have been read. When there is none, the page is read as usual.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use billing_ledger::AccountId;
use billing_model::Cursor;
use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::budget::Share;

/// How long a page waits for its client.
pub(crate) const KEPT: Duration = Duration::from_secs(3);

/// How long no page is made for an account after one that nobody asked for.
const PAUSE: Duration = Duration::from_secs(10);

/// The most pages that wait.
const MOST: usize = 8;

/// The most accounts whose pause is remembered.
const MOST_PAUSES: usize = 64;

/// A page in JSON.
pub(crate) struct MadePage {
    pub(crate) body: Vec<u8>,
    pub(crate) next: Option<Cursor>,
    /// The memory of the body.
    pub(crate) room: Share,
}

/// The pages that wait.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<State>);

#[derive(Default)]
struct State {
    pages: Vec<Kept>,
    pauses: Vec<(AccountId, Instant)>,
    /// True while a task removes pages that nobody asked for.
    is_forgetting: bool,
}

/// A page that is being made, or is there.
struct Kept {
    account: AccountId,
    cursor: Cursor,
    since: Instant,
    page: Receiver<MadePage>,
}

impl Ahead {
    /// The place for the page that this cursor leads to. `None` when there is no room, or nobody asked for the
    /// account's last one.
    pub(crate) fn begin(&self, account: AccountId, cursor: &Cursor) -> Option<Sender<MadePage>> {
        let mut state = self.state();
        state.forget_old(Instant::now());
        let is_paused = state.pauses.iter().any(|(paused, _)| *paused == account);
        let is_there = state.pages.iter().any(|kept| kept.is(account, cursor));
        if is_paused || is_there || state.pages.len() >= MOST {
            return None;
        }
        let (sender, page) = channel();
        state.pages.push(Kept { account, cursor: cursor.clone(), since: Instant::now(), page });
        Some(sender)
    }

    /// The page that this cursor leads to, if it is there or being made. This waits while it is made, which is no
    /// longer than making it anew would take. Call it on a thread that may block.
    pub(crate) fn take(&self, account: AccountId, cursor: &Cursor) -> Option<MadePage> {
        let kept = {
            let mut state = self.state();
            let at = state.pages.iter().position(|kept| kept.is(account, cursor))?;
            state.pages.swap_remove(at)
        };
        kept.page.blocking_recv().ok()
    }

    /// True for the caller that has to call [`Self::forget_old`] from now on, every [`KEPT`], until that returns false.
    pub(crate) fn begins_to_forget(&self) -> bool {
        let mut state = self.state();
        !std::mem::replace(&mut state.is_forgetting, true)
    }

    /// Gives back the memory of pages that nobody asked for. False when no page is left.
    pub(crate) fn forget_old(&self) -> bool {
        let mut state = self.state();
        state.forget_old(Instant::now());
        state.is_forgetting = !state.pages.is_empty();
        state.is_forgetting
    }

    /// How many pages wait.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> usize {
        self.state().pages.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget_old(&mut self, now: Instant) {
        self.pauses.retain(|(_, since)| now.duration_since(*since) < PAUSE);
        for old in self.pages.extract_if(.., |kept| now.duration_since(kept.since) >= KEPT) {
            if self.pauses.len() < MOST_PAUSES {
                self.pauses.push((old.account, now));
            }
        }
    }
}

impl Kept {
    fn is(&self, account: AccountId, cursor: &Cursor) -> bool {
        self.account == account && self.cursor == *cursor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_nobody_comes_for_is_forgotten_and_the_next_are_not_made() {
        let (ahead, ours, theirs) = (Ahead::default(), AccountId(1), AccountId(2));
        let cursor = |n: usize| format!("c{n}").parse::<Cursor>().unwrap();
        assert!(ahead.begin(ours, &cursor(0)).is_some());
        assert!(ahead.begin(ours, &cursor(0)).is_none(), "it is being made");
        assert!(ahead.begin(theirs, &cursor(0)).is_some());
        for n in 2..MOST {
            assert!(ahead.begin(ours, &cursor(n)).is_some());
        }
        assert!(ahead.begin(ours, &cursor(MOST)).is_none(), "so many wait");
        // The maker is gone, so the page is read as usual.
        assert!(ahead.take(theirs, &cursor(0)).is_none());
        assert_eq!(ahead.waiting(), MOST - 1);
        ahead.state().forget_old(Instant::now() + KEPT);
        assert_eq!(ahead.waiting(), 0);
        assert!(ahead.begins_to_forget() && !ahead.begins_to_forget());
        assert!(!ahead.forget_old() && ahead.begins_to_forget());
        assert!(ahead.begin(ours, &cursor(0)).is_none(), "nobody came for the last ones");
        assert!(ahead.begin(theirs, &cursor(0)).is_some());
        ahead.state().forget_old(Instant::now() + KEPT + PAUSE);
        assert!(ahead.begin(ours, &cursor(0)).is_some());
    }
}
