//! Batches under one idempotency key come one after the other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use billing_ledger::AccountId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// An account and the idempotency key of a batch.
type Name = (AccountId, String);

/// Whose turn it is under each key that a batch is on its way with.
///
/// A batch that is refused looks in the ledger whether it was stored before. The answer would be wrong while the same batch,
/// sent earlier, is checked or waits in the recorder's queue. So a batch has its turn from before its rows are held against
/// the clock until it is stored or refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<Name, Line>>>);

#[derive(Debug)]
struct Line {
    /// One permit: the turn.
    turn: Arc<Semaphore>,
    /// How many have the turn or wait for it. The last one takes the line away.
    places: usize,
}

/// The turn of a batch. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: Place,
}

/// A place in a line, given back also by who gave up waiting.
#[derive(Debug)]
struct Place {
    turns: Turns,
    name: Name,
}

impl Turns {
    /// Waits for the turn of a batch, first come, first served. `None` when it did not come in time.
    pub(crate) async fn take(
        &self,
        account: AccountId,
        idempotency_key: &str,
        time: Duration,
    ) -> Option<Turn> {
        let (place, turn) = self.stand_in_line((account, idempotency_key.to_owned()));
        let permit = timeout(time, turn.acquire_owned()).await.ok()?.ok()?;
        Some(Turn { _permit: permit, _place: place })
    }

    fn stand_in_line(&self, name: Name) -> (Place, Arc<Semaphore>) {
        let mut lines = self.lines();
        let line = lines
            .entry(name.clone())
            .or_insert_with(|| Line { turn: Arc::new(Semaphore::new(1)), places: 0 });
        line.places += 1;
        (Place { turns: self.clone(), name }, Arc::clone(&line.turn))
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<Name, Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut lines = self.turns.lines();
        if let Some(line) = lines.get_mut(&self.name) {
            line.places -= 1;
            if line.places == 0 {
                lines.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_TIME: Duration = Duration::ZERO;

    #[tokio::test]
    async fn a_key_has_one_turn_at_a_time_and_leaves_nothing_behind() {
        let turns = Turns::default();
        let take = |account, key| turns.take(AccountId(account), key, NO_TIME);
        let first = take(1, "a").await;
        assert!(first.is_some() && take(1, "a").await.is_none());
        assert!(take(1, "b").await.is_some() && take(2, "a").await.is_some(), "other batches");
        assert_eq!(turns.lines().len(), 1, "only the line that somebody stands in is kept");
        drop(first);
        assert!(turns.lines().is_empty());
        assert!(take(1, "a").await.is_some());
    }
}
