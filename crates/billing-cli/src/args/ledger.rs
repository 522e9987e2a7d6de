//! The flags of the commands on a ledger: keys, accounts, backup, restore, check.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

use super::DEFAULT_ACCOUNT;
use super::named_ledger::NamedLedger;

/// The width of a help text, in columns: that of the narrowest terminal in use.
pub(super) const WIDTH: usize = 80;

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH)]
pub(crate) struct Keys {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Makes a key and prints it, once and alone
    #[command(after_help = KEYS_CREATE)]
    Create {
        #[command(flatten)]
        ledger: NamedLedger,
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
    #[command(after_help = KEYS_LIST)]
    List {
        #[command(flatten)]
        ledger: NamedLedger,
        /// Print one JSON object: the keys, with the times to the last digit
        #[arg(long)]
        json: bool,
    },
    /// Revokes a key, at once and for good
    #[command(after_help = KEYS_REVOKE)]
    Revoke {
        #[command(flatten)]
        ledger: NamedLedger,
        /// Id of the key, as `keys list` shows it
        id: String,
    },
}

const KEYS_CREATE: &str = "\
A ledger that is not there is made. The key is the one line on stdout. It is shown this once: keep it in a file that
only you can read, as with `umask 077`.

Examples:
  billing keys create --ledger ledger.db > admin-key
      Makes a key that reads the account `default`.
  billing keys create --ledger ledger.db --kind ingest > ingest-key
      Makes a key that records in it.
  billing keys create --ledger ledger.db --account acme --description books
      Makes a key that reads another account, and says what it is for.";

const KEYS_LIST: &str = "\
Examples:
  billing keys list --ledger ledger.db
      Shows the keys, each with its last six characters.
  billing keys list --ledger ledger.db --json
      Prints them for a program.
  billing keys list --ledger ledger.db --json | jq -r '.keys[].id'
      Prints their ids, one a line.";

const KEYS_REVOKE: &str = "\
Examples:
  billing keys list --ledger ledger.db
      Shows the ids of the keys.
  billing keys revoke 0123456789abcdef --ledger ledger.db
      Revokes the key with this id; a server refuses it from then on.
  billing keys create --ledger ledger.db > admin-key
      Makes a new key in its place.";

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub(crate) enum KeyKind {
    #[default]
    Admin,
    Ingest,
    Inference,
}

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH)]
pub(crate) struct Accounts {
    #[command(subcommand)]
    pub(crate) command: AccountsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum AccountsCommand {
    /// Lists the accounts
    #[command(after_help = ACCOUNTS_LIST)]
    List {
        #[command(flatten)]
        ledger: NamedLedger,
        /// Print one JSON object: the accounts, with what they have or owe
        #[arg(long)]
        json: bool,
    },
    /// Removes an account that has no entries, batches or keys
    #[command(after_help = ACCOUNTS_REMOVE)]
    Remove {
        #[command(flatten)]
        ledger: NamedLedger,
        /// Name of the account, as `accounts list` shows it
        name: String,
    },
    /// Sets what an account gets
    #[command(after_help = ACCOUNTS_SET)]
    Set {
        #[command(flatten)]
        ledger: NamedLedger,
        /// Account to set it for
        #[arg(long, value_name = "NAME", default_value = DEFAULT_ACCOUNT)]
        account: String,
        /// DIEM that the account may spend each UTC day, or `none`
        #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
        diem_allocation: String,
    },
}

const ACCOUNTS_LIST: &str = "\
With --json every account has `nets`: the sum of all entries of each currency,
as text, to the last digit. Below zero is what the account owes, which the API's
balance does not tell. Of DIEM, which does not roll over, it is no debt.

Examples:
  billing accounts list --ledger ledger.db
      Shows the accounts and how many entries each has.
  billing accounts list --ledger ledger.db --json
      Prints them for a program, with what they owe.
  billing accounts list --ledger ledger.db --json | jq '.accounts[].nets.USD'
      Prints what each has or owes in USD.";

const ACCOUNTS_REMOVE: &str = "\
Nothing that was recorded is ever removed: an account with entries, batches or
imported files stays, and so does one with a key that is not revoked. What
stands in the way is said (exit code 1). Revoked keys and the allocation go with
the account. A server of the ledger goes on meanwhile.

Examples:
  billing accounts remove amce --ledger ledger.db
      Removes an account that was made by a slip in its name.
  billing keys revoke 0123456789abcdef --ledger ledger.db
      Revokes a key of it that stands in the way.
  billing accounts list --ledger ledger.db
      Shows the accounts that are left.";

const ACCOUNTS_SET: &str = "\
Examples:
  billing accounts set --ledger ledger.db --diem-allocation 10.5
      Gives the account `default` 10.5 DIEM each UTC day.
  billing accounts set --ledger ledger.db --account acme --diem-allocation 3
      Gives another account 3 DIEM each UTC day.
  billing accounts set --ledger ledger.db --diem-allocation none
      Gives the account `default` no DIEM any more.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = BACKUP)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
    /// Path of the copy, where nothing is yet
    #[arg(long, value_name = "PATH")]
    pub(crate) to: PathBuf,
}

const BACKUP: &str = "\
Examples:
  billing backup --ledger ledger.db --to copy.db
      Copies the ledger, keys included.
  billing check --ledger copy.db
      Checks that the copy is whole.
  billing restore --from copy.db --ledger ledger.db
      Puts the copy in the ledger's place.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = CHECKS)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
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
      Checks the ledger, and shows what differs.
  billing check --ledger copy.db --json > report.json
      Checks a copy, for a program.
  billing check --ledger ledger.db --json | jq .clean
      Prints true or false.";

#[derive(Debug, clap::Args)]
#[command(max_term_width = WIDTH, after_help = RESTORE)]
pub(crate) struct Restore {
    /// Copy to restore, as `backup` made it; it stays as it is
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    #[command(flatten)]
    pub(crate) ledger: NamedLedger,
}

const RESTORE: &str = "\
The copy is checked before anything is touched, as `billing check` does it. What
it replaces stays beside it as it was, as PATH.replaced-TIME. The keys are those
of the copy: one that was revoked since the copy was made opens it again.
Copying or moving a file there yourself is safe only when no PATH-wal is left
beside it; one that does not belong to the file is refused.

Examples:
  billing restore --from copy.db --ledger ledger.db
      Puts the copy in the ledger's place, once the server is stopped.
  billing keys list --ledger ledger.db
      Shows which keys open it now.
  billing serve --ledger ledger.db
      Serves it again.";
