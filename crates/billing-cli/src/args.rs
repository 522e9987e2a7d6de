//! The command line: commands and flags, as they were typed.

mod analytics;
mod balance;
mod export;
mod import;
mod ledger;
mod record;
mod serve;
mod service;
mod shell;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueHint};

pub(crate) use analytics::Analytics;
pub(crate) use balance::Balance;
pub(crate) use export::{Endpoint, Export, ExportFormat, Wire, page_sizes};
pub(crate) use import::{Import, ImportFormat};
use ledger::ledger_variable;
pub(crate) use ledger::{Accounts, AccountsCommand, Backup, Check, KeyKind, Keys, KeysCommand, Restore};
pub(crate) use record::{BatchFormat, Record};
pub(crate) use serve::{LogFormat, LogLevel, Serve, UsageEndpoint};
pub(crate) use service::{AskedOnce, Service};
pub(crate) use shell::{Completions, Man, Shell};

/// The account when none is named.
pub(crate) const DEFAULT_ACCOUNT: &str = "default";

/// The width of every command's help, in columns.
const HELP_WIDTH: usize = 80;

/// Gets an AI provider's billing usage out, whole and exact.
#[derive(Debug, Parser)]
#[command(name = "billing", version, propagate_version = true, max_term_width = HELP_WIDTH)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 failed   2 wrong usage   3 ledger differs (check)
  4 key refused or missing   5 service or endpoint gone, unreachable or failing
  6 incomplete   130 interrupted (Ctrl-C)   143 terminated (SIGTERM)";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists and removes the accounts of a ledger, and sets what they get
    Accounts(Accounts),
    /// Shows what was spent, by day, by model and by API key
    Analytics(Analytics),
    /// Copies a ledger as it is at one moment, also while it is served
    Backup(Backup),
    /// Shows what is left to spend
    Balance(Balance),
    /// Checks a ledger: the file, and every count and sum against the entries
    Check(Check),
    /// Prints what lets a shell complete what is typed
    Completions(Completions),
    /// Shows it all on made-up data: a server, a ledger, an export over both endpoints
    Demo(Demo),
    /// Exports a window of the ledger from a service, oldest first
    Export(Export),
    /// Records entries from files in a ledger: all of them, or none
    Import(Import),
    /// Makes, lists and revokes the keys of a ledger
    Keys(Keys),
    /// Writes the man pages, one for each command
    Man(Man),
    /// Records a file at a service that takes batches, whole and once
    Record(Record),
    /// Puts a copy in the place of a ledger, and keeps what it replaces
    Restore(Restore),
    /// Serves a ledger over the billing API
    Serve(Serve),
}

const DEMOS: &str = "\
Examples:
  billing demo
  billing demo --entries 100000 --dir big-demo
  billing demo --serve";

#[derive(Debug, clap::Args)]
#[command(after_help = DEMOS)]
pub(crate) struct Demo {
    /// Entries to make up
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub(crate) entries: u64,
    /// Seed of the made-up history: the same seed, the same entries
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Directory for the ledger, the key and the export
    #[arg(long, value_name = "DIR", default_value = "billing-demo", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
    /// Keep the server up afterwards, until Ctrl-C
    #[arg(long)]
    pub(crate) serve: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_flags_fit_together() {
        Args::command().debug_assert();
    }

    /// Each example is parsed up to the first character that belongs to the shell.
    #[test]
    fn the_examples_can_be_typed() {
        let mut command = Args::command();
        for name in ["analytics", "balance", "demo", "export", "import", "record"] {
            let help = command.find_subcommand_mut(name).unwrap().render_help().to_string();
            let examples: Vec<_> = help.lines().filter(|line| line.starts_with("  billing ")).collect();
            assert_eq!(examples.len(), 3, "{help}");
            for example in examples {
                let words = example.split_whitespace().take_while(|word| !["|", "<", ">"].contains(word));
                assert!(Args::try_parse_from(words).is_ok(), "{example}");
            }
        }
    }

    #[test]
    fn a_key_is_never_a_plain_flag() {
        for flag in ["--api-key", "--key", "--token"] {
            assert!(Args::try_parse_from(["billing", "export", flag, "secret"]).is_err(), "{flag}");
        }
    }
}
