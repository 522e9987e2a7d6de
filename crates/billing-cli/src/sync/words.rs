//! What a sync says in the end, for people and for programs.

use billing_export::WindowText;
use billing_model::TimeWindow;
use billing_sync::Synced;
use serde::Serialize;

use super::round::{Done, Round};
use crate::accounts::shown;
use crate::exit::Failure;
use crate::keeping::{instant, requests, what_was_done};

/// The lines of the summary for people.
pub(super) fn lines(round: &Round<'_>, done: &Done) -> Vec<String> {
    let Done { synced, elapsed, .. } = done;
    let tally = synced.done;
    let (account, service) = (shown(&round.args.account), &round.asked.base_url);
    let is_dry = round.args.dry_run;
    let first = match is_dry {
        true => format!("dry run: account `{account}` with {service}"),
        false => format!("synced account `{account}` with {service}"),
    };
    let what = format!("{}; {}", what_was_done(tally, is_dry), requests(synced.traffic, *elapsed));
    let mut lines = vec![first, what];
    if let Some(held) = held(synced) {
        lines.push(held);
    }
    if done.made_account {
        let place = &round.asked.place;
        lines.push(format!("note: account `{account}` of `{place}` was not there and was made"));
    }
    if synced.as_of.is_none() {
        lines.push("note: nothing was asked for: --since and --until leave nothing to read".to_owned());
    }
    let is_taken = if is_dry { "would be taken" } else { "was taken" };
    for (count, note) in [
        (tally.late, "late is what came after its time was final".to_owned()),
        (tally.changed, "changed is what has another API key or other fields than before".to_owned()),
        (tally.vanished, format!("what vanished at the service {is_taken} out of the sums and kept apart")),
    ] {
        if count > 0 {
            lines.push(format!("note: {note}"));
        }
    }
    lines
}

/// The line of a round.
pub(super) fn line(done: &Done) -> String {
    let Done { synced, elapsed, .. } = done;
    let held = synced.held.last().and_then(|window| instant(window.until()));
    let held = held.map(|until| format!(", held up to {until}")).unwrap_or_default();
    format!("{}{held}; {}", what_was_done(synced.done, false), requests(synced.traffic, *elapsed))
}

/// `held up to …, provisional from …`.
fn held(synced: &Synced) -> Option<String> {
    let last = synced.held.last()?;
    let until = instant(last.until()).unwrap_or_default();
    let held = match (synced.held.len(), synced.held.first().and_then(|first| first.since())) {
        (1, None) => format!("held up to {until}"),
        (1, Some(since)) => format!("held from {since} to {until}"),
        (windows, _) => format!("held in {windows} windows, the last of them up to {until}"),
    };
    let provisional = synced.provisional_from.filter(|from| Some(*from) < last.until());
    Some(match provisional {
        Some(from) => format!("{held}, provisional from {from}"),
        None => held,
    })
}

/// The summary for programs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    ledger: String,
    account: &'a str,
    service: &'a str,
    /// True when nothing was stored.
    dry_run: bool,
    /// Entries that the service gave.
    walked: u64,
    added: u64,
    late: u64,
    changed: u64,
    vanished: u64,
    /// What is held; of a dry run: before.
    held: Vec<WindowText>,
    provisional_from: Option<String>,
    /// The present by the service's clock.
    as_of: Option<String>,
    requests: u64,
    retries: u64,
    elapsed_ms: u64,
    warnings: &'a [String],
}

/// The summary for programs: one JSON object on one line.
pub(super) fn json(round: &Round<'_>, done: &Done) -> Result<String, Failure> {
    let Synced { done: tally, held, provisional_from, as_of, traffic } = &done.synced;
    let report = Report {
        ledger: round.asked.place.to_string(),
        account: &round.args.account,
        service: &round.asked.base_url,
        dry_run: round.args.dry_run,
        walked: tally.walked,
        added: tally.added,
        late: tally.late,
        changed: tally.changed,
        vanished: tally.vanished,
        held: held.iter().map(|window: &TimeWindow| (*window).into()).collect(),
        provisional_from: instant(*provisional_from),
        as_of: instant(*as_of),
        requests: traffic.requests,
        retries: traffic.retries,
        elapsed_ms: u64::try_from(done.elapsed.as_millis()).unwrap_or(u64::MAX),
        warnings: &done.warnings,
    };
    serde_json::to_string(&report).map_err(Failure::failed)
}
