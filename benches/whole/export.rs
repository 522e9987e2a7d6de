//! One run of the real `billing export` over the upstream of `benches/upstream/`, whose file has to be whole.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::endpoint::Endpoint;
use super::measured::Measured;
use super::process::{check_lines, measure, measure_within};
use super::upstream::Upstream;

/// The window of the made-up history, which is of 2026 whatever the date of today.
pub(super) const MADE_UP_WINDOW: [&str; 2] = ["--until", "2027-01"];

/// One export: the program, the window, and the file.
pub(super) struct Export<'a> {
    pub(super) billing: &'a Path,
    pub(super) endpoint: Endpoint,
    /// The number of entries that the file has to have.
    pub(super) entries: u64,
    /// The flags of the window.
    pub(super) window: &'a [&'a str],
    pub(super) concurrency: Option<u32>,
    pub(super) file: &'a Path,
    /// The time after which the program is killed; `None` for no limit.
    pub(super) patience: Option<Duration>,
}

impl Export<'_> {
    /// Exports, overwriting an existing file, and adds the measurements.
    ///
    /// # Errors
    /// When the export fails, or its file is not whole.
    pub(super) fn run(&self, upstream: &mut Upstream, measured: &mut Measured) -> Result<()> {
        if self.file.exists() {
            fs::remove_file(self.file)?;
        }
        let mut process = Command::new(self.billing);
        process
            .args(["export", "--quiet", "--base-url", upstream.base_url(), "--endpoint", self.endpoint.name])
            .args(self.window)
            .args(["--format", "csv", "--output"])
            .arg(self.file)
            // The program needs a key, but this upstream does not check it.
            .env("BILLING_API_KEY", "none");
        if let Some(concurrency) = self.concurrency {
            process.args(["--concurrency", &concurrency.to_string()]);
        }
        let ended = match self.patience {
            Some(patience) => measure_within(process, "billing export", patience),
            None => measure(process, "billing export"),
        };
        // The counts are taken even after a failure, because those of the next run begin here.
        let counts = upstream.counts()?;
        measured.add(ended?, counts);
        // The file has a header, and a line for each entry.
        check_lines(self.file, self.entries + 1)
    }
}

/// Checks that two files have the same bytes.
///
/// # Errors
/// When they have not, or when one cannot be read.
pub(super) fn check_equal(one: &Path, other: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    if read(one)? != read(other)? {
        bail!("{} and {} differ", one.display(), other.display());
    }
    Ok(())
}
