//! Spans of time in a word or two.

use billing_model::Timestamp;

/// A time that has passed, in its largest whole unit: `45 s`, `5 min`, `3 h`, `2 days`.
pub(crate) fn elapsed_words(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// A time to come in hours and minutes, `2:51`. Within a minute it is one, because none would say that it has come.
pub(crate) fn hours_and_minutes(seconds: u64) -> String {
    let minutes = seconds.div_ceil(60);
    format!("{}:{:02}", minutes / 60, minutes % 60)
}

/// The whole seconds from one instant to another one; zero when the other one is earlier, as by a clock that is behind.
pub(crate) fn seconds_between(from: Timestamp, to: Timestamp) -> u64 {
    let ns = from.unix_ns().zip(to.unix_ns()).map_or(0, |(from, to)| i128::from(to) - i128::from(from));
    u64::try_from(ns / 1_000_000_000).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_said_in_its_largest_whole_unit() {
        for (seconds, expect) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min"),
            (10_900, "3 h"),
            (86_400, "1 day"),
            (172_799, "1 day"),
            (172_800, "2 days"),
        ] {
            assert_eq!(elapsed_words(seconds), expect);
        }
    }

    #[test]
    fn seconds_are_whole_and_never_below_zero() {
        let at = |text: &str| text.parse().unwrap();
        let start = at("2026-06-14T00:00:00Z");
        for (to, expect) in [
            ("2026-06-14T00:00:59.999Z", 59),
            ("2026-06-14T00:00:00Z", 0),
            ("2026-06-13T00:00:00Z", 0),
            // Beyond what a ledger counts.
            ("9999-12-31T00:00:00Z", 0),
        ] {
            assert_eq!(seconds_between(start, at(to)), expect, "{to}");
        }
    }
}
