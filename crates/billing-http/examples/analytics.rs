//! Reads what each day of a week cost, by a proxy: `BILLING_PROXY=http://proxy:3128 BILLING_API_KEY=… cargo run --example analytics`

#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{env, error::Error, fs};

use billing_http::{ApiKey, Certificates, Client, Proxy};
use billing_model::AnalyticsQuery;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let base_url = env::var("BILLING_BASE_URL").unwrap_or("https://api.venice.ai/api/v1".to_owned());
    let mut builder = Client::builder(base_url, ApiKey::new(&env::var("BILLING_API_KEY")?)?)
        .proxy(Proxy::new(&env::var("BILLING_PROXY")?)?);
    // Of a proxy that looks into what goes by it, say.
    if let Ok(file) = env::var("BILLING_CACERT") {
        builder = builder.certificates(Certificates::from_pem(&fs::read(file)?)?);
    }
    let week = AnalyticsQuery::builder().lookback(7).build()?;
    for day in builder.build()?.analytics(&week).await?.value.by_date {
        println!("{}: {} USD, {} DIEM", day.date, day.usd, day.diem);
    }
    Ok(())
}
