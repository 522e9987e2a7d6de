//! The benchmarks. They stand in `benches/` and measure; what they found is kept in `docs/performance.md`.

mod memory;
mod report;

use std::time::SystemTime;

use anyhow::Result;

use crate::{command, workspace};

/// Runs the benchmarks and prints their medians: all of them, or with criterion's own arguments, of which a filter by
/// name is the first. `memory` is one of its own: the peak memory of an export.
///
/// # Errors
/// When they do not build or do not end well; when an export takes more memory than it may.
pub fn run(arguments: &[&str]) -> Result<()> {
    if arguments == ["memory"] {
        return memory::run();
    }
    let results = workspace::target_directory()?.join("criterion");
    let start = SystemTime::now();
    // `--benches`: the test harness of a library would not understand criterion's arguments.
    let mut cargo = command::cargo(["bench", "--locked", "--package", "billing-benches", "--benches", "--"]);
    cargo.args(arguments).env("CRITERION_HOME", &results);
    command::run(cargo)?;
    say(&report::of(&results, start)?);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "figures are for whoever asked for them")]
fn say(text: &str) {
    println!("{text}");
}
