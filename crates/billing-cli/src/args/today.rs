//! The flags of `billing today`.

use super::ledger::WIDTH;
use super::report::{LedgerAccounts, Place};

const TODAY: &str = "\
Spend is gross: charges, before refunds. Amounts are rounded; with --json they
are texts, to the last digit. DIEM begins anew at 00:00 UTC, whatever the zone.
Entries that are dated later today count too. In its first hour a day has no
rate.
No service is asked. A ledger of an older version is brought up to date first.

Examples:
  billing today
      Shows today beside the days before, of all accounts of your own ledger.
  billing today --account acme --timezone Europe/Berlin
      Shows one account, by the clocks of Berlin.
  billing today --json | jq -r '.currencies[] | .currency, .today'
      Prints what was spent.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = TODAY)]
pub(crate) struct Today {
    #[command(flatten)]
    pub(crate) from: LedgerAccounts,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
