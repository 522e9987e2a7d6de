//! `billing keys`: who may read which account.

use std::path::Path;

use anyhow::anyhow;
use billing_model::Timestamp;
use billing_store::Ledger;
use chrono::Utc;

use crate::args::{self, KeyKind, KeysCommand};
use crate::exit::Failure;
use crate::{terminal, text};

pub(crate) fn run(args: &args::Keys) -> Result<(), Failure> {
    match &args.command {
        KeysCommand::Create { ledger, account, kind, description } => {
            create(ledger, account, *kind, description)
        }
        KeysCommand::List { ledger } => list(ledger),
        KeysCommand::Revoke { ledger, id } => revoke(ledger, id),
    }
}

fn create(path: &Path, account: &str, kind: KeyKind, description: &str) -> Result<(), Failure> {
    let ledger = Ledger::open_or_create(path)?;
    let is_new = ledger.account(account)?.is_none();
    let account_id = ledger.create_account(account)?;
    let kind = match kind {
        KeyKind::Admin => billing_store::KeyKind::Admin,
        KeyKind::Ingest => billing_store::KeyKind::Ingest,
        KeyKind::Inference => billing_store::KeyKind::Inference,
    };
    let (key, secret) = ledger.create_key(account_id, kind, description, now())?;
    if is_new {
        terminal::note(&format!("note: account `{account}` was not there and was made"));
    }
    terminal::note(&format!("note: key {} of account `{account}`, shown this once", key.id));
    terminal::print(&format!("{}\n", secret.expose())).inspect_err(|_| {
        // Nobody has seen it: a key that opens an account and that nobody knows of must not stay.
        if ledger.revoke_key(&key.id, now()).is_ok() {
            terminal::note("note: the key could not be shown and was revoked");
        }
    })
}

fn list(path: &Path) -> Result<(), Failure> {
    let mut rows = vec![
        ["id", "account", "kind", "ends in", "created", "last used", "revoked", "description"]
            .map(str::to_owned),
    ];
    for key in Ledger::open(path)?.keys()? {
        rows.push([
            key.id,
            key.account,
            key.kind.as_str().to_owned(),
            key.last_six,
            date(key.created_at),
            key.last_used_at.map_or_else(|| "-".to_owned(), date),
            key.revoked_at.map_or_else(|| "-".to_owned(), date),
            key.description,
        ]);
    }
    match rows.len() {
        1 => terminal::print("no keys\n"),
        _ => terminal::print(&text::table(&text::without_empty_columns(&rows))),
    }
}

fn revoke(path: &Path, id: &str) -> Result<(), Failure> {
    if Ledger::open(path)?.revoke_key(id, now())? {
        terminal::note(&format!("revoked key {id}"));
        return Ok(());
    }
    Err(Failure::failed(anyhow!("there is no key {id} that is not revoked"))
        .hint("billing keys list shows the keys"))
}

fn now() -> Timestamp {
    Timestamp::from(Utc::now())
}

/// Enough to tell keys apart, and short enough for a table.
fn date(at: Timestamp) -> String {
    chrono::DateTime::<Utc>::from(at).format("%Y-%m-%d").to_string()
}
