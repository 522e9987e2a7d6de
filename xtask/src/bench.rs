//! The benchmarks. They stand in `benches/` and measure; what they found is kept in `docs/performance.md`.

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

use std::time::SystemTime;

use anyhow::Result;

use crate::{command, workspace};

/// Runs the benchmarks and prints their medians: all of them, or with criterion's own arguments, of which a filter by
/// name is the first. Five words are something else: `memory`, the peak memory of an export; `walk`, what windows side
/// by side bring to it and what it takes beside curl, or beside another program; `hangs`, what it takes from a service
/// that hangs; `pace`, what refusals cost on real sockets; and `server`, what the server does under load. Three of them
/// have options.
///
/// Criterion's own walks are still reached by more of their names, `walk-` for all of them.
///
/// # Errors
/// When they do not build or do not end well; when an export takes more memory or time than it may; when the server
/// misses a limit.
pub fn run(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["memory"] => return memory::run(),
        ["walk"] => return walk::run(),
        ["walk", "--vs", before] => return versus::run(before),
        ["hangs", options @ ..] => return hangs::run(options),
        ["pace"] => return pace(),
        ["server", options @ ..] => return server::run(options),
        _ => {}
    }
    let results = workspace::target_directory()?.join("criterion");
    let start = SystemTime::now();
    // `--benches`, all that measure by themselves: the test harness of a library would not understand criterion's arguments.
    let mut cargo = command::cargo(["bench", "--locked", "--package", "billing-benches", "--benches", "--"]);
    cargo.args(arguments).env("CRITERION_HOME", &results);
    command::run(cargo)?;
    say(&report::of(&results, start)?);
    Ok(())
}

/// Nearly all of it is waiting, so it need not be built for speed.
fn pace() -> Result<()> {
    let profile =
        ["bench", "--locked", "--profile", "dev", "--package", "billing-benches", "--bench", "pace"];
    command::run(command::cargo(profile))
}

#[expect(clippy::print_stdout, reason = "figures are for whoever asked for them")]
fn say(text: &str) {
    println!("{text}");
}
