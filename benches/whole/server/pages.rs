//! Measures pages by number at different depths: none may be much slower than another.

use std::time::Instant;

use anyhow::Result;
use fastrand::Rng;

use super::{Bench, Missed, judge_times, numbered};
use crate::figures::{Table, Times, grouped, milliseconds};
use crate::say;

/// How often each page is fetched: so often that the slowest hundredth is more than one request.
const ROUNDS: usize = 500;

/// The slowest page may take at most so many times as long as the fastest, in the median and in the slowest hundredth.
const DEPTH_TIMES: u32 = 3;

/// Times pages from the first to the last, over one connection.
///
/// # Errors
/// When a page cannot be fetched.
pub(super) fn run(bench: &Bench) -> Result<Missed> {
    let last = bench.last_page();
    // Of 5,000,000 entries these are 1, 100, 5,000 and 10,000.
    let mut measured = [1, last / 100, last / 2, last].map(|page| (page, Times::default()));
    let mut connection = bench.connect()?;
    let mut random = Rng::with_seed(1);
    let mut order = [0, 1, 2, 3];
    for round in 0..=ROUNDS {
        // The order is random in each round, so that no page always has the machine's good moments, or always follows the
        // same page.
        random.shuffle(&mut order);
        for at in order {
            let (page, times) = &mut measured[at];
            let target = numbered(*page);
            let start = Instant::now();
            connection.get(&target)?;
            // The first round warms up.
            if round > 0 {
                times.add(start.elapsed());
            }
        }
    }
    let mut table = Table::new(["page of 500, `usage`, ascending", "requests", "p50, ms", "p99, ms"]);
    for (page, times) in &measured {
        let requests = times.len().to_string();
        table.row([&grouped(*page), &requests, &milliseconds(times.p50()), &milliseconds(times.p99())]);
    }
    say(&format!("\n## Deep pages\n\n{table}\n"));
    let mut missed = Missed::new();
    for (name, percent) in [("p50", 50), ("p99", 99)] {
        let figures = measured.each_ref().map(|(_, times)| times.percentile(percent));
        let (most, least) = (figures.iter().max(), figures.iter().min());
        let (most, least) = (most.copied().unwrap_or_default(), least.copied().unwrap_or_default());
        judge_times(
            &mut missed,
            &format!("the largest {name} of a page, beside the smallest,"),
            most,
            least,
            DEPTH_TIMES,
        );
    }
    Ok(missed)
}
