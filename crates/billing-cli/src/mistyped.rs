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
    terminal::error(&error);
    let hints = match meant(&error) {
        Some(meant) => vec![meant],
        None => hints,
    };
    hints.iter().for_each(|hint| terminal::hint(hint));
    if error.starts_with("the following required") && error.contains("--ledger <PATH>") {
        terminal::hint("BILLING_LEDGER names the ledger of every command that is not given one");
    }
    terminal::hint(&format!("{} --help shows what it takes", command(std::env::args().skip(1))));
    ExitCode::from(Exit::Usage as u8)
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

/// What people mean by some of what there is not.
fn meant(error: &str) -> Option<String> {
    let typed = error.strip_prefix("unexpected argument '")?.strip_suffix("' found")?;
    let typed = typed.split('=').next().unwrap_or(typed);
    match typed {
        "--token" | "--key" | "--api-key" | "--bearer" => {
            Some("the key is in BILLING_API_KEY, or in the file of --api-key-file".to_owned())
        }
        "--url" | "--host" | "--endpoint-url" => Some("the service is that of --base-url".to_owned()),
        "--file" | "--out" => Some("the file is that of --output, -o".to_owned()),
        "--gzip" | "--compress" => Some("a name that ends in .gz makes it gzip: -o usage.csv.gz".to_owned()),
        "--last-month" => Some("a month is --month 2026-06".to_owned()),
        file if !file.starts_with('-') && file.contains('.') => {
            Some(format!("a file is named with -o {file}"))
        }
        _ => None,
    }
}

/// The command that was meant, as far as there is one: `billing keys create`.
fn command(typed: impl Iterator<Item = String>) -> String {
    let mut command = Args::command();
    let mut name = command.get_name().to_owned();
    for word in typed.filter(|word| !word.starts_with('-')) {
        let Some(next) = command.find_subcommand(&word) else { break };
        name.push(' ');
        name.push_str(next.get_name());
        command = next.clone();
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn said(typed: &str) -> String {
        let error = Args::try_parse_from(typed.split(' ')).unwrap_err();
        let Said { error, hints } = Said::of(&error.render().to_string());
        let hints: Vec<_> = hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
        let of = command(typed.split(' ').skip(1).map(str::to_owned));
        format!("error: {error}{}\nof: {of}", hints.concat())
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
        hint: some similar subcommands exist: 'import', 'export'
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

        error: the following required arguments were not provided: --from <FILE>, --ledger <PATH>
        of: billing restore

        error: unexpected argument 'extra' found
        of: billing check
        ");
    }
}
