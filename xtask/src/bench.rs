//! Starts the benchmarks. They stand in `benches/` and measure; what they found is kept in `docs/performance.md`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use cargo_metadata::Message;

use crate::command;

/// Runs benchmarks: all that criterion measures, or what the arguments say. `benches/whole/main.rs` reads them.
///
/// # Errors
/// When they do not build or do not end well; when an export takes more memory or time than it may; when the server
/// misses a limit.
pub fn run(arguments: &[&str]) -> Result<()> {
    if arguments == ["pace"] {
        // It mostly waits, so it need not be optimised.
        let profile =
            ["bench", "--locked", "--profile", "dev", "--package", "billing-benches", "--bench", "pace"];
        return command::run(command::cargo(profile));
    }
    // It runs in the caller's directory, because an argument may be the path of a program.
    let mut whole = Command::new(program("whole")?);
    whole.args(arguments).stdin(Stdio::null());
    command::run(whole)
}

/// Builds a program of `benches/`, optimised, and says where it is.
///
/// # Errors
/// When it does not build.
pub fn program(name: &str) -> Result<PathBuf> {
    let mut cargo = command::cargo(["build", "--release", "--locked", "--package", "billing-benches"]);
    // Only cargo knows the file name of a built benchmark.
    cargo.args(["--bench", name, "--message-format", "json-render-diagnostics"]);
    cargo.stderr(Stdio::inherit());
    let messages = command::output(cargo)?;
    let mut built = Message::parse_stream(messages.as_bytes()).filter_map(|message| match message {
        Ok(Message::CompilerArtifact(artifact)) if artifact.target.name == name => artifact.executable,
        _ => None,
    });
    built.next().map(PathBuf::from).with_context(|| format!("cargo does not say where it built `{name}`"))
}
