//! `billing check`: compares everything in a ledger with its entries.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use billing_ledger::{Checked, Difference, DifferenceKind, Report};
use billing_model::one_line;
use serde::Serialize;

use crate::args;
use crate::exit::{Exit, Failure};
use crate::ledger_place::LedgerPlace;
use crate::progress::moving_line;
use crate::text::grouped;
use crate::{ledgers, stdout, terminal, text};

/// The most characters of a difference in the list. Only a difference that quotes a very long text has more.
const MOST_CHARS: usize = 1000;

/// The hint for a ledger with differences.
const DIFFERS: &str =
    "keep this ledger, and go on with a backup that is clean or import the entries from their source";

/// The hint for what of it can be mended.
const MENDED: &str = "an account in step with a service is mended by `billing verify --repair`";

pub(crate) fn run(args: &args::Check) -> Result<(), Failure> {
    let start = Instant::now();
    let place = args.ledger.place()?;
    let line = moving_line(false, "looking at the ledger");
    let report = ledgers::check(&place, |checked| {
        line.set_message(format!("{} checked", text::entries(checked.entries)));
    });
    line.finish_and_clear();
    let report = report?;
    let printed = match args.json {
        true => json(&place, &report).and_then(|json| stdout::print(&json)),
        false => stdout::print(&list(&report)),
    };
    if !report.is_clean() {
        // The exit code says it even when nobody reads the list.
        let error = match report.total() {
            1 => anyhow!("`{place}` differs from its entries in one place"),
            total => anyhow!("`{place}` differs from its entries in {} places", grouped(total)),
        };
        return Err(Failure::new(Exit::Differs, error).hint(DIFFERS).hint(MENDED));
    }
    printed?;
    terminal::note(&clean(&place, &report.checked, start.elapsed()));
    Ok(())
}

fn clean(place: &LedgerPlace, checked: &Checked, elapsed: Duration) -> String {
    let Checked {
        accounts,
        entries,
        hidden_entries,
        removed_entries,
        counts,
        rollups,
        balances,
        blocks,
        sources,
        coverage,
        receipts,
        files,
        keys,
        texts,
    } = *checked;
    let others = [
        (accounts, "account"),
        (counts, "count"),
        (rollups, "rollup"),
        (balances, "balance"),
        (blocks, "block"),
        (receipts, "receipt"),
        (files, "file"),
        (keys, "key"),
        (texts, "text"),
    ];
    // Most ledgers have no copy of a service.
    let of_copies = [(sources, "source"), (coverage, "walked window")].into_iter().filter(|(n, _)| *n > 0);
    let worded = |(n, noun)| format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" });
    let others: Vec<_> = others.into_iter().chain(of_copies).map(worded).collect();
    let entries = text::entries(entries);
    let removed = match removed_entries {
        0 => String::new(),
        removed => format!(", and {} that were taken out,", grouped(removed)),
    };
    let hidden = match hidden_entries {
        0 => String::new(),
        hidden => {
            format!("; and {} of an import that has not ended, which nobody sees", text::entries(hidden))
        }
    };
    format!(
        "{place} is clean: {entries}{removed} in {}{hidden}\n{}",
        text::seconds(elapsed),
        others.join(", ")
    )
}

/// A line for each listed difference, and one for each kind with more differences than are listed.
fn list(report: &Report) -> String {
    let mut lines: Vec<_> =
        report.differences.iter().map(|difference| one_line(&difference.to_string(), MOST_CHARS)).collect();
    for (kind, found) in &report.found {
        let more = found.saturating_sub(Report::LISTED);
        if more > 0 {
            lines.push(format!("{kind}, and {} more", grouped(more)));
        }
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The output of `--json`. Differing values are texts, because readers of JSON turn numbers into binary floating point.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    ledger: String,
    clean: bool,
    checked: JsonChecked,
    /// The number of differences of each kind, including those that are not listed.
    found: BTreeMap<&'static str, u64>,
    differences: Vec<JsonDifference<'a>>,
}

#[derive(Serialize)]
struct JsonChecked {
    accounts: u64,
    entries: u64,
    #[serde(rename = "hiddenEntries")]
    hidden_entries: u64,
    #[serde(rename = "removedEntries")]
    removed_entries: u64,
    counts: u64,
    rollups: u64,
    balances: u64,
    blocks: u64,
    sources: u64,
    coverage: u64,
    receipts: u64,
    files: u64,
    keys: u64,
    texts: u64,
}

#[derive(Serialize)]
struct JsonDifference<'a> {
    kind: &'static str,
    account: Option<&'a str>,
    place: &'a str,
    field: &'static str,
    held: Option<&'a str>,
    expected: Option<&'a str>,
}

fn json(place: &LedgerPlace, report: &Report) -> Result<String, Failure> {
    let Checked {
        accounts,
        entries,
        hidden_entries,
        removed_entries,
        counts,
        rollups,
        balances,
        blocks,
        sources,
        coverage,
        receipts,
        files,
        keys,
        texts,
    } = report.checked;
    let json = Json {
        ledger: place.to_string(),
        clean: report.is_clean(),
        checked: JsonChecked {
            accounts,
            entries,
            hidden_entries,
            removed_entries,
            counts,
            rollups,
            balances,
            blocks,
            sources,
            coverage,
            receipts,
            files,
            keys,
            texts,
        },
        found: report.found.iter().map(|(kind, found)| (DifferenceKind::as_str(*kind), *found)).collect(),
        differences: report.differences.iter().map(JsonDifference::of).collect(),
    };
    let text =
        serde_json::to_string_pretty(&json).context("the report is no JSON").map_err(Failure::failed)?;
    Ok(text + "\n")
}

impl<'a> JsonDifference<'a> {
    fn of(difference: &'a Difference) -> Self {
        let Difference { kind, account, place, field, held, expected } = difference;
        let (account, held, expected) = (account.as_deref(), held.as_deref(), expected.as_deref());
        Self { kind: kind.as_str(), account, place, field, held, expected }
    }
}
