//! Exports to a file that survives a kill: run it again and it goes on. `BILLING_API_KEY=… cargo run --example resume
//! june.ndjson`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::BTreeMap;
use std::env;
use std::error::Error;

use billing_format::Format;
use billing_http::{ApiKey, Client, Walk};
use billing_model::{TimeWindow, Timestamp};
use billing_sink::{FileSink, Opened, ResumableFile, drain};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base_url = env::var("BILLING_BASE_URL").unwrap_or("https://api.venice.ai/api/v1".to_owned());
    let path = env::args().nth(1).ok_or("name the file")?;
    let key = ApiKey::new(&env::var("BILLING_API_KEY")?)?;
    let june = TimeWindow::new(Some("2026-06-01T00:00:00Z".parse()?), Some("2026-07-01T00:00:00Z".parse()?))?;

    // What decides the bytes of the file: who goes on with it has to ask for the same.
    let asked = [("service", &base_url), ("window", &june.to_string()), ("key", &key.fingerprint())];
    let asked: BTreeMap<_, _> = asked.map(|(name, value)| (name.to_owned(), value.clone())).into();
    let client = Client::builder(base_url, key).build()?;
    let mut walk = Walk::over(june);
    let file = match ResumableFile::open(&path, &asked, false)? {
        Opened::New(file) => file.begin(BTreeMap::new(), Timestamp::from(chrono::Utc::now()))?,
        Opened::Begun(file) => {
            if let Some(until) = file.begun().complete_until {
                walk = walk.resume(until, file.begun().summary.entries);
            }
            file.go_on()?
        }
        Opened::Written(file) => return Ok(file.commit()?.close()?),
    };
    let drained = drain(walk.build()?.stretches(&client), FileSink::new(Format::Ndjson, file)).await?;
    println!("{path}: {} entries, sha256 {}", drained.output.summary.entries, drained.output.sha256_hex());
    Ok(drained.output.close()?)
}
