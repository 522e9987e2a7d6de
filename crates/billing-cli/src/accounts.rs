//! `billing accounts`: the accounts of a ledger, and their daily allocations.

use std::collections::BTreeMap;

use anyhow::{Context, anyhow};
use billing_ledger::{Account, AccountId, ErrorKind, Ledger};
use billing_model::{decimal_text, one_line, parse_decimal};
use billing_report::table;
use serde::Serialize;

use crate::args::{self, AccountsCommand};
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::{ledgers, stdout, terminal, text};

/// The hint for an amount that is none.
const ALLOCATION: &str = "an allocation is an amount such as 10.5, or none";

/// The hint for a name that a new account may not have.
const NAME: &str = "a name has 1 to 128 characters, no space at either end, no control characters and none that \
     change the direction of reading";

/// The hint for an account that cannot be removed.
const STAYS: &str = "what was recorded is never removed; `billing keys revoke ID` revokes a key, and an import ends by itself";

/// The most characters of a name in a list. Older ledgers may have longer names, from before there was a limit.
const MOST_OF_A_NAME: usize = 128;

pub(crate) fn run(args: &args::Accounts) -> Result<(), Failure> {
    match &args.command {
        AccountsCommand::List { ledger, json } => list(&ledger.place()?, *json),
        AccountsCommand::Remove { ledger, name } => remove(&ledger.place()?, name),
        AccountsCommand::Set { ledger, account, diem_allocation } => {
            set(&ledger.place()?, account, diem_allocation)
        }
    }
}

fn list(place: &LedgerPlace, as_json: bool) -> Result<(), Failure> {
    let accounts = ledgers::open(place)?.accounts()?;
    match as_json {
        true => json(place, accounts).and_then(|json| stdout::print(&json)),
        false => stdout::print(&table(accounts)),
    }
}

fn table(accounts: Vec<Account>) -> String {
    let mut rows = vec![["account", "entries", "DIEM a day"].map(str::to_owned)];
    for account in accounts {
        let allocation = account.diem_allocation.map_or_else(|| "-".to_owned(), decimal_text);
        rows.push([shown(&account.name), text::grouped(account.entries), allocation]);
    }
    table::table(&rows)
}

/// The output of `--json`. Amounts are texts, because readers of JSON turn numbers into binary floating point.
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

fn json(place: &LedgerPlace, accounts: Vec<Account>) -> Result<String, Failure> {
    let accounts = accounts.into_iter().map(|Account { id, name, entries, diem_allocation, nets }| {
        let diem_allocation = diem_allocation.map(decimal_text);
        let nets = nets.into_iter().map(|(currency, net)| (currency.as_str().to_owned(), net.to_string()));
        JsonAccount { id: id.0, name, entries, diem_allocation, nets: nets.collect() }
    });
    let json = Json { ledger: place.to_string(), accounts: accounts.collect() };
    let text = serde_json::to_string_pretty(&json).context("the list is no JSON").map_err(Failure::failed)?;
    Ok(stdout::plain_json(&text) + "\n")
}

/// The account of this name, which is made if there is none, and whether it was made.
pub(crate) fn find_or_create(ledger: &dyn Ledger, name: &str) -> Result<(AccountId, bool), Failure> {
    let is_new = ledger.account(name)?.is_none();
    Ok((ledger.create_account(name).map_err(refused)?, is_new))
}

/// The failure for an account that was not made. An invalid name is wrong usage.
pub(crate) fn refused(error: billing_ledger::Error) -> Failure {
    match error.kind() {
        ErrorKind::InvalidName => Failure::usage(anyhow::Error::new(error).context("--account")).hint(NAME),
        _ => Failure::from(error),
    }
}

/// A name as one line of a list, whatever characters it has.
pub(crate) fn shown(name: &str) -> String {
    one_line(name, MOST_OF_A_NAME)
}

fn remove(place: &LedgerPlace, name: &str) -> Result<(), Failure> {
    let ledger = ledgers::open(place)?;
    let account = ledger.accounts()?.into_iter().find(|account| account.name == name);
    let account = account.ok_or_else(|| no_account(place, name))?;
    let keys = ledger.keys()?.iter().filter(|key| key.account == name).count();
    ledger.remove_account(account.id).map_err(|error| match error.kind() {
        ErrorKind::AccountInUse => Failure::failed(error).hint(STAYS),
        _ => Failure::from(error),
    })?;
    terminal::note(&format!("removed account `{}`, in which nothing was recorded", shown(name)));
    if let Some(allocation) = account.diem_allocation {
        terminal::note(&format!("note: it got {} DIEM a day", decimal_text(allocation)));
    }
    match keys {
        0 => {}
        1 => terminal::note("note: its revoked key is no longer listed"),
        keys => terminal::note(&format!("note: its {keys} revoked keys are no longer listed")),
    }
    Ok(())
}

/// The accounts with these names, each once; all of them without a name.
pub(crate) fn named(
    ledger: &dyn Ledger,
    place: &LedgerPlace,
    names: &[String],
) -> Result<Vec<(AccountId, String)>, Failure> {
    let all = ledger.accounts()?;
    if let Some(name) = names.iter().find(|name| all.iter().all(|account| account.name != **name)) {
        return Err(no_account(place, name));
    }
    let is_named = |name: &String| names.is_empty() || names.contains(name);
    Ok(all.into_iter().map(|account| (account.id, account.name)).filter(|(_, name)| is_named(name)).collect())
}

/// The failure for an account that a ledger does not have.
pub(crate) fn no_account(place: &LedgerPlace, name: &str) -> Failure {
    Failure::failed(anyhow!("there is no account `{name}` in `{place}`"))
        .hint("billing accounts list shows them; billing keys create --account makes one")
}

fn set(place: &LedgerPlace, name: &str, allocation: &str) -> Result<(), Failure> {
    let allocation = match allocation {
        "none" => None,
        number => Some(parse_decimal(number).map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context("--diem-allocation")).hint(ALLOCATION)
        })?),
    };
    let ledger = ledgers::open(place)?;
    let account = ledger.account(name)?.ok_or_else(|| no_account(place, name))?;
    ledger.set_diem_allocation(account, allocation).map_err(|error| match error.kind() {
        ErrorKind::InvalidAllocation => Failure::usage(error).hint(ALLOCATION),
        _ => Failure::from(error),
    })?;
    let allocation =
        allocation.map_or_else(|| "no DIEM".to_owned(), |amount| format!("{} DIEM", decimal_text(amount)));
    terminal::note(&format!("account `{name}` gets {allocation} a day"));
    Ok(())
}
