//! The picture in README.md: a terminal after a real export.
//!
//! The release program serves a demo, and the commands of the picture run against it in their own terminal. The history
//! is made up and always the same, so two pictures differ only in how long the export took. `tests/e2e/picture.rs` runs
//! the commands too, and fails when they print other words than the picture shows.

mod drawing;
mod terminal;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::{command, workspace};
use terminal::Terminal;

/// What README.md shows, and where.
const PICTURE: &str = "docs/billing-export.svg";

/// What is typed. The service's address and the key are in the environment, so that no port and no key is shown.
const TYPED: [&str; 2] =
    ["billing export --month 2026-06 -o june.csv", "tail -n 4 june.csv | cut -d , -f 1,2,5,6"];

/// The seed of a history whose sums in June are short. With most seeds, the sums have digits of binary arithmetic, and
/// the summary is wider than the terminal.
const SEED: &str = "15";

/// Makes the picture anew.
///
/// # Errors
/// When the program cannot be built or run, or the picture cannot be written.
pub fn run() -> Result<()> {
    command::run(command::cargo(["build", "--release", "--locked", "--package", "billing-cli"]))?;
    let target = workspace::target_directory()?;
    let directory = target.join("picture");
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    fs::create_dir_all(&directory)?;
    let programs = target.join("release");
    let demo = Demo::start(&programs.join("billing"), &directory)?;

    let mut terminal = Terminal::new()?;
    for line in TYPED {
        terminal.feed(&format!("\x1b[32m$\x1b[0m \x1b[1m{line}\x1b[0m\r\n"));
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(&directory);
        shell.env_clear().env("PATH", path_before(&programs)?).env("TERM", "xterm-256color");
        shell.env("BILLING_BASE_URL", &demo.base_url).env("BILLING_API_KEY", &demo.key);
        terminal.run(shell).with_context(|| format!("`{line}`"))?;
    }
    let path = workspace::root().join(PICTURE);
    let title = format!("A terminal after `{}`", TYPED.join("` and `"));
    fs::write(&path, drawing::svg(terminal.screen(), &title))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The search path of this process, with a directory before it.
fn path_before(directory: &Path) -> Result<std::ffi::OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(directory.to_owned()).chain(std::env::split_paths(&rest));
    Ok(std::env::join_paths(all)?)
}

/// `billing demo --serve`, up as long as this value lives.
struct Demo {
    process: Child,
    base_url: String,
    key: String,
}

impl Demo {
    fn start(billing: &Path, directory: &Path) -> Result<Self> {
        let mut command = Command::new(billing);
        command.args(["demo", "--serve", "--seed", SEED, "--dir", "demo"]).current_dir(directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let process = command.spawn().context("cannot start billing")?;
        let mut demo = Self { process, base_url: String::new(), key: String::new() };
        let stdout = demo.process.stdout.take().context("the demo has no output")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if let Some(base_url) = line.strip_prefix("serving it at ") {
                base_url.clone_into(&mut demo.base_url);
            }
            if line.starts_with("The server stays up") {
                let key = fs::read_to_string(directory.join("demo").join("api-key"))?;
                key.trim().clone_into(&mut demo.key);
                return Ok(demo);
            }
        }
        bail!("the demo does not say that it serves")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        // Both calls fail if the process has ended already, which is fine.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
