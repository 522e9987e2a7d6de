//! How often a service may be asked.

use std::collections::VecDeque;
use std::time::Duration;

use crate::reply::Reply;

/// At most so many answers within any span of a given length. Further requests are refused with 429, and the headers of
/// every reply say what is left.
///
/// The time since 1970 is an argument: a test whose client does not really wait has its own clock.
///
/// ```
/// use billing_testkit::{Limit, Reply};
/// use std::time::Duration;
/// let mut once_a_minute = Limit::new(1, Duration::from_secs(60));
/// let mut body_at = |s| once_a_minute.answer(Duration::from_secs(s), || Reply::json(200, "{}")).body().to_vec();
/// assert_eq!(body_at(100), b"{}");
/// assert_eq!(body_at(159), br#"{"error":"Too many requests"}"#);
/// assert_eq!(body_at(160), b"{}");
/// ```
#[derive(Clone, Debug)]
pub struct Limit {
    most: usize,
    per: Duration,
    /// When the answers of the last span were given: never more than `most`.
    answered: VecDeque<Duration>,
}

impl Limit {
    /// A limit of `most` answers per span.
    pub fn new(most: usize, per: Duration) -> Self {
        Self { most, per, answered: VecDeque::new() }
    }

    /// The answer of the service behind the limit, or its refusal.
    pub fn answer(&mut self, now: Duration, service: impl FnOnce() -> Reply) -> Reply {
        while self.answered.front().is_some_and(|first| *first + self.per <= now) {
            self.answered.pop_front();
        }
        let is_refused = self.answered.len() >= self.most;
        let reply = if is_refused {
            Reply::error(429, "Too many requests")
        } else {
            self.answered.push_back(now);
            service()
        };
        let reset = self.answered.front().map_or(now, |first| *first) + self.per;
        let reply = reply
            .dated(now.as_secs())
            .header("x-ratelimit-limit-requests", self.most.to_string())
            .header("x-ratelimit-remaining-requests", (self.most - self.answered.len()).to_string())
            .header("x-ratelimit-reset-requests", whole_s(reset).to_string());
        if is_refused { reply.header("retry-after", whole_s(reset - now).to_string()) } else { reply }
    }
}

/// Whole seconds, rounded up: nobody is told to come too early.
fn whole_s(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_span_has_no_more_answers_than_the_limit() {
        let mut limit = Limit::new(2, Duration::from_secs(10));
        for (now_ms, head) in [
            // Remaining, reset, and when to come back.
            (1_000, "1|11|"),
            (4_500, "0|11|"),
            (5_000, "0|11|6"),
            (10_999, "0|11|1"),
            (11_000, "0|15|"),
            (14_499, "0|15|1"),
            (14_500, "0|21|"),
            (60_000, "1|70|"),
        ] {
            let reply = limit.answer(Duration::from_millis(now_ms), || Reply::json(200, ""));
            let (wire, _) = reply.wire();
            let wire = String::from_utf8(wire.to_vec()).unwrap();
            let header = |name: &str| {
                let value =
                    wire.lines().filter_map(|line| line.split_once(": ")).find(|(found, _)| *found == name);
                value.map_or(String::new(), |(_, value)| value.to_owned())
            };
            let found =
                ["x-ratelimit-remaining-requests", "x-ratelimit-reset-requests", "retry-after"].map(header);
            assert_eq!(found.join("|"), head, "at {now_ms}");
            assert_eq!(wire.starts_with("HTTP/1.1 429"), !found[2].is_empty());
        }
    }

    #[test]
    fn the_date_is_the_time_that_was_handed_in() {
        let reply = Limit::new(0, Duration::from_secs(1))
            .answer(Duration::from_millis(784_111_777_999), || unreachable!("nobody may come"));
        let (head, _) = reply.wire();
        assert!(String::from_utf8(head.to_vec()).unwrap().contains("date: Sun, 06 Nov 1994 08:49:37 GMT"));
    }
}
