//! What is typed for what is done with a ledger: its keys and accounts, its copies, its check.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::DEFAULT_ACCOUNT;

#[derive(Debug, clap::Args)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Makes a key and prints it, once and alone
    Create {
        /// Ledger of the account; made when it is not there
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
        /// Account that the key opens; made when it is not there
        #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
        account: String,
        /// What the key may do: admin reads the ledger, ingest records in it, inference neither
        #[arg(long, value_enum, default_value_t)]
        kind: KeyKind,
        /// What the key is called in lists and in usage analytics
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Lists the keys, without their secrets
    List {
        /// Ledger whose keys to list
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
    },
    /// Revokes a key, at once and for good
    Revoke {
        /// Ledger of the key
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
        /// Id of the key, as `keys list` shows it
        id: String,
    },
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum KeyKind {
    #[default]
    Admin,
    Ingest,
    Inference,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Accounts {
    #[command(subcommand)]
    pub(crate) command: AccountsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Lists the accounts
    #[command(after_help = NETS)]
    List {
        /// Ledger whose accounts to list
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
        /// Print one JSON object: the accounts, with what they have or owe
        #[arg(long)]
        json: bool,
    },
    /// Sets what an account gets
    Set {
        /// Ledger of the account
        #[arg(long, value_name = "PATH")]
        ledger: PathBuf,
        /// Account to set it for
        #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
        account: String,
        /// DIEM that the account may spend each UTC day, or `none`
        #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
        diem_allocation: String,
    },
}

const NETS: &str = "\
With --json every account has `nets`: the sum of all entries of each currency,
as text, to the last digit. Below zero is what the account owes, which the API's
balance does not tell. Of DIEM, which does not roll over, it is no debt.";

#[derive(Debug, clap::Args)]
pub(crate) struct Backup {
    /// Ledger to copy
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: PathBuf,
    /// Path of the copy, where nothing is yet
    #[arg(long, value_name = "PATH")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, clap::Args)]
#[command(after_help = CHECKS)]
pub(crate) struct Check {
    /// Ledger to check
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: PathBuf,
    /// Print one JSON object: what was checked, and the differences
    #[arg(long)]
    pub(crate) json: bool,
}

const CHECKS: &str = "\
The ledger is read as it is at one moment, also while it is served, and is left
as it is. Every count, rollup and balance is made anew from the entries and
compared to the last digit. Exit code 3 says that something differs, 0 that
nothing does. Of each kind of difference 50 are listed, and all are counted.

What a ledger keeps only once is read and not compared: prices, notes, details.
Which entries came with a batch is not recorded, so a receipt is found wrong
only when the account has fewer entries than its receipts speak of. Nor is the
content of an imported file kept: only how many entries it had, and which.

Examples:
  billing check --ledger ledger.db
  billing check --ledger copy.db --json > report.json";

#[derive(Debug, clap::Args)]
#[command(after_help = RESTORE)]
pub(crate) struct Restore {
    /// Copy to restore, as `backup` made it; it stays as it is
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// Ledger whose place it takes; nobody may have it open
    #[arg(long, value_name = "PATH")]
    pub(crate) ledger: PathBuf,
}

const RESTORE: &str = "\
The copy is checked before anything is touched, as `billing check` does it. What
it replaces stays beside it as it was, as PATH.replaced-TIME. The keys are those
of the copy: one that was revoked since the copy was made opens it again.
Copying or moving a file there yourself is safe only when no PATH-wal is left
beside it; one that does not belong to the file is refused.";
