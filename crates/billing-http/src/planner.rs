//! Where to cut a span of time, so that a part has about so many entries: pure. Spans and counts in, the next border out.

use std::time::Duration;

use billing_model::Timestamp;

/// Times that a part may be longer than those before it, where the ledger grows quiet. One that is too long costs
/// little: it is cut again after its first page.
const MAX_GROWTH: i128 = 64;

/// The shortest window that a walk asks for of its own accord. The ledger is known to hang on ranges under about 15 minutes
/// (`docs/upstream-api.md`, HTTP), so this is a little more.
pub(crate) const LEAST_WINDOW: Duration = Duration::from_secs(20 * 60);

/// The start of a window, or an earlier one when it would be shorter than [`LEAST_WINDOW`].
pub(crate) fn wider(since: Option<Timestamp>, until: Option<Timestamp>) -> Option<Timestamp> {
    let least = until.map(|until| earlier(until, LEAST_WINDOW));
    since.map(|since| least.map_or(since, |least| since.min(least)))
}

/// The instant that is so long before another one.
pub(crate) fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    let by_ns = i64::try_from(by.as_nanos()).unwrap_or(i64::MAX);
    at.unix_ns().map_or(at, |ns| Timestamp::from_unix_ns(ns.saturating_sub(by_ns)))
}

/// How dense the ledger was somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    length_ns: i128,
    entries: u64,
}

impl Sample {
    /// So many entries between two instants; `None` for two instants that are the same.
    pub(crate) fn between(since: Timestamp, until: Timestamp, entries: u64) -> Option<Self> {
        (since < until).then(|| Self { length_ns: unix_ns(until) - unix_ns(since), entries })
    }

    /// Samples whose density counts: enough to even out one that was odd, few enough to follow the hours of a day.
    pub(crate) const COUNTED: usize = 4;
}

/// Where to cut at `at` or a little before it: on a whole second if that is after `first`, because there are services that
/// read borders to the second; otherwise on a whole millisecond.
pub(crate) fn whole(first: Timestamp, at: Timestamp) -> Timestamp {
    let second = at.floor_s();
    if first < second { second } else { at.floor_ms() }
}

/// How many entries there are between two instants, if the ledger goes on as the samples were. Without samples it is 0.
pub(crate) fn expected(samples: &[Sample], since: Timestamp, until: Timestamp) -> u64 {
    let (sampled_ns, entries) = sum(samples);
    let length_ns = (unix_ns(until) - unix_ns(since)).max(0);
    u64::try_from(length_ns.saturating_mul(i128::from(entries)) / sampled_ns.max(1)).unwrap_or(u64::MAX)
}

/// The end of a part that begins at `since` and has about `goal` entries, if the ledger goes on as the samples were: on
/// a whole second if it can be, or a whole millisecond, after `since`, and at the latest `until`.
pub(crate) fn border(samples: &[Sample], goal: u64, since: Timestamp, until: Timestamp) -> Timestamp {
    let Some(longest_ns) = samples.iter().map(|sample| sample.length_ns).max() else { return until };
    let (sampled_ns, entries) = sum(samples);
    let most_ns = longest_ns.saturating_mul(MAX_GROWTH);
    let length_ns = match entries {
        0 => most_ns,
        _ => (sampled_ns * i128::from(goal.max(1)) / i128::from(entries)).min(most_ns),
    };
    // A short rest is not worth a part of its own.
    if length_ns + length_ns / 4 >= unix_ns(until) - unix_ns(since) {
        return until;
    }
    let border = i64::try_from(unix_ns(since) + length_ns)
        .map_or(until, |ns| whole(since, Timestamp::from_unix_ns(ns)));
    // At least the rest of the millisecond, so that every part has some time.
    border.max(since.next().ceil_ms()).min(until)
}

/// Time and entries of the samples together.
fn sum(samples: &[Sample]) -> (i128, u64) {
    samples.iter().fold((0, 0), |(ns, entries), sample| (ns + sample.length_ns, entries + sample.entries))
}

/// Nanoseconds since 1970; the ends of their range for the years that have none.
pub(crate) fn unix_ns(at: Timestamp) -> i128 {
    let far = if at < Timestamp::from_unix_ns(0) { i64::MIN } else { i64::MAX };
    i128::from(at.unix_ns().unwrap_or(far))
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: i64 = 1_000_000_000;

    fn at(ns: i64) -> Timestamp {
        Timestamp::from_unix_ns(ns)
    }

    fn sample(length_ns: i64, entries: u64) -> Sample {
        Sample::between(at(0), at(length_ns), entries).unwrap()
    }

    /// The borders of a whole span whose density never changes, in seconds.
    fn borders(entries_per_s: u64, goal: u64, span_s: i64) -> Vec<i64> {
        let mut samples = vec![sample(S, entries_per_s)];
        let (mut since, until) = (at(0), at(span_s * S));
        let mut borders = Vec::new();
        while since < until {
            let border = border(&samples, goal, since, until);
            let length_s = (unix_ns(border) - unix_ns(since)) / i128::from(S);
            let entries = entries_per_s * u64::try_from(length_s).unwrap();
            samples = Vec::from_iter(Sample::between(since, border, entries));
            since = border;
            borders.push(border.unix_ns().unwrap() / S);
        }
        borders
    }

    #[test]
    fn an_even_ledger_is_cut_evenly() {
        assert_eq!(borders(100, 400, 20), [4, 8, 12, 16, 20]);
        // The last window takes a short rest with it.
        assert_eq!(borders(100, 400, 21), [4, 8, 12, 16, 21]);
        assert_eq!(borders(100, 400, 3), [3]);
    }

    #[test]
    fn an_empty_ledger_takes_few_windows() {
        // Ten years from a window of a second.
        let windows = borders(0, 4000, 10 * 365 * 24 * 3600).len();
        assert!(windows < 8, "{windows}");
    }

    #[test]
    fn nothing_known_is_one_window() {
        assert_eq!(border(&[], 10, at(0), at(S)), at(S));
        assert_eq!(Sample::between(at(1), at(1), 5), None);
    }

    #[test]
    fn windows_always_go_on_and_end_on_milliseconds() {
        let mut random = fastrand::Rng::with_seed(3);
        for _ in 0..2000 {
            let samples: Vec<_> = (0..random.u32(0..6))
                .map(|_| sample(random.i64(1..1 << 50), random.u64(0..1 << 40)))
                .collect();
            let since = random.i64(-1 << 60..1 << 60);
            let (since, until) = (at(since), at(since + random.i64(1..1 << 60)));
            let border = border(&samples, random.u64(0..5000), since, until);
            assert!(since < border && border <= until, "{since} {border} {until}");
            assert!(border == until || border == border.floor_ms());
        }
    }
}
