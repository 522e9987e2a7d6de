//! Compares the speed of the server before and after a change, with two programs that take turns.
//!
//! Each program serves a ledger that it has made itself, because the later one may migrate a ledger to a version that the
//! earlier one does not know.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use super::ingest::Batches;
use super::ledger::Ledger;
use super::{Bench, Missed, judge, load};
use crate::figures::{Table, grouped};
use crate::process::{mebibytes, peak_kib};
use crate::program;
use crate::say;

/// The entries of each ledger without `--entries`. The ledgers are made anew each time.
pub(super) const ENTRIES: u64 = 500_000;

/// The number of turns of each program, and the length of a turn. Other work on a machine comes and goes by the second.
/// With short turns side by side it hits both programs, or none.
const TURNS: usize = 51;
const TURN: Duration = Duration::from_millis(300);

/// The limit for the rate of the later program, in hundredths of the earlier one's.
const LEAST_HUNDREDTHS: u64 = 95;

/// The connections that send batches, and the number of different batches.
const WRITERS: usize = 8;
const BATCHES: usize = 300;

/// The walks that are compared: name, connections, and how each begins.
const WALKS: [(&str, usize, load::Begin<'_>); 3] = [
    ("pages/s by cursor, 1 connection", 1, &load::by_cursor),
    ("pages/s by cursor, 4 connections", 4, &load::by_cursor),
    ("pages/s by number, 1 connection", 1, &load::by_number),
];

struct Side {
    bench: Bench,
    batches: Batches,
}

/// One turn of a program. It returns the rate per second.
type Measure<'a> = Box<dyn FnMut() -> Result<u64> + 'a>;

impl Side {
    fn prepare(name: &str, billing: PathBuf, entries: u64) -> Result<Self> {
        let bench = Bench::of(Ledger::of(billing, &format!("bench-server-{name}"), entries)?)?;
        let batches = Batches::prepare(&bench, "versus", BATCHES)?;
        Ok(Self { bench, batches })
    }

    fn walk(&self, connections: usize, begin: load::Begin<'_>) -> Result<Measure<'_>> {
        let mut walks = load::begun(connections, &|| begin(&self.bench))?;
        Ok(Box::new(move || Ok(load::go_on(&mut walks, TURN)?.pages_per_second())))
    }

    fn ingest(&self) -> Measure<'_> {
        Box::new(|| {
            let sent = self.batches.send(&self.bench, WRITERS, |_, elapsed| elapsed < TURN)?;
            Ok(sent.entries_per_second())
        })
    }
}

/// Measures both programs, prints the table, and returns the limits that were missed.
///
/// # Errors
/// When something cannot be run.
pub(super) fn run(before: &str, entries: u64) -> Result<Missed> {
    let sides = [("before", program::existing(before)?), ("after", program::billing()?)];
    let [before, after] = sides.map(|(name, billing)| Side::prepare(name, billing, entries));
    let sides = [before?, after?];
    let mut table =
        Table::new(["medians of turns", "before", "after", "after / before", "of two turns side by side"]);
    let mut missed = Missed::new();
    let [before, after] = &sides;
    for (name, connections, begin) in WALKS {
        let pair = [before.walk(connections, begin)?, after.walk(connections, begin)?];
        compare(name, pair, &mut table, &mut missed)?;
    }
    compare(
        "entries/s of ingest, 8 connections",
        [before.ingest(), after.ingest()],
        &mut table,
        &mut missed,
    )?;
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

/// Measures one thing in both programs by turns. The median of the ratios of two turns side by side is held to the limit.
fn compare(name: &str, mut pair: [Measure<'_>; 2], table: &mut Table, missed: &mut Missed) -> Result<()> {
    let (mut rates, mut hundredths) = ([Vec::new(), Vec::new()], Vec::new());
    for turn in 0..TURNS {
        // The program that was first is second the next time.
        for place in [turn % 2, (turn + 1) % 2] {
            rates[place].push(pair[place]()?);
        }
        hundredths.push(rates[1][turn] * 100 / rates[0][turn].max(1));
    }
    let median = |values: &mut Vec<u64>| {
        values.sort_unstable();
        values[TURNS / 2]
    };
    let [before, after] = rates.each_mut().map(median);
    let side_by_side = median(&mut hundredths);
    let ratio = |hundredths: u64| format!("{}.{:02}", hundredths / 100, hundredths % 100);
    let of_medians = ratio(after * 100 / before.max(1));
    table.row([name, &grouped(before), &grouped(after), &of_medians, &ratio(side_by_side)]);
    let said = format!("{name}: {} of before, at least 0.{LEAST_HUNDREDTHS}", ratio(side_by_side));
    judge(missed, side_by_side >= LEAST_HUNDREDTHS, said);
    Ok(())
}
