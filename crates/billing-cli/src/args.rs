//! The command line: commands and flags, as they were typed.

mod analytics;
mod balance;
mod export;
mod import;
mod ledger;
mod ledger_copy;
mod named_ledger;
mod record;
mod report;
mod serve;
mod service;
mod shell;
mod status;
mod statusline;
mod sync;
mod today;
mod variable;
mod verify;
mod walking;

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};

pub(crate) use analytics::Analytics;
pub(crate) use balance::Balance;
pub(crate) use export::{Export, ExportFormat, Wire};
pub(crate) use import::{Import, ImportFormat};
pub(crate) use ledger::{Accounts, AccountsCommand, Backup, Check, KeyKind, Keys, KeysCommand, Restore};
pub(crate) use ledger_copy::{Ledger, LedgerCommand};
pub(crate) use named_ledger::NamedLedger;
pub(crate) use record::{BatchFormat, Record};
pub(crate) use report::{Form, LedgerAccounts, Look, Output, Place, Render, Report, Short, Sort, Window};
pub(crate) use serve::{LogFormat, LogLevel, Serve, UsageEndpoint};
pub(crate) use service::{AskedOnce, Service};
pub(crate) use shell::{Completions, Man, Shell};
pub(crate) use status::Status;
pub(crate) use statusline::Statusline;
pub(crate) use sync::Sync;
pub(crate) use today::Today;
pub(crate) use verify::Verify;
pub(crate) use walking::{Walking, page_sizes};

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

impl Args {
    /// What was typed.
    pub(crate) fn typed() -> Result<Self, clap::Error> {
        let matches = Self::command().try_get_matches()?;
        refuse_another_source(&matches)?;
        Self::from_arg_matches(&matches)
    }
}

/// Refuses a second source that was typed: a service beside `--from-ledger`, a ledger beside files. One in the environment is no fault:
/// it is there for other commands, and clap would not tell the two apart.
fn refuse_another_source(matches: &ArgMatches) -> Result<(), clap::Error> {
    let is_typed =
        |matches: &ArgMatches, id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let said = match matches.subcommand() {
        Some(("export", export)) if is_typed(export, "from_ledger") && is_typed(export, "base_url") => {
            "the argument '--from-ledger [<PATH>]' cannot be used with '--base-url <URL>'"
        }
        Some(("report", report)) if is_typed(report, "files") && is_typed(report, "ledger") => {
            "the argument '--ledger <PATH>' cannot be used with '[FILE]...'"
        }
        Some(("report", report)) if is_typed(report, "files") && is_typed(report, "names") => {
            "the argument '--account <NAME>' cannot be used with '[FILE]...': a ledger has accounts"
        }
        _ => return Ok(()),
    };
    Err(Args::command().error(ErrorKind::ArgumentConflict, said))
}

const EXIT_CODES: &str = "\
Exit codes:
  0 done   1 failed   2 wrong usage   3 ledger differs (check, verify)
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
    /// Shows the spend of the last 30 days, by day
    Daily(Short),
    /// Shows it all on made-up data: a server, a ledger, an export over both endpoints
    Demo(Demo),
    /// Exports a window of the ledger from a service, oldest first
    Export(Export),
    /// Records entries from files in a ledger: all of them, or none
    Import(Import),
    /// Makes, lists and revokes the keys of a ledger
    Keys(Keys),
    /// Copies a ledger into another file or database
    Ledger(Ledger),
    /// Writes the man pages, one for each command
    Man(Man),
    /// Shows the spend of the last 30 days, by model
    Models(Short),
    /// Shows the spend of this month and the 11 before it, by month
    Monthly(Short),
    /// Records a file at a service that takes batches, whole and once
    Record(Record),
    /// Shows a saved report in another form
    Render(Render),
    /// Shows where the money goes, from a ledger or from exported files
    Report(Report),
    /// Puts a copy in the place of a ledger, and keeps what it replaces
    Restore(Restore),
    /// Serves a ledger over the billing API
    Serve(Serve),
    /// Shows what a ledger holds, and how far it is in step with services
    Status(Status),
    /// Prints one line for a prompt: spend today, and the DIEM left
    Statusline(Statusline),
    /// Keeps an account of a ledger in step with a service
    Sync(Sync),
    /// Shows what was spent today, beside the days before, on one screen
    Today(Today),
    /// Proves that an account has what its service has, or mends it
    Verify(Verify),
    /// Shows the spend of this week and the 11 before it, by week
    Weekly(Short),
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

    #[test]
    fn the_flags_fit_together() {
        Args::command().debug_assert();
    }

    /// Each example is parsed up to the first character that belongs to the shell.
    #[test]
    fn the_examples_can_be_typed() {
        let mut command = Args::command();
        for name in [
            "analytics",
            "balance",
            "demo",
            "export",
            "import",
            "record",
            "render",
            "report",
            "statusline",
            "sync",
            "today",
            "verify",
        ] {
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
    fn a_ledger_and_a_service_are_not_both_typed() {
        let refused = |typed: &str| {
            let typed = format!("billing export --from-ledger {typed}");
            let matches = Args::command().try_get_matches_from(typed.split_whitespace());
            matches.and_then(|matches| refuse_another_source(&matches)).map_err(|error| error.kind())
        };
        for typed in [
            "--base-url localhost:8787/api/v1",
            "--api-key-file key",
            "--proxy http://localhost",
            "--no-proxy",
            "--cacert ca.pem",
            "--endpoint usage",
            "--wire csv",
            "--concurrency 1",
            "--page-size 10",
            "--max-wait 5",
            "--checkpoint-every 5",
            "--verbose",
        ] {
            assert_eq!(refused(typed), Err(ErrorKind::ArgumentConflict), "{typed}");
        }
        for typed in ["", "ledger.db", "--account acme -o june.csv.gz --manifest --restart --month 2026-06"] {
            assert_eq!(refused(typed), Ok(()), "{typed}");
        }
        assert!(Args::try_parse_from(["billing", "export", "--account", "acme"]).is_err());
    }

    #[test]
    fn a_key_is_never_a_plain_flag() {
        for flag in ["--api-key", "--key", "--token"] {
            assert!(Args::try_parse_from(["billing", "export", flag, "secret"]).is_err(), "{flag}");
        }
    }
}
