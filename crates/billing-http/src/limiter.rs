//! One gate for all requests of a client: how many at a time, and not before when.
//!
//! The gate is a pure state with the time passed in, `gate.rs`; what it believes of the service's pace is in `pace.rs`. Here
//! is what is not pure: the queue in front of it, the clock, and the waiting.

mod failures;
mod gate;
mod pace;
#[cfg(test)]
mod services;
#[cfg(test)]
mod simulation;
mod width;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Queue, Notify};
use tokio::time::Instant;

use gate::{Admission, Gate, Ticket, Time};
pub(crate) use gate::{Outcome, Probing, Refusal};

use crate::retry::RetryPolicy;
pub(crate) use width::MAX_CONCURRENCY;

/// The gate, shared by every request of a client.
#[derive(Debug)]
pub(crate) struct Limiter {
    gate: Mutex<Gate>,
    /// Held by the request whose turn is next: first come, first served.
    queue: Queue<()>,
    ended: Notify,
    start: Instant,
    /// How far waits have brought us, whatever the clock says: a wait need not be the clock's.
    waited_until: Mutex<Time>,
    /// The latest instant until which the observer knows that nothing is sent.
    announced: Mutex<Time>,
}

impl Probing {
    pub(crate) fn of(policy: &RetryPolicy) -> Self {
        // Without any wait a service that refuses for ever would be asked as fast as it answers.
        Self { first: policy.throttled_base.max(Duration::from_millis(1)), longest: policy.max_delay }
    }
}

impl Limiter {
    pub(crate) fn new(probing: Probing) -> Self {
        Self {
            gate: Mutex::new(Gate::new(probing)),
            queue: Queue::new(()),
            ended: Notify::new(),
            start: Instant::now(),
            waited_until: Mutex::default(),
            announced: Mutex::default(),
        }
    }

    /// Waits until one more request may be sent. `sleep` is given each time to wait, and whether that is news, and returns
    /// after it.
    pub(crate) async fn admit<S: Future<Output = ()>>(
        self: &Arc<Self>,
        sleep: impl Fn(Duration, bool) -> S,
    ) -> Permit {
        let _turn = self.queue.lock().await;
        loop {
            let ended = self.ended.notified();
            let now = self.now();
            let admission = {
                let mut gate = locked(&self.gate);
                let admission = gate.admission(now);
                if admission == Admission::Now {
                    return Permit { limiter: Arc::clone(self), ticket: Some(gate.begin(now)) };
                }
                admission
            };
            match admission {
                Admission::At(at) => {
                    sleep(at - now, self.announce(at)).await;
                    let mut waited_until = locked(&self.waited_until);
                    *waited_until = at.max(*waited_until);
                }
                Admission::AfterAnother | Admission::Now => ended.await,
            }
        }
    }

    /// True when that is news to the observer.
    fn announce(&self, until: Time) -> bool {
        let mut announced = locked(&self.announced);
        let is_news = *announced < until;
        *announced = until.max(*announced);
        is_news
    }

    fn now(&self) -> Time {
        self.start.elapsed().max(*locked(&self.waited_until))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    /// Nothing when it has ended.
    ticket: Option<Ticket>,
}

impl Permit {
    /// Notes how the request ended.
    pub(crate) fn end(mut self, outcome: Outcome) -> Refusal {
        self.close(outcome)
    }

    fn close(&mut self, outcome: Outcome) -> Refusal {
        let Some(ticket) = self.ticket.take() else { return Refusal::default() };
        let now = self.limiter.now();
        let refusal = locked(&self.limiter.gate).end(&ticket, outcome, now);
        if refusal.is_news {
            // Whoever hears of the refusal hears how long it is waited for.
            self.limiter.announce(now + refusal.wait);
        }
        // Only the head of the queue listens; the notice is kept for it when it does not yet.
        self.limiter.ended.notify_one();
        refusal
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // A request that was given up.
        self.close(Outcome::Broken);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[tokio::test]
    async fn first_come_first_served_and_a_wait_that_takes_no_time_ends() {
        let limiter = Arc::new(Limiter::new(Probing { first: S(1), longest: S(20) }));
        let no_time = |_, _| std::future::ready(());
        let refused = Outcome::Refused { clock: Some(S(900)), is_counted: false };
        limiter.admit(no_time).await.end(refused);
        let first = limiter.admit(no_time).await;
        let waiting = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.admit(no_time).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "one at a time after a refusal");
        drop(first);
        drop(waiting.await.unwrap());
        assert!(limiter.now() >= S(890));
    }
}
