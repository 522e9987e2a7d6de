//! Measures the size of compressed pages, and the time that compression costs.

use anyhow::Result;

use super::load::{self, CONNECTIONS, Walk};
use super::{Bench, Missed};
use crate::connection::Connection;
use crate::figures::{Table, grouped};
use crate::say;

/// The number of pages that are fetched in turn: so many that none is still prepared or cached from the last time.
const PAGES: usize = 200;

/// Fetches the same pages in each encoding. There is no limit, because a client chooses what suits its network.
///
/// # Errors
/// When a page cannot be fetched.
pub(super) fn run(bench: &Bench) -> Result<Missed> {
    // The targets are found beforehand, because the cursor in a compressed page cannot be seen.
    let targets = load::targets_by_cursor(&mut bench.connect()?, PAGES)?;
    let mut table = Table::new([
        "`Accept-Encoding`, `usage-history?pageSize=500`",
        "answered in",
        "KB a page",
        "1 connection, pages/s",
        "4 connections, pages/s",
    ]);
    for encoding in ["identity", "gzip", "zstd"] {
        let connect = || Connection::encoded(bench.server.base_url(), &bench.admin_key, encoding);
        let mut connection = connect()?;
        let answered =
            connection.get(&targets[0])?.header("content-encoding").unwrap_or("identity").to_owned();
        let begin = || over(connect()?, &targets);
        let [one, four] = CONNECTIONS.map(|connections| load::run(connections, &begin));
        let (one, four) = (one?, four?);
        let [one_rate, four_rate] = [one, four].map(|load| grouped(load.pages_per_second()));
        table.row([encoding, &answered, &one.page_kilobytes(), &one_rate, &four_rate]);
    }
    say(&format!("\n## Compressed answers\n\n{table}"));
    Ok(Missed::new())
}

fn over(mut connection: Connection, targets: &[String]) -> Result<Walk<'_>> {
    let mut targets = targets.iter().cycle();
    Ok(Box::new(move || {
        targets.next().map_or(Ok(0), |target| connection.get(target).map(|page| page.body().len()))
    }))
}
