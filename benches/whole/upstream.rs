//! Starts the upstream of `benches/upstream/` as a program, and reads its counts.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result};

/// The running service of a walk. It ends when this value is dropped.
pub(super) struct Upstream {
    process: Child,
    /// Its standard input: the program runs as long as this is open.
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    base_url: String,
    counted_urls: [String; 2],
    /// Two windows around all entries: half an hour wider at either end, and twenty days.
    windows: [Window; 2],
}

/// A window as arguments of the command line.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) since: String,
    pub(super) until: String,
}

impl Window {
    pub(super) fn flags(&self) -> [&str; 4] {
        ["--since", &self.since, "--until", &self.until]
    }
}

/// The properties of an upstream. By default it answers at once, never hangs, and has entries of the first half of 2026.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traits {
    /// The latency of each page.
    pub(super) latency_ms: u64,
    /// If set, the entries are of the five months up to this second.
    pub(super) end_unix_s: Option<u64>,
    /// How long a first request for a narrow or an empty window hangs before it is answered with 500.
    pub(super) hang_ms: Option<u64>,
}

/// The counts of an upstream since they were last read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) requests: u64,
    /// The most requests at the same time.
    pub(super) most_held: u64,
    /// Bytes of the answers' bodies.
    pub(super) bytes: u64,
    /// Requests that hung.
    pub(super) hung: u64,
}

impl Upstream {
    /// Starts an upstream with so many entries and this latency.
    ///
    /// # Errors
    /// When it cannot be started, or does not print its address.
    pub(super) fn start(program: &Path, entries: u64, latency_ms: u64) -> Result<Self> {
        Self::start_with(program, entries, Traits { latency_ms, ..Traits::default() })
    }

    /// Starts an upstream with so many entries and these properties.
    ///
    /// # Errors
    /// When it cannot be started, or does not print its address.
    pub(super) fn start_with(program: &Path, entries: u64, traits: Traits) -> Result<Self> {
        let mut command = Command::new(program);
        command.args([entries.to_string(), traits.latency_ms.to_string()]);
        for (option, value) in [("--end", traits.end_unix_s), ("--hang-ms", traits.hang_ms)] {
            command.args(value.iter().flat_map(|value| [option.to_owned(), value.to_string()]));
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start the upstream")?;
        let stdin = process.stdin.take();
        let mut stdout = BufReader::new(process.stdout.take().context("the upstream has no output")?);
        let base_url = line(&mut stdout)?;
        let counted_urls = [line(&mut stdout)?, line(&mut stdout)?];
        let mut window = || {
            let borders = line(&mut stdout)?;
            let (since, until) =
                borders.split_once(' ').context("the upstream does not say what it holds")?;
            anyhow::Ok(Window { since: since.to_owned(), until: until.to_owned() })
        };
        let windows = [window()?, window()?];
        Ok(Self { process, stdin, stdout, base_url, counted_urls, windows })
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Windows around all entries: half an hour wider at either end, and twenty days.
    pub(super) fn windows(&self) -> [Window; 2] {
        self.windows.clone()
    }

    /// The URL with which curl fetches all pages of an endpoint, one after the other.
    ///
    /// # Errors
    /// When it has no such endpoint.
    pub(super) fn counted_url(&self, endpoint: &str) -> Result<&str> {
        let path = format!("/billing/{endpoint}?");
        let url = self.counted_urls.iter().find(|url| url.contains(&path));
        url.map(String::as_str).with_context(|| format!("the upstream has no `{endpoint}`"))
    }

    /// The counts since the last call.
    ///
    /// # Errors
    /// When the program has ended.
    pub(super) fn counts(&mut self) -> Result<Counts> {
        let stdin = self.stdin.as_mut().context("the upstream has no input")?;
        writeln!(stdin).context("the upstream is gone")?;
        let said = line(&mut self.stdout)?;
        let numbers: Result<Vec<u64>, _> = said.split(' ').map(str::parse).collect();
        let numbers = numbers.with_context(|| format!("the upstream says `{said}`"))?;
        let [requests, most_held, bytes, hung] =
            <[u64; 4]>::try_from(numbers).ok().with_context(|| format!("the upstream says `{said}`"))?;
        Ok(Counts { requests, most_held, bytes, hung })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stdin = None;
        let _ = self.process.wait();
    }
}

fn line(stdout: &mut impl BufRead) -> Result<String> {
    let mut line = String::new();
    let read = stdout.read_line(&mut line).context("the upstream cannot be read")?;
    anyhow::ensure!(read > 0, "the upstream ended before it said everything");
    line.truncate(line.trim_end().len());
    Ok(line)
}
