//! Measures analytics of 90 days that have to be computed, and a request for which the ledger is asked nothing but whose key it is.

use std::time::Instant;

use anyhow::Result;

use super::Bench;
use crate::figures::{Table, Times, milliseconds, times};
use crate::say;
use crate::server::{ACCOUNT, Missed, analytics, judge};

/// The limit for the median time of an answer that has to be computed, in PostgreSQL.
const LIMIT_MS: u128 = 80;

/// How often each answer is asked for again.
const AGAIN: usize = 20;

/// Measures both by turns.
///
/// # Errors
/// When an answer cannot be fetched.
pub(super) fn run(bench: &Bench<'_>) -> Result<Missed> {
    let mut connections = Vec::new();
    for side in bench.sides() {
        connections.push((side.connect(ACCOUNT)?, Times::default(), Times::default()));
    }
    for target in analytics::targets() {
        for (connection, first, again) in &mut connections {
            let start = Instant::now();
            connection.get(&target)?;
            first.add(start.elapsed());
            for _ in 0..AGAIN {
                // The server has the answer; it asks who has the key.
                let start = Instant::now();
                connection.get(&target)?;
                again.add(start.elapsed());
            }
        }
    }
    let mut table =
        Table::new(["", "SQLite, p50, ms", "p99, ms", "PostgreSQL, p50, ms", "p99, ms", "ratio of p50"]);
    let [(_, file, file_key), (_, database, database_key)] = &connections[..] else {
        return Ok(Missed::new());
    };
    let rows = [
        ("analytics of 90 days", file, database),
        ("a request that asks whose key it is", file_key, database_key),
    ];
    for (name, file, database) in rows {
        table.row([
            name,
            &milliseconds(file.p50()),
            &milliseconds(file.p99()),
            &milliseconds(database.p50()),
            &milliseconds(database.p99()),
            &times(database.p50(), file.p50()),
        ]);
    }
    say(&format!("\n## Analytics, and the key alone\n\n{table}\n"));
    let mut missed = Missed::new();
    let p50 = database.p50();
    let said = format!("analytics of 90 days take {} ms in the median, under {LIMIT_MS}", milliseconds(p50));
    judge(&mut missed, p50.as_millis() < LIMIT_MS, said);
    Ok(missed)
}
