//! The benchmarks. They stand in `benches/` and measure; what they found is kept in `docs/performance.md`.

use anyhow::Result;

use crate::command;

/// Runs the benchmarks: all of them, or with criterion's own arguments, of which a filter by name is the first.
///
/// # Errors
/// When they do not build or do not end well.
pub fn run(arguments: &[&str]) -> Result<()> {
    // `--benches`: the test harness of a library would not understand criterion's arguments.
    let mut cargo = command::cargo(["bench", "--locked", "--package", "billing-benches", "--benches", "--"]);
    cargo.args(arguments);
    command::run(cargo)
}
