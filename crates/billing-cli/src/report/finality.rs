//! Whether a report has all entries of its window, and what is to be said where it may not.

use billing_ledger::Source;
use billing_model::{TimeWindow, Timestamp};
use billing_report::Meta;
use billing_sync::Records;

use crate::accounts;
use crate::summary::is_a_day_before;

/// Whether entries of a window may still come, by the accounts or files that it is read from.
#[derive(Debug)]
pub(super) struct Finality {
    window: TimeWindow,
    now: Timestamp,
    is_final: bool,
    provisional_from: Option<Timestamp>,
    notes: Vec<String>,
}

impl Finality {
    pub(super) fn new(window: TimeWindow, now: Timestamp) -> Self {
        Self { window, now, is_final: true, provisional_from: None, notes: Vec::new() }
    }

    /// Takes in entries of which nobody says how complete they are: a file, or what was recorded in an account.
    pub(super) fn add_own(&mut self) {
        self.is_final &= self.window.until().is_some_and(|until| is_a_day_before(until, self.now));
    }

    /// Takes in an account that is a copy of a service.
    pub(super) fn add_copy(&mut self, name: &str, held: &Records, source: &Source) {
        let name = accounts::shown(name);
        let Some(end) = held.until() else {
            self.is_final = false;
            return self
                .notes
                .push(format!("Account `{name}` has no entries yet; `billing sync` fetches them."));
        };
        if source.synced_at.is_none() {
            self.notes.push(format!(
                "The first sync of account `{name}` has not ended, so entries are missing; `billing sync` goes on with it."
            ));
        }
        let since = self.window.since();
        let provisional = held.provisional_in(self.window, source.settle);
        let is_held = self.window.until().is_some_and(|until| held.first_gap(since, until).is_none());
        self.is_final &= is_held && provisional.is_none();
        self.may_come_from(provisional);
        if self.window.until().is_none_or(|until| until > end) {
            self.may_come_from(since.max(Some(end)));
        }
        // What lies in the future is missing from everything.
        let passed = self.window.until().map_or(self.now, |until| until.min(self.now));
        match held.first_gap(since, passed) {
            Some(gap) if gap.since() < Some(end) => {
                let from =
                    gap.since().map_or_else(|| "before ".to_owned(), |since| format!("from {since} to "));
                self.notes.push(format!(
                    "Account `{name}` lacks the entries {from}{}; `billing sync` fetches them, or `billing sync \
                     --since` where they are older than the first ones that it has.",
                    gap.until()
                ));
            }
            Some(_) if is_a_day_before(end, passed) => self.notes.push(format!(
                "Account `{name}` has the entries up to {end}; `billing sync` fetches later ones."
            )),
            _ => {}
        }
    }

    fn may_come_from(&mut self, from: Option<Timestamp>) {
        self.provisional_from = self.provisional_from.into_iter().chain(from).min();
    }

    /// Says it in the report.
    pub(super) fn tell(self, mut meta: Meta) -> Meta {
        meta.is_final = self.is_final;
        meta.provisional_from = self.provisional_from.map(|from| from.to_string());
        meta.notes.extend(self.notes);
        meta
    }
}
