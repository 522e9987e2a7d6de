//! Measures the whole programs, `billing export` and `billing serve`, from outside.
//!
//! `cargo xtask bench` builds and starts this program. Its results are in `docs/performance.md`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are for whoever asked for them")]

mod hangs;
mod memory;
#[cfg(unix)]
mod postgres;
mod report;
mod reports;
mod server;
mod sync;
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

/// Seven words name benchmarks of whole programs. `memory` is the peak memory of an export. `walk` is the time of an
/// export: with windows side by side, compared with curl, or compared with another program. `hangs` is the time of an
/// export from a service that hangs. `server` is the server under load, `postgres` the same one over PostgreSQL and over
/// SQLite. `sync` is `billing sync`, compared with dlt.
/// `report` is reports of a ledger, compared with DuckDB and ccusage. All other arguments go to criterion; the first one
/// is a filter by name.
///
/// Criterion's own walks are reached by a longer part of their names, `walk-` for all of them.
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        ["memory"] => memory::run(),
        ["walk"] => walk::run(),
        ["walk", "--vs", before] => versus::run(before),
        ["hangs", ref options @ ..] => hangs::run(options),
        ["server", ref options @ ..] => server::run(options),
        #[cfg(unix)]
        ["postgres", ref options @ ..] => postgres::run(options),
        ["sync", ref options @ ..] => sync::run(options),
        ["report", ref options @ ..] => reports::run(options),
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
    // `--benches` runs the benchmarks alone: a library's test harness does not know criterion's arguments.
    let mut cargo = command::cargo(["bench", "--locked", "--package", "billing-benches", "--benches", "--"]);
    cargo.args(arguments).env("CRITERION_HOME", &results);
    command::run(cargo)?;
    say(&report::of(&results, start)?);
    Ok(())
}

fn say(text: &str) {
    println!("{text}");
}
