//! Measures pages at different depths, by number and by cursor: none may be much slower than another.

use std::time::Instant;

use anyhow::{Context, Result};
use fastrand::Rng;

use super::Bench;
use crate::connection::{Connection, next_target};
use crate::figures::{Table, Times, grouped, milliseconds, per_second, times};
use crate::say;
use crate::server::{ACCOUNT, Missed, PAGE_ENTRIES, judge, judge_times, numbered};

/// How often each page is fetched: so often that the slowest hundredth is more than one request.
const ROUNDS: usize = 300;

/// The slowest page may take at most so many times as long as the fastest, in the median, and so long.
const DEPTH_TIMES: u32 = 3;
const LIMIT_MS: u128 = 4;

/// The times of a page on both sides.
struct Measured {
    name: &'static str,
    page: u64,
    /// The target of each side: a cursor is good for one alone.
    targets: [String; 2],
    times: [Times; 2],
}

/// Times pages from the first to the last, over one connection to each server.
///
/// # Errors
/// When a page cannot be fetched.
pub(super) fn run(bench: &Bench<'_>) -> Result<Missed> {
    let last = bench.ledger.entries() / PAGE_ENTRIES;
    // Of 5,000,000 entries these are 1, 100, 5,000 and 10,000.
    let depths = [1, last / 100, last / 2, last];
    let mut walked = Vec::new();
    for side in bench.sides() {
        let start = Instant::now();
        walked.push(targets_by_cursor(&mut side.connect(ACCOUNT)?, &depths)?);
        let rate = per_second(last, start.elapsed());
        say(&format!("{}: {} pages by cursor, {rate} pages/s", side.name(), grouped(last)));
    }
    // Not the connections of the walks: a server ends one on which nothing came for the time of the other walk.
    let [file, database] = bench.sides().map(|side| side.connect(ACCOUNT));
    let mut connections = [file?, database?];
    let by_number = depths.iter().map(|page| ("number", *page, [numbered(*page), numbered(*page)]));
    let by_cursor = depths.iter().enumerate().map(|(at, page)| {
        let target = |side: usize| walked.get(side).and_then(|targets| targets.get(at)).cloned();
        ("cursor", *page, [target(0).unwrap_or_default(), target(1).unwrap_or_default()])
    });
    let mut measured: Vec<_> = by_number
        .chain(by_cursor)
        .map(|(name, page, targets)| Measured { name, page, targets, times: Default::default() })
        .collect();
    let mut random = Rng::with_seed(1);
    for round in 0..=ROUNDS {
        // The order is random in each round, so that no page always has the machine's good moments.
        random.shuffle(&mut measured);
        for page in &mut measured {
            for (at, connection) in connections.iter_mut().enumerate() {
                let start = Instant::now();
                connection.get(&page.targets[at])?;
                // The first round warms up.
                if round > 0 {
                    page.times[at].add(start.elapsed());
                }
            }
        }
    }
    measured.sort_by_key(|page| (page.name == "cursor", page.page));
    print(&measured);
    Ok(judged(&measured))
}

fn print(measured: &[Measured]) {
    let mut table = Table::new([
        "page of 500",
        "SQLite, p50, ms",
        "p99, ms",
        "PostgreSQL, p50, ms",
        "p99, ms",
        "ratio of p50",
    ]);
    for Measured { name, page, times: [file, database], .. } in measured {
        table.row([
            &format!("{} by {name}", grouped(*page)),
            &milliseconds(file.p50()),
            &milliseconds(file.p99()),
            &milliseconds(database.p50()),
            &milliseconds(database.p99()),
            &times(database.p50(), file.p50()),
        ]);
    }
    say(&format!("\n## Pages\n\n{table}\n"));
}

fn judged(measured: &[Measured]) -> Missed {
    let mut missed = Missed::new();
    for name in ["number", "cursor"] {
        let p50s = measured.iter().filter(|page| page.name == name).map(|page| page.times[1].p50());
        let (most, least) = (p50s.clone().max().unwrap_or_default(), p50s.min().unwrap_or_default());
        let what = format!("by {name}, the largest p50 of a page, beside the smallest,");
        judge_times(&mut missed, &what, most, least, DEPTH_TIMES);
        let said = format!("by {name}, the largest p50 is {} ms, under {LIMIT_MS}", milliseconds(most));
        judge(&mut missed, most.as_millis() < LIMIT_MS, said);
    }
    missed
}

/// The targets of pages by cursor, which a walk over all pages finds.
fn targets_by_cursor(connection: &mut Connection, depths: &[u64]) -> Result<Vec<String>> {
    let (mut targets, mut page) = (Vec::new(), 1);
    let mut target = format!("/billing/usage-history?pageSize={PAGE_ENTRIES}");
    for depth in depths {
        while page < *depth {
            target = next_target(connection.get(&target)?.body()).context("the walk ended early")?;
            page += 1;
        }
        targets.push(target.clone());
    }
    Ok(targets)
}
