//! Serves the API from a ledger in memory, on a port that is free: says an admin key, an ingest key and its address, and ends with its input.

#![expect(clippy::print_stdout, reason = "a program")]

use std::{future::pending, io::Read, sync::Arc};

use billing_ledger::{KeyKind, Ledger};
use billing_model::Timestamp;
use billing_server::{Config, serve};
use billing_testkit::MemoryLedger;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let now = || Timestamp::from(chrono::Utc::now());
    let ledger = MemoryLedger::new()?;
    let account = ledger.create_account("default")?;
    for kind in [KeyKind::Admin, KeyKind::Ingest] {
        println!("{}", ledger.create_key(account, kind, "", now())?.1.expose());
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/api/v1", listener.local_addr()?);
    tokio::spawn(serve(listener, Arc::new(ledger), Config::new(now), pending::<()>()));
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    Ok(())
}
