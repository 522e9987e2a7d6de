//! One gate for all requests of a client: how many at a time, and not before when.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Mutex as Queue, Notify};
use tokio::time::Instant;

/// Requests of one client at the same time, at the very most.
pub(crate) const MAX_CONCURRENCY: u32 = 16;

/// Pages without a refusal after which one request more may be under way.
const CLEAN_PAGES: u32 = 20;

/// Requests that are so close need no spacing.
const LEAST_SPACING: Duration = Duration::from_millis(100);

/// Failed requests in [`FAILURE_SPAN`] that are never exceeded. The service blocks a caller after more than 20 in 30 s
/// (`docs/upstream-api.md`, HTTP), and this client need not be the only one with its key.
const MAX_FAILURES: usize = 16;

/// A second longer than the service's 30 s, for the way of the answers.
const FAILURE_SPAN: Duration = Duration::from_secs(31);

/// How a request ended, as far as the gate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A page. With the time until the service takes another, when this was the last that it takes for now.
    Page(Option<Duration>),
    /// Refused for coming too often: nobody comes back before that time.
    Throttled(Duration),
    /// Counts against the caller.
    Failed,
    /// Broke off on the way, which the service does not count.
    Broken,
}

/// Whether one more request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Admission {
    Now,
    /// Not before this instant.
    At(Instant),
    /// When one that is under way has ended.
    AfterAnother,
}

/// The state of the gate: pure, with the time passed in.
#[derive(Debug)]
struct Gate {
    /// Requests that may be under way.
    limit: u32,
    under_way: u32,
    /// Pages since the last refusal or raise.
    clean_pages: u32,
    /// Refusals so far that lowered the limit. Those of requests that were sent before the last one do not again.
    lowered: u64,
    not_before: Option<Instant>,
    /// Time between two requests, for a service that takes no more than one in that time.
    spacing: Duration,
    last_page: Option<Instant>,
    /// The latest instant until which the observer knows that nothing is sent.
    announced: Option<Instant>,
    /// When requests failed, oldest first; only the latest [`FAILURE_SPAN`].
    failures: VecDeque<Instant>,
}

impl Gate {
    fn new() -> Self {
        Self {
            limit: MAX_CONCURRENCY,
            under_way: 0,
            clean_pages: 0,
            lowered: 0,
            not_before: None,
            spacing: Duration::ZERO,
            last_page: None,
            announced: None,
            failures: VecDeque::new(),
        }
    }

    fn admission(&mut self, now: Instant) -> Admission {
        if let Some(at) = self.not_before.filter(|at| *at > now) {
            return Admission::At(at);
        }
        if self.under_way >= self.limit {
            return Admission::AfterAnother;
        }
        while self.failures.front().is_some_and(|at| *at + FAILURE_SPAN <= now) {
            self.failures.pop_front();
        }
        // Whatever is under way may fail too.
        match self.failures.front() {
            Some(oldest) if self.failures.len() + self.under_way as usize >= MAX_FAILURES => {
                match self.under_way {
                    0 => Admission::At(*oldest + FAILURE_SPAN),
                    _ => Admission::AfterAnother,
                }
            }
            _ => Admission::Now,
        }
    }

    /// Notes the end of a request that was sent when the limit had been lowered `lowered` times. True for a refusal that
    /// is not one more of the same burst.
    fn end(&mut self, outcome: Outcome, lowered: u64, now: Instant) -> bool {
        self.under_way -= 1;
        match outcome {
            Outcome::Page(wait) => {
                self.clean_pages += 1;
                self.last_page = Some(now);
                if self.clean_pages >= CLEAN_PAGES {
                    self.clean_pages = 0;
                    match self.spacing {
                        Duration::ZERO => self.limit = (self.limit + 1).min(MAX_CONCURRENCY),
                        spacing if spacing < LEAST_SPACING => self.spacing = Duration::ZERO,
                        spacing => self.spacing = spacing / 2,
                    }
                }
                let wait = wait.unwrap_or_default().max(self.spacing);
                if !wait.is_zero() {
                    self.not_before = self.not_before.max(Some(now + wait));
                }
            }
            Outcome::Throttled(wait) => {
                self.failures.push_back(now);
                let is_one_at_a_time = self.limit == 1 && self.clean_pages <= 1 && self.lowered > 0;
                if let Some(last_page) = self.last_page.filter(|_| is_one_at_a_time) {
                    // One page, and refused again: the service takes one request in the time from that page to the end of
                    // the wait, and asking sooner would be refused each time.
                    self.spacing = self.spacing.max(now + wait - last_page);
                }
                self.clean_pages = 0;
                self.not_before = self.not_before.max(Some(now + wait));
                if lowered == self.lowered {
                    // Half of those that were too many, this one among them.
                    self.limit = self.limit.min(self.under_way + 1).div_ceil(2);
                    self.lowered += 1;
                    self.announced = self.not_before;
                    return true;
                }
            }
            Outcome::Failed => {
                self.failures.push_back(now);
                self.clean_pages = 0;
            }
            Outcome::Broken => {}
        }
        false
    }
}

/// The gate, shared by every request of a client.
#[derive(Debug)]
pub(crate) struct Limiter {
    gate: Mutex<Gate>,
    /// Held by the request whose turn is next: first come, first served.
    queue: Queue<()>,
    ended: Notify,
    /// How far waits have brought us, whatever the clock says: a wait need not be the clock's.
    waited_until: Mutex<Option<Instant>>,
}

impl Limiter {
    pub(crate) fn new() -> Self {
        Self {
            gate: Mutex::new(Gate::new()),
            queue: Queue::new(()),
            ended: Notify::new(),
            waited_until: Mutex::new(None),
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
                    gate.under_way += 1;
                    return Permit { limiter: Arc::clone(self), lowered: gate.lowered, open: true };
                }
                admission
            };
            match admission {
                Admission::At(at) => {
                    let known = locked(&self.gate).announced.replace(at);
                    sleep(at - now, known.is_none_or(|known| known < at)).await;
                    let mut waited_until = locked(&self.waited_until);
                    *waited_until = waited_until.max(Some(at));
                }
                Admission::AfterAnother | Admission::Now => ended.await,
            }
        }
    }

    fn now(&self) -> Instant {
        locked(&self.waited_until).map_or_else(Instant::now, |waited_until| waited_until.max(Instant::now()))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    lowered: u64,
    open: bool,
}

impl Permit {
    /// Notes how the request ended. True for a refusal that is not one more of the same burst.
    pub(crate) fn end(mut self, outcome: Outcome) -> bool {
        self.close(outcome)
    }

    fn close(&mut self, outcome: Outcome) -> bool {
        if !std::mem::take(&mut self.open) {
            return false;
        }
        let now = self.limiter.now();
        let is_news = locked(&self.limiter.gate).end(outcome, self.lowered, now);
        // Only the head of the queue listens; the notice is kept for it when it does not yet.
        self.limiter.ended.notify_one();
        is_news
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

    /// Sends as many as the gate takes at this instant.
    fn fill(gate: &mut Gate, now: Instant) -> u32 {
        let before = gate.under_way;
        while gate.admission(now) == Admission::Now {
            gate.under_way += 1;
        }
        gate.under_way - before
    }

    #[test]
    fn refusals_halve_once_a_burst_and_pages_raise_by_one() {
        let start = Instant::now();
        let mut gate = Gate::new();
        for _ in 0..8 {
            gate.under_way += 1;
        }
        // All eight were sent before the first refusal came back: one burst.
        let news: Vec<_> = (0..3).map(|_| gate.end(Outcome::Throttled(S(2)), 0, start)).collect();
        assert_eq!(news, [true, false, false]);
        (0..5).for_each(|_| assert!(!gate.end(Outcome::Page(None), 0, start)));
        assert_eq!(gate.limit, 4);
        assert_eq!(gate.admission(start), Admission::At(start + S(2)));
        assert_eq!(fill(&mut gate, start + S(2)), 4);
        gate.end(Outcome::Throttled(S(1)), 1, start + S(3));
        assert_eq!(gate.limit, 2);
        gate.end(Outcome::Throttled(S(1)), 1, start + S(3));
        assert_eq!(gate.limit, 2, "of the same burst");
        for _ in 0..CLEAN_PAGES * 3 {
            gate.end(Outcome::Page(None), 2, start + S(5));
            gate.under_way += 1;
        }
        assert_eq!(gate.limit, 5);
    }

    #[test]
    fn one_request_at_a_time_is_the_least() {
        let start = Instant::now();
        let mut gate = Gate::new();
        for burst in 0..5 {
            gate.under_way = 1;
            gate.end(Outcome::Throttled(Duration::ZERO), burst, start);
            assert_eq!(gate.limit, 1);
        }
    }

    #[test]
    fn a_service_of_one_request_a_minute_is_asked_once_a_minute() {
        let mut now = Instant::now();
        let mut gate = Gate::new();
        let (mut last_taken, mut taken, mut refused) = (None, 0, 0);
        while taken < 100 {
            match gate.admission(now) {
                Admission::Now => gate.under_way += 1,
                Admission::At(at) => now = at,
                Admission::AfterAnother => {}
            }
            while gate.under_way > 0 {
                let lowered = gate.lowered;
                let left = last_taken
                    .map_or(Duration::ZERO, |at: Instant| (at + S(60)).saturating_duration_since(now));
                if left.is_zero() {
                    (last_taken, taken) = (Some(now), taken + 1);
                    gate.end(Outcome::Page(None), lowered, now);
                } else {
                    refused += 1;
                    gate.end(Outcome::Throttled(left), lowered, now);
                }
            }
        }
        // It is tried now and then whether the service takes more.
        assert!(refused <= 2 + taken / CLEAN_PAGES, "{refused}");
    }

    #[test]
    fn a_service_that_takes_no_more_for_now_is_not_asked() {
        let start = Instant::now();
        let mut gate = Gate::new();
        gate.under_way = 2;
        gate.end(Outcome::Page(Some(S(60))), 0, start);
        gate.end(Outcome::Page(Some(S(10))), 0, start);
        assert_eq!(gate.admission(start + S(59)), Admission::At(start + S(60)));
        assert_eq!(gate.admission(start + S(60)), Admission::Now);
    }

    /// Whatever is answered, no 30 seconds have more than 20 failures.
    #[test]
    fn failures_are_never_too_many() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(7);
        for concurrency in 1..=MAX_CONCURRENCY {
            let mut gate = Gate::new();
            gate.limit = concurrency;
            let mut now = start;
            let mut failed: Vec<Instant> = Vec::new();
            for _ in 0..2000 {
                match gate.admission(now) {
                    Admission::Now if random.u32(0..3) > 0 => gate.under_way += 1,
                    Admission::At(at) => now = at,
                    _ if gate.under_way > 0 => {
                        now += Duration::from_millis(random.u64(0..50));
                        failed.push(now);
                        gate.end(Outcome::Failed, 0, now);
                    }
                    _ => now += Duration::from_millis(1),
                }
            }
            assert!(failed.len() > 500);
            for (index, at) in failed.iter().enumerate() {
                let within = failed[index..].iter().take_while(|later| **later - *at <= S(30)).count();
                assert!(within <= 20, "{concurrency}: {within}");
            }
        }
    }

    #[tokio::test]
    async fn first_come_first_served_and_a_wait_that_takes_no_time_ends() {
        let limiter = Arc::new(Limiter::new());
        let no_time = |_, _| std::future::ready(());
        limiter.admit(no_time).await.end(Outcome::Throttled(S(900)));
        let first = limiter.admit(no_time).await;
        let waiting = tokio::spawn({
            let limiter = Arc::clone(&limiter);
            async move { limiter.admit(no_time).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished(), "one at a time after a refusal");
        drop(first);
        drop(waiting.await.unwrap());
        assert!(limiter.now() >= Instant::now() + S(890));
    }
}
