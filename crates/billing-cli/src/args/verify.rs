//! The flags of `billing verify`: the account, how much of it, and whether it is mended.

use super::DEFAULT_ACCOUNT;
use super::named_ledger::NamedLedger;
use super::walking::Walking;

/// The headings of the flags in the help.
const WINDOW: &str = "Window";
const RUN: &str = "Run";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
    /// Account that `billing sync` keeps in step with the service
    #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
    pub(crate) account: String,

    /// Only what is held from here on [default: all that is held and final]
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = WINDOW)]
    pub(crate) since: Option<String>,
    /// Only what is held before
    #[arg(long, value_name = "T", allow_hyphen_values = true, help_heading = WINDOW)]
    pub(crate) until: Option<String>,

    /// Replace the windows that differ by what the service has
    #[arg(long, help_heading = RUN)]
    pub(crate) repair: bool,
    /// With --repair: take out what the service does not have, also when it is a great part of what is held
    #[arg(long, requires = "repair", help_heading = RUN)]
    pub(crate) accept_vanished: bool,
    /// Print one JSON object: what was compared, and what differs
    #[arg(long, help_heading = RUN)]
    pub(crate) json: bool,

    #[command(flatten)]
    pub(crate) walking: Walking,
}

const EXAMPLES: &str = "\
All that is held and final is read from the service again and compared with the
ledger, entry by entry; and days with its usage analytics, where it has them.
Exit code 3 says that something differs, 0 that nothing does, or nothing any
more. Times T are those of `billing export`.

Examples:
  billing verify
      Proves the account `default` of your ledger.
  billing verify --account acme --since 2026-06 --until 2026-07 --json
      Proves a month of another account, for a program.
  billing verify --repair
      Brings what differs in line, and makes sums of it anew.";
