//! Counts a month with an observer that says what the client does on the way, and with its traces on stderr:
//! `BILLING_API_KEY=… cargo run --example observe`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::env;
use std::error::Error;

use billing_http::{ApiKey, Client, Event, Walk};
use billing_model::TimeWindow;
use futures::TryStreamExt;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::stderr).init();
    let base_url = env::var("BILLING_BASE_URL").unwrap_or("https://api.venice.ai/api/v1".to_owned());
    let client = Client::builder(base_url, ApiKey::new(&env::var("BILLING_API_KEY")?)?)
        .observer(|event| match event {
            Event::Page { entries, reached: Some(at), .. } => println!("{entries} entries up to {at}"),
            Event::Retrying { error, wait } => println!("{error}; again in {wait:?}"),
            Event::Complete { endpoint, .. } => println!("all of {endpoint}"),
            other => println!("{other:?}"),
        })
        .build()?;
    let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;
    let count =
        Walk::over(june).build()?.entries(&client).try_fold(0, |count, _| async move { Ok(count + 1) });
    println!("{} entries, {:?}", count.await?, client.traffic());
    Ok(())
}
