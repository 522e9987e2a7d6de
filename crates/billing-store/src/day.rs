//! UTC days, and spans of time as the tables have them.

use std::fmt;

use billing_model::{TimeWindow, Timestamp};

const NS_PER_DAY: i128 = 86_400_000_000_000;

/// A day in UTC, counted from 1970-01-01.
///
/// ```
/// use billing_store::Day;
/// let day = Day::of("2026-06-14T23:59:59.999Z".parse()?).unwrap();
/// assert_eq!((day, day.to_string().as_str()), (Day(20_618), "2026-06-14"));
/// # Ok::<(), billing_model::ValueError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Day(pub i64);

impl Day {
    /// The day of an instant, or `None` before the year 1678 and after 2262.
    pub fn of(at: Timestamp) -> Option<Self> {
        at.unix_ns().map(Self::of_unix_ns)
    }

    pub(crate) fn of_unix_ns(ns: i64) -> Self {
        Self(ns.div_euclid(clamp(NS_PER_DAY)))
    }

    /// The instants of the day that a ledger can hold.
    pub(crate) fn span(self) -> Span {
        let first = i128::from(self.0) * NS_PER_DAY;
        Span { first_ns: clamp(first), last_ns: clamp(first + NS_PER_DAY - 1) }
    }
}

impl fmt::Display for Day {
    /// The date, `2026-06-14`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last instant of a day is of that day also where the calendar of a ledger begins.
        let last = Timestamp::from_unix_ns(self.span().last_ns).to_string();
        f.pad(last.split_once('T').map_or("", |(date, _)| date))
    }
}

/// A span of time from the first to the last nanosecond, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first_ns: i64,
    pub(crate) last_ns: i64,
}

impl Span {
    /// What of a window a ledger can hold, or `None` when that is nothing.
    pub(crate) fn of(window: TimeWindow) -> Option<Self> {
        let first_ns = window.since().map_or(i128::from(i64::MIN), unbounded_ns);
        let last_ns = window.until().map_or(i128::from(i64::MAX), |until| unbounded_ns(until) - 1);
        let overlaps = first_ns <= i128::from(i64::MAX) && last_ns >= i128::from(i64::MIN);
        overlaps.then(|| Self { first_ns: clamp(first_ns), last_ns: clamp(last_ns) })
    }

    /// What two spans share.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { first_ns: self.first_ns.max(other.first_ns), last_ns: self.last_ns.min(other.last_ns) }
    }

    /// The first and the last day that the span touches.
    pub(crate) fn days(self) -> (Day, Day) {
        (Day::of_unix_ns(self.first_ns), Day::of_unix_ns(self.last_ns))
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
        for day in [Day::of_unix_ns(i64::MIN).0, -1, 0, 20_618, Day::of_unix_ns(i64::MAX).0 - 1] {
            let (today, tomorrow) = (Day(day).span(), Day(day + 1).span());
            assert_eq!(today.last_ns + 1, tomorrow.first_ns, "{day}");
            assert_eq!(today.days(), (Day(day), Day(day)));
        }
        assert_eq!(Day::of_unix_ns(i64::MIN).span().first_ns, i64::MIN);
        assert_eq!(Day::of_unix_ns(i64::MAX).span().last_ns, i64::MAX);
        assert_eq!(Day::of_unix_ns(i64::MIN).to_string(), "1677-09-21");
        assert_eq!(Day::of_unix_ns(-1).to_string(), "1969-12-31");
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
