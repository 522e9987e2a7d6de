//! How many entries an account has in which span of time. With these counts, a page at any depth is found in a few
//! steps.
//!
//! Entries are counted per currency in slots of 64 days, of a day, of an hour and of a minute. A span is cut into whole
//! slots, as large as fit, with finer slots at both ends. Only within a minute the entries themselves are counted. So a
//! count reads some hundred rows at most. Before a page, at most the entries of one minute have to be skipped, however
//! long and dense the ledger is.

use std::ops::RangeInclusive;

use billing_engine::{Cut, Found, LEVELS, SlotChange, Span, passes};
use billing_ledger::{AccountId, Sequences};
use billing_model::SortOrder;
use rusqlite::{Connection, params};

use crate::row::{count, signed};
use crate::tables::Tables;

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

/// Adds changes to the counts of these tables.
pub(crate) fn store(
    slots: &[SlotChange],
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
    for SlotChange { level, slot, currency, entries } in slots {
        count_in.execute(params![account.0, level, slot, currency, entries])?;
        if *entries < 0 {
            forget.execute(params![account.0, level, slot, currency])?;
        }
    }
    Ok(())
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
