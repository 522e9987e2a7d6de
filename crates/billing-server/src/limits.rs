//! How often a caller may ask, and how often it may fail. Pure states: the time is passed in.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A rate is so many requests in this time.
const RATE_SPAN: Duration = Duration::from_secs(60);

/// Failures are counted over this time. With more than the limit, the caller is blocked for as long.
const FAILURE_SPAN: Duration = Duration::from_secs(30);

/// The most callers that are remembered, which take a few MiB. Beyond that, those that were quiet longest are
/// forgotten.
const CALLERS: usize = 10_000;

/// Who asks, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Caller {
    /// The id of a key that is in force.
    Key(String),
    /// Somebody without one, from this address.
    Stranger(IpAddr),
}

/// Where a key stands with its rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Until the count begins anew.
    pub(crate) resets_in: Duration,
    /// False for the request that was one too many.
    pub(crate) is_within: bool,
}

/// Counts requests per minute. A minute begins with the first request after the last one ended.
pub(crate) struct RateLimit {
    limit: NonZeroU32,
    windows: Mutex<Callers<String, Window>>,
}

#[derive(Clone, Copy)]
struct Window {
    began: Instant,
    requests: u32,
}

impl RateLimit {
    pub(crate) fn new(limit: NonZeroU32) -> Self {
        Self { limit, windows: Mutex::default() }
    }

    /// Counts a request of a key.
    pub(crate) fn count(&self, key_id: &str, now: Instant) -> Rate {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Window { began: now, requests: 0 };
        let window = windows.entry(key_id.to_owned(), now, fresh);
        if now.saturating_duration_since(window.began) >= RATE_SPAN {
            *window = fresh;
        }
        let limit = self.limit.get();
        let is_within = window.requests < limit;
        if is_within {
            window.requests += 1;
        }
        let passed = now.saturating_duration_since(window.began);
        Rate {
            limit,
            remaining: limit - window.requests,
            resets_in: RATE_SPAN.saturating_sub(passed),
            is_within,
        }
    }
}

/// Blocks who fails too often.
pub(crate) struct FailureLimit {
    limit: NonZeroU32,
    failures: Mutex<Callers<Caller, Failures>>,
}

#[derive(Clone, Default)]
struct Failures {
    lately: VecDeque<Instant>,
    blocked_until: Option<Instant>,
}

impl FailureLimit {
    pub(crate) fn new(limit: NonZeroU32) -> Self {
        Self { limit, failures: Mutex::default() }
    }

    /// How much longer a caller is blocked.
    pub(crate) fn is_blocked(&self, caller: &Caller, now: Instant) -> Option<Duration> {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let until = failures.known.get(caller)?.0.blocked_until?;
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }

    /// Counts a request that failed. Failures of a caller that is blocked do not make the block longer.
    pub(crate) fn count(&self, caller: Caller, now: Instant) {
        let mut all = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failures = all.entry(caller, now, Failures::default());
        if failures.blocked_until.is_some_and(|until| now < until) {
            return;
        }
        failures.lately.push_back(now);
        while failures.lately.front().is_some_and(|at| now.saturating_duration_since(*at) >= FAILURE_SPAN) {
            failures.lately.pop_front();
        }
        if failures.lately.len() > self.limit.get() as usize {
            *failures = Failures { lately: VecDeque::new(), blocked_until: Some(now + FAILURE_SPAN) };
        }
    }
}

/// What is known of callers, and when each was last heard of.
struct Callers<K, V> {
    known: HashMap<K, (V, Instant)>,
}

impl<K, V> Default for Callers<K, V> {
    fn default() -> Self {
        Self { known: HashMap::new() }
    }
}

impl<K: Eq + Hash + Clone, V> Callers<K, V> {
    fn entry(&mut self, caller: K, now: Instant, fresh: V) -> &mut V {
        if self.known.len() >= CALLERS && !self.known.contains_key(&caller) {
            self.forget(now);
        }
        let (value, heard) = self.known.entry(caller).or_insert((fresh, now));
        *heard = now;
        value
    }

    /// Forgets callers whose counts are over. If there are none, it forgets the half that was quiet longest. A crowd of
    /// strangers must not fill the memory.
    fn forget(&mut self, now: Instant) {
        self.known.retain(|_, (_, heard)| now.saturating_duration_since(*heard) < RATE_SPAN);
        if self.known.len() >= CALLERS {
            let mut heard: Vec<_> = self.known.values().map(|(_, heard)| *heard).collect();
            let (_, middle, _) = heard.select_nth_unstable(CALLERS / 2);
            let middle = *middle;
            self.known.retain(|_, (_, heard)| *heard > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn limit(limit: u32) -> NonZeroU32 {
        NonZeroU32::new(limit).unwrap()
    }

    #[test]
    fn a_key_has_its_requests_a_minute_and_no_other_keys() {
        let (rates, start) = (RateLimit::new(limit(2)), Instant::now());
        let rate =
            |remaining, seconds, is_within| Rate { limit: 2, remaining, resets_in: seconds * S, is_within };
        assert_eq!(rates.count("a", start), rate(1, 60, true));
        assert_eq!(rates.count("b", start + 5 * S), rate(1, 60, true));
        assert_eq!(rates.count("a", start + 10 * S), rate(0, 50, true));
        assert_eq!(rates.count("a", start + 59 * S), rate(0, 1, false));
        assert_eq!(rates.count("a", start + 60 * S), rate(1, 60, true));
        assert_eq!(rates.count("b", start + 64 * S), rate(0, 1, true));
    }

    #[test]
    fn one_failure_too_many_blocks_for_a_while() {
        let (failures, start) = (FailureLimit::new(limit(2)), Instant::now());
        let ours = || Caller::Key("ours".to_owned());
        let theirs = Caller::Stranger([127, 0, 0, 1].into());
        for at in [start, start + S] {
            failures.count(ours(), at);
            assert_eq!(failures.is_blocked(&ours(), at), None);
        }
        failures.count(ours(), start + 29 * S);
        assert_eq!(failures.is_blocked(&ours(), start + 30 * S), Some(29 * S));
        assert_eq!(failures.is_blocked(&theirs, start + 30 * S), None);
        failures.count(ours(), start + 58 * S);
        assert_eq!(failures.is_blocked(&ours(), start + 59 * S), None, "no failure makes it longer");
    }

    #[test]
    fn failures_of_long_ago_do_not_count() {
        let (failures, start) = (FailureLimit::new(limit(2)), Instant::now());
        let ours = || Caller::Key("ours".to_owned());
        for n in 0..40 {
            failures.count(ours(), start + n * 15 * S);
            assert_eq!(failures.is_blocked(&ours(), start + n * 15 * S), None);
        }
    }

    #[test]
    fn a_crowd_does_not_fill_the_memory() {
        let (failures, start) = (FailureLimit::new(limit(2)), Instant::now());
        for n in 0..30_000u32 {
            failures.count(
                Caller::Stranger(std::net::Ipv4Addr::from_bits(n).into()),
                start + n * Duration::from_micros(1),
            );
        }
        assert!(failures.failures.lock().unwrap().known.len() <= CALLERS);
    }
}
