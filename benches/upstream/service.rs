//! Answers the upstream's requests and counts them. The testkit does the connections.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use billing_testkit::{Reply, Request, Upstream};

use crate::ledger::Ledger;

/// A ledger, the latency of its answers, and counts of requests.
pub(crate) struct Service {
    ledger: Ledger,
    latency: Duration,
    /// How long requests hang that the real service does not answer well; `None` when none hangs.
    hang: Option<Duration>,
    requests: AtomicU64,
    hung: AtomicU64,
    bytes: AtomicU64,
}

/// Counts since the last call of [`Service::take_counts`].
pub(crate) struct Counts {
    pub(crate) requests: u64,
    /// The most requests at the same time.
    pub(crate) most_held: u64,
    /// Bytes of the answers' bodies.
    pub(crate) bytes: u64,
    /// Requests that hung: they were answered with 500 after a long time, or the client did not wait for that.
    pub(crate) hung: u64,
}

impl Service {
    pub(crate) fn new(ledger: Ledger, latency: Duration, hang: Option<Duration>) -> Self {
        let zero = || AtomicU64::new(0);
        Self { ledger, latency, hang, requests: zero(), hung: zero(), bytes: zero() }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The counts since the last call. `upstream` is the server that this service answers for.
    pub(crate) fn take_counts(&self, upstream: &Upstream) -> Counts {
        let take = |count: &AtomicU64| count.swap(0, Relaxed);
        let most_held = upstream.most_at_once() as u64;
        upstream.forget();
        Counts { requests: take(&self.requests), most_held, bytes: take(&self.bytes), hung: take(&self.hung) }
    }

    pub(crate) fn answer(&self, request: &Request) -> Reply {
        let Request { path, query, .. } = request;
        self.requests.fetch_add(1, Relaxed);
        let reply = match self.hang.filter(|_| self.ledger.is_narrow_or_empty(path, query)) {
            Some(hang) => {
                self.hung.fetch_add(1, Relaxed);
                Reply::error(500, "Internal server error").after(hang)
            }
            None => self.ledger.answer(path, query).after(self.latency),
        };
        // Counted before the answer is sent, so that a client which has the answer finds it in the counts.
        self.bytes.fetch_add(reply.body().len() as u64, Relaxed);
        // Answers have a `Date`, as those of every service.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        reply.dated(now.map_or(0, |now| now.as_secs()))
    }
}
