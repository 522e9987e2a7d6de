//! The upstream as a program of its own: it serves a made-up ledger on both endpoints, with a given latency.
//!
//! A page costs it one search and one copy, so measurements show the cost of the client. `cargo xtask bench` starts it
//! as `upstream ENTRIES LATENCY_MS`. First it prints its base URL, for each endpoint the URL of all its pages in curl's
//! notation, and the borders of two windows around all entries, wider by half an hour and by twenty days at either end.
//! For every line on its standard input it prints what happened since the line before: the requests, the most of them
//! at the same time, the bytes of the answers, and the requests that hung. It ends at the end of its input.
//!
//! Two options make it behave as the real service does. `--end UNIX_S`: its entries are of the five months up to that
//! second. `--hang-ms MS`: the first request of a walk over a narrow or empty window is answered with 500 after that
//! time; requests for later pages are not.

mod ledger;

mod service;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use billing_testkit::Upstream;
use tokio::runtime::Builder;

use crate::ledger::Ledger;
use crate::service::{Counts, Service};

const USAGE: &str = "usage: upstream ENTRIES LATENCY_MS [--end UNIX_S] [--hang-ms MS]";

fn main() -> io::Result<()> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, USAGE);
    let Arguments { entries, latency, end_unix_s, hang } =
        Arguments::read(std::env::args().skip(1)).ok_or_else(wrong)?;
    let ledger = end_unix_s.map_or_else(|| Ledger::new(entries), |end| Ledger::ending(entries, end));
    let service = Arc::new(Service::new(ledger, latency, hang));
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let answering = Arc::clone(&service);
    let upstream = runtime.block_on(Upstream::start(move |request| answering.answer(request)));
    let base_url = upstream.base_url();

    let mut out = io::stdout();
    writeln!(out, "{base_url}")?;
    for target in service.ledger().counted_targets() {
        writeln!(out, "{base_url}{target}")?;
    }
    for margin_s in [30 * 60, 20 * 86_400] {
        let [since, until] = service.ledger().borders(margin_s);
        writeln!(out, "{since} {until}")?;
    }
    for line in io::stdin().lines() {
        line?;
        let Counts { requests, most_held, bytes, hung } = service.take_counts(&upstream);
        writeln!(out, "{requests} {most_held} {bytes} {hung}")?;
    }
    Ok(())
}

/// The arguments of the command line.
struct Arguments {
    entries: u64,
    latency: Duration,
    end_unix_s: Option<i64>,
    hang: Option<Duration>,
}

impl Arguments {
    /// `None` when the arguments are not as [`USAGE`] says.
    fn read(mut typed: impl Iterator<Item = String>) -> Option<Self> {
        let entries = typed.next()?.parse().ok()?;
        let latency = Duration::from_millis(typed.next()?.parse().ok()?);
        let mut arguments = Self { entries, latency, end_unix_s: None, hang: None };
        while let Some(option) = typed.next() {
            let value = typed.next()?;
            match option.as_str() {
                "--end" => arguments.end_unix_s = Some(value.parse().ok()?),
                "--hang-ms" => arguments.hang = Some(Duration::from_millis(value.parse().ok()?)),
                _ => return None,
            }
        }
        Some(arguments)
    }
}
