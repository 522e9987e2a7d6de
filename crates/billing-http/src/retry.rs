//! Decides whether a failed request is tried again, and when: plain data and a pure function.

use std::time::Duration;

/// How often and how long a client tries. The default is meant for exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The most tries of one request, the first included. Refusals for too many requests do not count, and are bounded
    /// by time alone ([`RetryPolicy::budget`]): a limit of one request a minute, or a block of a minute, is no reason
    /// to give up.
    pub max_tries: u32,
    /// The least time for which a request is tried, however many tries that takes, when a service that has served one
    /// before breaks off, refuses the connection or answers 503. A restart takes its time, and the waits between tries
    /// are random.
    pub outage: Duration,
    /// The most tries to connect to a service that has not answered this client yet. They are enough for a service that
    /// is being started. They are few, because no work is lost yet by giving up.
    pub first_contact_tries: u32,
    /// The most tries of a request whose answer is not the API's.
    pub not_the_api_tries: u32,
    /// Tries of a request that fails on the service's side (500, 502, 504, 520 to 530), after which a walk asks in
    /// another way.
    pub tries_before_narrowing: u32,
    /// Tries of a request that takes longer than its time, or fails after ten seconds or more, after which a walk asks in
    /// another way.
    pub timeouts_before_narrowing: u32,
    /// The most time for one request, tries and waits together; also the most time in which a service may refuse every
    /// request of a client.
    pub budget: Duration,
    /// The same, as long as the service has not answered any request of this client. A machine that takes connections
    /// and never answers is more likely the wrong machine than a slow service.
    pub first_answer_budget: Duration,
    /// The longest wait that a service may ask for. A request for which it asks a longer one is given up.
    pub max_wait: Duration,
    /// The first wait after a failed connection to a service that has not answered yet. It doubles with every try.
    pub first_contact_base: Duration,
    /// The first wait after any other fault. It doubles with every try.
    pub transient_base: Duration,
    /// The first wait after a refusal for too many requests, when the service does not say how long to wait. Then one
    /// request at a time probes the service while all others of the client wait. Each wait is half as long again as the
    /// one before.
    pub throttled_base: Duration,
    /// The longest wait that the client makes of itself. The service may ask for a longer one.
    pub max_delay: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_tries: 10,
            outage: Duration::from_secs(30),
            first_contact_tries: 5,
            not_the_api_tries: 3,
            tries_before_narrowing: 5,
            timeouts_before_narrowing: 2,
            budget: Duration::from_secs(30 * 60),
            first_answer_budget: Duration::from_secs(120),
            max_wait: Duration::from_secs(15 * 60),
            first_contact_base: Duration::from_millis(500),
            transient_base: Duration::from_millis(50),
            throttled_base: Duration::from_millis(500),
            max_delay: Duration::from_secs(20),
        }
    }
}

/// How a try failed, as far as it matters for another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// A passing fault: no connection, a cut body, a timeout, 408, 425, and every 5xx but 501, 505 and 511.
    Transient,
    /// No connection, to a service that has not answered this client yet.
    NoFirstContact,
    /// A connection but no answer, from a service that has not answered this client yet.
    NoFirstAnswer,
    /// Too many requests: 429, or 503 with a time to come back.
    Throttled,
    /// A success that is not the API's, such as HTML or an empty body.
    NotTheApi,
    /// A failure that another try would not change.
    Fatal,
}

/// What to do after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Wait this long, then try again.
    RetryAfter(Duration),
    /// Give up.
    GiveUp,
}

impl RetryPolicy {
    /// Decides what to do after try number `tries` (from 1), which failed `elapsed` after the first one began.
    ///
    /// The wait is a random part of a delay that doubles with every try (full jitter; `random` is uniform over all of
    /// `u32`), and never shorter than what the service asked for. After a refusal for too many requests it is exactly
    /// what the service asked for, or nothing: the client's limiter adds its own wait.
    ///
    /// ```
    /// use billing_http::{Class, Decision, RetryPolicy};
    /// use std::time::Duration;
    /// let policy = RetryPolicy::default();
    /// let asked = Some(Duration::from_secs(30));
    /// assert_eq!(
    ///     policy.decide(Class::Throttled, 1, Duration::ZERO, asked, 0),
    ///     Decision::RetryAfter(Duration::from_secs(30)),
    /// );
    /// assert_eq!(policy.decide(Class::Transient, 10, Duration::ZERO, None, 0), Decision::GiveUp);
    /// ```
    pub fn decide(
        &self,
        class: Class,
        tries: u32,
        elapsed: Duration,
        requested_wait: Option<Duration>,
        random: u32,
    ) -> Decision {
        let (max_tries, base) = match class {
            Class::Transient | Class::NoFirstAnswer => (self.max_tries, self.transient_base),
            Class::NoFirstContact => (self.first_contact_tries.min(self.max_tries), self.first_contact_base),
            // The limiter decides how long to wait, because it knows all requests of the client.
            Class::Throttled => (u32::MAX, Duration::ZERO),
            Class::NotTheApi => (self.not_the_api_tries.min(self.max_tries), self.transient_base),
            Class::Fatal => return Decision::GiveUp,
        };
        let requested_wait = requested_wait.unwrap_or_default();
        if tries >= max_tries || requested_wait > self.max_wait {
            return Decision::GiveUp;
        }
        let doubled =
            base.saturating_mul(1u32.checked_shl(tries - 1).unwrap_or(u32::MAX)).min(self.max_delay);
        let wait = requested_wait.max(part(doubled, random));
        // The next try may take what is left of the time. When nothing is left there is no next try.
        let is_over = elapsed.saturating_add(wait) >= self.time_for_answer(class);
        if is_over || elapsed.saturating_add(wait) > self.budget {
            return Decision::GiveUp;
        }
        Decision::RetryAfter(wait)
    }

    /// The time after which a service that has never answered is given up.
    fn time_for_answer(&self, class: Class) -> Duration {
        match class {
            Class::NoFirstContact | Class::NoFirstAnswer => self.first_answer_budget,
            _ => Duration::MAX,
        }
    }
}

/// `whole × random / 2³²`.
fn part(whole: Duration, random: u32) -> Duration {
    let ns = (whole.as_nanos() * u128::from(random)) >> 32;
    Duration::from_nanos(u64::try_from(ns).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    fn wait(class: Class, tries: u32, asked: Option<Duration>, random: u32) -> Option<Duration> {
        match RetryPolicy::default().decide(class, tries, Duration::ZERO, asked, random) {
            Decision::RetryAfter(wait) => Some(wait),
            Decision::GiveUp => None,
        }
    }

    #[test]
    fn delays_double_up_to_a_limit_and_are_spread() {
        let longest = |class, tries| wait(class, tries, None, u32::MAX).unwrap().as_millis();
        // All but a nanosecond of the delay, cut to whole milliseconds.
        assert_eq!(
            (1..=9).map(|n| longest(Class::Transient, n)).collect::<Vec<_>>(),
            [49, 99, 199, 399, 799, 1599, 3199, 6399, 12799]
        );
        assert_eq!(wait(Class::Transient, 5, None, 0), Some(Duration::ZERO));
        assert_eq!(wait(Class::Transient, 1, None, u32::MAX / 2 + 1), Some(Duration::from_millis(25)));
    }

    #[test]
    fn tries_are_counted_per_class() {
        for (class, tries) in [
            (Class::Transient, 10),
            (Class::NotTheApi, 3),
            (Class::NoFirstContact, 5),
            (Class::NoFirstAnswer, 10),
        ] {
            assert!(wait(class, tries - 1, None, 0).is_some(), "{class:?}");
            assert!(wait(class, tries, None, 0).is_none(), "{class:?}");
        }
        assert_eq!(wait(Class::Fatal, 1, Some(S(1)), 0), None);
    }

    #[test]
    fn a_service_is_believed_up_to_a_limit() {
        assert_eq!(wait(Class::Throttled, 1, Some(S(900)), u32::MAX), Some(S(900)));
        assert_eq!(wait(Class::Throttled, 1, Some(S(901)), 0), None);
        assert_eq!(wait(Class::Throttled, 1000, Some(S(60)), u32::MAX), Some(S(60)), "bounded by time alone");
        assert_eq!(wait(Class::Transient, 9, Some(Duration::ZERO), 0), Some(Duration::ZERO));
    }

    #[test]
    fn a_service_that_never_answered_is_given_up_sooner() {
        let policy = RetryPolicy::default();
        for (class, elapsed_s, decision) in [
            (Class::NoFirstAnswer, 119, Decision::RetryAfter(Duration::ZERO)),
            (Class::NoFirstAnswer, 120, Decision::GiveUp),
            (Class::NoFirstContact, 120, Decision::GiveUp),
            (Class::Transient, 120, Decision::RetryAfter(Duration::ZERO)),
        ] {
            assert_eq!(policy.decide(class, 1, S(elapsed_s), None, 0), decision, "{class:?} {elapsed_s}");
        }
    }

    #[test]
    fn the_budget_bounds_the_whole() {
        let policy = RetryPolicy { budget: S(10), ..RetryPolicy::default() };
        assert_eq!(policy.decide(Class::Throttled, 2, S(6), Some(S(4)), 0), Decision::RetryAfter(S(4)));
        assert_eq!(policy.decide(Class::Throttled, 2, S(6), Some(S(5)), 0), Decision::GiveUp);
    }
}
