//! `billing status`: what a ledger holds, and of which services its accounts are copies.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context;
use billing_ledger::{Account, Ledger, Source};
use billing_model::one_line;
use billing_report::table;
use billing_sync::{Records, Span};
use serde::Serialize;

use crate::args;
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::ledgers::OpenLedger;
use crate::text::{entries, grouped};
use crate::{accounts, ledgers, stdout};

/// Spans that are listed. JSON has all of them.
const LISTED: usize = 10;

/// The most characters of a base URL and of a currency.
const MOST_OF_A_URL: usize = 60;
const MOST_OF_A_CURRENCY: usize = 40;

/// An account, and what it is a copy of.
struct Status {
    account: Account,
    removed: u64,
    copy: Option<(Source, Records)>,
}

pub(crate) fn run(args: &args::Status) -> Result<(), Failure> {
    let place = args.ledger.place()?;
    let ledger = ledgers::open(&place)?;
    let mut accounts = ledger.accounts()?;
    if let Some(name) = &args.account {
        accounts.retain(|account| account.name == *name);
        if accounts.is_empty() {
            return Err(accounts::no_account(&place, name));
        }
    }
    let all = accounts.into_iter().map(|account| Status::of(&*ledger, account));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    let bytes = match &ledger {
        OpenLedger::File(_) => place.file().map_or(Ok(0), bytes_of)?,
        OpenLedger::Database(ledger) => ledger.bytes()?,
    };
    match args.json {
        true => stdout::print(&json(&place, bytes, &all)?),
        false => stdout::print(&text(&place, bytes, &all)),
    }
}

/// The bytes of the ledger and of its log, which has what is not in the ledger's own file yet.
fn bytes_of(path: &Path) -> Result<u64, Failure> {
    let looked = |path: &Path| format!("`{}` cannot be looked at", path.display());
    let real = fs::canonicalize(path).with_context(|| looked(path)).map_err(Failure::failed)?;
    let file = fs::metadata(&real).with_context(|| looked(&real)).map_err(Failure::failed)?.len();
    let mut log = real.into_os_string();
    log.push("-wal");
    // It goes when the last program closes the ledger.
    Ok(file + fs::metadata(log).map_or(0, |log| log.len()))
}

impl Status {
    fn of(ledger: &dyn Ledger, account: Account) -> Result<Self, Failure> {
        let mut removed = 0;
        ledger.removed(account.id, &mut |_, _| {
            removed += 1;
            Ok(())
        })?;
        let copy = match ledger.source(account.id)? {
            Some(source) => Some((source, Records::load(ledger, account.id)?)),
            None => None,
        };
        Ok(Self { account, removed, copy })
    }

    fn table(&self) -> String {
        let mut rows = Vec::new();
        let mut row = |name: &str, what: String| rows.push([name.to_owned(), what]);
        match &self.copy {
            Some((source, _)) => row("source", one_line(&source.base_url, MOST_OF_A_URL)),
            None => row("source", "none: it is not synced, and has what was recorded in it".to_owned()),
        }
        row("has", entries(self.account.entries));
        if self.removed > 0 {
            row("removed", format!("{}, kept apart", entries(self.removed)));
        }
        if let Some((source, held)) = &self.copy {
            let synced =
                source.synced_at.map_or_else(|| "not to the end yet".to_owned(), |at| at.to_string());
            row("synced", synced);
            list(&mut row, "held", &held.held(), "nothing");
            list(&mut row, "missing", &held.gaps(), "nothing in between");
            let provisional = held.provisional_from(source.settle).map(|from| format!("from {from} on"));
            row("provisional", provisional.unwrap_or_else(|| "nothing".to_owned()));
            row("records", grouped(held.count()));
        }
        for (currency, net) in &self.account.nets {
            row(&format!("net {}", one_line(currency.as_str(), MOST_OF_A_CURRENCY)), net.to_string());
        }
        table::table(&rows)
    }
}

/// Lists spans, the name before the first.
fn list(row: &mut impl FnMut(&str, String), name: &str, spans: &[Span], none: &str) {
    if spans.is_empty() {
        row(name, none.to_owned());
    }
    for (place, span) in spans.iter().take(LISTED).enumerate() {
        let since = span.since().map_or_else(|| "the beginning".to_owned(), |since| since.to_string());
        row(if place == 0 { name } else { "" }, format!("{since} to {}", span.until()));
    }
    if spans.len() > LISTED {
        row("", format!("and {} more: see --json", grouped((spans.len() - LISTED) as u64)));
    }
}

fn text(place: &LedgerPlace, bytes: u64, all: &[Status]) -> String {
    let mut text = format!("{place}: {} bytes\n", grouped(bytes));
    for status in all {
        text.push_str(&format!("\naccount {}\n{}", accounts::shown(&status.account.name), status.table()));
    }
    if all.is_empty() {
        text.push_str("no accounts\n");
    }
    text
}

/// The output of `--json`. Amounts are texts, because readers of JSON turn numbers into binary floating point.
#[derive(Serialize)]
struct Json {
    ledger: String,
    bytes: u64,
    accounts: Vec<JsonAccount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonAccount {
    name: String,
    entries: u64,
    removed_entries: u64,
    nets: BTreeMap<String, String>,
    /// `null` for an account that is not synced.
    source: Option<JsonSource>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonSource {
    base_url: String,
    synced_at: Option<String>,
    records: u64,
    held: Vec<JsonSpan>,
    missing: Vec<JsonSpan>,
    provisional_from: Option<String>,
}

#[derive(Serialize)]
struct JsonSpan {
    /// `null` begins before every entry.
    since: Option<String>,
    until: String,
}

fn json(place: &LedgerPlace, bytes: u64, all: &[Status]) -> Result<String, Failure> {
    let accounts = all.iter().map(|Status { account, removed, copy }| JsonAccount {
        name: account.name.clone(),
        entries: account.entries,
        removed_entries: *removed,
        nets: account.nets.iter().map(|(currency, net)| (currency.to_string(), net.to_string())).collect(),
        source: copy.as_ref().map(|(source, held)| JsonSource {
            base_url: source.base_url.clone(),
            synced_at: source.synced_at.map(|at| at.to_string()),
            records: held.count(),
            held: spans(&held.held()),
            missing: spans(&held.gaps()),
            provisional_from: held.provisional_from(source.settle).map(|from| from.to_string()),
        }),
    });
    let json = Json { ledger: place.to_string(), bytes, accounts: accounts.collect() };
    let text =
        serde_json::to_string_pretty(&json).context("the status is no JSON").map_err(Failure::failed)?;
    Ok(stdout::plain_json(&text) + "\n")
}

fn spans(spans: &[Span]) -> Vec<JsonSpan> {
    let text = |span: &Span| JsonSpan {
        since: span.since().map(|at| at.to_string()),
        until: span.until().to_string(),
    };
    spans.iter().map(text).collect()
}
