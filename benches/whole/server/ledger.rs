//! The ledger of the benchmarks: it is made once and never written to; a copy of it is served.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::ACCOUNT;
use crate::figures::grouped;
use crate::process::{clear, succeeded};
use crate::program::{self, Running, Server};
use crate::say;
use xtask::{bench, command, workspace};

/// The directory of the ledgers, and the program that makes them.
pub(crate) struct Ledger {
    billing: PathBuf,
    history: PathBuf,
    /// The directory is beside the build: on many machines `/tmp` is memory, in which nothing is durable.
    directory: PathBuf,
    entries: u64,
}

impl Ledger {
    /// Makes a ledger of so many entries, unless an earlier run left one, and a copy of it to serve.
    ///
    /// # Errors
    /// When a program cannot be built or fails, or when a file cannot be written.
    pub(crate) fn prepare(entries: u64) -> Result<Self> {
        Self::of(program::billing()?, "bench-server", entries)
    }

    /// The same with another program, in another directory.
    ///
    /// # Errors
    /// As [`Ledger::prepare`].
    pub(crate) fn of(billing: PathBuf, name: &str, entries: u64) -> Result<Self> {
        let history = bench::program("history")?;
        let directory = workspace::target_directory()?.join(name);
        let ledger = Self { billing, history, directory, entries };
        clear(&ledger.run_directory())?;
        if ledger.made_path().exists() {
            say(&format!("taking {} of an earlier run", ledger.made()));
        } else {
            // A ledger of another size would only use up the disk.
            clear(&ledger.directory)?;
            ledger.make()?;
        }
        fs::create_dir_all(ledger.run_directory())?;
        fs::copy(ledger.made_path(), ledger.served_path())?;
        // Synced now, so that the system does not write it while something is measured.
        File::open(ledger.served_path())?.sync_all()?;
        Ok(ledger)
    }

    /// The program that made it.
    pub(crate) fn billing(&self) -> &Path {
        &self.billing
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries
    }

    /// The original file, which is not written to any more.
    pub(crate) fn made_path(&self) -> PathBuf {
        self.directory.join(format!("history-{}.db", self.entries))
    }

    /// The ledger in words, for messages.
    pub(crate) fn made(&self) -> String {
        self.made_path().display().to_string()
    }

    /// Makes a key in the served ledger. The server may be running.
    ///
    /// # Errors
    /// When `billing keys` fails.
    pub(crate) fn create_key(&self, account: &str, kind: &str) -> Result<String> {
        let mut keys = Command::new(&self.billing);
        keys.args(["keys", "create", "--account", account, "--kind", kind, "--ledger"])
            .arg(self.served_path());
        command::output(keys)
    }

    /// Serves the copy.
    ///
    /// # Errors
    /// When the server does not start.
    pub(crate) fn serve(&self) -> Result<Server> {
        Server::start(&self.billing, &self.served_path())
    }

    /// Starts the program that prints a made-up history, as lines of JSON.
    ///
    /// # Errors
    /// When its program cannot be started.
    pub(crate) fn history(&self, seed: u64, entries: u64) -> Result<(Running, BufReader<ChildStdout>)> {
        let history = Command::new(&self.history)
            .args([seed.to_string(), entries.to_string()])
            .stdout(Stdio::piped())
            .spawn();
        let mut history = Running(history.context("cannot start the maker of histories")?);
        let lines = history.0.stdout.take().context("the maker of histories has no output")?;
        Ok((history, BufReader::with_capacity(1 << 20, lines)))
    }

    /// Removes what the run wrote, and the original ledger too unless it is to be kept.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub(crate) fn clear(&self, keep_made: bool) -> Result<()> {
        clear(&if keep_made { self.run_directory() } else { self.directory.clone() })
    }

    /// Makes the original ledger under another name and then renames it, so a file of this name is whole.
    fn make(&self) -> Result<()> {
        let start = Instant::now();
        fs::create_dir_all(self.run_directory())?;
        let half_made = self.run_directory().join("history.db");
        // The entries that all benchmarks use: the made-up history of seed 1.
        let (mut history, lines) = self.history(1, self.entries)?;
        let mut import = Command::new(&self.billing);
        import
            .args(["import", "-", "--format", "ndjson", "--account", ACCOUNT, "--ledger"])
            .arg(&half_made)
            .stdin(Stdio::from(lines.into_inner()));
        succeeded(import.status().context("cannot start billing")?, "billing import")?;
        // For the importer a history that broke off looks complete, so the exit status of its program is checked.
        succeeded(history.0.wait()?, "history")?;
        ensure!(!Path::new(&log_of(&half_made)).exists(), "the import left its log behind");
        fs::rename(&half_made, self.made_path())?;
        say(&format!(
            "made {} of {} entries in {} s",
            self.made(),
            grouped(self.entries),
            start.elapsed().as_secs()
        ));
        Ok(())
    }

    fn run_directory(&self) -> PathBuf {
        self.directory.join("run")
    }

    /// The copy, which may be written to.
    pub(crate) fn served_path(&self) -> PathBuf {
        self.run_directory().join("ledger.db")
    }
}

/// The log of SQLite, which has what is not in the file yet.
fn log_of(file: &Path) -> PathBuf {
    file.with_extension("db-wal")
}
