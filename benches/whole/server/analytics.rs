//! Measures analytics over 90 days, each range asked for the first time.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Bench, Missed, judge};
use crate::figures::{Table, Times, milliseconds};
use crate::say;

/// The longest range that the API takes.
const SPAN_DAYS: usize = 90;

/// The days of each month of the made-up history, which is of January to June 2026.
const MONTHS: [usize; 6] = [31, 28, 31, 30, 31, 30];

/// The days between the ends of two ranges, which gives 46 ranges within the history.
const STEP_DAYS: usize = 2;

/// The limit for the time of an answer that has to be computed.
const LIMIT: Duration = Duration::from_millis(50);

/// Measures answers that the server has to compute, and then the same ones again.
///
/// # Errors
/// When an answer cannot be fetched.
pub(super) fn run(bench: &Bench) -> Result<Missed> {
    let mut connection = bench.connect()?;
    let (mut first, mut again) = (Times::default(), Times::default());
    for target in targets() {
        for times in [&mut first, &mut again] {
            let start = Instant::now();
            connection.get(&target)?;
            times.add(start.elapsed());
        }
    }
    let mut table = Table::new(["`usage-analytics` over 90 days", "requests", "p50, ms", "max, ms"]);
    for (name, times) in [("asked for the first time", &first), ("asked for again", &again)] {
        let requests = times.len().to_string();
        table.row([name, &requests, &milliseconds(times.p50()), &milliseconds(times.most())]);
    }
    say(&format!("\n## Analytics\n\n{table}\n"));
    let mut missed = Missed::new();
    let (most, limit) = (first.most(), LIMIT.as_millis());
    let said = format!("the slowest analytics of 90 days take {} ms, at most {limit}", milliseconds(most));
    judge(&mut missed, most <= LIMIT, said);
    Ok(missed)
}

/// The server keeps an answer for ten minutes, so every request has another range.
pub(crate) fn targets() -> impl Iterator<Item = String> {
    let days = MONTHS.iter().sum();
    (SPAN_DAYS..=days).step_by(STEP_DAYS).map(|end| {
        let (since, until) = (date(end - SPAN_DAYS), date(end - 1));
        format!("/billing/usage-analytics?startDate={since}&endDate={until}")
    })
}

/// The date of a day of 2026, counted from zero.
fn date(mut day: usize) -> String {
    let mut month = 0;
    while day >= MONTHS[month] {
        day -= MONTHS[month];
        month += 1;
    }
    format!("2026-{:02}-{:02}", month + 1, day + 1)
}
