//! Exports June to a file, and continues it when run again: `BILLING_API_KEY=… cargo run --example month june.ndjson`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use billing_export::{Event, Export, ExportFile, Stop};
use billing_http::{ApiKey, Client};
use billing_model::{TimeWindow, Timestamp};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).ok_or("name the file")?;
    let base_url = std::env::var("BILLING_BASE_URL").unwrap_or("https://api.venice.ai/api/v1".to_owned());
    let key = ApiKey::new(&std::env::var("BILLING_API_KEY")?)?;
    let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;
    let export = Export::of(&base_url, &key).over(june).build()?;
    let (client, stop) = (Client::builder(base_url, key).build()?, Stop::default());
    let job = export.open(ExportFile::new(path, billing_format::Format::Ndjson))?.stopped_by(&stop);
    tokio::spawn(async move { tokio::signal::ctrl_c().await.map(|()| stop.soon()) });
    let progress = |event: &Event<'_>| match event {
        Event::Came { so_far, .. } => println!("{so_far} entries"),
        Event::Again { .. } => println!("entries arrived behind them: once more"),
        _ => {}
    };
    let exported = job.run(&client, || Timestamp::from(chrono::Utc::now()), progress).await?;
    println!("{} entries, sha256 {}", exported.summary.entries, exported.output.sha256_hex());
    Ok(exported.output.close()?)
}
