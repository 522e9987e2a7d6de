//! Simulated services that refuse requests in different ways.

use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::gate::Time;

/// The service's clock at the begin of a simulation with phase zero.
const BEGIN: Duration = Duration::from_secs(1_784_111_820);

const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");

/// The way in which a refusal says when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    None,
    RetryAfter,
    HttpDate,
    UnixSeconds,
    UnixMilliseconds,
    FromNow,
}

/// The limit of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// No limit, but one outage of that length, which begins somewhere in the first part of the run.
    Block(Duration),
    /// A fixed window: so many requests from one full minute to the next.
    Windows(u32),
    /// So many requests at the same time.
    AtOnce(usize),
    /// A token bucket: so many requests a minute come back one by one, and at most `burst` gather.
    Bucket { a_minute: u32, burst: u32 },
}

/// The fixed properties of a service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) limit: Limit,
    pub(super) clock: Clock,
    /// Whether the last success for now says so, and when to come back, in the same way as refusals do.
    pub(super) counts_down: bool,
    /// Whether another client uses half of the limit. It sends a request at regular times; one for which there is no
    /// place takes the next free place.
    pub(super) is_shared: bool,
    /// When the limit is lifted.
    pub(super) lifted_at: Option<Time>,
    /// How many of a thousand requests fail with 500.
    pub(super) fails: u32,
    /// How many of a thousand requests are refused for a second, at random, whatever the pace.
    pub(super) refuses: u32,
}

/// An answer. A client sees only the headers of it.
pub(super) enum Answer {
    Served(HeaderMap),
    Refused(HeaderMap),
    Failed,
}

/// The state of a service during a run.
pub(super) struct Service {
    kind: Kind,
    phase: Duration,
    /// When the outage begins.
    block_start: Time,
    under_way: usize,
    /// For a fixed window: the present window, and the requests left in it. A negative number is owed to the other
    /// client.
    window: u64,
    left: i64,
    /// For a token bucket: when it is full again.
    full_at: Duration,
    /// The time between two requests of the other client, and its next request.
    beat: Time,
    other: Time,
    random: fastrand::Rng,
}

const MINUTE: Duration = Duration::from_secs(60);

/// A random part of a span.
pub(super) fn part_of(span: Duration, random: &mut fastrand::Rng) -> Duration {
    Duration::from_micros(random.u64(0..=u64::try_from(span.as_micros()).unwrap()))
}

impl Service {
    pub(super) fn new(kind: Kind, phase: Duration, block_start: Time, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let beat = part_of(kind.beat(), &mut random);
        Self {
            kind,
            phase,
            block_start,
            under_way: 0,
            window: 0,
            left: 0,
            full_at: Duration::ZERO,
            beat,
            other: beat,
            random,
        }
    }

    /// Notes that the last byte of an answer is sent.
    pub(super) fn sent(&mut self) {
        self.under_way -= 1;
    }

    /// Answers a request that comes now.
    pub(super) fn answer(&mut self, now: Time) -> Answer {
        self.under_way += 1;
        if self.random.u32(0..1000) < self.kind.fails {
            return Answer::Failed;
        }
        if self.kind.refuses > 0 && self.random.u32(0..1000) < self.kind.refuses {
            return Answer::Refused(self.said(now, now + Duration::from_secs(1)));
        }
        match self.closed_until(now) {
            Some(until) => Answer::Refused(self.said(now, until)),
            None => {
                self.take(now);
                let mut headers = HeaderMap::new();
                if let Some(until) = self.closed_until(now).filter(|_| self.kind.counts_down) {
                    headers = self.said(now, until);
                    headers.remove(RETRY_AFTER);
                    headers.insert(REMAINING, HeaderValue::from_static("0"));
                }
                Answer::Served(headers)
            }
        }
    }

    /// Takes a request as soon as possible from `now` on. This is what a client that knows everything could do.
    pub(super) fn take_first(&mut self, mut now: Time) -> Time {
        while let Some(until) = self.closed_until(now) {
            now = until;
        }
        self.take(now);
        now
    }

    fn clock(&self, now: Time) -> Duration {
        BEGIN + self.phase + now
    }

    /// When the next request is taken, unless it is now.
    fn closed_until(&mut self, now: Time) -> Option<Time> {
        while self.kind.is_shared && self.other <= now {
            let at = self.other;
            self.take(at);
            self.beat += self.kind.beat();
            self.other = self.beat + part_of(self.kind.beat() / 5, &mut self.random);
        }
        if self.kind.lifted_at.is_some_and(|at| at <= now) {
            return None;
        }
        let clock = self.clock(now);
        let until = match self.kind.limit {
            Limit::Block(length) => {
                let is_blocked = (self.block_start..self.block_start + length).contains(&now);
                return is_blocked.then(|| self.block_start + length);
            }
            Limit::AtOnce(most) => {
                return (self.under_way > most).then(|| now + Duration::from_millis(50));
            }
            Limit::Windows(served) => {
                self.turn(clock, served);
                if self.left > 0 { clock } else { MINUTE * u32::try_from(self.window + 1).unwrap() }
            }
            // The bucket has room for a request when it is full again soon enough.
            Limit::Bucket { a_minute, burst } => {
                self.full_at.max(clock) + MINUTE / a_minute - MINUTE / a_minute * burst
            }
        };
        (until > clock).then(|| now + (until - clock))
    }

    fn take(&mut self, now: Time) {
        let clock = self.clock(now);
        match self.kind.limit {
            Limit::Block(_) | Limit::AtOnce(_) => {}
            Limit::Windows(served) => {
                self.turn(clock, served);
                self.left -= 1;
            }
            Limit::Bucket { a_minute, .. } => self.full_at = self.full_at.max(clock) + MINUTE / a_minute,
        }
    }

    fn turn(&mut self, clock: Duration, served: u32) {
        let window = clock.as_secs() / 60;
        if window != self.window {
            // Each window that begins pays off the debt, also a window without requests. Otherwise a client that waits
            // for two windows would find the second one used up by a debt that the first one has paid.
            let passed = i64::try_from(window - self.window).unwrap();
            self.left = (self.left + i64::from(served) * (passed - 1)).min(0) + i64::from(served);
            self.window = window;
        }
    }

    /// The true time to come back, in the precision of the service's clock: never too early.
    fn said(&self, now: Time, until: Time) -> HeaderMap {
        let (clock, until) = (self.clock(now), self.clock(until));
        let whole_s = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
        let date = |unix_s| httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(unix_s));
        let (name, value) = match self.kind.clock {
            Clock::None => return HeaderMap::new(),
            Clock::RetryAfter => (RETRY_AFTER, whole_s(until - clock).to_string()),
            Clock::HttpDate => (RETRY_AFTER, date(whole_s(until))),
            Clock::UnixSeconds => (RESET_REQUESTS, whole_s(until).to_string()),
            Clock::UnixMilliseconds => (RESET_REQUESTS, until.as_nanos().div_ceil(1_000_000).to_string()),
            Clock::FromNow => (RESET_TOKENS, whole_s(until - clock).to_string()),
        };
        let text = |value: String| HeaderValue::try_from(value).unwrap();
        HeaderMap::from_iter([(DATE, text(date(clock.as_secs()))), (name, text(value))])
    }
}

impl Kind {
    /// The time between two requests of the other client.
    fn beat(&self) -> Duration {
        match self.limit {
            Limit::Block(_) | Limit::AtOnce(_) => MINUTE,
            Limit::Windows(a_minute) | Limit::Bucket { a_minute, .. } => MINUTE / a_minute * 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Named after what broke: the debt of a window stayed until somebody asked, and then took the place of that window.
    #[test]
    fn what_the_other_client_is_owed_is_paid_by_the_next_window_even_when_nobody_asks_in_it() {
        let limit = Limit::Windows(1);
        let kind = Kind {
            limit,
            clock: Clock::None,
            counts_down: false,
            is_shared: false,
            lifted_at: None,
            fails: 0,
            refuses: 0,
        };
        let mut service = Service::new(kind, Duration::ZERO, Time::ZERO, 1);
        service.take(Duration::from_secs(1));
        service.take(Duration::from_secs(2));
        assert_eq!(service.closed_until(Duration::from_secs(3)), Some(MINUTE));
        assert_eq!(service.closed_until(MINUTE * 2), None);
    }
}
