//! Streams a month entry by entry, in constant memory: `BILLING_API_KEY=… cargo run --example stream`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;
use std::error::Error;

use billing_http::{ApiKey, Client, Walk};
use billing_model::{Summary, TimeWindow};
use futures::TryStreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base_url = env::var("BILLING_BASE_URL").unwrap_or("https://api.venice.ai/api/v1".to_owned());
    let client = Client::builder(base_url, ApiKey::new(&env::var("BILLING_API_KEY")?)?).build()?;
    let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;

    let mut summary = Summary::default();
    let mut entries = std::pin::pin!(Walk::over(june).build()?.entries(&client));
    while let Some(entry) = entries.try_next().await? {
        summary.add(&entry);
    }
    for (currency, amounts) in &summary.amounts {
        println!("{currency}: {} entries, {} spent", amounts.entries, amounts.spend());
    }
    Ok(())
}
