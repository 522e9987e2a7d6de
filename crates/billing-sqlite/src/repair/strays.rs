//! Finds entries whose numbers they cannot have, and records them anew behind all others; finds those that nobody could see.
//!
//! It looks at all rows of an account, also outside the window of a repair: a number that is given out next must be nobody's, and a
//! row that nobody could see must not be seen because numbers go on behind it.

use std::collections::{BTreeSet, HashMap, HashSet};

use billing_engine::Span;
use billing_ledger::{AccountId, Amendment, Block, Change, Position};
use rusqlite::Connection;

use super::numbers::Numbers;
use super::recorded::Recorded;
use crate::intake::Intake;
use crate::renumbered;
use crate::row::signed;
use crate::snapshot::Present;

/// An entry of one place; its number may be none that an entry can have.
const ROW: &str = "account = ?1 AND timestamp_ns = ?2 AND sequence = ?3";

/// What an entry has beside its account and its place.
const REST: &str = "sku, currency, notes, api_key, numbers, request_id, other_fields";

/// Where a row stands.
type Place = (i64, i64);

/// Which numbers entries of an account can have.
pub(super) struct Rules {
    account: AccountId,
    /// As it is before the repair, but for the next number, which is behind all rows.
    present: Present,
    /// Rows with numbers from here on could not be seen.
    seen_end: i64,
    removals: BTreeSet<i64>,
    recorded: Recorded,
}

/// What was found, by the places where the rows stand now.
pub(super) struct Found {
    /// What the change takes out, and what nobody could see.
    pub(super) remove: Vec<Position>,
    pub(super) amend: Vec<Amendment>,
    /// Numbers whose blocks had other entries before.
    pub(super) left: Vec<i64>,
}

/// A row of what was taken out.
struct Removed {
    removal: i64,
    place: Place,
}

impl Rules {
    pub(super) fn of(
        writer: &Connection,
        account: AccountId,
        present: Present,
        seen_end: i64,
    ) -> rusqlite::Result<Self> {
        let recorded = Recorded::of(writer, account, seen_end)?;
        let mut rules = Self { account, present, seen_end, removals: BTreeSet::new(), recorded };
        let mut select = writer.prepare(
            "SELECT removal FROM removed WHERE account = ?1 GROUP BY removal HAVING COUNT(*) <= ?2",
        )?;
        let mut rows = select.query((account.0, signed(Block::MOST_ENTRIES)))?;
        while let Some(row) = rows.next()? {
            let removal = row.get(0)?;
            if rules.was_given(removal) {
                rules.removals.insert(removal);
            }
        }
        Ok(rules)
    }

    fn was_given(&self, number: i64) -> bool {
        let (first, last) = self.present.hidden();
        (0..signed(self.present.next_sequence)).contains(&number) && !(first..=last).contains(&number)
    }

    /// Whether an entry can have a number: it was given, and to no removal.
    fn is_possible(&self, number: i64) -> bool {
        self.was_given(number) && !self.removals.contains(&number)
    }

    fn could_be_seen(&self, number: i64) -> bool {
        (0..self.seen_end).contains(&number)
    }

    /// Gives each row a number that it can have and that no other one has. `numbers` are those of all rows.
    pub(super) fn settle(
        &self,
        writer: &Connection,
        intake: &mut Intake,
        numbers: &mut Numbers,
        change: &Change,
        span: Option<Span>,
    ) -> rusqlite::Result<Found> {
        // Of rows that share a number, one keeps it: rather an entry than one that was taken out.
        let removed = self.stray_removed(writer, numbers)?;
        let taken: HashSet<Place> = change.remove.iter().map(place_of).collect();
        let amended = change.amend.iter().map(|amendment| place_of(&amendment.position));
        let named: HashSet<Place> = taken.iter().copied().chain(amended).collect();
        let (mut suspects, mut unseen) = (Vec::new(), HashSet::new());
        let (first, last) = self.present.hidden();
        let mut select = writer.prepare(
            "SELECT timestamp_ns, sequence FROM entries WHERE account = ?1 AND sequence NOT BETWEEN ?2 AND ?3",
        )?;
        let mut rows = select.query((self.account.0, first, last))?;
        while let Some(row) = rows.next()? {
            let place @ (at_ns, number) = (row.get(0)?, row.get(1)?);
            let is_within = || span.is_some_and(|span| (span.first_ns..=span.last_ns).contains(&at_ns));
            if !self.could_be_seen(number)
                && !named.contains(&place)
                && (is_within() || !self.recorded.has(number))
            {
                unseen.insert(place);
            }
            if !self.is_possible(number) || numbers.is_shared(number) {
                suspects.push(place);
            }
        }
        // And rather one that stays.
        suspects.sort_unstable_by_key(|place| (!taken.contains(place) && !unseen.contains(place), *place));
        suspects.retain(|(_, number)| {
            let is_stray = !self.is_possible(*number) || numbers.is_shared(*number);
            if is_stray {
                numbers.remove(*number);
            }
            is_stray
        });
        let was_seen = |(_, number): &Place| self.could_be_seen(*number);
        if !removed.is_empty() || suspects.iter().any(was_seen) {
            renumbered::note(writer, self.account, signed(self.present.next_sequence))?;
        }
        self.record_anew(writer, intake, numbers, change, (removed, suspects, unseen))
    }

    /// The rows of what was taken out whose number or removal is none. `numbers` are those of the others then.
    fn stray_removed(&self, writer: &Connection, numbers: &mut Numbers) -> rusqlite::Result<Vec<Removed>> {
        let mut select =
            writer.prepare("SELECT removal, timestamp_ns, sequence FROM removed WHERE account = ?1")?;
        let mut rows = select.query([self.account.0])?;
        let mut strays = Vec::new();
        while let Some(row) = rows.next()? {
            let (removal, at_ns, number) = (row.get(0)?, row.get(1)?, row.get(2)?);
            // An entry is recorded before it is taken out.
            let is_in_order = self.removals.contains(&removal) && number < removal;
            if !is_in_order || !self.is_possible(number) || numbers.is_shared(number) {
                numbers.remove(number);
                strays.push(Removed { removal, place: (at_ns, number) });
            }
        }
        Ok(strays)
    }

    /// Records rows anew. What was taken out is to be taken out anew.
    fn record_anew(
        &self,
        writer: &Connection,
        intake: &mut Intake,
        numbers: &mut Numbers,
        change: &Change,
        (removed, strays, unseen): (Vec<Removed>, Vec<Place>, HashSet<Place>),
    ) -> rusqlite::Result<Found> {
        let account = self.account.0;
        let mut take_number = || {
            let number = intake.take_sequence();
            numbers.add(signed(number));
            number
        };
        let mut left: Vec<i64> = strays.iter().map(|(_, number)| *number).collect();
        let mut moved = HashMap::new();
        let mut update = writer.prepare(&format!("UPDATE entries SET sequence = ?4 WHERE {ROW}"))?;
        for place in strays {
            let number = take_number();
            update.execute((account, place.0, place.1, signed(number)))?;
            moved.insert(place, Position { timestamp_ns: place.0, sequence: number });
        }
        let position_of = |place: &Place| {
            let sequence = u64::try_from(place.1).unwrap_or_default();
            moved.get(place).copied().unwrap_or(Position { timestamp_ns: place.0, sequence })
        };
        let (mut remove, mut amend) = (change.remove.clone(), change.amend.clone());
        let named = remove.iter_mut().chain(amend.iter_mut().map(|amendment| &mut amendment.position));
        named.for_each(|position| *position = position_of(&place_of(position)));
        let mut unseen: Vec<Position> = unseen.iter().map(position_of).collect();
        unseen.sort_unstable();
        remove.extend(unseen);
        let of_row = format!("{ROW} AND removal = ?4");
        let mut insert = writer.prepare(&format!(
            "INSERT INTO entries (account, timestamp_ns, sequence, {REST})
             SELECT account, timestamp_ns, ?5, {REST} FROM removed WHERE {of_row}"
        ))?;
        let mut delete = writer.prepare(&format!("DELETE FROM removed WHERE {of_row}"))?;
        for Removed { removal, place: (at_ns, number) } in removed {
            left.extend([removal, number]);
            let sequence = take_number();
            insert.execute((account, at_ns, number, removal, signed(sequence)))?;
            delete.execute((account, at_ns, number, removal))?;
            remove.push(Position { timestamp_ns: at_ns, sequence });
        }
        Ok(Found { remove, amend, left })
    }
}

fn place_of(position: &Position) -> Place {
    (position.timestamp_ns, signed(position.sequence))
}
