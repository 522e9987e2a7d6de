//! Keeps a ledger in step with a service: `sync BASE_URL KEY_FILE LEDGER`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use billing_http::{ApiKey, Client};
use billing_ledger::Ledger;
use billing_sqlite::SqliteLedger;
use billing_sync::SyncJob;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [base_url, key_file, ledger] = arguments.as_slice() else { return Err("three arguments".into()) };
    let client =
        Client::builder(base_url, ApiKey::new(std::fs::read_to_string(key_file)?.trim())?).build()?;
    let ledger: Arc<dyn Ledger> = Arc::new(SqliteLedger::open_or_create(Path::new(ledger))?);
    let account = ledger.create_account("default")?;
    let synced = SyncJob::of(ledger, account).run(&client, || chrono::Utc::now().into(), |_| ()).await?;
    println!("{} entries came, {} of them new", synced.done.walked, synced.done.added);
    Ok(())
}
