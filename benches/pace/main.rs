//! Measures on real sockets how much time refusals cost. The services refuse and do not say when to come back; the
//! result is compared with the best possible time. `cargo xtask bench pace` starts it. It takes a minute, because its
//! waits are real.
#![expect(clippy::print_stdout, reason = "figures are for whoever asked for them")]

use std::error::Error;
use std::time::{Duration, Instant};

use billing_http::{ApiKey, Client};
use billing_model::{HistoryQuery, HistoryRequest, PageRequest};
use billing_testkit::{Reply, Upstream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

const PAGES: u32 = 200;
const WORKERS: u32 = 4;
const LATENCY: Duration = Duration::from_millis(100);

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    println!("| {PAGES} pages of 100 ms, {WORKERS} at a time | best, ms | taken, ms | × best | refused |");
    println!("|---|---:|---:|---:|---:|");
    runtime.block_on(measure("a block of 2 s", Duration::from_secs(2), |now| {
        !(Duration::from_secs(1)..Duration::from_secs(3)).contains(&now)
    }))?;
    let (window, most) = (Duration::from_secs(6), 60);
    let (mut present, mut left) = (0, most);
    let waits = window * (PAGES / most) - LATENCY * (PAGES / most * most) / WORKERS;
    runtime.block_on(measure("60 in 6 s, by windows", waits, move |now| {
        let number = now.as_millis() / window.as_millis();
        if number != present {
            (present, left) = (number, most);
        }
        let is_taken = left > 0;
        left -= u32::from(is_taken);
        is_taken
    }))
}

/// `waits` is the time that even a client which knows the service loses. `takes` says whether a request is taken so
/// long after the first one.
async fn measure(
    name: &str,
    waits: Duration,
    mut takes: impl FnMut(Duration) -> bool + Send + 'static,
) -> Result<(), Box<dyn Error>> {
    let mut start = None;
    let upstream = Upstream::start(move |_| {
        let now = start.get_or_insert_with(Instant::now).elapsed();
        match takes(now) {
            true => Reply::json(200, r#"{"data":[],"nextCursor":null}"#).after(LATENCY),
            false => Reply::error(429, "slow down").after(LATENCY / 2),
        }
    })
    .await;
    let client = Client::builder(upstream.base_url(), ApiKey::new("secret-key")?).build()?;
    let request = PageRequest::ByCursor(HistoryRequest::First(HistoryQuery::builder().build()?));
    let begin = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (client, request) = (client.clone(), request.clone());
        workers.spawn(async move {
            for _ in 0..PAGES / WORKERS {
                client.page(&request).await?;
            }
            Ok::<_, billing_http::Error>(())
        });
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    let (taken, best) = (begin.elapsed(), LATENCY * PAGES / WORKERS + waits);
    let percent = taken.as_millis() * 100 / best.as_millis();
    let refused = client.traffic().requests - u64::from(PAGES);
    let (taken_ms, best_ms) = (taken.as_millis(), best.as_millis());
    println!("| {name} | {best_ms} | {taken_ms} | {}.{:02} | {refused} |", percent / 100, percent % 100);
    Ok(())
}
