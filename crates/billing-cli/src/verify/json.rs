//! What a proof came to, for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use billing_export::WindowText;
use billing_model::{Currency, Total};
use billing_sync::{DayDifference, Tally, Verified, WindowDifference};
use serde::Serialize;

use crate::args;
use crate::exit::Failure;
use crate::keeping::Asked;

/// The output of `--json`. Amounts are texts, because readers of JSON turn numbers into binary floating point.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Json<'a> {
    ledger: String,
    account: &'a str,
    service: &'a str,
    /// True when nothing differs, or nothing any more.
    proven: bool,
    /// What a repair put in, changed and took out; `null` without one.
    repaired: Option<JsonRepair>,
    /// Windows that were compared, and entries of the service in them.
    windows: u64,
    entries: u64,
    missing: u64,
    late: u64,
    changed: u64,
    vanished: u64,
    different_windows: u64,
    /// The first of them.
    different: Vec<JsonWindow>,
    days: JsonDays<'a>,
    requests: u64,
    retries: u64,
    elapsed_ms: u64,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct JsonRepair {
    added: u64,
    changed: u64,
    vanished: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsonWindow {
    window: WindowText,
    /// Entries of the ledger and of the service.
    held: u64,
    found: u64,
    missing: u64,
    late: u64,
    changed: u64,
    vanished: u64,
    held_sums: BTreeMap<String, String>,
    found_sums: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct JsonDays<'a> {
    compared: u64,
    /// Why no day was compared.
    unread: Option<&'a str>,
    different: Vec<JsonDay<'a>>,
}

#[derive(Serialize)]
struct JsonDay<'a> {
    day: String,
    currency: &'a str,
    /// What the ledger's charges come to.
    held: String,
    /// What the usage analytics say.
    told: String,
}

/// One JSON object.
pub(super) fn json(
    asked: &Asked<'_>,
    args: &args::Verify,
    verified: &Verified,
    elapsed: Duration,
    warnings: &[String],
) -> Result<String, Failure> {
    let Verified { done, different, different_windows, repaired, days, traffic } = verified;
    let json = Json {
        ledger: asked.place.to_string(),
        account: &args.account,
        service: &asked.base_url,
        proven: verified.is_proven(),
        repaired: repaired.map(|Tally { added, changed, vanished, .. }| JsonRepair {
            added,
            changed,
            vanished,
        }),
        windows: done.windows,
        entries: done.walked,
        missing: done.added,
        late: done.late,
        changed: done.changed,
        vanished: done.vanished,
        different_windows: *different_windows,
        different: different.iter().map(JsonWindow::of).collect(),
        days: JsonDays {
            compared: days.compared,
            unread: days.unread.as_deref(),
            different: days.different.iter().map(JsonDay::of).collect(),
        },
        requests: traffic.requests,
        retries: traffic.retries,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        warnings,
    };
    serde_json::to_string_pretty(&json).map_err(Failure::failed)
}

impl JsonWindow {
    fn of(window: &WindowDifference) -> Self {
        Self {
            window: window.window.into(),
            held: window.held,
            found: window.found,
            missing: window.missing,
            late: window.late,
            changed: window.changed,
            vanished: window.vanished,
            held_sums: texts(&window.held_sums),
            found_sums: texts(&window.found_sums),
        }
    }
}

impl<'a> JsonDay<'a> {
    fn of(difference: &'a DayDifference) -> Self {
        let DayDifference { day, currency, held, told } = difference;
        let (held, told) = (held.to_string(), told.to_string());
        Self { day: day.to_string(), currency: currency.as_str(), held, told }
    }
}

fn texts(sums: &BTreeMap<Currency, Total>) -> BTreeMap<String, String> {
    sums.iter().map(|(currency, sum)| (currency.as_str().to_owned(), sum.to_string())).collect()
}
