//! The flags of `billing status`.

use super::ledger::WIDTH;
use super::named_ledger::NamedLedger;

const STATUS: &str = "\
Of an account that `billing sync` keeps in step with a service: the spans that
it holds, what is missing between them, and from when on entries may still
arrive. Entries that the service no longer has are kept apart. With --json the
sums are texts, to the last digit.

Examples:
  billing status
      Shows the accounts of your own ledger.
  billing status --ledger ledger.db --account acme
      Shows one account of another one.
  billing status --json | jq '.accounts[].source.missing'
      Prints what is missing in each.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = STATUS)]
pub(crate) struct Status {
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
    /// Account to show [default: all]
    #[arg(long, value_name = "NAME")]
    pub(crate) account: Option<String>,
    /// Print one JSON object: the accounts, with what they hold
    #[arg(long)]
    pub(crate) json: bool,
}
