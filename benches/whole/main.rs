//! What the whole costs: `billing export` and `billing serve` as programs, started, asked and measured from outside.
//!
//! `cargo xtask bench` builds and starts this one. What it found is kept in `docs/performance.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are for whoever asked for them")]

mod hangs;
mod memory;
mod report;
mod server;
mod versus;
mod walk;

mod connection;
mod endpoint;
mod export;
mod figures;
mod measured;
mod process;
mod program;
mod upstream;

use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Result;
use xtask::{command, workspace};

/// Four words are benchmarks of the whole: `memory`, the peak memory of an export; `walk`, what windows side by side bring
/// to it and what it takes beside curl, or beside another program; `hangs`, what it takes from a service that hangs;
/// `server`, what the server does under load. All else goes to criterion, as its own arguments: a filter by name is the
/// first of them.
///
/// Criterion's own walks are still reached by more of their names, `walk-` for all of them.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        ["memory"] => memory::run(),
        ["walk"] => walk::run(),
        ["walk", "--vs", before] => versus::run(before),
        ["hangs", ref options @ ..] => hangs::run(options),
        ["server", ref options @ ..] => server::run(options),
        _ => parts(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs criterion's benchmarks of the parts, and prints their medians.
fn parts(arguments: &[&str]) -> Result<()> {
    let results = workspace::target_directory()?.join("criterion");
    let start = SystemTime::now();
    // `--benches`, all that measure by themselves: the test harness of a library would not understand criterion's arguments.
    let mut cargo = command::cargo(["bench", "--locked", "--package", "billing-benches", "--benches", "--"]);
    cargo.args(arguments).env("CRITERION_HOME", &results);
    command::run(cargo)?;
    say(&report::of(&results, start)?);
    Ok(())
}

fn say(text: &str) {
    println!("{text}");
}
