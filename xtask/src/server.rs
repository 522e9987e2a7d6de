//! A server for tests by other tools: the real program over its own ledger.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::{command, deadline, workspace};

/// What the ledger is made of: see `tests/data/README.md`.
pub(crate) const HISTORY: &str = "tests/data/ledger-2026-05-06.ndjson.gz";

const ACCOUNT: &str = "conformance";

/// How long the server may take to end: its own limit for running requests, and some more.
const END_LIMIT: Duration = Duration::from_secs(20);

/// Lines of the log that are shown when something went wrong.
const SHOWN: usize = 40;

/// `billing serve`, up as long as this value lives.
pub(crate) struct Server {
    process: Child,
    log: PathBuf,
    /// `http://host:port`
    pub(crate) origin: String,
    pub(crate) admin_key: String,
    pub(crate) ingest_key: String,
}

impl Server {
    /// Builds the program, fills a ledger in the directory, and serves it on a free port.
    ///
    /// # Errors
    /// When one of these fails.
    pub(crate) fn start(directory: &Path) -> Result<Self> {
        command::run(command::cargo(["build", "--locked", "--package", "billing-cli"]))?;
        let billing = workspace::target_directory()?.join("debug").join("billing");
        let ledger = directory.join("ledger.db");
        let of_ledger = |words: &[&str]| {
            let mut command = Command::new(&billing);
            command.args(words).args(["--account", ACCOUNT, "--ledger"]).arg(&ledger);
            command
        };
        // Two months that look like real data, with pages to walk and days to sum up.
        let mut import = of_ledger(&["import"]);
        import.arg(workspace::root().join(HISTORY));
        command::output(import)?;
        command::output(of_ledger(&["accounts", "set", "--diem-allocation", "100"]))?;
        let admin_key = command::output(of_ledger(&["keys", "create", "--kind", "admin"]))?;
        let ingest_key = command::output(of_ledger(&["keys", "create", "--kind", "ingest"]))?;

        let log = directory.join("server.log");
        let mut serve = Command::new(&billing);
        serve.args(["serve", "--listen", "127.0.0.1:0", "--log-format", "json", "--ledger"]).arg(&ledger);
        // Most requests are wrong on purpose, and must not block the caller.
        serve.args(["--failed-request-limit", "0"]);
        serve.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(&log)?);
        let mut process = serve.spawn().context("cannot start billing")?;
        let stdout = process.stdout.take();
        let mut server = Self { process, log, origin: String::new(), admin_key, ingest_key };
        let mut base_url = String::new();
        BufReader::new(stdout.context("the server has no output")?).read_line(&mut base_url)?;
        let Some(origin) = base_url.trim_end().strip_suffix("/api/v1") else {
            bail!("the server does not say where it is\n{}", server.last_words()?);
        };
        origin.clone_into(&mut server.origin);
        Ok(server)
    }

    /// Ends the server with SIGTERM, as a service manager does.
    ///
    /// # Errors
    /// When it ends in another way than it should, or does not end.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let mut kill = Command::new("kill");
        kill.args(["-TERM", &self.process.id().to_string()]);
        command::output(kill).context("the server ended before it was told to")?;
        let status = deadline::wait(&mut self.process, END_LIMIT)?;
        let status =
            status.with_context(|| format!("the server did not end in {} s", END_LIMIT.as_secs()))?;
        ensure!(status.code() == Some(0), "the server ended with {status}");
        Ok(())
    }

    /// The lines of its log about errors of the server, which no request may cause.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn errors(&self) -> Result<Vec<String>> {
        let log = self.log()?;
        // A line that is not JSON is something else, such as the message of a panic.
        let is_error = |line: &&str| {
            serde_json::from_str::<LogLine<'_>>(line).map_or(true, |line| line.level == "ERROR")
        };
        Ok(log.lines().filter(is_error).map(str::to_owned).collect())
    }

    /// The end of its log.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub(crate) fn last_words(&self) -> Result<String> {
        let log = self.log()?;
        let lines: Vec<&str> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(SHOWN)..].join("\n");
        Ok(format!("the server's log, {}, ends with\n{last}", self.log.display()))
    }
}

impl Server {
    fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("cannot read {}", self.log.display()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both calls fail if the process has ended already, which is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[derive(Deserialize)]
struct LogLine<'a> {
    level: &'a str,
}
