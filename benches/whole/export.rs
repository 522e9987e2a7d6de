//! One run of `billing export` over the upstream of `benches/upstream/`: the real program, and a file that is whole.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::endpoint::Endpoint;
use super::measured::Measured;
use super::process::{check_lines, measure, measure_within};
use super::upstream::Upstream;

/// The made-up history ends in 2026, whatever day it is.
pub(super) const MADE_UP_WINDOW: [&str; 2] = ["--until", "2027-01"];

/// What is exported, by which program, and where to.
pub(super) struct Export<'a> {
    pub(super) billing: &'a Path,
    pub(super) endpoint: Endpoint,
    /// Entries that must come out.
    pub(super) entries: u64,
    /// The flags of the window.
    pub(super) window: &'a [&'a str],
    pub(super) concurrency: Option<u32>,
    pub(super) file: &'a Path,
    /// It is killed when it takes longer than this, where there is a limit.
    pub(super) patience: Option<Duration>,
}

impl Export<'_> {
    /// Exports, over a file that is there, and adds what it took.
    ///
    /// # Errors
    /// When the export does not end well, or is not whole.
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
            // This upstream asks for none.
            .env("BILLING_API_KEY", "none");
        if let Some(concurrency) = self.concurrency {
            process.args(["--concurrency", &concurrency.to_string()]);
        }
        let ended = match self.patience {
            Some(patience) => measure_within(process, "billing export", patience),
            None => measure(process, "billing export"),
        };
        // Asked also when it failed: the next run's counts begin here.
        let counts = upstream.counts()?;
        measured.add(ended?, counts);
        // A header, and a line an entry.
        check_lines(self.file, self.entries + 1)
    }
}

/// Fails unless two files are the same to the byte.
///
/// # Errors
/// When they are not, or cannot be read.
pub(super) fn check_equal(one: &Path, other: &Path) -> Result<()> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    if read(one)? != read(other)? {
        bail!("{} and {} differ", one.display(), other.display());
    }
    Ok(())
}
