//! Records a batch and reads what is left to spend: `BILLING_API_KEY=… BILLING_INGEST_KEY=… cargo run --example record`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, error::Error};

use billing_http::{ApiKey, Batch, Client, IdempotencyKey};
use billing_model::UsageEntry;

const ENTRY: &str = r#"{"timestamp":"2026-06-14T19:52:45.087Z","sku":"venice-sd35-image-unit",
    "pricePerUnitUsd":0.1,"units":1,"amount":-0.1,"currency":"USD","notes":"API Inference"}"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base_url = env::var("BILLING_BASE_URL").unwrap_or("http://127.0.0.1:8787/api/v1".to_owned());
    let key = |name| Ok::<_, Box<dyn Error>>(ApiKey::new(&env::var(name)?)?);
    let gateway = Client::builder(&base_url, key("BILLING_INGEST_KEY")?).build()?;
    let batch = Batch::new(IdempotencyKey::new("images-17")?, &[UsageEntry::from_json(ENTRY)?]);
    println!("{:?}", gateway.record(&batch).await?);

    let books = Client::builder(&base_url, key("BILLING_API_KEY")?).build()?;
    println!("{}", books.balance().await?.text);
    Ok(())
}
