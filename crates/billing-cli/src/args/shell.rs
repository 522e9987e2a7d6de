//! The flags of `billing completions` and `billing man`.

use std::path::PathBuf;

use clap::{ValueEnum, ValueHint};

use super::ledger::WIDTH;

const COMPLETIONS: &str = "\
Examples:
  billing completions bash > ~/.local/share/bash-completion/completions/billing
      Offers commands, flags and their values in the next bash.
  billing completions zsh > ~/.zfunc/_billing
      The same in zsh, where ~/.zfunc is in fpath.
  billing completions fish > ~/.config/fish/completions/billing.fish
      The same in fish.
  billing completions powershell >> $PROFILE
      The same in PowerShell.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = COMPLETIONS)]
pub(crate) struct Completions {
    /// Shell that is to read it
    #[arg(value_enum, value_name = "SHELL", ignore_case = true)]
    pub(crate) shell: Shell,
}

/// The shells for which a release has completions.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Shell {
    Bash,
    Zsh,
    Fish,
    Powershell,
}

const MAN: &str = "\
Pages that are there already are replaced; nothing else in DIR is touched.

Examples:
  billing man ~/.local/share/man/man1
      Writes them where `man billing-export` finds them.
  billing man pages
      Writes them for `man ./pages/billing-export.1`.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = MAN)]
pub(crate) struct Man {
    /// Directory for the pages; made when it is not there
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: PathBuf,
}
