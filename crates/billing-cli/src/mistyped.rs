//! What the argument parser refuses, said as every other error is: what, and what to do.

use std::process::ExitCode;

use clap::CommandFactory;
use clap::error::ErrorKind;

use crate::args::Args;
use crate::exit::Exit;
use crate::terminal;

/// Says what is wrong with what was typed, or shows the help that was asked for.
pub(crate) fn report(error: &clap::Error) -> ExitCode {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    if !error.use_stderr() || is_help {
        // Whoever reads it may have gone.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
    }
    let Said { error, hints } = Said::of(&error.render().to_string());
    terminal::error(&of_variable(error.clone()));
    let command = Typed::of(std::env::args().skip(1));
    let hints = match meant(&error, &command) {
        Some(meant) => vec![meant],
        None => hints,
    };
    hints.iter().for_each(|hint| terminal::hint(hint));
    let is_missing = |argument: &str| error.starts_with("the following required") && error.contains(argument);
    if is_missing("--base-url <URL>") {
        terminal::hint(
            "name the service that takes the batch, a `billing serve`: --base-url localhost:8787/api/v1, or BILLING_BASE_URL; Venice takes no batches",
        );
    }
    terminal::hint(&format!("{} --help shows what it takes", command.name));
    ExitCode::from(Exit::Usage as u8)
}

/// The error with the name of the variable that a zone is from, where nobody typed the flag.
fn of_variable(error: String) -> String {
    const FLAGS: [&str; 3] = ["--timezone", "--tz", "--time-zone"];
    let is_flag = |typed: String| FLAGS.iter().any(|flag| typed.split('=').next() == Some(flag));
    let is_typed = std::env::args().skip(1).any(is_flag);
    match is_typed || std::env::var_os("BILLING_TIMEZONE").is_none() {
        true => error,
        false => error.replace("for '--timezone <ZONE>'", "for BILLING_TIMEZONE"),
    }
}

/// What the parser says, which has its own layout: the error, what belongs to it on lines of their own, tips, the usage.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    error: String,
    hints: Vec<String>,
}

impl Said {
    fn of(rendered: &str) -> Self {
        let mut lines = rendered.lines().map(str::trim);
        let error = lines.next().unwrap_or_default();
        let mut said =
            Self { error: error.strip_prefix("error: ").unwrap_or(error).to_owned(), hints: Vec::new() };
        let mut is_list = error.ends_with(':');
        for line in lines.filter(|line| !line.is_empty()) {
            if line.starts_with("Usage:") {
                // The usage may have several lines, and nothing that counts follows it.
                break;
            }
            match (line.strip_prefix("tip: "), line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')))
            {
                (Some(tip), _) => said.hints.push(tip.to_owned()),
                (_, Some(list)) => said.hints.push(list.to_owned()),
                _ if line.starts_with("For more information") => {}
                _ => {
                    said.error.push_str(if is_list { " " } else { ", " });
                    said.error.push_str(line);
                    is_list = false;
                }
            }
        }
        said
    }
}

/// What people mean by some of what there is not. Only what the command has is named.
fn meant(error: &str, command: &Typed) -> Option<String> {
    let typed = error.strip_prefix("unexpected argument '")?.strip_suffix("' found")?;
    let typed = typed.split('=').next().unwrap_or(typed);
    let said = match typed {
        "--token" | "--key" | "--api-key" | "--bearer" if command.has("api_key_file") => {
            "the key is in BILLING_API_KEY, or in the file of --api-key-file"
        }
        "--url" | "--host" | "--endpoint-url" if command.has("base_url") => {
            "the service is that of --base-url"
        }
        "--file" | "--out" if command.has("output") => "the file is that of --output, -o",
        "--gzip" | "--compress" if command.has("output") => {
            "a name that ends in .gz makes it gzip: -o usage.csv.gz"
        }
        "--ledger" if command.has("from_ledger") => {
            "a ledger on this machine is read with --from-ledger PATH"
        }
        "--last-month" if command.has("month") => "a month is --month 2026-06",
        "--json" if command.has("jq") => "the whole report in JSON is --format json",
        "--lookback" if command.has("days") => "the last seven days are --days 7",
        file if !file.starts_with('-') => return file_meant(file, command),
        _ => return None,
    };
    Some(said.to_owned())
}

/// What a word may mean that stands where none does: mostly it is a file.
fn file_meant(file: &str, command: &Typed) -> Option<String> {
    match command.name.as_str() {
        "billing record" => Some(
            "one file is one batch: record each by a command and an --idempotency-key of its own".to_owned(),
        ),
        "billing backup" => Some(format!("the copy is named with --to {file}, the ledger with --ledger")),
        "billing restore" => Some(format!("the copy is named with --from {file}, the ledger with --ledger")),
        _ if !file.contains('.') => None,
        "billing daily" | "billing weekly" | "billing monthly" | "billing models" => {
            Some(format!("a file is read with billing report {file}, and --by says what its rows are"))
        }
        _ if command.has("output") => Some(format!("a file is named with -o {file}")),
        _ if command.has("ledger") => Some(format!("a ledger is named with --ledger {file}")),
        _ => None,
    }
}

/// The command that was meant, as far as there is one.
struct Typed {
    /// As it is called: `billing keys create`.
    name: String,
    command: clap::Command,
}

impl Typed {
    fn of(typed: impl Iterator<Item = String>) -> Self {
        let mut command = Args::command();
        let mut name = command.get_name().to_owned();
        for word in typed.filter(|word| !word.starts_with('-')) {
            let Some(next) = command.find_subcommand(&word) else { break };
            name.push(' ');
            name.push_str(next.get_name());
            command = next.clone();
        }
        Self { name, command }
    }

    /// True when the command has this argument.
    fn has(&self, id: &str) -> bool {
        self.command.get_arguments().any(|argument| argument.get_id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn said(typed: &str) -> String {
        let error = Args::try_parse_from(typed.split(' ')).unwrap_err();
        let Said { error, hints } = Said::of(&error.render().to_string());
        let hints: Vec<_> = hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
        let of = Typed::of(typed.split(' ').skip(1).map(str::to_owned)).name;
        format!("error: {error}{}\nof: {of}", hints.concat())
    }

    #[test]
    fn what_is_meant_is_what_the_command_has() {
        for (typed, hint) in [
            ("billing export june.csv", Some("a file is named with -o june.csv")),
            ("billing export june", None),
            ("billing export --out x", Some("the file is that of --output, -o")),
            ("billing export --ledger x", Some("a ledger on this machine is read with --from-ledger PATH")),
            ("billing export --gzip", Some("a name that ends in .gz makes it gzip: -o usage.csv.gz")),
            ("billing export --lookback 7d", Some("the last seven days are --days 7")),
            ("billing export --lookback=7d", Some("the last seven days are --days 7")),
            (
                "billing record a b",
                Some("one file is one batch: record each by a command and an --idempotency-key of its own"),
            ),
            ("billing record a --out b", None),
            ("billing backup a --ledger x", Some("the copy is named with --to a, the ledger with --ledger")),
            ("billing restore a.db", Some("the copy is named with --from a.db, the ledger with --ledger")),
            ("billing check ledger.db", Some("a ledger is named with --ledger ledger.db")),
            ("billing check --token x", None),
            ("billing balance june.csv", None),
            (
                "billing balance --token x",
                Some("the key is in BILLING_API_KEY, or in the file of --api-key-file"),
            ),
            (
                "billing daily june.csv",
                Some("a file is read with billing report june.csv, and --by says what its rows are"),
            ),
            ("billing report --json", Some("the whole report in JSON is --format json")),
            ("billing balance --last-month", None),
            ("billing analytics --last-month", Some("a month is --month 2026-06")),
        ] {
            let words = || typed.split(' ').skip(1).map(str::to_owned);
            let error = Args::try_parse_from(typed.split(' ')).unwrap_err();
            let error = Said::of(&error.render().to_string()).error;
            assert_eq!(meant(&error, &Typed::of(words())).as_deref(), hint, "{typed}: {error}");
        }
    }

    #[test]
    fn the_parsers_errors_are_like_others() {
        let all = [
            "billing exprt",
            "billing export --format parquet",
            "billing export --outptu x",
            "billing export --month 2026-06 --since 7d --days 3",
            "billing export --days 7d",
            "billing export --since",
            "billing keys create --kind root",
            "billing keys revoke --ledger x",
            "billing restore",
            "billing check extra",
        ]
        .map(said);
        insta::assert_snapshot!(all.join("\n\n"), @"
        error: unrecognized subcommand 'exprt'
        hint: some similar subcommands exist: 'import', 'report', 'export'
        of: billing

        error: invalid value 'parquet' for '--format <FORMAT>'
        hint: possible values: csv, json, ndjson
        of: billing export

        error: unexpected argument '--outptu' found
        hint: a similar argument exists: '--output'
        of: billing export

        error: the argument '--month <YYYY-MM>' cannot be used with: --since <T>, --days <N>
        of: billing export

        error: invalid value '7d' for '--days <N>': it is a number of days from 1 to 20000; other spans are --since 12h or 2w
        of: billing export

        error: a value is required for '--since <T>' but none was supplied
        of: billing export

        error: invalid value 'root' for '--kind <KIND>'
        hint: possible values: admin, ingest, inference
        of: billing keys create

        error: the following required arguments were not provided: <ID>
        of: billing keys revoke

        error: the following required arguments were not provided: --from <FILE>
        of: billing restore

        error: unexpected argument 'extra' found
        of: billing check
        ");
    }
}
