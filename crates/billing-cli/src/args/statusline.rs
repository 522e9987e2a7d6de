//! The flags of `billing statusline`.

use billing_report::Template;

use super::ledger::WIDTH;
use super::report::{LedgerAccounts, Place};

const STATUSLINE: &str = "\
Placeholders, all of today:
  {spend}       spend of each currency: 0.70 DIEM + $1.23
  {spend.USD}   spend in one currency, the number alone
  {burn}        spend an hour so far; - in the first hour of a day;
                {burn.USD} in one currency
  {diem_used}   DIEM used of this UTC day
  {diem_left}   DIEM left of it; - without an allocation
  {diem_allocation}  DIEM of a whole day; `billing accounts set` sets it
  {reset}       hours and minutes until DIEM begins anew: 5:12
  {entries}     entries
  {tokens}      tokens
  {top_model}   model on which most was spent, by the rates of `report --usd`;
                {top_model.USD} in one currency
  {age}         time since the last sync; `never` until the first one has ended,
                - without a synced account
{{ and }} stand for the braces themselves. Amounts are rounded.

The ledger is only read. No program is waited for, and no service is asked.
Without a ledger nothing is printed, and the exit code is 1.

Examples:
  billing statusline
      Prints what was spent, the DIEM left, and the time until it begins anew.
  billing statusline --template '{spend}/{diem_left}/{age}'
      Prints a line of your own.
  billing statusline --account acme --timezone Europe/Berlin
      Prints the line of one account, by the clocks of Berlin.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = STATUSLINE)]
pub(crate) struct Statusline {
    /// The line, with placeholders in braces [default: spend, and DIEM left]
    #[arg(long, value_name = "T")]
    pub(crate) template: Option<Template>,
    #[command(flatten)]
    pub(crate) from: LedgerAccounts,
    #[command(flatten)]
    pub(crate) place: Place,
}
