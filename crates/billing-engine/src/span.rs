//! Days, and spans of time as tables have them.

use billing_model::{Day, TimeWindow, Timestamp};

/// A day in nanoseconds.
pub const NS_PER_DAY: i64 = 86_400_000_000_000;

/// The day of an instant that a ledger holds.
pub fn day_of_unix_ns(ns: i64) -> Day {
    Day(ns.div_euclid(NS_PER_DAY))
}

/// A span of time from the first to the last nanosecond, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first instant, in nanoseconds since 1970.
    pub first_ns: i64,
    /// The last instant, in nanoseconds since 1970.
    pub last_ns: i64,
}

impl Span {
    /// All of the time that a ledger holds.
    pub const ALL: Self = Self { first_ns: i64::MIN, last_ns: i64::MAX };

    /// The part of a window that a ledger can hold; `None` when there is none.
    pub fn of(window: TimeWindow) -> Option<Self> {
        let first_ns = window.since().map_or(i128::from(i64::MIN), unbounded_ns);
        let end_ns = window.until().map_or(i128::from(i64::MAX) + 1, unbounded_ns);
        Self::between(first_ns, end_ns)
    }

    /// The instants from one to another, the latter not included, that a ledger can hold; `None` when there are none.
    pub fn between(first_ns: i128, end_ns: i128) -> Option<Self> {
        let is_held = first_ns < end_ns && first_ns <= i128::from(i64::MAX) && end_ns > i128::from(i64::MIN);
        is_held.then(|| Self { first_ns: clamp(first_ns), last_ns: clamp(end_ns - 1) })
    }

    /// The instants of a slot of this width, in nanoseconds, that a ledger can hold.
    pub fn of_slot(slot: i64, width_ns: i64) -> Self {
        let first = i128::from(slot) * i128::from(width_ns);
        Self { first_ns: clamp(first), last_ns: clamp(first + i128::from(width_ns) - 1) }
    }

    /// What two spans share. Where they share nothing, its last instant lies before its first.
    pub fn and(self, other: Self) -> Self {
        Self { first_ns: self.first_ns.max(other.first_ns), last_ns: self.last_ns.min(other.last_ns) }
    }
}

/// The instant in nanoseconds; one that a ledger cannot hold lies just beyond its end.
fn unbounded_ns(at: Timestamp) -> i128 {
    match at.unix_ns() {
        Some(ns) => i128::from(ns),
        None if at < Timestamp::from_unix_ns(0) => i128::from(i64::MIN),
        None => i128::from(i64::MAX) + 1,
    }
}

fn clamp(ns: i128) -> i64 {
    match i64::try_from(ns) {
        Ok(ns) => ns,
        Err(_) if ns < 0 => i64::MIN,
        Err(_) => i64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_join_without_gap_to_the_ends_of_time() {
        let days = [day_of_unix_ns(i64::MIN).0, -1, 0, 20_618, day_of_unix_ns(i64::MAX).0 - 1];
        for day in days {
            let (today, tomorrow) = (Span::of_slot(day, NS_PER_DAY), Span::of_slot(day + 1, NS_PER_DAY));
            assert_eq!(today.last_ns + 1, tomorrow.first_ns, "{day}");
            assert_eq!((day_of_unix_ns(today.first_ns), day_of_unix_ns(today.last_ns)), (Day(day), Day(day)));
        }
        assert_eq!(Span::of_slot(day_of_unix_ns(i64::MIN).0, NS_PER_DAY).first_ns, i64::MIN);
        assert_eq!(Span::of_slot(day_of_unix_ns(i64::MAX).0, NS_PER_DAY).last_ns, i64::MAX);
    }

    #[test]
    fn windows_are_cut_to_what_a_ledger_holds() {
        let span = |since: &str, until: &str| {
            let at = |text: &str| (!text.is_empty()).then(|| text.parse().unwrap());
            Span::of(TimeWindow::new(at(since), at(until)).unwrap()).map(|span| (span.first_ns, span.last_ns))
        };
        let (start, end, epoch) = ("1500-01-01T00:00:00Z", "2500-01-01T00:00:00Z", "1970-01-01T00:00:00Z");
        assert_eq!(span("", ""), Some((i64::MIN, i64::MAX)));
        assert_eq!(span(start, end), Some((i64::MIN, i64::MAX)));
        assert_eq!(span(epoch, end), Some((0, i64::MAX)));
        assert_eq!(span(start, epoch), Some((i64::MIN, -1)));
        assert_eq!(span(epoch, "1970-01-01T00:00:00.000000001Z"), Some((0, 0)));
        assert_eq!(span(end, ""), None);
        assert_eq!(span("", start), None);
        assert_eq!(span("", "1677-09-21T00:12:43.145224192Z"), None, "the first instant of all, excluded");
    }
}
