//! The runs of one measurement, as a line of a table.

use std::time::Duration;

use super::endpoint::Endpoint;
use super::process::{Ended, mebibytes};
use super::upstream::Counts;

/// The times of all runs, and the upstream's counts.
pub(super) struct Measured {
    pub(super) name: &'static str,
    pub(super) times: Vec<Duration>,
    /// The peak memory of all runs; zero when it was not measured.
    pub(super) peak_kib: u64,
    /// The upstream's counts of the last run.
    pub(super) counts: Counts,
}

impl Measured {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, times: Vec::new(), peak_kib: 0, counts: Counts::default() }
    }

    pub(super) fn add(&mut self, ended: Ended, counts: Counts) {
        self.times.push(ended.elapsed);
        self.peak_kib = self.peak_kib.max(ended.peak_kib);
        self.counts = counts;
    }

    pub(super) fn median(&self) -> Duration {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap_or_default()
    }

    pub(super) fn fastest(&self) -> Duration {
        self.times.iter().min().copied().unwrap_or_default()
    }

    /// A line of the table under [`title`], with a remark at its end.
    pub(super) fn line(&self, said: &str) -> String {
        let Counts { requests, most_held, bytes, .. } = self.counts;
        let line = format!(
            "{:<16}  {:>4}  {:>11}  {:>8}  {requests:>8}  {most_held:>7}  {:>5}  {said}",
            self.name,
            self.times.len(),
            tenths_ms(self.median()),
            if self.peak_kib > 0 { mebibytes(self.peak_kib) } else { String::new() },
            bytes / 1_000_000,
        );
        line.trim_end().to_owned()
    }
}

pub(super) fn title(endpoint: Endpoint, entries: u64, latency_ms: u64) -> String {
    format!(
        "\n{}: {entries} entries, {} pages of {latency_ms} ms\n{:<16}  runs       median  peak MiB  requests  at once     MB",
        endpoint.name,
        entries.div_ceil(endpoint.page_entries),
        ""
    )
}

pub(super) fn tenths_ms(time: Duration) -> String {
    let tenths = time.as_micros() / 100;
    format!("{}.{} ms", tenths / 10, tenths % 10)
}
