//! One run of `billing sync` or `billing verify`, and the measurements of several.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::figures::{Times, grouped, milliseconds, per_second};
use crate::process::{children_cpu, clear, measure, mebibytes};

/// The end of the made-up history. Syncs end there, so that the overlap is a day with entries whatever the date of today.
const UNTIL: &str = "2026-07-01";

/// The service that is copied.
pub(super) struct Source {
    pub(super) billing: PathBuf,
    pub(super) base_url: String,
    pub(super) key: String,
}

/// A ledger that is brought in line with the service, in a directory of its own.
pub(super) struct Target<'a> {
    pub(super) source: &'a Source,
    pub(super) directory: PathBuf,
}

/// What a sync says of itself, as far as it is asked for.
#[derive(Deserialize)]
pub(super) struct Done {
    pub(super) walked: u64,
    pub(super) added: u64,
    pub(super) requests: u64,
}

/// The measurements of a job that is done several times.
#[derive(Default)]
pub(crate) struct Job {
    times: Times,
    /// The CPU time of all times: it says more than the other when the machine has much to do.
    cpu: Duration,
    pub(crate) peak_kib: u64,
    /// Of the last time.
    requests: Option<u64>,
}

impl Target<'_> {
    pub(crate) fn ledger(&self) -> PathBuf {
        self.directory.join("ledger.db")
    }

    /// Begins with no ledger.
    ///
    /// # Errors
    /// When what is there cannot be removed.
    pub(crate) fn begin(&self) -> Result<()> {
        clear(&self.directory)?;
        fs::create_dir_all(&self.directory)
            .with_context(|| format!("cannot create {}", self.directory.display()))
    }

    /// Brings the ledger in line once.
    ///
    /// # Errors
    /// When the program fails, or does not say what it has done.
    pub(crate) fn sync(&self, job: &mut Job) -> Result<Done> {
        let mut sync = self.command("sync");
        let said = self.directory.join("said.json");
        sync.args(["--json", "--until", UNTIL]).stdout(File::create(&said)?);
        job.add(sync, "billing sync")?;
        let said = fs::read_to_string(said)?;
        let done: Done =
            serde_json::from_str(&said).with_context(|| format!("`billing sync` says {said}"))?;
        job.requests = Some(done.requests);
        Ok(done)
    }

    /// Proves the ledger once.
    ///
    /// # Errors
    /// When the program fails, or finds a difference.
    pub(crate) fn verify(&self, job: &mut Job) -> Result<()> {
        job.add(self.command("verify"), "billing verify")
    }

    fn command(&self, name: &str) -> Command {
        let Source { billing, base_url, key } = self.source;
        let mut command = Command::new(billing);
        command
            .args([name, "--base-url", base_url, "--ledger"])
            .arg(self.ledger())
            .env("BILLING_API_KEY", key);
        command
    }
}

impl Job {
    /// Does it once more.
    ///
    /// # Errors
    /// When the program fails.
    pub(crate) fn add(&mut self, command: Command, name: &str) -> Result<()> {
        let before = children_cpu()?;
        let ended = measure(command, name)?;
        self.cpu += children_cpu()?.saturating_sub(before);
        self.times.add(ended.elapsed);
        self.peak_kib = self.peak_kib.max(ended.peak_kib);
        Ok(())
    }

    pub(crate) fn median(&self) -> Duration {
        self.times.p50()
    }

    /// The mean CPU time of one.
    pub(crate) fn cpu(&self) -> Duration {
        self.cpu / u32::try_from(self.times.len().max(1)).unwrap_or(u32::MAX)
    }

    /// The line of a table: how often, how long, how fast if it brings entries, what was sent, and the most memory.
    pub(crate) fn row(&self, entries: Option<u64>) -> [String; 6] {
        [
            self.times.len().to_string(),
            milliseconds(self.median()),
            milliseconds(self.cpu()),
            entries.map_or_else(String::new, |entries| grouped(per_second(entries, self.median()))),
            self.requests.map_or_else(String::new, grouped),
            mebibytes(self.peak_kib),
        ]
    }
}
