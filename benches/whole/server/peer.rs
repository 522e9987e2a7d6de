//! Compares our server with datasette, a well-known program for the same task: an SQLite file as pages of JSON.
//!
//! Datasette serves the same file of which our server has a copy, without everything that it can leave out. It shows
//! entries as they are stored: texts as their ids, and most numbers as text. Our server looks the texts up. Datasette
//! finds a page in its own way: `_next` compares the three columns of the key one by one, so SQLite reads the table
//! from its start, and pages become slower on the way. So pages by an SQL query are measured too, which a user could
//! write who knows this.

use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result};

use super::load::{self, CONNECTIONS, Load, Walk};
use super::{Bench, Missed, PAGE_ENTRIES, judge};
use crate::connection::Connection;
use crate::figures::{Table, grouped, ratio};
use crate::program::Running;
use crate::say;
use xtask::python;

/// The version of datasette. It is fixed, so that figures can be compared.
const VERSION: &str = "0.65.5";

/// Our server has to give at least so many times as many pages a second.
const FASTER_TIMES: u64 = 10;

/// The turns of each walk. They alternate, so that a slow hour of the machine hits all of them.
const TURNS: usize = 2;

/// The columns of an entry as it is stored.
const STORED: &str = "sku, price_per_unit_usd, units, amount, currency, notes, api_key, request_id, execution_time_ms, \
    prompt_tokens, completion_tokens FROM entries";

/// The same columns, with the texts that our pages show.
const JOINED: &str = "skus.text AS sku, price_per_unit_usd, units, amount, currencies.text AS currency, \
    noted.text AS notes, api_keys.text AS api_key, request_id, execution_time_ms, prompt_tokens, completion_tokens \
    FROM entries JOIN strings skus ON skus.id = sku JOIN strings currencies ON currencies.id = currency \
    JOIN strings noted ON noted.id = notes LEFT JOIN strings api_keys ON api_keys.id = api_key";

/// Walks both servers, over one connection and over several.
///
/// # Errors
/// When datasette cannot be installed or started, or a page cannot be fetched.
pub(super) fn run(bench: &Bench) -> Result<Missed> {
    let peer = Datasette::start(&bench.ledger.made_path())?;
    let walks: [(&str, &dyn Fn() -> Result<Walk<'static>>); 5] = [
        ("`usage-history`, by cursor", &|| load::by_cursor(bench)),
        ("`usage`, by number", &|| load::by_number(bench)),
        ("datasette, `entries.json` by its `_next`", &|| peer.by_next()),
        ("datasette, an SQL query by key", &|| peer.by_query(STORED)),
        ("datasette, the same with texts joined", &|| peer.by_query(JOINED)),
    ];
    let mut loads = walks.map(|_| CONNECTIONS.map(|_| Load::default()));
    for _ in 0..TURNS {
        for ((_, walk), both) in walks.iter().zip(&mut loads) {
            for (load, connections) in both.iter_mut().zip(CONNECTIONS) {
                load.add(load::run(connections, walk)?);
            }
        }
    }
    let mut table =
        Table::new(["pages of 500", "KB a page", "1 connection, pages/s", "4 connections, pages/s"]);
    for ((name, _), both) in walks.iter().zip(&loads) {
        let [one, four] = both.map(|load| grouped(load.pages_per_second()));
        table.row([name, &both[0].page_kilobytes(), &one, &four]);
    }
    say(&format!("\n## Beside datasette {VERSION}\n\n{table}\n"));
    let mut missed = Missed::new();
    let [cursor, number, next, query, _] = loads;
    for (at, over) in ["over 1 connection", "over 4 connections"].iter().enumerate() {
        for (name, ours) in [("usage-history", cursor[at]), ("usage", number[at])] {
            judge_faster(&mut missed, &format!("`{name}` {over}"), ours, next[at], query[at]);
        }
    }
    Ok(missed)
}

fn judge_faster(missed: &mut Missed, what: &str, ours: Load, theirs: Load, query: Load) {
    let [ours, theirs, query] = [ours, theirs, query].map(|load| load.pages_per_second());
    let said = format!(
        "{what} has {} times the pages/s of datasette, at least {FASTER_TIMES} ({} times those of the query)",
        ratio(ours.into(), theirs.into()),
        ratio(ours.into(), query.into())
    );
    judge(missed, ours >= theirs * FASTER_TIMES, said);
}

/// A running datasette over a file that is not written to. It ends when this value is dropped.
struct Datasette {
    _process: Running,
    base_url: String,
    /// Datasette's name for the file.
    database: String,
}

impl Datasette {
    fn start(file: &Path) -> Result<Self> {
        let program = python::environment("datasette", &format!("datasette=={VERSION}\n"))?;
        let process = Command::new(program.join("bin").join("datasette"))
            // `-i`: datasette may assume that the file never changes.
            .args(["serve", "--host", "127.0.0.1", "--port", "0", "-i"])
            .arg(file)
            .args(["--setting", "max_returned_rows", "1000", "--setting", "suggest_facets", "off"])
            // Deep pages take longer than its default limit of a second.
            .args(["--setting", "sql_time_limit_ms", "60000"])
            .stdin(Stdio::null())
            // Its log has a line for each request, which is not needed.
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = Running(process.context("cannot start datasette")?);
        let stderr = process.0.stderr.take().context("datasette has no output")?;
        let base_url = address(BufReader::new(stderr))?;
        let database = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { _process: process, base_url, database })
    }

    /// Datasette's own pages of a table, without counts and suggestions. Rows are arrays, its shortest form.
    fn by_next(&self) -> Result<Walk<'static>> {
        let first = format!(
            "/{}/entries.json?_size={PAGE_ENTRIES}&_shape=arrays&_nocount=1&_nofacet=1&_nosuggest=1",
            self.database
        );
        let mut connection = Connection::open(&self.base_url, Vec::new())?;
        let mut target = first.clone();
        Ok(Box::new(move || {
            let page = connection.get(&target)?;
            target = page.header("link").and_then(next_target).unwrap_or_else(|| first.clone());
            Ok(page.body().len())
        }))
    }

    /// Pages of a query that continues after the key of the last row, which SQLite finds at once.
    fn by_query(&self, entries: &str) -> Result<Walk<'static>> {
        let query = format!(
            "SELECT {entries} WHERE account = 1 \
             AND (timestamp_ns, sequence) > (CAST(:at AS INTEGER), CAST(:sequence AS INTEGER)) \
             ORDER BY timestamp_ns, sequence LIMIT {PAGE_ENTRIES}"
        )
        // The key is last in a row, where it is found without parsing the row.
        .replacen(" FROM", ", timestamp_ns, sequence FROM", 1)
        .replace(' ', "+");
        let first = format!("/{}.json?sql={query}&_shape=arrays", self.database);
        let mut connection = Connection::open(&self.base_url, Vec::new())?;
        let mut key = None;
        Ok(Box::new(move || {
            let (at, sequence) = key.take().unwrap_or_else(|| ("0".to_owned(), "-1".to_owned()));
            let page = connection.get(&format!("{first}&at={at}&sequence={sequence}"))?;
            key = last_key(page.body());
            Ok(page.body().len())
        }))
    }
}

/// Reads the address from its output. The rest of the output is read too, because the program would otherwise wait for a
/// reader.
fn address(mut stderr: impl BufRead + Send + 'static) -> Result<String> {
    let mut said = String::new();
    while stderr.read_line(&mut said)? > 0 {
        if let Some((_, place)) = said.split_once("running on ")
            && let Some(base_url) = place.split_whitespace().next()
        {
            let base_url = base_url.to_owned();
            thread::spawn(move || io::copy(&mut stderr, &mut io::sink()));
            return Ok(base_url);
        }
    }
    anyhow::bail!("datasette does not say where it is: {}", said.trim())
}

/// The target of `<http://host/target>; rel="next"`.
fn next_target(link: &str) -> Option<String> {
    let (url, _) = link.trim_start_matches("<http://").split_once(">; rel=\"next\"")?;
    url.find('/').map(|slash| url[slash..].to_owned())
}

/// The key in the last row of a page; `None` when it has no rows.
fn last_key(body: &[u8]) -> Option<(String, String)> {
    // The query follows the rows, and has no such brackets.
    let end = body.windows(2).rposition(|window| window == b"]]")?;
    let row = String::from_utf8_lossy(&body[end.saturating_sub(64)..end]).into_owned();
    let mut cells = row.rsplit(", ");
    let (sequence, at) = (cells.next()?, cells.next()?);
    Some((at.to_owned(), sequence.to_owned()))
}
