//! How many entries an account has in which span of time. With these counts, a page at any depth is found in a few
//! steps.
//!
//! Entries are counted per currency in slots of 64 days, of a day, of an hour and of a minute. A span is cut into whole
//! slots, as large as fit, with finer slots at both ends. Only within a minute the entries themselves are counted. So a
//! count reads some hundred rows at most. Before a page, at most the entries of one minute have to be skipped, however
//! long and dense the ledger is.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use billing_ledger::{AccountId, Sequences};
use billing_model::SortOrder;
use rusqlite::{Connection, params};

use crate::day::Span;
use crate::row::{count, signed};
use crate::tables::Tables;

const NS_PER_MINUTE: i64 = 60_000_000_000;

/// The levels, the coarsest first: the number that the table has for it, and the width of its slots in nanoseconds.
pub(crate) const LEVELS: [(i64, i64); 4] = [
    (0, 64 * 24 * 60 * NS_PER_MINUTE),
    (1, 24 * 60 * NS_PER_MINUTE),
    (2, 60 * NS_PER_MINUTE),
    (3, NS_PER_MINUTE),
];

/// The counts of one account, of all its entries or of those in one currency.
#[derive(Clone, Copy)]
pub(crate) struct Counts<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) account: AccountId,
    /// The number of the currency; `None` for entries of all currencies.
    pub(crate) currency: Option<i64>,
    /// Entries of an import that has not ended, which are not counted.
    pub(crate) pending: Option<Sequences>,
}

/// Where an entry is: within a minute, after some others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) within: Span,
    /// How many entries of that span come before it, in the order asked for.
    pub(crate) skip: u64,
}

/// A span in the slots of one level: the part before the first whole slot, the whole slots, and the part behind the
/// last.
struct Cut {
    before: Option<Span>,
    slots: Option<RangeInclusive<i64>>,
    after: Option<Span>,
}

impl Counts<'_> {
    /// How many entries a span has.
    pub(crate) fn count(self, span: Span) -> rusqlite::Result<u64> {
        self.count_from_level(span, 0)
    }

    /// Finds the entry before which a span has `skip` others in this order; `None` when there are not as many.
    pub(crate) fn locate(self, span: Span, order: SortOrder, skip: u64) -> rusqlite::Result<Option<Found>> {
        let mut skip = skip;
        let within = self.locate_from_level(span, 0, order, &mut skip)?;
        Ok(within.map(|within| Found { within, skip }))
    }

    fn count_from_level(self, span: Span, level: usize) -> rusqlite::Result<u64> {
        let Some((number, width)) = LEVELS.get(level) else { return self.count_entries(span) };
        let Cut { before, slots, after } = Cut::of(span, *width);
        let mut entries = 0;
        if let Some(slots) = slots {
            let mut select = self.connection.prepare_cached(
                "SELECT entries FROM counts WHERE account = ?1 AND level = ?2 AND slot BETWEEN ?3 AND ?4
                 AND (?5 IS NULL OR currency = ?5)",
            )?;
            let mut rows =
                select.query(params![self.account.0, number, slots.start(), slots.end(), self.currency])?;
            while let Some(row) = rows.next()? {
                entries += count(row, 0)?;
            }
        }
        for rest in [before, after].into_iter().flatten() {
            entries += self.count_from_level(rest, level + 1)?;
        }
        Ok(entries)
    }

    fn locate_from_level(
        self,
        span: Span,
        level: usize,
        order: SortOrder,
        skip: &mut u64,
    ) -> rusqlite::Result<Option<Span>> {
        let Some((number, width)) = LEVELS.get(level) else {
            let entries = self.count_entries(span)?;
            return Ok(passes(skip, entries).then_some(span));
        };
        let Cut { before, slots, after } = Cut::of(span, *width);
        let (first, last) = if order == SortOrder::Asc { (before, after) } else { (after, before) };
        if let Some(rest) = first
            && let found @ Some(_) = self.locate_from_level(rest, level + 1, order, skip)?
        {
            return Ok(found);
        }
        if let Some(slots) = slots
            && let Some(slot) = self.locate_slot(*number, slots, order, skip)?
        {
            let slot = Span::of_slot(slot, *width);
            // Counts lead no further than to the finest slot. In a coarser one the search goes on.
            return if level + 1 == LEVELS.len() {
                Ok(Some(slot))
            } else {
                self.locate_from_level(slot, level + 1, order, skip)
            };
        }
        match last {
            Some(rest) => self.locate_from_level(rest, level + 1, order, skip),
            None => Ok(None),
        }
    }

    /// Finds the slot that has the entry, and skips the slots before it.
    fn locate_slot(
        self,
        level: i64,
        slots: RangeInclusive<i64>,
        order: SortOrder,
        skip: &mut u64,
    ) -> rusqlite::Result<Option<i64>> {
        let direction = order.as_str();
        let mut select = self.connection.prepare_cached(&format!(
            "SELECT slot, entries FROM counts WHERE account = ?1 AND level = ?2 AND slot BETWEEN ?3 AND ?4
             AND (?5 IS NULL OR currency = ?5) ORDER BY slot {direction}, currency {direction}"
        ))?;
        let mut rows =
            select.query(params![self.account.0, level, slots.start(), slots.end(), self.currency])?;
        // A slot has a row for each currency.
        let mut reached: Option<(i64, u64)> = None;
        while let Some(row) = rows.next()? {
            let (slot, entries) = (row.get(0)?, count(row, 1)?);
            reached = match reached {
                Some((same, before)) if same == slot => Some((slot, before + entries)),
                Some((earlier, all)) if passes(skip, all) => return Ok(Some(earlier)),
                _ => Some((slot, entries)),
            };
        }
        Ok(reached.filter(|(_, all)| passes(skip, *all)).map(|(slot, _)| slot))
    }

    fn count_entries(self, span: Span) -> rusqlite::Result<u64> {
        let (first, last) = self.pending.map(|pending| (signed(pending.first), signed(pending.last))).unzip();
        self.connection
            .prepare_cached(
                "SELECT COUNT(*) FROM entries WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3
                 AND (?4 IS NULL OR currency = ?4) AND (?5 IS NULL OR sequence NOT BETWEEN ?5 AND ?6)",
            )?
            .query_row((self.account.0, span.first_ns, span.last_ns, self.currency, first, last), |row| {
                count(row, 0)
            })
    }
}

/// True when the wanted entry is among these; otherwise they are skipped.
fn passes(skip: &mut u64, entries: u64) -> bool {
    match skip.checked_sub(entries) {
        None => true,
        Some(left) => {
            *skip = left;
            false
        }
    }
}

impl Cut {
    fn of(span: Span, width: i64) -> Self {
        let width_wide = i128::from(width);
        let (first, end) = (i128::from(span.first_ns), i128::from(span.last_ns) + 1);
        let first_slot = -(-first).div_euclid(width_wide);
        let end_slot = end.div_euclid(width_wide);
        if first_slot >= end_slot {
            // There is no whole slot, so all of it is left for a finer level.
            return Self { before: Some(span), slots: None, after: None };
        }
        let part = |first: i128, end: i128| Span::between(first, end);
        let (Ok(first_whole), Ok(last_whole)) = (i64::try_from(first_slot), i64::try_from(end_slot - 1))
        else {
            return Self { before: Some(span), slots: None, after: None };
        };
        Self {
            before: part(first, first_slot * width_wide),
            slots: Some(first_whole..=last_whole),
            after: part(end_slot * width_wide, end),
        }
    }
}

/// The changes of a transaction to the counts, by minute and currency: entries that come, less those that go.
#[derive(Default)]
pub(crate) struct MinuteCounts(HashMap<(i64, i64), i64>);

impl MinuteCounts {
    pub(crate) fn count(&mut self, timestamp_ns: i64, currency: i64, entries: i64) {
        *self.0.entry((timestamp_ns.div_euclid(NS_PER_MINUTE), currency)).or_default() += entries;
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds what was gathered to the table, and is empty then.
    pub(crate) fn store(
        &mut self,
        writer: &Connection,
        tables: Tables,
        account: AccountId,
    ) -> rusqlite::Result<()> {
        let mut count_in = writer.prepare_cached(&format!(
            "INSERT INTO {tables}counts (account, level, slot, currency, entries) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
        ))?;
        let mut forget = writer.prepare_cached(&format!(
            "DELETE FROM {tables}counts
             WHERE (account, level, slot, currency) = (?1, ?2, ?3, ?4) AND entries = 0",
        ))?;
        let minutes: Vec<_> = self.0.drain().collect();
        for (level, width) in LEVELS {
            let slot_of = |minute: i64| minute.div_euclid(width / NS_PER_MINUTE);
            let mut slots: Vec<_> = minutes
                .iter()
                .map(|((minute, currency), entries)| ((slot_of(*minute), *currency), *entries))
                .collect();
            // After sorting, changes of one slot are side by side, and neighbours in the table are on the same page.
            slots.sort_unstable();
            for same in slots.chunk_by(|(one, _), (other, _)| one == other) {
                let ((slot, currency), _) = same[0];
                match same.iter().map(|(_, entries)| entries).sum() {
                    0 => {}
                    entries @ 1.. => {
                        count_in.execute(params![account.0, level, slot, currency, entries])?;
                    }
                    fewer => {
                        count_in.execute(params![account.0, level, slot, currency, fewer])?;
                        forget.execute(params![account.0, level, slot, currency])?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Adds to the ledger's counts what an import gathered in its own.
pub(crate) fn add_gathered(writer: &Connection) -> rusqlite::Result<()> {
    let (ledgers, gathered) = (Tables::Ledger, Tables::Gathered);
    // Without WHERE, the engine's parser takes ON CONFLICT for a part of a join.
    writer.execute_batch(&format!(
        "INSERT INTO {ledgers}counts (account, level, slot, currency, entries)
         SELECT account, level, slot, currency, entries FROM {gathered}counts WHERE true
         ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cut_is_the_span_and_its_slots_are_whole(
            one in any::<i64>(), other in any::<i64>(), near: bool, width in prop::sample::select(LEVELS.map(|(_, width)| width).to_vec()),
        ) {
            let other = if near { one.saturating_add(other % (3 * width)) } else { other };
            let span = Span { first_ns: one.min(other), last_ns: one.max(other) };
            let Cut { before, slots, after } = Cut::of(span, width);
            let whole = slots.map(|slots| Span {
                first_ns: slots.start() * width,
                last_ns: slots.end() * width + (width - 1),
            });
            let parts: Vec<Span> = [before, whole, after].into_iter().flatten().collect();
            prop_assert_eq!(parts.first().unwrap().first_ns, span.first_ns);
            prop_assert_eq!(parts.last().unwrap().last_ns, span.last_ns);
            for pair in parts.windows(2) {
                prop_assert_eq!(pair[0].last_ns + 1, pair[1].first_ns);
            }
            prop_assert!([before, after].into_iter().flatten().all(|rest| whole.is_none()
                || i128::from(rest.last_ns) - i128::from(rest.first_ns) < i128::from(width)));
        }
    }
}
