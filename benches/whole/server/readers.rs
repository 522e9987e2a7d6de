//! Measures readers at a fixed pace, without and with batches at full speed: recording must not make them wait.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;

use super::ingest::{Batches, Sent};
use super::load::joined;
use super::{Bench, Missed, judge_times, numbered};
use crate::figures::{Table, Times, grouped, milliseconds, times};
use crate::say;

/// The number of readers. Each has its own connection.
const READERS: u64 = 16;

/// The time between two requests of a reader: 20 a second, 320 pages a second in all. That is less than half of what
/// one core can do. Readers that used the whole machine would become slower by anything beside them.
const PACE: Duration = Duration::from_millis(50);

/// How long a turn of the readers is: more than 1500 pages.
const TIME: Duration = Duration::from_secs(5);

/// Turns without and with ingest. They alternate, so that both have the machine's good and bad moments.
const TURNS: u64 = 2;

/// Connections that send batches meanwhile. Each sends the next batch as soon as the one before is recorded.
const WRITERS: usize = 4;

/// The number of different batches. They are sent again and again, because equal entries are legal.
const BATCHES: usize = 200;

/// With ingest the slowest pages may take at most so many times as long as without it.
const INGEST_TIMES: u32 = 3;

/// Times pages without and with ingest.
///
/// # Errors
/// When a page cannot be fetched or a batch is not recorded, or when the account does not have the entries that were
/// sent.
pub(super) fn run(bench: &Bench) -> Result<Missed> {
    let batches = Batches::prepare(bench, "readers", BATCHES)?;
    let before = batches.recorded()?;
    let (mut quiet, mut busy, mut entries, mut rates) = (Times::default(), Times::default(), 0, Vec::new());
    for turn in 0..TURNS {
        quiet.append(read(bench, turn)?);
        let (reads, sent) = read_during(bench, turn, &batches)?;
        busy.append(reads);
        entries += sent.entries();
        rates.push(sent.entries_per_second());
    }
    let found = batches.recorded()? - before;
    ensure!(found == entries, "{entries} entries were sent and {found} are there");

    let rate = grouped(rates.iter().sum::<u64>() / TURNS);
    let mut table =
        Table::new(["16 readers, 20 random pages of 500 a second each", "pages", "p50, ms", "p99, ms"]);
    let recording = format!("while {WRITERS} connections record {rate} entries/s");
    for (name, reads) in [("alone", &quiet), (recording.as_str(), &busy)] {
        let pages = grouped(reads.len() as u64);
        table.row([name, &pages, &milliseconds(reads.p50()), &milliseconds(reads.p99())]);
    }
    say(&format!("\n## Readers beside ingest\n\n{table}\n\np50: {} times", times(busy.p50(), quiet.p50())));
    let mut missed = Missed::new();
    judge_times(
        &mut missed,
        "the p99 of a page with ingest, beside that without,",
        busy.p99(),
        quiet.p99(),
        INGEST_TIMES,
    );
    Ok(missed)
}

fn read_during(bench: &Bench, turn: u64, batches: &Batches) -> Result<(Times, Sent)> {
    thread::scope(|scope| {
        let writers = scope.spawn(|| batches.send(bench, WRITERS, |_, elapsed| elapsed < TIME));
        let reads = read(bench, turn);
        let mut sent = joined(vec![writers])?;
        Ok((reads?, sent.remove(0)))
    })
}

/// The times of all readers' pages.
fn read(bench: &Bench, turn: u64) -> Result<Times> {
    let end = Instant::now() + TIME;
    let all = thread::scope(|scope| {
        let reader = |number| scope.spawn(move || read_at_pace(bench, turn * READERS + number, end));
        joined((0..READERS).map(reader).collect())
    })?;
    let mut times = Times::default();
    all.into_iter().for_each(|one| times.append(one));
    Ok(times)
}

/// One reader. It reads the same pages in both kinds of turns.
fn read_at_pace(bench: &Bench, seed: u64, end: Instant) -> Result<Times> {
    let mut connection = bench.connect()?;
    let mut random = Rng::with_seed(seed);
    let mut times = Times::default();
    // The readers do not begin at the same moment.
    let mut due = Instant::now() + PACE * random.u32(0..1000) / 1000;
    while due < end {
        let early = due.saturating_duration_since(Instant::now());
        thread::sleep(early);
        // A page counts from the moment when it was due. A reader that still waited for the page before has waited for
        // this one too.
        let start = if early.is_zero() { due } else { Instant::now() };
        connection.get(&numbered(random.u64(1..=bench.last_page())))?;
        times.add(start.elapsed());
        due += PACE;
    }
    Ok(times)
}
