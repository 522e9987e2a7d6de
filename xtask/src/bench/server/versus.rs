//! Two programs by turns: what the server gave before a change, and what it gives after it.
//!
//! Each serves a ledger that it has made itself, because the later program may take a ledger to a form that the earlier one
//! does not know.

use std::path::PathBuf;

use anyhow::Result;

use super::ingest::Batches;
use super::ledger::Ledger;
use super::{Bench, Missed, judge, load};
use crate::bench::figures::{Table, grouped};
use crate::bench::process::{mebibytes, peak_kib};
use crate::bench::program;
use crate::bench::say;

/// Entries of the two ledgers unless `--entries` says otherwise: they are made anew each time.
pub(super) const ENTRIES: u64 = 500_000;

/// How often each program has its turn at each thing.
const TURNS: usize = 7;

/// The later program does at least so many hundredths of what the earlier one does.
const LEAST_HUNDREDTHS: u64 = 95;

/// Connections that record, and batches of a turn.
const CONNECTIONS: usize = 8;
const BATCHES: usize = 300;

/// What is compared: its name, and how much of it a program does in a second.
type Kind = (&'static str, fn(&Side) -> Result<u64>);

const KINDS: [Kind; 4] = [
    ("pages/s by cursor, 1 connection", |side| pages(side, 1, &load::by_cursor)),
    ("pages/s by cursor, 4 connections", |side| pages(side, 4, &load::by_cursor)),
    ("pages/s by number, 1 connection", |side| pages(side, 1, &load::by_number)),
    ("entries/s of ingest, 8 connections", |side| {
        Ok(side.batches.send(&side.bench, CONNECTIONS, |sent, _| sent < BATCHES)?.entries_per_second())
    }),
];

struct Side {
    bench: Bench,
    batches: Batches,
}

impl Side {
    fn prepare(name: &str, billing: PathBuf, entries: u64) -> Result<Self> {
        let bench = Bench::of(Ledger::of(billing, &format!("bench-server-{name}"), entries)?)?;
        let batches = Batches::prepare(&bench, "versus", BATCHES)?;
        Ok(Self { bench, batches })
    }
}

fn pages(side: &Side, connections: usize, begin: load::Begin) -> Result<u64> {
    Ok(load::run(connections, &|| begin(&side.bench))?.pages_per_second())
}

/// Measures both, prints the table, and gives the limits that were missed.
///
/// # Errors
/// When something cannot be run.
pub(super) fn run(before: &str, entries: u64) -> Result<Missed> {
    let sides = [("before", program::existing(before)?), ("after", program::billing()?)];
    let [before, after] = sides.map(|(name, billing)| Side::prepare(name, billing, entries));
    let sides = [before?, after?];
    let mut table = Table::new(["by turns, medians", "before", "after", "after / before", "of best turns"]);
    let mut missed = Missed::new();
    for (name, measure) in KINDS {
        let mut rates = [Vec::new(), Vec::new()];
        for turn in 0..TURNS {
            // Who was first is second the next time.
            for place in [turn % 2, (turn + 1) % 2] {
                rates[place].push(measure(&sides[place])?);
            }
        }
        rates.iter_mut().for_each(|rates| rates.sort_unstable());
        let [before, after] = rates.each_ref().map(|rates| rates[TURNS / 2]);
        let [best_before, best_after] = rates.each_ref().map(|rates| rates[TURNS - 1]);
        let ratio = |after: u64, before: u64| {
            let hundredths = after * 100 / before.max(1);
            format!("{}.{:02}", hundredths / 100, hundredths % 100)
        };
        let of_best = ratio(best_after, best_before);
        table.row([name, &grouped(before), &grouped(after), &ratio(after, before), &of_best]);
        // The work of others makes a turn slower, never faster: a slower program is slower in its best turn too.
        let is_slower = |after: u64, before: u64| after * 100 < before * LEAST_HUNDREDTHS;
        let said = format!("{name}: {} of before, at least 0.{LEAST_HUNDREDTHS}", ratio(after, before));
        judge(&mut missed, !(is_slower(after, before) && is_slower(best_after, best_before)), said);
    }
    say(&format!("\n{table}"));
    for (name, side) in ["before", "after"].into_iter().zip(&sides) {
        if let Some(peak_kib) = peak_kib(side.bench.server.id()) {
            say(&format!("peak memory of the server, {name}: {} MiB", mebibytes(peak_kib)));
        }
    }
    for side in sides {
        side.bench.end(false)?;
    }
    Ok(missed)
}
