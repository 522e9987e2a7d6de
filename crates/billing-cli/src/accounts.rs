//! `billing accounts`: whose entries a ledger holds, and what they get.

use std::path::Path;

use anyhow::anyhow;
use billing_model::{decimal_text, parse_decimal};
use billing_store::{ErrorKind, Ledger};

use crate::args::{self, AccountsCommand};
use crate::exit::Failure;
use crate::{terminal, text};

/// What is said to whoever gave something else.
const ALLOCATION: &str = "an allocation is an amount such as 10.5, or none";

pub(crate) fn run(args: &args::Accounts) -> Result<(), Failure> {
    match &args.command {
        AccountsCommand::List { ledger } => list(ledger),
        AccountsCommand::Set { ledger, account, diem_allocation } => set(ledger, account, diem_allocation),
    }
}

fn list(path: &Path) -> Result<(), Failure> {
    let mut rows = vec![["account", "entries", "DIEM a day"].map(str::to_owned)];
    for account in Ledger::open(path)?.accounts()? {
        let allocation = account.diem_allocation.map_or_else(|| "-".to_owned(), decimal_text);
        rows.push([account.name, text::grouped(account.entries), allocation]);
    }
    terminal::print(&text::table(&rows))
}

fn set(path: &Path, name: &str, allocation: &str) -> Result<(), Failure> {
    let allocation = match allocation {
        "none" => None,
        number => Some(parse_decimal(number).map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("--diem-allocation")).hint(ALLOCATION)
        })?),
    };
    let ledger = Ledger::open(path)?;
    let account = ledger.account(name)?.ok_or_else(|| {
        Failure::failed(anyhow!("there is no account `{name}` in `{}`", path.display()))
            .hint("billing accounts list shows them; billing keys create --account makes one")
    })?;
    ledger.set_diem_allocation(account, allocation).map_err(|error| match error.kind() {
        ErrorKind::InvalidAllocation => Failure::usage(error).hint(ALLOCATION),
        _ => Failure::from(error),
    })?;
    let allocation =
        allocation.map_or_else(|| "no DIEM".to_owned(), |amount| format!("{} DIEM", decimal_text(amount)));
    terminal::note(&format!("account `{name}` gets {allocation} a day"));
    Ok(())
}
