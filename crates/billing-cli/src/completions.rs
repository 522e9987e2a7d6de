//! `billing completions`: scripts with which a shell completes the command line. They are made from the flags.

use clap::{Command, CommandFactory, ValueHint};
use clap_complete::generate;

use crate::args::{self, Args, Shell};
use crate::exit::Failure;
use crate::stdout;

pub(crate) fn run(args: &args::Completions) -> Result<(), Failure> {
    stdout::print(&script(args.shell))
}

fn script(shell: Shell) -> String {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
        Shell::Powershell => clap_complete::Shell::PowerShell,
    };
    let mut script = Vec::new();
    generate(shell, &mut hinted(Args::command()), "billing", &mut script);
    // The script is UTF-8, because everything that it is made of is.
    String::from_utf8_lossy(&script).into_owned()
}

/// Tells the shell for which values to offer files.
///
/// By default a shell offers files for a value. That is right for paths: each path here is one of a file, except those of
/// directories. It is wrong for numbers, names and times.
fn hinted(command: Command) -> Command {
    let command = command.mut_args(|arg| match arg.get_value_hint() {
        ValueHint::AnyPath => arg.value_hint(ValueHint::FilePath),
        ValueHint::Unknown if arg.get_action().takes_values() && arg.get_possible_values().is_empty() => {
            arg.value_hint(ValueHint::Other)
        }
        _ => arg,
    });
    command.mut_subcommands(hinted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;

    /// Printing replaces control characters, so a script with one, such as a tab, would be damaged.
    #[test]
    fn a_script_is_plain_lines() {
        for shell in Shell::value_variants() {
            assert!(!script(*shell).chars().any(|c| c.is_control() && c != '\n'), "{shell:?}");
        }
    }

    #[test]
    fn files_are_offered_for_files_alone() {
        let command = hinted(Args::command());
        let hint = |name: &str, id: &str| {
            let command = command.find_subcommand(name).unwrap();
            command.get_arguments().find(|arg| arg.get_id() == id).unwrap().get_value_hint()
        };
        for (name, id, expect) in [
            ("export", "output", ValueHint::FilePath),
            ("export", "cacert", ValueHint::FilePath),
            ("import", "files", ValueHint::FilePath),
            ("serve", "ledger", ValueHint::FilePath),
            ("demo", "dir", ValueHint::DirPath),
            ("man", "dir", ValueHint::DirPath),
            ("export", "since", ValueHint::Other),
            ("export", "concurrency", ValueHint::Other),
            ("import", "account", ValueHint::Other),
        ] {
            assert_eq!(hint(name, id), expect, "{name} {id}");
        }
    }
}
