//! The spend per hour of a day so far, and what the day comes to at that rate.

use billing_model::{Decimal, Timestamp, Total};

const NS_PER_HOUR: u64 = 3_600_000_000_000;

/// Decimal places of a rate. It is an estimate, so it is rounded.
const PLACES: u32 = 12;

/// What is spent an hour, from the start of a day to now, in 12 decimal places; `None` within the first hour, of which a rate
/// would be a guess, and in years that no ledger reaches.
pub(crate) fn spend_per_hour(spend: &Total, start: Timestamp, now: Timestamp) -> Option<Total> {
    scaled(spend, NS_PER_HOUR, so_far(start, now)?)
}

/// What a day from `start` to `end` comes to, if it goes on as it did up to now; `None` as in [`spend_per_hour`]. A day may have
/// 23 hours or 25.
pub(crate) fn day_at_this_rate(spend: &Total, [start, end]: [Timestamp; 2], now: Timestamp) -> Option<Total> {
    scaled(spend, ns_between(start, end)?, so_far(start, now)?)
}

fn scaled(spend: &Total, long: u64, short: u64) -> Option<Total> {
    let short = Total::from(Decimal::from_parts(short.into(), 0)?);
    spend.times(Decimal::from_parts(long.into(), 0)?).divided_by(&short, PLACES)
}

/// The nanoseconds of a day so far, if it has an hour.
fn so_far(start: Timestamp, now: Timestamp) -> Option<u64> {
    ns_between(start, now).filter(|ns| *ns >= NS_PER_HOUR)
}

/// The nanoseconds from one instant to a later one.
fn ns_between(start: Timestamp, end: Timestamp) -> Option<u64> {
    let ns = i128::from(end.unix_ns()?) - i128::from(start.unix_ns()?);
    u64::try_from(ns).ok().filter(|ns| *ns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_time_that_has_passed() {
        let at = |text: &str| text.parse().unwrap();
        let ends = ["2026-06-14T00:00:00Z", "2026-06-15T00:00:00Z"].map(at);
        let spend: Total = "1.5".parse().unwrap();
        for (now, per_hour, day) in [
            ("2026-06-14T00:00:02Z", None, None),
            ("2026-06-14T00:59:59.999Z", None, None),
            ("2026-06-14T01:00:00Z", Some("1.5"), Some("36")),
            ("2026-06-14T06:00:00Z", Some("0.25"), Some("6")),
            ("2026-06-14T09:00:00Z", Some("0.166666666667"), Some("4")),
            ("2026-06-14T00:00:00Z", None, None),
            ("2026-06-13T00:00:00Z", None, None),
            ("9999-12-31T00:00:00Z", None, None),
        ] {
            let (now, text) = (at(now), |total: Option<Total>| total.map(|total| total.to_string()));
            assert_eq!(text(spend_per_hour(&spend, ends[0], now)).as_deref(), per_hour, "{now}");
            assert_eq!(text(day_at_this_rate(&spend, ends, now)).as_deref(), day, "{now}");
        }
    }
}
