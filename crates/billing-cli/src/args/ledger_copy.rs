//! The flags of `billing ledger`.

use std::path::PathBuf;

use clap::Subcommand;

use super::ledger::WIDTH;

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH)]
pub(crate) struct Ledger {
    #[command(subcommand)]
    pub(crate) command: LedgerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Copies a ledger into another file or database, and compares the two
    #[command(after_help = COPIES)]
    Copy(LedgerCopy),
}

#[derive(Debug, clap::Args)]
pub(crate) struct LedgerCopy {
    /// Ledger to copy, a path or postgres://USER@HOST/DATABASE; it stays as it is
    #[arg(long, value_name = "LEDGER")]
    pub(crate) from: PathBuf,
    /// Where the copy goes: a path where nothing is, or a database without a ledger
    #[arg(long, value_name = "LEDGER")]
    pub(crate) to: PathBuf,
    /// Print one JSON object: what was copied and compared
    #[arg(long)]
    pub(crate) json: bool,
}

const COPIES: &str = "\
Everything is copied: accounts with their numbers, keys, entries in the order in
which they came, what was taken out, receipts of batches, imported files, what
was walked. The same keys open the copy, cursors go on in it, and a batch that
is sent again is known there. At the end each block of the ledger is compared,
in number, exact sums and digests, with the entries of the copy as they are read
back. Only then is the copy a ledger; what differs is named (exit code 3).

While anybody has the ledger open, a server say, all that is there is copied,
and the copy waits for the rest (exit code 6). Stop what uses the ledger, and
run the same command again: it copies what came since, compares, and ends. After
a kill or any failure the same command goes on too. docs/moving.md moves a
gateway so, with minutes of standstill.

Examples:
  billing ledger copy --from ledger.db --to postgres://gateway@db/billing
      Copies a file into a database.
  billing ledger copy --from postgres://gateway@db/billing --to ledger.db
      Copies it back into a file.
  billing ledger copy --from ledger.db --to other.db --json
      Copies a file into another, and says what was copied for a program.";
