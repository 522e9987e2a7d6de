//! Measures how fast batches are recorded. An answer comes only after the sync.

use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::load::joined;
use super::{Bench, Missed, judge, total};
use crate::connection::Connection;
use crate::figures::{Table, Times, grouped, milliseconds, per_second};
use crate::process::succeeded;
use crate::say;

/// Entries of a batch.
const BATCH_ENTRIES: usize = 1000;

/// Batches that are sent over several connections: some seconds of work.
const BATCHES: usize = 600;

/// Connections that send them.
const CONNECTIONS: usize = 8;

/// Batches that one connection sends alone.
const BATCHES_ALONE: usize = 150;

/// The account of the batches. It is not the one that is read, which stays the same for all sections.
const ACCOUNT: &str = "ingest";

/// The server has to record at least so many entries a second.
const LIMIT: u64 = 100_000;

/// Times batches from several connections at once, and from one.
///
/// # Errors
/// When a batch is not recorded, or when the account does not have exactly the entries that were sent.
pub(super) fn run(bench: &Bench) -> Result<Missed> {
    let batches = Batches::prepare(bench, "ingest", BATCHES)?;
    let before = batches.recorded()?;
    let side_by_side = batches.send(bench, CONNECTIONS, |sent, _| sent < BATCHES)?;
    let alone = batches.send(bench, 1, |sent, _| sent < BATCHES_ALONE)?;
    let (sent, after) = (side_by_side.entries() + alone.entries(), batches.recorded()?);
    ensure!(after - before == sent, "{sent} entries were sent and {} are there", after - before);

    let mut table = Table::new([
        "connections, batches of 1,000",
        "batches",
        "entries/s",
        "p50 of a batch, ms",
        "p99, ms",
    ]);
    for (connections, sent) in [(CONNECTIONS, &side_by_side), (1, &alone)] {
        table.row([
            &connections.to_string(),
            &sent.times.len().to_string(),
            &grouped(sent.entries_per_second()),
            &milliseconds(sent.times.p50()),
            &milliseconds(sent.times.p99()),
        ]);
    }
    say(&format!("\n## Ingest\n\n{table}\n"));
    let mut missed = Missed::new();
    let rate = side_by_side.entries_per_second();
    let said =
        format!("{CONNECTIONS} connections record {} entries/s, at least {}", grouped(rate), grouped(LIMIT));
    judge(&mut missed, rate >= LIMIT, said);
    Ok(missed)
}

/// Batches that are ready to be sent, and the key to send them with.
pub(super) struct Batches {
    bodies: Vec<Vec<u8>>,
    /// The prefix of the idempotency keys. Each key is used once, because a second batch with it would record nothing.
    name: &'static str,
    next: AtomicUsize,
    ingest_key: String,
    base_url: String,
    admin_key: String,
}

impl Batches {
    /// Writes the bodies beforehand, so that only the server's work is measured.
    ///
    /// # Errors
    /// When there is no history, or `billing keys` makes no keys.
    pub(super) fn prepare(bench: &Bench, name: &'static str, count: usize) -> Result<Self> {
        let ingest_key = bench.ledger.create_key(ACCOUNT, "ingest")?;
        let admin_key = bench.ledger.create_key(ACCOUNT, "admin")?;
        // Not the seed of the ledger, so these entries are not in it yet.
        let (mut history, mut lines) = bench.ledger.history(2, (count * BATCH_ENTRIES) as u64)?;
        let bodies = (0..count).map(|_| batch(&mut lines)).collect::<Result<_>>()?;
        succeeded(history.0.wait()?, "history")?;
        let base_url = bench.server.base_url().to_owned();
        Ok(Self { bodies, name, next: AtomicUsize::new(0), ingest_key, base_url, admin_key })
    }

    /// The entries that the account has.
    ///
    /// # Errors
    /// When the server does not tell.
    pub(super) fn recorded(&self) -> Result<u64> {
        total(&mut Connection::bearer(&self.base_url, &self.admin_key)?)
    }

    /// Sends batches over so many connections, as long as `goes_on` returns true for the number of batches begun and
    /// the time passed.
    ///
    /// # Errors
    /// When a batch is not recorded.
    pub(super) fn send(
        &self,
        bench: &Bench,
        connections: usize,
        goes_on: impl Fn(usize, Duration) -> bool + Sync,
    ) -> Result<Sent> {
        let connect = |_| Connection::bearer(bench.server.base_url(), &self.ingest_key);
        let connections = (0..connections).map(connect).collect::<Result<Vec<_>>>()?;
        let (begun, start) = (AtomicUsize::new(0), Instant::now());
        let send = |mut connection: Connection| {
            let mut times = Times::default();
            while goes_on(begun.fetch_add(1, Relaxed), start.elapsed()) {
                let number = self.next.fetch_add(1, Relaxed);
                let body = &self.bodies[number % self.bodies.len()];
                let sent_at = Instant::now();
                connection.post("/billing/usage", &format!("{}-{number}", self.name), body)?;
                times.add(sent_at.elapsed());
            }
            Ok(times)
        };
        let all = thread::scope(|scope| {
            let send = &send;
            joined(connections.into_iter().map(|one| scope.spawn(move || send(one))).collect())
        })?;
        let mut times = Times::default();
        let elapsed = start.elapsed();
        all.into_iter().for_each(|one| times.append(one));
        Ok(Sent { times, elapsed })
    }
}

/// Batches that were recorded.
pub(super) struct Sent {
    pub(super) times: Times,
    elapsed: Duration,
}

impl Sent {
    pub(super) fn entries(&self) -> u64 {
        (self.times.len() * BATCH_ENTRIES) as u64
    }

    pub(super) fn entries_per_second(&self) -> u64 {
        per_second(self.entries(), self.elapsed)
    }
}

/// The next lines of a history.
fn batch(lines: &mut BufReader<ChildStdout>) -> Result<Vec<u8>> {
    let mut body = Vec::new();
    for _ in 0..BATCH_ENTRIES {
        ensure!(lines.read_until(b'\n', &mut body)? > 0, "the history is too short");
    }
    Ok(body)
}
