//! Finds entries whose numbers they cannot have, and records them anew behind all others; finds those that nobody could see.
//!
//! It looks at all rows of an account, also outside the window of a repair: a number that is given out next must be nobody's, and a row
//! that nobody could see must not be seen because numbers go on behind it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::pin::pin;

use billing_engine::Span;
use billing_ledger::{AccountId, Amendment, Block, Change, Position};
use futures::TryStreamExt as _;

use super::numbers::Shared;
use super::recorded::Recorded;
use crate::failure::Failure;
use crate::intake::Intake;
use crate::row::{REST, count, signed};
use crate::session::Session;

/// Where a row stands: its time and its number, which may be none that an entry can have.
type Place = (i64, i64);

/// Which numbers entries of an account can have.
pub(super) struct Rules {
    account: AccountId,
    /// The number behind all rows.
    next: i64,
    /// Rows with numbers from here on could not be seen.
    seen_end: i64,
    removals: BTreeSet<i64>,
    shared: Shared,
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
    pub(super) async fn of(
        session: Session<'_>,
        account: AccountId,
        seen_end: i64,
        next: i64,
    ) -> Result<Self, Failure> {
        let recorded = Recorded::of(session, account, seen_end).await?;
        let shared = Shared::of(session, account).await?;
        let sql = "SELECT removal, count(*) FROM removed WHERE account = $1 GROUP BY removal";
        let mut removals = BTreeSet::new();
        for row in session.rows(sql, &[&account.0]).await? {
            let removal = row.try_get(0)?;
            if (0..next).contains(&removal) && count(&row, 1)? <= Block::MOST_ENTRIES {
                removals.insert(removal);
            }
        }
        Ok(Self { account, next, seen_end, removals, shared, recorded })
    }

    /// Whether an entry can have a number: it was given, and to no removal.
    fn is_possible(&self, number: i64) -> bool {
        (0..self.next).contains(&number) && !self.removals.contains(&number)
    }

    fn could_be_seen(&self, number: i64) -> bool {
        (0..self.seen_end).contains(&number)
    }

    fn is_stray(&self, number: i64) -> bool {
        !self.is_possible(number) || self.shared.has(number)
    }

    /// Gives each row a number that it can have and that no other one has.
    pub(super) async fn settle(
        mut self,
        session: Session<'_>,
        intake: &mut Intake,
        change: &Change,
        span: Option<Span>,
    ) -> Result<Found, Failure> {
        // Of rows that share a number, one keeps it: rather an entry than one that was taken out.
        let removed = self.stray_removed(session).await?;
        let taken: HashSet<Place> = change.remove.iter().map(place_of).collect();
        let amended = change.amend.iter().map(|amendment| place_of(&amendment.position));
        let named: HashSet<Place> = taken.iter().copied().chain(amended).collect();
        let (mut suspects, mut unseen) = (Vec::new(), HashSet::new());
        for place @ (at_ns, number) in self.candidates(session).await? {
            let is_within = || span.is_some_and(|span| (span.first_ns..=span.last_ns).contains(&at_ns));
            if !self.could_be_seen(number)
                && !named.contains(&place)
                && (is_within() || !self.recorded.has(number))
            {
                unseen.insert(place);
            }
            if self.is_stray(number) {
                suspects.push(place);
            }
        }
        // And rather one that stays.
        suspects.sort_unstable_by_key(|place| (!taken.contains(place) && !unseen.contains(place), *place));
        suspects.retain(|(_, number)| {
            let is_stray = self.is_stray(*number);
            if is_stray {
                self.shared.leave(*number);
            }
            is_stray
        });
        if !removed.is_empty() || suspects.iter().any(|(_, number)| self.could_be_seen(*number)) {
            // Walks that began before would miss entries that get other numbers.
            let sql = "UPDATE accounts SET renumbered_from = $2 WHERE id = $1";
            session.execute(sql, &[&self.account.0, &self.next]).await?;
        }
        self.record_anew(session, intake, change, (removed, suspects, unseen)).await
    }

    /// The rows of what was taken out whose number or removal is none.
    async fn stray_removed(&mut self, session: Session<'_>) -> Result<Vec<Removed>, Failure> {
        let sql = "SELECT removal, timestamp_ns, sequence FROM removed WHERE account = $1
             ORDER BY removal, timestamp_ns, sequence";
        let mut rows = pin!(session.stream(sql, &[&self.account.0]).await?);
        let mut strays = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let (removal, at_ns, number) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
            // An entry is recorded before it is taken out.
            let is_in_order = self.removals.contains(&removal) && number < removal;
            if !is_in_order || self.is_stray(number) {
                self.shared.leave(number);
                strays.push(Removed { removal, place: (at_ns, number) });
            }
        }
        Ok(strays)
    }

    /// The entries whose numbers may be none, or none that could be seen.
    async fn candidates(&self, session: Session<'_>) -> Result<Vec<Place>, Failure> {
        let numbers: Vec<i64> = self.removals.iter().copied().chain(self.shared.iter()).collect();
        let sql = "SELECT timestamp_ns, sequence FROM entries
             WHERE account = $1 AND (sequence < 0 OR sequence >= $2 OR sequence = ANY ($3::bigint[]))
             ORDER BY timestamp_ns, sequence";
        let end = self.seen_end.min(self.next);
        let rows = session.rows(sql, &[&self.account.0, &end, &numbers]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Records rows anew. What was taken out is to be taken out anew.
    async fn record_anew(
        &self,
        session: Session<'_>,
        intake: &mut Intake,
        change: &Change,
        (removed, strays, unseen): (Vec<Removed>, Vec<Place>, HashSet<Place>),
    ) -> Result<Found, Failure> {
        let mut left: Vec<i64> = strays.iter().map(|(_, number)| *number).collect();
        let moved = self.give_numbers(session, intake, &strays).await?;
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
        left.extend(removed.iter().flat_map(|Removed { removal, place }| [*removal, place.1]));
        remove.extend(self.put_back(session, intake, &removed).await?);
        Ok(Found { remove, amend, left })
    }

    /// Gives entries the next numbers: where each is then.
    async fn give_numbers(
        &self,
        session: Session<'_>,
        intake: &mut Intake,
        strays: &[Place],
    ) -> Result<HashMap<Place, Position>, Failure> {
        let (timestamps, numbers): (Vec<_>, Vec<_>) = strays.iter().copied().unzip();
        let given: Vec<u64> = strays.iter().map(|_| intake.take_sequence()).collect();
        let sql = "UPDATE entries SET sequence = coming.given
             FROM unnest($2::bigint[], $3::bigint[], $4::bigint[]) AS coming (timestamp_ns, sequence, given)
             WHERE account = $1 AND entries.timestamp_ns = coming.timestamp_ns AND entries.sequence = coming.sequence";
        let sequences: Vec<_> = given.iter().copied().map(signed).collect();
        session.execute(sql, &[&self.account.0, &timestamps, &numbers, &sequences]).await?;
        let positions = strays.iter().zip(given);
        Ok(positions
            .map(|(place, sequence)| (*place, Position { timestamp_ns: place.0, sequence }))
            .collect())
    }

    /// Puts what was taken out back, under the next numbers: where it is then.
    async fn put_back(
        &self,
        session: Session<'_>,
        intake: &mut Intake,
        removed: &[Removed],
    ) -> Result<Vec<Position>, Failure> {
        let removals: Vec<_> = removed.iter().map(|row| row.removal).collect();
        let (timestamps, numbers): (Vec<_>, Vec<_>) = removed.iter().map(|row| row.place).unzip();
        let positions: Vec<_> = timestamps
            .iter()
            .map(|timestamp_ns| Position { timestamp_ns: *timestamp_ns, sequence: intake.take_sequence() })
            .collect();
        let sequences: Vec<_> = positions.iter().map(|position| signed(position.sequence)).collect();
        let sql = format!(
            "WITH back AS (
                 DELETE FROM removed USING unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
                     AS stray (of_removal, at_ns, number, given)
                 WHERE account = $1 AND removal = of_removal AND timestamp_ns = at_ns AND sequence = number
                 RETURNING timestamp_ns, given, {REST}
             )
             INSERT INTO entries (account, timestamp_ns, sequence, {REST}) SELECT $1, timestamp_ns, given, {REST} FROM back"
        );
        session.execute(&sql, &[&self.account.0, &removals, &timestamps, &numbers, &sequences]).await?;
        Ok(positions)
    }
}

fn place_of(position: &Position) -> Place {
    (position.timestamp_ns, signed(position.sequence))
}
