//! Runs the program with an empty environment and a time limit.

use std::process::{Command, Output};
use std::time::Duration;

use billing_format::{InputFormat, read_entries};
use billing_model::UsageEntry;

/// No test waits for it; it ends a run that hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// The program with these arguments and an empty environment. The user has no data directory there, so no test comes near
/// the ledger of whoever runs it.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_billing"));
    command.args(args).env_clear().env("HOME", "/dev/null");
    command
}

/// Runs the program to its end.
pub(crate) fn run(args: &[&str]) -> Run {
    finish(command(args), b"")
}

/// Runs the program to its end, with this on stdin.
pub(crate) fn run_reading(args: &[&str], stdin: &[u8]) -> Run {
    finish(command(args), stdin)
}

/// Every command, as the words that call it: those that do something, and those that only have others below them.
pub(crate) fn commands() -> Vec<Vec<String>> {
    fn below(above: &[String]) -> Vec<Vec<String>> {
        let words: Vec<_> = above.iter().map(String::as_str).chain(["--help"]).collect();
        let help = run(&words).done();
        let Some((_, list)) = help.text().split_once("\nCommands:\n") else { return Vec::new() };
        let lines = list.lines().take_while(|line| !line.is_empty());
        // A line with more white space at its start continues the one before.
        let names = lines.filter_map(|line| line.strip_prefix("  ")).filter(|line| !line.starts_with(' '));
        let names = names.map(|line| line.split(' ').next().unwrap()).filter(|name| *name != "help");
        let commands = names.map(|name| [above, &[name.to_owned()]].concat());
        commands.flat_map(|command| [vec![command.clone()], below(&command)].concat()).collect()
    }
    below(&[])
}

/// The long flags that the help of a command has.
pub(crate) fn flags(command: &[String]) -> Vec<String> {
    let words: Vec<_> = command.iter().map(String::as_str).chain(["-h"]).collect();
    let help = run(&words).done();
    let lines = help.text().lines().map(str::trim_start).filter(|line| line.starts_with('-'));
    let flags = lines.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")));
    flags.map(str::to_owned).collect()
}

/// An export from the service at `base_url`.
pub(crate) fn export_command(base_url: &str, key: &str, args: &[&str]) -> Command {
    let mut command = command(&["export", "--base-url", base_url]);
    command.args(args).env("BILLING_API_KEY", key);
    command
}

/// Runs a command to its end, or to the limit.
pub(crate) fn finish(command: Command, stdin: &[u8]) -> Run {
    assert_cmd::Command::from_std(command).write_stdin(stdin).timeout(LIMIT).output().unwrap().into()
}

/// The result of a run.
pub(crate) struct Run {
    /// `None` when a signal ended it, the time limit's too.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).unwrap();
        Self { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

impl Run {
    /// Asserts that the run succeeded.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self
    }

    /// Asserts that the run failed with this code and said this, and printed nothing that could be taken for a result.
    #[track_caller]
    pub(crate) fn failed(&self, code: i32, said: &str) {
        let Self { stderr, stdout, .. } = self;
        assert_eq!(self.code, Some(code), "{stderr}");
        assert!(stderr.contains("error: ") && stderr.contains(said), "{said:?} is not said in: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(stdout));
    }

    /// Everything that a failed run said, and its exit code, without what depends on the day, the pace or the address.
    pub(crate) fn said(&self, address: &str) -> String {
        assert!(self.stdout.is_empty(), "{}", String::from_utf8_lossy(&self.stdout));
        // After ten seconds the program reports its progress, which is left out.
        let lines = self.stderr.split_inclusive('\n').filter(|line| !line.starts_with("so far: "));
        let text = lines.collect::<String>().replace(address, "ADDRESS");
        // `(tried 5 times in 2.3s)`.
        let mut parts = text.split(" times in ");
        let mut said = parts.next().unwrap().to_owned();
        for part in parts {
            said.push_str(" times in TIME");
            said.push_str(&part[part.find(')').unwrap()..]);
        }
        format!("{said}exit code {:?}", self.code.unwrap())
    }

    /// What it printed, as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// What it printed, as entries.
    pub(crate) fn entries(&self) -> Vec<UsageEntry> {
        entries(&self.stdout)
    }
}

/// The entries in a file of any format.
pub(crate) fn entries(bytes: &[u8]) -> Vec<UsageEntry> {
    // An empty NDJSON file has no entries.
    if bytes.is_empty() {
        return Vec::new();
    }
    let mut entries = Vec::new();
    read_entries(bytes, InputFormat::Auto, &mut entries).unwrap();
    entries
}

/// Entries as a file, one a line.
pub(crate) fn ndjson(entries: &[UsageEntry]) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        entry.write_json(&mut out);
        out.push(b'\n');
    }
    out
}
