//! Where the money goes: reports of a ledger and of files, in every form.

mod finality;
mod forms;
mod harm;
mod outputs;
mod schema;
#[cfg(target_os = "linux")]
mod screens;
mod sources;
mod windows;

use billing_model::UsageEntry;
use billing_report::{Dimension, Report};
use billing_testkit::entry_at;

use crate::billing::{Run, run};
use crate::ledger::{Ledger, at};

/// A report in JSON, read.
#[track_caller]
fn report(args: &[&str]) -> Report {
    read(run(&[&["report", "--format", "json"], args].concat()))
}

#[track_caller]
fn read(run: Run) -> Report {
    Report::from_json(run.done().text()).unwrap()
}

/// A report of a ledger.
#[track_caller]
fn of(ledger: &Ledger, args: &[&str]) -> Report {
    report(&[&["--ledger", &ledger.path()], args].concat())
}

/// What was spent, by the labels of a dimension.
fn spend_by(report: &Report, by: Dimension) -> Vec<(String, String)> {
    let label = |label: Option<Option<&str>>| label.flatten().unwrap_or("-").to_owned();
    report.rows.iter().map(|row| (label(row.label(by)), row.sums.spend.to_string())).collect()
}

/// A charge in USD, of a sku.
fn charge(timestamp: &str, sku: &str, amount: &str) -> UsageEntry {
    UsageEntry { sku: sku.to_owned(), ..entry_at(at(timestamp), &format!("-{amount}")) }
}
