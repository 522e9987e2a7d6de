//! A scripted upstream of its own: a made-up ledger over both endpoints, every answer as late as asked.
//!
//! What it costs is a search and a copy, so that what is measured against it is the client. `cargo xtask bench walk`
//! starts it as `upstream ENTRIES LATENCY_MS`. It prints its base URL, and then for each endpoint the URL of its pages
//! as curl counts them through. For every line on its standard input it prints what happened since the line before:
//! requests, how many of them it held at once at most, and the bytes of its answers. It ends when its input does.

mod ledger;

mod service;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::runtime::Builder;

use crate::ledger::Ledger;
use crate::service::{Counts, Service};

fn main() -> io::Result<()> {
    let arguments: Vec<u64> = std::env::args().skip(1).map_while(|argument| argument.parse().ok()).collect();
    let [entries, latency_ms] = arguments[..] else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "usage: upstream ENTRIES LATENCY_MS"));
    };
    let service = Arc::new(Service::new(Ledger::new(entries), Duration::from_millis(latency_ms)));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let base_url = format!("http://{}/api/v1", listener.local_addr()?);
    runtime.spawn(Arc::clone(&service).accept_all(listener));

    let mut out = io::stdout();
    writeln!(out, "{base_url}")?;
    for target in service.ledger().counted_targets() {
        writeln!(out, "{base_url}{target}")?;
    }
    for line in io::stdin().lines() {
        line?;
        let Counts { requests, most_held, bytes } = service.take_counts();
        writeln!(out, "{requests} {most_held} {bytes}")?;
    }
    Ok(())
}
