//! The command-line tool `billing`: flags and glue over the crates below.
//!
//! Data goes to stdout, everything else to stderr. What the flags say is in `args`; each command has a file of its
//! own; what a failure means for the caller is in `exit`.

mod args;
mod exit;
mod key_source;
mod terminal;
mod text;

mod accounts;
mod backup;
mod check;
mod completions;
mod demo;
mod export;
mod import;
mod interrupt;
mod keys;
mod ledgers;
mod log;
mod man;
mod manifest;
mod mended;
mod mistyped;
mod network;
mod output;
mod plan;
mod progress;
mod restore;
mod serve;
mod summary;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};
use crate::exit::Failure;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return mistyped::report(&error),
    };
    let result = match args.command {
        Command::Accounts(args) => accounts::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Serve(args) => serve::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The runtime of a command that talks HTTP. The commands run on the main thread; the workers fetch and read pages, and
/// see an interrupt while the main thread waits for a slow pipe.
fn runtime(workers: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().map_err(
        |error| Failure::failed(anyhow::Error::new(error).context("the async runtime cannot be started")),
    )
}
