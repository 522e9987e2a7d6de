//! Starts other programs in the root of the project, with errors that name them.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace;

/// The variables that `cargo run` sets for the program that it starts. If they were passed on, the next cargo would see
/// a changed environment, and build scripts that watch it (such as ring's) would run again each time.
const FROM_CARGO_RUN: [&str; 5] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];

/// The cargo that started us, so that nested calls use the same toolchain.
pub fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = in_root(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// A line for the shell, as a reader of the README would type it.
pub fn shell(line: &str) -> Command {
    let mut command = in_root("sh".into());
    command.args(["-c", line]);
    command
}

fn in_root(program: std::ffi::OsString) -> Command {
    let mut command = Command::new(program);
    // There is no standard input: a program that asks a question would make the gate hang.
    command.current_dir(workspace::root()).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        if FROM_CARGO_RUN.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end. Its output is shown as it comes.
///
/// # Errors
/// When it cannot be started, and when it does not succeed.
pub fn run(mut command: Command) -> Result<()> {
    let line = line_of(&command);
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a command and returns what it prints on stdout.
///
/// # Errors
/// When it cannot be started, and when it does not succeed.
pub fn output(mut command: Command) -> Result<String> {
    let line = line_of(&command);
    let output = command.output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{line}` ended with {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The command as it would be typed, for messages.
pub(crate) fn line_of(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or(command.get_program()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
