//! How the balance and the analytics are asked for, and what is shown and said.

use std::process::Command;

use billing_model::{Currency, Timestamp, UsageEntry};
use billing_testkit::{Reply, entry_at};

use crate::billing::{Run, command, finish, run};
use crate::ledger::{Ledger, Server};
use crate::scripted::Scripted;

/// One answer of the published contract each.
pub(super) const ANALYTICS: &str = include_str!("../../data/pages/usage-analytics.json");
pub(super) const BALANCE: &str = include_str!("../../data/pages/balance.json");

pub(super) const ALL: &[&[&str]] = &[&["balance"], &["analytics"]];

pub(super) fn ask_command(base_url: &str, key: &str, columns: &str, words: &[&str]) -> Command {
    let mut command = command(words);
    command.args(["--base-url", base_url]).env("BILLING_API_KEY", key).env("COLUMNS", columns);
    command
}

/// Asks with little patience.
pub(super) fn ask(base_url: &str, columns: &str, words: &[&str]) -> Run {
    let mut command = ask_command(base_url, "any-key", columns, words);
    command.args(["--max-wait", "0"]);
    finish(command, b"")
}

/// What is shown of an answer in so many columns: what is printed, and what is said of it.
#[track_caller]
pub(super) fn shown(run: Run) -> String {
    let run = run.done();
    format!("{}{}", run.text(), run.stderr)
}

pub(super) fn of_service(body: &str, columns: &str, words: &[&str]) -> String {
    let service = Scripted::answering(Reply::json(200, body));
    shown(ask(&service.base_url(), columns, words))
}

/// What is said when there is no answer.
pub(super) fn said(reply: Reply, words: &[&str]) -> String {
    let service = Scripted::answering(reply);
    let base_url = service.base_url();
    let address = base_url.strip_prefix("http://").unwrap().strip_suffix("/api/v1").unwrap();
    ask(&base_url, "80", words).said(address)
}

pub(super) fn row(day: &str, sku: &str, amount: &str, currency: Currency, key: Option<&str>) -> UsageEntry {
    let at: Timestamp = format!("2026-05-{day}T10:00:00Z").parse().unwrap();
    UsageEntry { sku: sku.to_owned(), currency, api_key_id: key.map(str::to_owned), ..entry_at(at, amount) }
}

pub(super) fn server() -> Server {
    let gateway = Some("3d58bb03-f31a-4686-a763-de764d6fe1b0");
    let ledger = Ledger::of(&[
        row("01", "zai-org-glm-5-1-llm-input-mtoken", "-0.1000000000000000055", Currency::Usd, gateway),
        row("01", "zai-org-glm-5-1-llm-output-mtoken", "-8e-7", Currency::Diem, gateway),
        row("03", "venice-sd35-image-unit", "-0.25", Currency::BundledCredits, None),
        row("03", "credit-purchase", "25", Currency::Usd, None),
        row("04", "something-new", "-1", Currency::from("LATER"), None),
    ]);
    run(&["accounts", "set", "--ledger", &ledger.path(), "--account", "default", "--diem-allocation", "10"])
        .done();
    ledger.serve()
}
