//! When the next round begins. Everything here is pure.

use std::time::Duration;

use billing_model::Timestamp;

/// The longest time to wait before the clocks are read again: a machine that slept, or whose clock was set, is late by no more.
const LONGEST_STEP: Duration = Duration::from_secs(15);

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// By the clock that nobody sets, and that may stand still while the machine sleeps.
    pub(crate) monotonic: Duration,
    /// By the clock that goes on then, and that may be set.
    pub(crate) wall: Timestamp,
}

/// How long to wait before the clocks are read again; `None` when the next round is due. It is due as soon as either clock says that a
/// period has passed since the last one began.
pub(crate) fn wait(began: Moment, now: Moment, period: Duration) -> Option<Duration> {
    let step = left(began, now, period);
    (!step.is_zero()).then(|| step.min(LONGEST_STEP))
}

/// How long until the next round is due.
pub(crate) fn left(began: Moment, now: Moment, period: Duration) -> Duration {
    let by_monotonic = period.saturating_sub(now.monotonic.saturating_sub(began.monotonic));
    by_monotonic.min(period.saturating_sub(passed(began.wall, now.wall)))
}

/// The time between two instants. None passes when a clock goes back.
fn passed(from: Timestamp, to: Timestamp) -> Duration {
    let (Some(from), Some(to)) = (from.unix_ns(), to.unix_ns()) else { return Duration::ZERO };
    Duration::from_nanos(u64::try_from(i128::from(to) - i128::from(from)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(monotonic_s: u64, wall: &str) -> Moment {
        Moment { monotonic: Duration::from_secs(monotonic_s), wall: wall.parse().unwrap() }
    }

    #[test]
    fn a_round_is_due_when_either_clock_says_so() {
        let began = moment(100, "2026-06-01T00:00:00Z");
        let period = Duration::from_secs(300);
        for (now, expect) in [
            // Nothing strange: in short steps, and the last one no longer than what is left.
            (moment(100, "2026-06-01T00:00:00Z"), Some(15)),
            (moment(390, "2026-06-01T00:04:50Z"), Some(10)),
            (moment(399, "2026-06-01T00:04:59Z"), Some(1)),
            (moment(400, "2026-06-01T00:05:00Z"), None),
            (moment(4000, "2026-06-01T01:05:00Z"), None),
            // The machine slept: its monotonic clock stood still.
            (moment(110, "2026-06-01T08:00:00Z"), None),
            // The clock was set forward, by less and by more than a period.
            (moment(110, "2026-06-01T00:04:55Z"), Some(5)),
            (moment(110, "2030-01-01T00:00:00Z"), None),
            // The clock was set back, by a little and by years.
            (moment(390, "2026-05-31T23:59:00Z"), Some(10)),
            (moment(400, "2026-05-31T23:59:00Z"), None),
            (moment(390, "1970-01-01T00:00:00Z"), Some(10)),
            (moment(400, "0001-01-01T00:00:00Z"), None),
        ] {
            assert_eq!(wait(began, now, period), expect.map(Duration::from_secs), "{now:?}");
        }
    }

    #[test]
    fn what_is_left_is_not_cut_into_steps() {
        let (began, now) = (moment(100, "2026-06-01T00:00:00Z"), moment(110, "2026-06-01T00:00:10Z"));
        assert_eq!(left(began, now, Duration::from_secs(300)), Duration::from_secs(290));
        assert_eq!(left(began, now, Duration::from_secs(10)), Duration::ZERO);
    }
}
