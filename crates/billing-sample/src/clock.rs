//! When requests happen: bursts and pauses, busy days and quiet nights, within a fixed span.

use billing_model::Timestamp;
use fastrand::Rng;

/// 2026-01-01T00:00:00.000Z.
const START_MS: i64 = 1_767_225_600_000;
/// 2026-06-30T23:59:59.999Z.
const END_MS: i64 = 1_782_863_999_999;
/// Days from start to end.
pub(crate) const DAYS: i64 = 181;

const HOUR_MS: i64 = 3_600_000;
const NS_PER_MS: i64 = 1_000_000;

/// Entries of ten requests, on the average.
const ENTRIES_PER_TEN_REQUESTS: i64 = 21;
/// Quick follow-ups in a burst, at most; half of it on the average.
const MOST_FOLLOW_UPS: i64 = 14;

/// How busy each hour of a day is, in percent of the average.
const PACE_PERCENT: [i64; 24] = [
    30, 20, 15, 10, 10, 20, 50, 90, 130, 160, 175, 170, 145, 160, 175, 175, 165, 155, 145, 135, 120, 90, 35,
    20,
];

/// The time of the next request.
///
/// Every pause is measured in what is left of the span and of the entries, so that a history of any length fills the
/// span and none runs over it.
pub(crate) struct Clock {
    now_ms: i64,
    follow_ups: i64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { now_ms: START_MS, follow_ups: 0 }
    }

    /// Goes on to the next request.
    pub(crate) fn advance(&mut self, rng: &mut Rng, entries_left: u64) {
        let time_left_ms = END_MS - self.now_ms;
        let entries_left = i64::try_from(entries_left).unwrap_or(i64::MAX).max(1);
        let mean_ms = time_left_ms * ENTRIES_PER_TEN_REQUESTS / 10 / entries_left;
        // A follow-up takes a tenth of the mean pause, so the pause between bursts makes up for seven of them.
        let pause_ms = if self.follow_ups > 0 {
            self.follow_ups -= 1;
            mean_ms / 10
        } else {
            self.follow_ups = rng.i64(0..=MOST_FOLLOW_UPS);
            mean_ms * 73 / 10
        };
        self.pass(rng.i64(0..=2 * pause_ms).min(time_left_ms / 2));
    }

    /// Lets this much of an average hour's activity pass, however long that takes at this time of day.
    fn pass(&mut self, mut busy_ms: i64) {
        while self.now_ms < END_MS {
            let pace = self.pace_percent();
            let hour_left_ms = HOUR_MS - self.now_ms % HOUR_MS;
            let busy_hour_left_ms = hour_left_ms * pace / 100;
            if busy_ms <= busy_hour_left_ms {
                return self.tick(busy_ms * 100 / pace);
            }
            busy_ms -= busy_hour_left_ms;
            self.tick(hour_left_ms);
        }
    }

    /// Goes on by this much, but not over the end.
    pub(crate) fn tick(&mut self, ms: i64) {
        self.now_ms = (self.now_ms + ms).min(END_MS);
    }

    fn pace_percent(&self) -> i64 {
        usize::try_from((self.now_ms / HOUR_MS) % 24).map_or(100, |hour| PACE_PERCENT[hour])
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_unix_ns(self.now_ms * NS_PER_MS)
    }

    /// The day of the span, from zero.
    pub(crate) fn day(&self) -> i64 {
        (self.now_ms - START_MS) / (24 * HOUR_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_span_and_the_pace_are_what_they_say() {
        assert_eq!(Timestamp::from_unix_ns(START_MS * NS_PER_MS).to_string(), "2026-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_unix_ns(END_MS * NS_PER_MS).to_string(), "2026-06-30T23:59:59.999Z");
        assert_eq!((END_MS + 1 - START_MS) / (24 * HOUR_MS), DAYS);
        assert_eq!(PACE_PERCENT.iter().sum::<i64>(), 2_400);
    }
}
