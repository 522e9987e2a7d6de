//! The limiter: how many requests of a client may be under way, and when the next one may be sent.
//!
//! The decisions are made by `gate.rs`, a pure state with the time passed in. `pace.rs` has what the gate believes about the
//! service's limit. This file has what is not pure: the queue in front of the gate, the clock, and the waiting.

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

/// The limiter that all requests of a client share.
#[derive(Debug)]
pub(crate) struct Limiter {
    gate: Mutex<Gate>,
    /// Held by the request whose turn is next: first come, first served.
    queue: Queue<()>,
    ended: Notify,
    start: Instant,
    /// The latest instant that was waited for. It counts as now even when the clock says less, because the function that
    /// waits is the caller's and may return without waiting.
    waited_until: Mutex<Time>,
    /// The latest instant until which the observer knows that nothing is sent.
    announced: Mutex<Time>,
}

impl Probing {
    pub(crate) fn of(policy: &RetryPolicy) -> Self {
        // With a wait of zero, a service that always refuses would be asked as fast as it answers.
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

    /// Waits until one more request may be sent. `sleep` gets the time to wait, and whether the observer has not heard of it
    /// yet; it returns when the time has passed.
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

    /// Notes that nothing is sent until then. Returns true when the observer has not heard of it yet.
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
    /// `None` once the request has ended.
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
            // The event of the refusal tells this wait already.
            self.limiter.announce(now + refusal.wait);
        }
        // Only the head of the queue listens. `notify_one` keeps the notice until it does.
        self.limiter.ended.notify_one();
        refusal
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // The request was dropped before it ended. After `end` there is no ticket, and nothing happens.
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
