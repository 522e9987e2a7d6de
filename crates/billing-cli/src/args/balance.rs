//! What is typed for a balance.

use super::ledger::WIDTH;
use super::service::AskedOnce;

const BALANCE: &str = "\
USD and credits that are not listed are zero or below: a balance does not tell
which. DIEM is what is left of today's allowance; the next begins at 00:00 UTC.

Examples:
  billing balance
      Shows what is left, and what the next request is charged in.
  billing balance --json | jq .balances
      Prints what is left, for a program. jq may round long numbers.
  billing balance --base-url localhost:8787/api/v1 --api-key-file admin-key
      Asks a server on this machine.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = BALANCE)]
pub(crate) struct Balance {
    /// Print the answer of the service as it came
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) asked: AskedOnce,
}
