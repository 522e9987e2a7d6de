//! Exports a month to a CSV file that is whole or not there: `BILLING_API_KEY=… cargo run --example export june.csv`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;
use std::error::Error;

use billing_csv::Columns;
use billing_format::Format;
use billing_http::{ApiKey, Client, Walk};
use billing_model::TimeWindow;
use billing_sink::{AtomicFile, FileSink, drain};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base_url = env::var("BILLING_BASE_URL").unwrap_or("https://api.venice.ai/api/v1".to_owned());
    let path = env::args().nth(1).ok_or("name the file")?;
    let client = Client::builder(base_url, ApiKey::new(&env::var("BILLING_API_KEY")?)?).build()?;
    let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;

    let sink = FileSink::new(Format::Csv(Columns::WithApiKeyId), AtomicFile::create(&path)?);
    let drained = drain(Walk::over(june).concurrency(8).build()?.stretches(&client), sink).await?;
    println!("{path}: {} entries", drained.summary.entries);
    Ok(())
}
