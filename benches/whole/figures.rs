//! Formats figures for the tables. All of them are whole numbers; nothing needs binary floating point.

use std::fmt;
use std::time::Duration;

/// The times of one measurement, repeated.
#[derive(Clone, Debug, Default)]
pub(super) struct Times(Vec<Duration>);

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(super) fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The percentile: the time that so many of a hundred did not exceed.
    pub(super) fn percentile(&self, percent: usize) -> Duration {
        let mut times = self.0.clone();
        times.sort_unstable();
        let rank = (times.len() * percent).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    pub(super) fn p50(&self) -> Duration {
        self.percentile(50)
    }

    pub(super) fn p99(&self) -> Duration {
        self.percentile(99)
    }

    pub(super) fn most(&self) -> Duration {
        self.percentile(100)
    }
}

/// A table in the form of `docs/performance.md`: words on the left, figures on the right.
pub(super) struct Table(String);

impl Table {
    pub(super) fn new<const COLUMNS: usize>(columns: [&str; COLUMNS]) -> Self {
        let rule = "---:|".repeat(COLUMNS.saturating_sub(1));
        Self(format!("| {} |\n|---|{rule}", columns.join(" | ")))
    }

    pub(super) fn row<const COLUMNS: usize>(&mut self, cells: [&str; COLUMNS]) {
        self.0.push_str(&format!("\n| {} |", cells.join(" | ")));
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The ratio of two times, with two decimal places.
pub(super) fn times(long: Duration, short: Duration) -> String {
    ratio(long.as_micros(), short.as_micros())
}

/// The ratio of two numbers, with two decimal places.
pub(super) fn ratio(large: u128, small: u128) -> String {
    let hundredths = large * 100 / small.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Milliseconds with two decimal places, without the unit.
pub(super) fn milliseconds(time: Duration) -> String {
    ratio(time.as_micros(), 1000)
}

/// The rate per second, as a whole number.
pub(super) fn per_second(count: u64, elapsed: Duration) -> u64 {
    let rate = u128::from(count) * 1_000_000 / elapsed.as_micros().max(1);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

/// A number with a comma between groups of three digits: `5,000,000`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
