//! Memory that is shared out before it is taken, in the order of asking.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing_ledger::AccountId;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// The unit in which memory is shared out: a permit each, so that bytes fit the permits there can be.
const UNIT: usize = 1 << 10;

/// The most requests that wait for one of the parts.
const LINE: usize = 128;

/// The parts of a budget in eighths: bodies that come, the work on them, and answers that are fetched.
const BODIES: usize = 3;
const WORK: usize = 3;
const ANSWERS: usize = 2;

/// The memory of the process for batches and answers, in parts.
///
/// A request that holds memory and waits for more could wait for ever. So each part is for one step of a request, and a
/// request that holds memory of a later step never waits for an earlier one. First a body comes, then it is read. The
/// last two steps end without waiting for others.
#[derive(Debug)]
pub(crate) struct Budget {
    /// For the bodies of batches, as they come.
    pub(crate) bodies: Room,
    /// For reading them, and for their rows until they are stored.
    pub(crate) work: Room,
    /// For answers until they are fetched.
    pub(crate) answers: Room,
}

/// Memory for one step.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    units: Arc<Semaphore>,
    all: usize,
    waiting: Arc<AtomicUsize>,
    /// The share of each account that has asked.
    accounts: Arc<Mutex<HashMap<AccountId, Room>>>,
}

/// Memory that a request has. It goes back when this is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    units: OwnedSemaphorePermit,
    /// The same bytes, taken from what the account may have.
    account: Option<Box<Share>>,
}

/// Why there is no room, and waiting is of no use.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoRoom {
    /// Too many wait already.
    LongLine,
    /// It did not come in time.
    TooLate,
    /// It is more than there ever is.
    TooMuch,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let part = |eighths| Room::new(bytes / 8 * eighths);
        Self { bodies: part(BODIES), work: part(WORK), answers: part(ANSWERS) }
    }

    /// The least that a server needs for batches of up to so many bytes, decompressed too.
    pub(crate) fn least(body_limit: usize) -> usize {
        work_bytes(body_limit, true)
            .next_multiple_of(UNIT)
            .div_ceil(WORK)
            .next_multiple_of(UNIT)
            .saturating_mul(8)
    }
}

/// The memory that it takes to read a body of so many bytes, decompressed. Packed rows take no more than their text. A
/// single row may be the whole body: then the body is there twice more, as a text and as fields, and there are no other
/// rows. When the body came compressed, its decompressed form comes on top.
pub(crate) fn work_bytes(body: usize, is_compressed: bool) -> usize {
    /// For buffers and the first faults.
    const MORE: usize = 1 << 20;
    body.saturating_mul(if is_compressed { 3 } else { 2 }).saturating_add(MORE)
}

impl Room {
    fn new(bytes: usize) -> Self {
        let all = (bytes / UNIT).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        Self { units: Arc::new(Semaphore::new(all)), all, waiting: Arc::default(), accounts: Arc::default() }
    }

    /// The same for an account, which may have half of the room at most. So an account whose bodies come slowly cannot
    /// keep others from recording.
    pub(crate) async fn take_for(
        &self,
        account: AccountId,
        bytes: usize,
        time: Duration,
    ) -> Result<Share, NoRoom> {
        let half = {
            let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
            accounts.entry(account).or_insert_with(|| Room::new(self.all / 2 * UNIT)).clone()
        };
        let bytes = bytes.min(half.all * UNIT);
        let of_account = half.take(bytes, time).await?;
        let mut share = self.take(bytes, time).await?;
        share.account = Some(Box::new(of_account));
        Ok(share)
    }

    /// So many bytes, if they are free and nobody waits for room. This does not wait.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Share> {
        let units = Arc::clone(&self.units).try_acquire_many_owned(self.units_of(bytes)).ok()?;
        Some(Share { units, account: None })
    }

    /// The same as [`Self::take`], for a thread that may wait.
    pub(crate) fn take_blocking(&self, bytes: usize, time: Duration) -> Result<Share, NoRoom> {
        Handle::current().block_on(self.take(bytes, time))
    }

    /// Waits in line for so many bytes, at most so long. A request for more than there is gets all of it.
    pub(crate) async fn take(&self, bytes: usize, time: Duration) -> Result<Share, NoRoom> {
        if let Some(share) = self.try_take(bytes) {
            return Ok(share);
        }
        let place = Place(&self.waiting);
        if place.0.fetch_add(1, Ordering::Relaxed) >= LINE {
            return Err(NoRoom::LongLine);
        }
        // The semaphore promises that who comes first is served first.
        let taken = timeout(time, Arc::clone(&self.units).acquire_many_owned(self.units_of(bytes))).await;
        match taken {
            Ok(Ok(share)) => Ok(Share { units: share, account: None }),
            // This cannot happen: nobody closes the semaphore.
            Ok(Err(_)) => Err(NoRoom::LongLine),
            Err(_) => Err(NoRoom::TooLate),
        }
    }

    fn units_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT).min(self.all)).unwrap_or(u32::MAX)
    }
}

/// Memory for work whose size shows while it is done, a piece at a time.
pub(crate) struct Growing<'a> {
    room: &'a Room,
    share: Option<Share>,
}

impl<'a> Growing<'a> {
    /// Bytes that are taken at a time.
    const PIECE: usize = 4 << 20;

    /// Bytes that need no room: most work takes no more.
    const FREE: usize = 1 << 20;

    /// No memory yet.
    pub(crate) fn new(room: &'a Room) -> Self {
        Self { room, share: None }
    }

    /// Waits until there are so many bytes, at most so long for each piece. For a thread that may wait.
    pub(crate) fn grow_to(&mut self, bytes: usize, time: Duration) -> Result<(), NoRoom> {
        while self.share.as_ref().map_or(Self::FREE, Share::bytes) < bytes {
            if bytes > self.room.all * UNIT {
                return Err(NoRoom::TooMuch);
            }
            let more = self.room.take_blocking(Self::PIECE, time)?;
            match &mut self.share {
                Some(share) => share.units.merge(more.units),
                share => *share = Some(more),
            }
        }
        Ok(())
    }
}

/// A place in the line.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Share {
    fn bytes(&self) -> usize {
        self.units.num_permits() * UNIT
    }

    /// Gives back what is beyond so many bytes.
    pub(crate) fn shrink_to(&mut self, bytes: usize) {
        let spare = self.units.num_permits().saturating_sub(bytes.div_ceil(UNIT));
        drop(self.units.split(spare));
        if let Some(account) = &mut self.account {
            account.shrink_to(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    #[tokio::test]
    async fn what_is_shared_out_comes_back() {
        let room = Room::new(10 * UNIT);
        let mut ours = room.take(6 * UNIT - 5, NOW).await.unwrap();
        let theirs = room.take(4 * UNIT, NOW).await.unwrap();
        assert_eq!(room.take(1, NOW).await.unwrap_err(), NoRoom::TooLate);
        ours.shrink_to(5 * UNIT);
        let more = room.take(UNIT, NOW).await.unwrap();
        assert_eq!(room.take(1, NOW).await.unwrap_err(), NoRoom::TooLate);
        drop((ours, theirs, more));
        assert_eq!(room.take(usize::MAX, NOW).await.unwrap().units.num_permits(), 10, "all of it");
        assert_eq!(room.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_comes_first_is_served_first_and_a_long_line_is_told_so() {
        let room = Room::new(10 * UNIT);
        let first = room.take(10 * UNIT, NOW).await.unwrap();
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for n in 0..LINE {
            let (room, tell) = (room.clone(), tell.clone());
            // A small request does not overtake a large one.
            let bytes = if n == 3 { 10 * UNIT } else { UNIT };
            tokio::spawn(async move {
                let share = room.take(bytes, Duration::from_secs(30)).await;
                tell.send(n).unwrap();
                drop(share.unwrap());
            });
            tokio::task::yield_now().await;
        }
        assert_eq!(room.take(1, Duration::from_secs(30)).await.unwrap_err(), NoRoom::LongLine);
        drop(first);
        for n in 0..LINE {
            assert_eq!(told.recv().await, Some(n));
        }
        assert!(room.take(10 * UNIT, NOW).await.is_ok(), "all of it is back");
    }

    #[tokio::test]
    async fn an_account_has_half_of_the_room_and_leaves_the_other_half_to_others() {
        let room = Room::new(10 * UNIT);
        let (ours, theirs) = (AccountId(1), AccountId(2));
        let mut held = room.take_for(ours, 5 * UNIT, NOW).await.unwrap();
        assert_eq!(room.take_for(ours, 1, NOW).await.unwrap_err(), NoRoom::TooLate);
        drop(room.take_for(theirs, 5 * UNIT, NOW).await.unwrap());
        held.shrink_to(UNIT);
        drop(room.take_for(ours, 4 * UNIT, NOW).await.unwrap());
        assert!(
            room.take_for(theirs, usize::MAX, NOW).await.is_ok(),
            "more than there is is all of the half"
        );
    }

    #[test]
    fn the_least_budget_has_room_for_the_largest_batch() {
        for limit in [1, 1 << 20, 16 << 20, 1 << 30] {
            let budget = Budget::new(Budget::least(limit));
            assert!(budget.work.all * UNIT >= work_bytes(limit, true), "{limit}");
            assert!(budget.bodies.all / 2 * UNIT >= limit, "{limit}");
        }
    }
}
