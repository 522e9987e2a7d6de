//! The summary of an export, for people and for programs.

use std::time::Duration;

use billing_export::{AmountsByCurrency, Exported, WindowText, amounts_text};
use billing_format::NoticeKind;
use billing_model::Timestamp;
use billing_sink::Finished;
use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use crate::args::Wire;
use crate::exit::Failure;
use crate::plan::Plan;
use crate::{terminal, text};

/// The result of an export, with its plan.
pub(crate) struct Summarized<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) exported: &'a Exported<Option<Finished>>,
    /// False when entries came and none had an `apiKeyId`.
    pub(crate) has_key_ids: bool,
    /// False when entries came and none had undocumented fields.
    pub(crate) has_other_fields: bool,
    /// The instant from which on entries are still to come into a ledger that is a copy of a service.
    pub(crate) provisional_from: Option<Timestamp>,
    pub(crate) elapsed: Duration,
}

/// The summary for programs. It has the names of the manifest.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    /// The path as it was typed; `null` is stdout.
    file: Option<String>,
    window: WindowText,
    /// False when entries may still come into the window.
    is_final: bool,
    /// The base URL of the service, or the path of the ledger.
    service: &'a str,
    /// The account of the ledger.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provisional_from: Option<String>,
    endpoint: Option<String>,
    currency: Option<String>,
    entries: u64,
    /// The entries of this run.
    added: u64,
    first: Option<String>,
    last: Option<String>,
    amounts: AmountsByCurrency,
    service_total: Option<u64>,
    resumed: bool,
    requests: u64,
    retries: u64,
    elapsed_ms: u64,
    warnings: Vec<String>,
}

impl Summarized<'_> {
    /// Writes the summary to stderr in the form that was asked for. `warnings` are those that were not shown.
    pub(crate) fn print(&self, warnings: Vec<String>) -> Result<(), Failure> {
        match (self.plan.json, self.plan.quiet) {
            (true, _) => terminal::note(&self.json(warnings)?),
            (false, true) => {}
            (false, false) => self.lines().iter().for_each(|line| terminal::note(line)),
        }
        Ok(())
    }

    /// The lines of the summary for people.
    fn lines(&self) -> Vec<String> {
        let Exported { window, summary, added, .. } = self.exported;
        let to = self.plan.output.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default();
        let mut lines = vec![
            format!("{to}{}", text::pace(summary, added.entries, self.elapsed)),
            format!("window {window}"),
            text::amounts(summary).trim_end().to_owned(),
        ];
        lines.retain(|line| !line.is_empty());
        match self.finality() {
            Finality::Final => {}
            Finality::EndsToday => lines
                .push("note: the window ends today and is not final: entries may come hours late".to_owned()),
            Finality::NotEnded => lines.push(
                "note: the window has not ended and is not final: entries are still to come".to_owned(),
            ),
        }
        if let Some(from) = self.provisional_from {
            lines.push(format!(
                "note: provisional from {from} on: entries may still arrive there; `billing sync` brings them"
            ));
        }
        lines.extend(self.warnings().into_iter().map(|text| format!("warning: {text}")));
        lines
    }

    /// The summary for programs: one JSON object on one line.
    fn json(&self, mut warnings: Vec<String>) -> Result<String, Failure> {
        let Exported { window, service, account, summary, added, is_resumed, traffic, .. } = self.exported;
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        warnings.extend(self.warnings());
        let report = Report {
            file: self.plan.output.as_ref().map(|path| path.display().to_string()),
            window: (*window).into(),
            is_final: matches!(self.finality(), Finality::Final) && self.provisional_from.is_none(),
            service,
            account: account.as_deref(),
            provisional_from: text(self.provisional_from),
            endpoint: self.exported.endpoint.map(|endpoint| endpoint.to_string()),
            currency: self.plan.currency.as_ref().map(ToString::to_string),
            entries: summary.entries,
            added: added.entries,
            first: text(summary.first),
            last: text(summary.last),
            amounts: amounts_text(summary),
            service_total: self.exported.service_total,
            resumed: *is_resumed,
            requests: traffic.requests,
            retries: traffic.retries,
            elapsed_ms: u64::try_from(self.elapsed.as_millis()).unwrap_or(u64::MAX),
            warnings,
        };
        serde_json::to_string(&report).map_err(Failure::failed)
    }

    fn warnings(&self) -> Vec<String> {
        let Self { has_key_ids, has_other_fields, .. } = *self;
        let half_characters = self.exported.half_characters;
        let mut warnings = Vec::new();
        let is_csv = matches!(self.plan.wire, Wire::Csv);
        if is_csv && self.plan.keeps_api_key_id && !has_key_ids {
            warnings.push(
                "no entry came with an apiKeyId. The text/csv of a service may lack it: use --wire json"
                    .to_owned(),
            );
        }
        if is_csv && self.plan.wants_other_fields && !has_other_fields {
            warnings.push(
                "no entry came with other fields. The text/csv of a service lacks them: use --wire json"
                    .to_owned(),
            );
        }
        if half_characters > 0 {
            warnings.push(NoticeKind::HalfCharacters(half_characters).to_string());
        }
        warnings
    }

    fn finality(&self) -> Finality {
        let Exported { window, finished: now, .. } = *self.exported;
        match window.until() {
            Some(until) if is_a_day_before(now, until) => Finality::NotEnded,
            Some(until) if is_a_day_before(until, now) => Finality::Final,
            _ => Finality::EndsToday,
        }
    }
}

/// Whether entries may still come into a window.
enum Finality {
    Final,
    /// The window ends within a day of now, before or after. Entries may come hours late.
    EndsToday,
    NotEnded,
}

/// True when the first time is more than a day before the second.
pub(crate) fn is_a_day_before(one: Timestamp, other: Timestamp) -> bool {
    let time = |at: Timestamp| DateTime::<Utc>::from(at);
    time(other).signed_duration_since(time(one)) > TimeDelta::days(1)
}
