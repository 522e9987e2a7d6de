//! `billing accounts`: whose entries a ledger holds, and what they get.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, anyhow};
use billing_model::{decimal_text, parse_decimal};
use billing_store::{Account, ErrorKind, Ledger};
use serde::Serialize;

use crate::args::{self, AccountsCommand};
use crate::exit::Failure;
use crate::{terminal, text};

/// What is said to whoever gave something else.
const ALLOCATION: &str = "an allocation is an amount such as 10.5, or none";

pub(crate) fn run(args: &args::Accounts) -> Result<(), Failure> {
    match &args.command {
        AccountsCommand::List { ledger, json } => list(ledger, *json),
        AccountsCommand::Set { ledger, account, diem_allocation } => set(ledger, account, diem_allocation),
    }
}

fn list(path: &Path, as_json: bool) -> Result<(), Failure> {
    let accounts = Ledger::open(path)?.accounts()?;
    match as_json {
        true => json(path, accounts).and_then(|json| terminal::print(&json)),
        false => terminal::print(&table(accounts)),
    }
}

fn table(accounts: Vec<Account>) -> String {
    let mut rows = vec![["account", "entries", "DIEM a day"].map(str::to_owned)];
    for account in accounts {
        let allocation = account.diem_allocation.map_or_else(|| "-".to_owned(), decimal_text);
        rows.push([account.name, text::grouped(account.entries), allocation]);
    }
    text::table(&rows)
}

/// What `--json` prints. Amounts are text, because readers of JSON make binary floating point of numbers.
#[derive(Serialize)]
struct Json {
    ledger: String,
    accounts: Vec<JsonAccount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonAccount {
    id: i64,
    name: String,
    entries: u64,
    diem_allocation: Option<String>,
    nets: BTreeMap<String, String>,
}

fn json(path: &Path, accounts: Vec<Account>) -> Result<String, Failure> {
    let accounts = accounts.into_iter().map(|Account { id, name, entries, diem_allocation, nets }| {
        let diem_allocation = diem_allocation.map(decimal_text);
        let nets = nets.into_iter().map(|(currency, net)| (currency.as_str().to_owned(), net.to_string()));
        JsonAccount { id: id.0, name, entries, diem_allocation, nets: nets.collect() }
    });
    let json = Json { ledger: path.display().to_string(), accounts: accounts.collect() };
    let text = serde_json::to_string_pretty(&json).context("the list is no JSON").map_err(Failure::failed)?;
    Ok(text + "\n")
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
