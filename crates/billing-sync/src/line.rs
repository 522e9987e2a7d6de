//! Brings an account in line, window by window: what the ledger has in it is compared with what the source has, entry by entry, and
//! what differs is stored in one transaction with the record of the window.
//!
//! **Why nothing is lost or doubled:** entries, removals and records change together or not at all. Before the commit the window
//! counts as it was, so the next sync walks it again; after it nothing differs, so to walk it again changes nothing.
//! [`Change::seen`] refuses a change for another state than was compared, also the same change a second time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use billing_ledger::{AccountId, Change, Coverage, Error, Ledger, PackedEntries, Position, TakenTurn};
use billing_model::{Timestamp, UsageEntry};

use crate::cut::Walked;
use crate::days::DayCharges;
use crate::difference::Difference;
use crate::held::{self, Content, Held};
use crate::records::{self, Records, doubted, is_provisional};
use crate::span::Span;
use crate::window_difference::WindowDifference;

/// What is done about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// It is stored.
    Store,
    /// It is only told.
    Tell,
    /// It is stored, and what the ledger keeps beside the entries is made anew.
    Repair,
}

/// An account, and how it is brought in line.
pub(crate) struct Line {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) account: AccountId,
    pub(crate) mode: Mode,
    pub(crate) records: Records,
    pub(crate) settle: Duration,
    /// The present by the service's clock.
    pub(crate) as_of: Timestamp,
    /// The present by the local clock, for what is taken out.
    pub(crate) at: Timestamp,
    /// Entries that are earlier were final.
    pub(crate) final_before: Option<Timestamp>,
    /// Entries that may be taken out: those that the source did not have when it was asked before. A window that lacks others is left as
    /// it is, and the source is asked again before it is believed.
    pub(crate) believed: HashSet<Position>,
    /// Entries that the source did not have twice, where it is only told.
    pub(crate) lost: Vec<Position>,
    /// Records that were doubted, as they were.
    pub(crate) doubted: Vec<Coverage>,
    /// The charges of days by what was held and by what the source has, where it is only told.
    pub(crate) held_days: DayCharges,
    pub(crate) found_days: DayCharges,
    /// The right to change the account, which lasts until the last window is stored.
    #[expect(dead_code, reason = "it is kept for its drop")]
    pub(crate) turn: Option<Arc<TakenTurn>>,
}

/// What came of a window.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It is in line: it was before, or is now, or would be.
    InLine(WindowDifference),
    /// The source does not have these entries, and was asked for the first time. None of the entries was changed.
    Doubtful { span: Span, lacking: Vec<Position> },
}

impl Line {
    /// Brings a window in line. It blocks.
    pub(crate) fn bring(&mut self, walked: Walked) -> Result<Outcome, Error> {
        let Walked { span, entries } = walked;
        let held = held::read(&*self.ledger, self.account, span)?;
        let (digests, content) = held::weigh(&entries);
        let difference = Difference::between(&held.entries, &entries, &digests);
        if !difference.remove.iter().all(|position| self.believed.contains(position)) {
            self.doubt(span)?;
            return Ok(Outcome::Doubtful { span, lacking: difference.remove });
        }
        let told = self.told(span, &held, &entries, &content, &difference);
        if self.mode == Mode::Tell {
            self.held_days.merge(&held.days);
            entries.iter().for_each(|entry| self.found_days.add(entry));
            self.lost.extend(difference.remove);
            return Ok(Outcome::InLine(told));
        }
        if difference.is_empty() && self.is_recorded(span, &content) {
            return Ok(Outcome::InLine(told));
        }
        let cut = self.cut(span)?;
        let is_altered = self.is_altered(span, &held.content, &cut);
        let cover = cut.around(content.record(span, self.as_of));
        let mut add = PackedEntries::default();
        difference.add.iter().filter_map(|at| entries.get(*at)).for_each(|entry| add.push(entry));
        let change = Change {
            remove: difference.remove,
            amend: difference.amend,
            add,
            seen: Some(held.seen),
            cover,
            ..Change::of(self.account, self.at)
        };
        // The rest of a record that is cut is as wrong as the window, and its new record says nothing of it.
        let whole = change.cover.first().zip(change.cover.last());
        let whole = whole.and_then(|(first, last)| Span::new(first.since, last.until)).unwrap_or(span);
        match self.mode == Mode::Repair || is_altered {
            true => self.ledger.repair(&change, whole.window())?,
            false => self.ledger.change(&change)?,
        }
        self.records.replace(change.cover);
        Ok(Outcome::InLine(told))
    }

    fn told(
        &self,
        span: Span,
        held: &Held,
        entries: &[UsageEntry],
        content: &Content,
        difference: &Difference,
    ) -> WindowDifference {
        let added = difference.add.iter().filter_map(|at| entries.get(*at));
        let is_late = |entry: &&UsageEntry| {
            self.final_before.is_some_and(|before| entry.timestamp < before)
                && self.records.touching(at(entry)).iter().any(|record| span_has(record, entry))
        };
        WindowDifference {
            window: span.window(),
            held: held.entries.len() as u64,
            found: entries.len() as u64,
            held_sums: held.content.sums.clone(),
            found_sums: content.sums.clone(),
            missing: difference.add.len() as u64,
            late: added.filter(is_late).count() as u64,
            changed: difference.amend.len() as u64,
            vanished: difference.remove.len() as u64,
            is_altered: self.is_altered(span, &held.content, &Cut::default()),
        }
    }

    /// Keeps that a window has to be walked again, whatever becomes of this run: later windows that are stored do not hide it.
    fn doubt(&mut self, span: Span) -> Result<(), Error> {
        if self.mode != Mode::Store {
            return Ok(());
        }
        for record in self.records.touching(span).to_vec() {
            if !is_provisional(&record, self.settle) {
                self.record(doubted(record.clone()))?;
                self.doubted.push(record);
            }
        }
        Ok(())
    }

    /// Takes the doubts back that are left.
    pub(crate) fn undoubt(&mut self) -> Result<(), Error> {
        for record in std::mem::take(&mut self.doubted) {
            if self.records.touching(records::span(&record)) == [doubted(record.clone())] {
                self.record(record)?;
            }
        }
        Ok(())
    }

    /// Replaces a record by one of the same span.
    fn record(&mut self, record: Coverage) -> Result<(), Error> {
        let change = Change { cover: vec![record], ..Change::of(self.account, self.at) };
        self.ledger.change(&change)?;
        self.records.replace(change.cover);
        Ok(())
    }

    /// True when the records say of a window just what there is, and are final as far as they can be.
    fn is_recorded(&self, span: Span, content: &Content) -> bool {
        let records = self.records.touching(span);
        let (Some(first), Some(last)) = (records.first(), records.last()) else { return false };
        let has_no_gap =
            records.windows(2).all(|pair| matches!(pair, [one, next] if next.since == Some(one.until)));
        let is_held = first.since <= span.since && span.until <= last.until && has_no_gap;
        let is_final = |record: &Coverage| !is_provisional(record, self.settle) && record.as_of <= self.as_of;
        let is_aligned = first.since == span.since && last.until == span.until;
        is_held && records.iter().all(is_final) && (!is_aligned || Content::of(records) == *content)
    }

    /// True when the ledger has something else in the records of a window than they say: somebody else wrote to it, so that the sums
    /// beside the entries are wrong too. Of a record that reaches beyond the window that is known only with its rest.
    fn is_altered(&self, span: Span, held: &Content, cut: &Cut) -> bool {
        let records = self.records.touching(span);
        let begins = |record: &Coverage| span.since <= record.since || cut.before.is_some();
        let ends = |record: &Coverage| record.until <= span.until || cut.after.is_some();
        let is_known = records.iter().all(|record| begins(record) && ends(record));
        let mut content = held.clone();
        let rest = [&cut.before, &cut.after].into_iter().flatten().cloned().collect::<Vec<_>>();
        content.merge(&Content::of(&rest));
        is_known && Content::of(records) != content
    }

    /// What reaches beyond a window of the records that were there, as the ledger has it.
    fn cut(&self, span: Span) -> Result<Cut, Error> {
        let records = self.records.touching(span);
        let before = records.first().filter(|first| first.since < span.since).zip(span.since);
        let before = before.map(|(first, end)| (Span { since: first.since, until: end }, first.as_of));
        let after = records.last().filter(|last| last.until > span.until);
        let after = after.map(|last| (Span { since: Some(span.until), until: last.until }, last.as_of));
        let rest = |(rest, as_of): (Span, Timestamp)| {
            let held = held::read(&*self.ledger, self.account, rest)?;
            Ok::<_, Error>(held.content.record(rest, as_of))
        };
        Ok(Cut { before: before.map(rest).transpose()?, after: after.map(rest).transpose()? })
    }
}

/// The rests of records that reach beyond a window. Each becomes a record of its own.
#[derive(Default)]
struct Cut {
    before: Option<Coverage>,
    after: Option<Coverage>,
}

impl Cut {
    /// The records that say that a window is walked.
    fn around(self, record: Coverage) -> Vec<Coverage> {
        [self.before, Some(record), self.after].into_iter().flatten().collect()
    }
}

/// The instant of an entry.
fn at(entry: &UsageEntry) -> Span {
    Span { since: Some(entry.timestamp), until: entry.timestamp.next() }
}

fn span_has(record: &Coverage, entry: &UsageEntry) -> bool {
    record.since <= Some(entry.timestamp) && entry.timestamp < record.until
}
