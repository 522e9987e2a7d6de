//! Builds and starts the programs that are measured or compared, and ends them with the run.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use xtask::{command, workspace};

/// Builds `billing` as it is released, and returns its path.
///
/// # Errors
/// When it cannot be built.
pub(super) fn billing() -> Result<PathBuf> {
    command::run(command::cargo(["build", "--release", "--locked", "--package", "billing-cli"]))?;
    Ok(workspace::target_directory()?.join("release").join("billing"))
}

/// The absolute path of a program that the user named.
///
/// # Errors
/// When it is not there.
pub(super) fn existing(path: &str) -> Result<PathBuf> {
    fs::canonicalize(path).with_context(|| format!("there is no program `{path}`"))
}

/// A process that is killed when this value is dropped, however the run ends.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // What it writes is removed afterwards, so it need not end in order.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running `billing serve`. It ends when this value is dropped.
pub(super) struct Server {
    process: Running,
    base_url: String,
}

impl Server {
    /// Serves a ledger on a free port.
    ///
    /// # Errors
    /// When it cannot be started, or does not print its address.
    pub(super) fn start(billing: &Path, ledger: &Path) -> Result<Self> {
        Self::start_as("billing-serve", billing, ledger)
    }

    /// The same for one of several that run beside each other, of which each has a name.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub(super) fn start_as(name: &str, billing: &Path, ledger: &Path) -> Result<Self> {
        // It logs every request, as it does in use. The log goes into a file, which costs the same and can be read later.
        let log = workspace::target_directory()?.join(name).with_extension("log");
        let log = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let process = Command::new(billing)
            .args(["serve", "--listen", "127.0.0.1:0", "--ledger"])
            .arg(ledger)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn();
        let mut process = Running(process.context("cannot start billing")?);
        let stdout = process.0.stdout.take().context("the server has no output")?;
        let mut base_url = String::new();
        BufReader::new(stdout).read_line(&mut base_url)?;
        base_url.truncate(base_url.trim_end().len());
        if base_url.is_empty() {
            bail!("the server does not say where it is");
        }
        Ok(Self { process, base_url })
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    pub(super) fn id(&self) -> u32 {
        self.process.0.id()
    }
}
