//! `billing keys`: makes, lists and revokes the API keys of a ledger.

use anyhow::{Context, anyhow};
use billing_ledger::{ErrorKind, Key, Ledger};
use billing_model::Timestamp;
use billing_report::table;
use chrono::Utc;
use serde::Serialize;

use crate::args::{self, KeyKind, KeysCommand};
use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;
use crate::{accounts, ledgers, stdout, terminal};

pub(crate) fn run(args: &args::Keys) -> Result<(), Failure> {
    match &args.command {
        KeysCommand::Create { ledger, account, kind, description } => {
            create(&ledger.place_to_make()?, account, *kind, description)
        }
        KeysCommand::List { ledger, json } => list(&ledger.place()?, *json),
        KeysCommand::Revoke { ledger, id } => revoke(&ledger.place()?, id),
    }
}

fn create(place: &LedgerPlace, account: &str, kind: KeyKind, description: &str) -> Result<(), Failure> {
    let ledger = ledgers::open_or_create(place)?;
    create_in(&*ledger, account, kind, description).inspect_err(|_| ledger.remove_if_unused())
}

fn create_in(ledger: &dyn Ledger, account: &str, kind: KeyKind, description: &str) -> Result<(), Failure> {
    let (account_id, is_new) = accounts::find_or_create(ledger, account)?;
    let kind = match kind {
        KeyKind::Admin => billing_ledger::KeyKind::Admin,
        KeyKind::Ingest => billing_ledger::KeyKind::Ingest,
        KeyKind::Inference => billing_ledger::KeyKind::Inference,
    };
    let created = ledger.create_key(account_id, kind, description, now());
    let (key, secret) = created.map_err(|error| match error.kind() {
        ErrorKind::InvalidName => Failure::usage(error).hint("give --description one line of plain text"),
        _ => Failure::from(error),
    })?;
    if is_new {
        terminal::note(&format!("note: account `{account}` was not there and was made"));
    }
    terminal::note(&format!("note: key {} of account `{account}`, shown this once", key.id));
    stdout::print(&format!("{}\n", secret.expose())).inspect_err(|_| {
        // The key could not be printed, so nobody knows it. It must not stay valid.
        if ledger.revoke_key(&key.id, now()).is_ok() {
            terminal::note("note: the key could not be shown and was revoked");
        }
    })
}

fn list(place: &LedgerPlace, as_json: bool) -> Result<(), Failure> {
    let keys = ledgers::open(place)?.keys()?;
    match as_json {
        true => json(place, keys).and_then(|json| stdout::print(&json)),
        false => stdout::print(&table(keys)),
    }
}

fn table(keys: Vec<Key>) -> String {
    let mut rows = vec![
        ["id", "account", "kind", "ends in", "created", "last used", "revoked", "description"]
            .map(str::to_owned),
    ];
    for key in keys {
        rows.push([
            key.id,
            accounts::shown(&key.account),
            key.kind.as_str().to_owned(),
            key.last_six,
            date(key.created_at),
            key.last_used_at.map_or_else(|| "-".to_owned(), date),
            key.revoked_at.map_or_else(|| "-".to_owned(), date),
            key.description,
        ]);
    }
    match rows.len() {
        1 => "no keys\n".to_owned(),
        _ => table::table(&table::without_empty_columns(&rows)),
    }
}

/// The output of `--json`. Of a key it has only the last six characters.
#[derive(Serialize)]
struct Json {
    ledger: String,
    keys: Vec<JsonKey>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonKey {
    id: String,
    account: String,
    kind: &'static str,
    description: String,
    last_six: String,
    created_at: String,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

fn json(place: &LedgerPlace, keys: Vec<Key>) -> Result<String, Failure> {
    let keys = keys.into_iter().map(|key| JsonKey {
        id: key.id,
        account: key.account,
        kind: key.kind.as_str(),
        description: key.description,
        last_six: key.last_six,
        created_at: key.created_at.to_string(),
        last_used_at: key.last_used_at.map(|at| at.to_string()),
        revoked_at: key.revoked_at.map(|at| at.to_string()),
    });
    let json = Json { ledger: place.to_string(), keys: keys.collect() };
    let text = serde_json::to_string_pretty(&json).context("the list is no JSON").map_err(Failure::failed)?;
    Ok(stdout::plain_json(&text) + "\n")
}

fn revoke(place: &LedgerPlace, id: &str) -> Result<(), Failure> {
    if ledgers::open(place)?.revoke_key(id, now())? {
        terminal::note(&format!("revoked key {id}"));
        return Ok(());
    }
    Err(Failure::failed(anyhow!("there is no key {id} that is not revoked"))
        .hint("billing keys list shows the keys"))
}

fn now() -> Timestamp {
    Timestamp::from(Utc::now())
}

/// The day of a time: enough to tell keys apart, and short enough for a table.
fn date(at: Timestamp) -> String {
    chrono::DateTime::<Utc>::from(at).format("%Y-%m-%d").to_string()
}
