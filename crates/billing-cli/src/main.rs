//! The command-line tool `billing`: flags, and glue over the library crates.
//!
//! Data goes to stdout, everything else to stderr. `args` has the flags, each command has a file of its own, and `exit`
//! has the exit codes and the messages of failures.

mod args;
mod base_url;
mod clock;
mod exit;
mod key_source;
mod ledger_place;
mod redaction;
mod runtime;
mod scratch;
mod stdout;
mod terminal;
mod text;

mod accounts;
mod analytics;
mod asking;
mod backup;
mod balance;
mod check;
mod chosen_accounts;
mod completions;
mod demo;
mod export;
mod from_ledger;
mod import;
mod input;
mod interrupt;
mod keeping;
mod keys;
mod ledger_copy;
mod ledgers;
mod log;
mod man;
mod mistyped;
mod network;
mod output;
mod overwriting;
mod plan;
mod progress;
mod reading;
mod record;
mod render;
mod report;
mod restore;
mod serve;
mod status;
mod statusline;
mod summary;
mod sync;
mod today;
mod typed;
mod upstream;
mod verify;
mod whole_output;

use std::process::ExitCode;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let args = match Args::typed() {
        Ok(args) => args,
        Err(error) => return mistyped::report(&error),
    };
    let result = match args.command {
        Command::Accounts(args) => accounts::run(&args),
        Command::Analytics(args) => analytics::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Balance(args) => balance::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Daily(args) => report::daily(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Export(args) if args.from_ledger.is_some() => from_ledger::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Import(args) => import::run(&args),
        Command::Keys(args) => keys::run(&args),
        Command::Ledger(args) => ledger_copy::run(&args),
        Command::Man(args) => man::run(&args),
        Command::Models(args) => report::models(&args),
        Command::Monthly(args) => report::monthly(&args),
        Command::Record(args) => record::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::Status(args) => status::run(&args),
        Command::Statusline(args) => statusline::run(&args),
        Command::Sync(args) => sync::run(&args),
        Command::Today(args) => today::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Weekly(args) => report::weekly(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
