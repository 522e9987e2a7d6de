//! Measures how fast batches are recorded. An answer comes only when they are durable.

use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::Bench;
use super::side::Side;
use crate::connection::Connection;
use crate::figures::{Table, Times, grouped, milliseconds, per_second, ratio};
use crate::process::succeeded;
use crate::say;
use crate::server::load::joined;
use crate::server::{Missed, judge, total};

/// Turns of each ledger. They alternate, so that both have the machine's good and bad moments.
const TURNS: usize = 3;

/// PostgreSQL has to record at least so many entries a second, in 8 accounts.
const LIMIT: u64 = 60_000;

/// How entries are sent: so many connections into so many accounts, so many entries in a batch.
struct Load {
    name: &'static str,
    connections: usize,
    accounts: usize,
    batch_entries: usize,
    /// Batches of a turn.
    batches: usize,
}

/// The first one has a limit.
const LOADS: [Load; 5] = [
    Load {
        name: "1,000, 8 connections, 8 accounts",
        connections: 8,
        accounts: 8,
        batch_entries: 1000,
        batches: 320,
    },
    Load {
        name: "1,000, 8 connections, 1 account",
        connections: 8,
        accounts: 1,
        batch_entries: 1000,
        batches: 240,
    },
    Load { name: "1,000, 1 connection", connections: 1, accounts: 1, batch_entries: 1000, batches: 60 },
    Load {
        name: "1, 8 connections, 8 accounts",
        connections: 8,
        accounts: 8,
        batch_entries: 1,
        batches: 4000,
    },
    Load { name: "1, 1 connection", connections: 1, accounts: 1, batch_entries: 1, batches: 400 },
];

/// What a ledger has recorded in all turns of a load.
#[derive(Default)]
struct Recorded {
    /// Entries a second, of each turn.
    rates: Vec<u64>,
    times: Times,
    entries: u64,
    /// The processor time of the server, and of the database.
    cpu: [Duration; 2],
}

impl Recorded {
    fn rate(&self) -> u64 {
        let mut rates = self.rates.clone();
        rates.sort_unstable();
        rates.get(rates.len() / 2).copied().unwrap_or_default()
    }

    /// Microseconds of the processor for an entry: the server's, and the database's.
    fn entry_cpu_us(&self) -> [String; 2] {
        self.cpu.map(|cpu| ratio(cpu.as_micros(), self.entries.into()))
    }
}

/// Sends each load to both servers by turns.
///
/// # Errors
/// When a batch is not recorded, or when the accounts do not have exactly the entries that were sent.
pub(super) fn run(bench: &Bench<'_>) -> Result<Missed> {
    let lines = bodies(bench)?;
    let mut table = Table::new([
        "entries of a batch",
        "SQLite, entries/s",
        "p50, ms",
        "p99, ms",
        "µs of CPU an entry",
        "PostgreSQL, entries/s",
        "p50, ms",
        "p99, ms",
        "µs of CPU an entry",
        "and the database's",
        "ratio of entries/s",
    ]);
    let mut first = 0;
    for load in &LOADS {
        let bodies: Vec<_> = lines.chunks_exact(load.batch_entries).map(<[_]>::concat).collect();
        let mut recorded = [Recorded::default(), Recorded::default()];
        for turn in 0..TURNS {
            for at in [turn % 2, (turn + 1) % 2] {
                send(bench.sides()[at], load, turn, &bodies, &mut recorded[at])?;
            }
        }
        let [file, database] = &recorded;
        let ([file_cpu, _], [server_cpu, database_cpu]) = (file.entry_cpu_us(), database.entry_cpu_us());
        table.row([
            load.name,
            &grouped(file.rate()),
            &milliseconds(file.times.p50()),
            &milliseconds(file.times.p99()),
            &file_cpu,
            &grouped(database.rate()),
            &milliseconds(database.times.p50()),
            &milliseconds(database.times.p99()),
            &server_cpu,
            &database_cpu,
            &ratio(database.rate().into(), file.rate().into()),
        ]);
        first = if first == 0 { database.rate() } else { first };
    }
    say(&format!("\n## Ingest\n\n{table}\n"));
    let mut missed = Missed::new();
    let said = format!(
        "8 connections record {} entries/s in 8 accounts, at least {}",
        grouped(first),
        grouped(LIMIT)
    );
    judge(&mut missed, first >= LIMIT, said);
    Ok(missed)
}

/// Sends the batches of a turn, and waits for all answers.
fn send(
    side: &Side<'_>,
    load: &Load,
    turn: usize,
    bodies: &[Vec<u8>],
    recorded: &mut Recorded,
) -> Result<()> {
    let account = |at: usize| format!("ingest {}", at % load.accounts);
    let connections = (0..load.connections)
        .map(|at| side.connect_as(&account(at), "ingest"))
        .collect::<Result<Vec<_>>>()?;
    let mut readers = (0..load.accounts).map(|at| side.connect(&account(at))).collect::<Result<Vec<_>>>()?;
    let mut total = || readers.iter_mut().map(total).sum::<Result<u64>>();
    let before = total()?;
    let (begun, cpu, start) = (AtomicUsize::new(0), side.cpu()?, Instant::now());
    let send = |mut connection: Connection| {
        let mut times = Times::default();
        loop {
            let number = begun.fetch_add(1, Relaxed);
            if number >= load.batches {
                return Ok(times);
            }
            // Each key is used once: a second batch with it would record nothing.
            let Load { connections, accounts, batch_entries, .. } = load;
            let key = format!("{batch_entries}-{connections}-{accounts}-{turn}-{number}");
            let sent_at = Instant::now();
            connection.post("/billing/usage", &key, &bodies[number % bodies.len()])?;
            times.add(sent_at.elapsed());
        }
    };
    let all = thread::scope(|scope| {
        let send = &send;
        joined(connections.into_iter().map(|one| scope.spawn(move || send(one))).collect())
    })?;
    let (elapsed, cpu_after) = (start.elapsed(), side.cpu()?);
    all.into_iter().for_each(|times| recorded.times.append(times));
    let sent = (load.batches * load.batch_entries) as u64;
    let found = total()? - before;
    ensure!(found == sent, "{}: {sent} entries were sent and {found} are there", side.name());
    recorded.entries += sent;
    recorded.rates.push(per_second(sent, elapsed));
    for (sum, (after, before)) in recorded.cpu.iter_mut().zip(cpu_after.into_iter().zip(cpu)) {
        *sum += after.saturating_sub(before);
    }
    Ok(())
}

/// The lines of the batches, written beforehand, so that only the servers' work is measured.
fn bodies(bench: &Bench<'_>) -> Result<Vec<Vec<u8>>> {
    let most = LOADS.iter().map(|load| load.batches * load.batch_entries).max().unwrap_or_default();
    // Not the seed of the ledger, so these entries are not in it yet.
    let (mut history, mut lines) = bench.ledger.history(2, most as u64)?;
    let bodies = (0..most).map(|_| line(&mut lines)).collect::<Result<_>>()?;
    succeeded(history.0.wait()?, "history")?;
    Ok(bodies)
}

fn line(lines: &mut BufReader<ChildStdout>) -> Result<Vec<u8>> {
    let mut line = Vec::new();
    ensure!(lines.read_until(b'\n', &mut line)? > 0, "the history is too short");
    Ok(line)
}
