//! The pages that a walk is about to ask for, made while those before are on their way to the client.
//!
//! Whoever has followed a cursor once mostly follows the next one too. Client and server then wait for each other in turn, and with
//! pages made ahead they do not. They are made only where nobody waits for a reader and there is memory for them, they are of the
//! walk's own snapshot, and before one is handed out the ledger is asked whether the walk may go on: so it is the page that would
//! have been read, and where there is none the page is read as ever.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use billing_ledger::AccountId;
use billing_model::Cursor;
use tokio::sync::oneshot::{Receiver, Sender, channel};

use crate::budget::Share;

/// How long a page waits for its client.
pub(crate) const KEPT: Duration = Duration::from_secs(3);

/// How long none is made for an account after one that nobody came for.
const PAUSE: Duration = Duration::from_secs(10);

/// Pages of a walk that wait: while one is fetched the next is there, and the one behind it is made.
const DEPTH: usize = 2;

/// Pages that wait at most, of all walks.
const MOST: usize = 8;

/// Accounts that are remembered for a pause.
const MOST_PAUSES: usize = 64;

/// A page in JSON.
pub(crate) struct MadePage {
    pub(crate) body: Vec<u8>,
    pub(crate) next: Option<Cursor>,
    /// The memory of the body, if it takes any.
    pub(crate) room: Option<Share>,
}

/// The pages that wait.
#[derive(Default)]
pub(crate) struct Ahead(Mutex<State>);

#[derive(Default)]
struct State {
    pages: Vec<Kept>,
    /// Walks so far.
    walks: u64,
    pauses: Vec<(AccountId, Instant)>,
    /// True while somebody looks after pages that nobody comes for.
    is_forgetting: bool,
}

/// A page that is being made, or is there.
struct Kept {
    account: AccountId,
    cursor: Cursor,
    walk: u64,
    since: Instant,
    /// Where it leads, once it is made.
    next: Option<Option<Cursor>>,
    page: Receiver<MadePage>,
}

/// A page that is to be made.
pub(crate) struct Order {
    pub(crate) cursor: Cursor,
    /// Where it goes.
    sender: Sender<MadePage>,
}

impl Ahead {
    /// A number for a walk.
    pub(crate) fn begin(&self) -> u64 {
        let mut state = self.state();
        state.walks += 1;
        state.walks
    }

    /// The first page of a walk that is not there, from a cursor on. `None` when enough are there or being made, or when the account's
    /// last one was for nothing.
    pub(crate) fn order(&self, account: AccountId, walk: u64, from: &Cursor) -> Option<Order> {
        let mut state = self.state();
        state.forget_old(Instant::now());
        let mut cursor = from;
        while let Some(kept) = state.pages.iter().find(|kept| kept.is(account, cursor)) {
            // Whoever makes it looks further.
            cursor = kept.next.as_ref()?.as_ref()?;
        }
        let cursor = cursor.clone();
        let is_paused = state.pauses.iter().any(|(paused, _)| *paused == account);
        let of_walk = state.pages.iter().filter(|kept| kept.walk == walk).count();
        if is_paused || of_walk >= DEPTH || state.pages.len() >= MOST {
            return None;
        }
        let (sender, page) = channel();
        let kept = Kept { account, cursor: cursor.clone(), walk, since: Instant::now(), next: None, page };
        state.pages.push(kept);
        Some(Order { cursor, sender })
    }

    /// Hands over a page that was made.
    pub(crate) fn deliver(&self, account: AccountId, order: Order, page: MadePage) {
        let mut state = self.state();
        if let Some(kept) = state.pages.iter_mut().find(|kept| kept.is(account, &order.cursor)) {
            kept.next = Some(page.next.clone());
        }
        // Nobody may want it any more.
        let _ = order.sender.send(page);
    }

    /// The page that this cursor leads to and its walk, if it is there or being made: then it waits for it, which is no longer than
    /// making it would take. For a thread that may wait.
    pub(crate) fn take(&self, account: AccountId, cursor: &Cursor) -> Option<(MadePage, u64)> {
        let kept = {
            let mut state = self.state();
            let at = state.pages.iter().position(|kept| kept.is(account, cursor))?;
            state.pages.swap_remove(at)
        };
        Some((kept.page.blocking_recv().ok()?, kept.walk))
    }

    /// True for whoever is to call [`Self::forget_old`] from now on, every [`KEPT`], until that says no.
    pub(crate) fn begins_to_forget(&self) -> bool {
        let mut state = self.state();
        !std::mem::replace(&mut state.is_forgetting, true)
    }

    /// Gives back the memory of pages that nobody came for. False when none are left.
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

    fn cursor(n: usize) -> Cursor {
        format!("c{n}").parse().unwrap()
    }

    fn page(next: Option<usize>) -> MadePage {
        MadePage { body: Vec::new(), next: next.map(cursor), room: None }
    }

    #[test]
    fn so_many_pages_of_a_walk_are_made_in_their_order() {
        let (ahead, ours) = (Ahead::default(), AccountId(1));
        let walk = ahead.begin();
        let first = ahead.order(ours, walk, &cursor(0)).unwrap();
        assert!(ahead.order(ours, walk, &cursor(0)).is_none(), "it is being made");
        ahead.deliver(ours, first, page(Some(1)));
        let second = ahead.order(ours, walk, &cursor(0)).unwrap();
        assert_eq!(second.cursor, cursor(1));
        ahead.deliver(ours, second, page(Some(2)));
        assert!(ahead.order(ours, walk, &cursor(0)).is_none(), "so many wait");
        let (taken, of) = ahead.take(ours, &cursor(0)).unwrap();
        assert_eq!((taken.next, of), (Some(cursor(1)), walk));
        let third = ahead.order(ours, walk, &cursor(1)).unwrap();
        assert_eq!(third.cursor, cursor(2));
        ahead.deliver(ours, third, page(None));
        ahead.take(ours, &cursor(1)).unwrap();
        assert!(ahead.order(ours, walk, &cursor(2)).is_none(), "nothing follows");
        assert!(ahead.take(AccountId(2), &cursor(2)).is_none(), "it is nobody else's");
        ahead.take(ours, &cursor(2)).unwrap();
        // The maker is gone: the page is read as ever.
        drop(ahead.order(ours, walk, &cursor(3)));
        assert!(ahead.take(ours, &cursor(3)).is_none());
    }

    #[test]
    fn a_page_that_nobody_comes_for_is_forgotten_and_the_next_are_not_made() {
        let (ahead, ours, theirs) = (Ahead::default(), AccountId(1), AccountId(2));
        let orders: Vec<_> = (0..=MOST).map(|n| ahead.order(ours, ahead.begin(), &cursor(n))).collect();
        assert!(orders[..MOST].iter().all(Option::is_some) && orders[MOST].is_none(), "so many wait");
        ahead.state().forget_old(Instant::now() + KEPT);
        assert_eq!(ahead.waiting(), 0);
        assert!(ahead.begins_to_forget() && !ahead.begins_to_forget());
        assert!(!ahead.forget_old() && ahead.begins_to_forget());
        assert!(ahead.order(ours, ahead.begin(), &cursor(0)).is_none(), "nobody came for the last ones");
        assert!(ahead.order(theirs, ahead.begin(), &cursor(0)).is_some());
        ahead.state().forget_old(Instant::now() + KEPT + PAUSE);
        assert!(ahead.order(ours, ahead.begin(), &cursor(0)).is_some());
    }
}
