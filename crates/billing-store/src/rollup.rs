//! Sums by day, product, currency and API key, kept as the entries come in.

use std::collections::HashMap;

use billing_model::{Currency, Total, UsageEntry};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::day::Day;
use crate::error::Error;
use crate::ledger::{AccountId, Ledger};
use crate::row::{count, optional_text, parse};
use crate::strings::Texts;

/// What one product cost on one day, in one currency, under one API key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rollup {
    /// The day, in UTC.
    pub day: Day,
    /// The product.
    pub sku: String,
    /// What `amount` counts.
    pub currency: Currency,
    /// The API key that was charged; `None` for the web app and for what is not usage.
    pub api_key_id: Option<String>,
    /// How many entries.
    pub entries: u64,
    /// The exact sum of their amounts, signed as in the ledger: a refund lessens it.
    pub amount: Total,
    /// The exact sum of their units.
    pub units: Total,
}

impl Ledger {
    /// The account's sums of all days, or of the days from the first to the last given, both included; by day, then by
    /// product, currency and API key. Sums of an account that is not there are none.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn rollups(&self, account: AccountId, days: Option<(Day, Day)>) -> Result<Vec<Rollup>, Error> {
        let (first, last) = days.unwrap_or((Day(i64::MIN), Day(i64::MAX)));
        let mut rollups = self.0.connections.read(|connection| {
            let mut texts = Texts::default();
            let mut select = connection.prepare_cached(
                "SELECT day, sku, currency, api_key, entries, amount, units FROM rollups
                 WHERE account = ?1 AND day BETWEEN ?2 AND ?3",
            )?;
            let rollups = select.query_map((account.0, first.0, last.0), |row| {
                Ok(Rollup {
                    day: Day(row.get(0)?),
                    sku: texts.text(connection, row.get(1)?)?.to_owned(),
                    currency: Currency::from(texts.text(connection, row.get(2)?)?),
                    api_key_id: optional_text(row.get(3)?, connection, &mut texts)?,
                    entries: count(row, 4)?,
                    amount: parse(row, 5, str::parse)?,
                    units: parse(row, 6, str::parse)?,
                })
            })?;
            rollups.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        // Within a day they stand in the order in which their texts were first seen.
        rollups.sort_unstable();
        Ok(rollups)
    }
}

/// Which sum an entry goes into.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Line {
    pub(crate) day: Day,
    pub(crate) sku: i64,
    pub(crate) currency: i64,
    pub(crate) api_key: i64,
}

#[derive(Clone, Copy, Default)]
struct Sums {
    entries: u64,
    amount: Total,
    units: Total,
}

/// What an import adds to the sums, gathered so that each sum is read and written once in many entries.
#[derive(Default)]
pub(crate) struct Deltas(HashMap<Line, Sums>);

impl Deltas {
    /// Lines that are gathered, at most: half a MiB of them.
    const CAPACITY: usize = 4096;

    pub(crate) fn add(&mut self, line: Line, entry: &UsageEntry) {
        let sums = self.0.entry(line).or_default();
        sums.entries += 1;
        sums.amount.add(entry.amount);
        sums.units.add(entry.units);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.0.len() >= Self::CAPACITY
    }

    /// Adds what was gathered to the tables, and begins anew.
    pub(crate) fn store(&mut self, writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
        let mut lines: Vec<_> = self.0.drain().collect();
        // In the order of the table, so that neighbours share a page.
        lines.sort_unstable_by_key(|(line, _)| *line);
        let mut select = writer.prepare_cached(
            "SELECT entries, amount, units FROM rollups
             WHERE (account, day, sku, currency, api_key) = (?1, ?2, ?3, ?4, ?5)",
        )?;
        let mut replace = writer.prepare_cached(
            "INSERT OR REPLACE INTO rollups (account, day, sku, currency, api_key, entries, amount, units)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let mut count_in = writer.prepare_cached(
            "INSERT INTO days (account, day, currency, entries) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET entries = entries + excluded.entries",
        )?;
        for (Line { day, sku, currency, api_key }, sums) in lines {
            let key = (account.0, day.0, sku, currency, api_key);
            let mut stored = select.query_row(key, Sums::from_row).optional()?.unwrap_or_default();
            stored.entries += sums.entries;
            stored.amount.merge(sums.amount);
            stored.units.merge(sums.units);
            let Sums { entries, amount, units } = stored;
            replace.execute((
                account.0,
                day.0,
                sku,
                currency,
                api_key,
                signed(entries),
                amount.to_string(),
                units.to_string(),
            ))?;
            count_in.execute((account.0, day.0, currency, signed(sums.entries)))?;
        }
        Ok(())
    }
}

impl Sums {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            entries: count(row, 0)?,
            amount: parse(row, 1, str::parse)?,
            units: parse(row, 2, str::parse)?,
        })
    }
}

/// As the engine counts. No ledger holds 2⁶³ entries.
fn signed(entries: u64) -> i64 {
    i64::try_from(entries).unwrap_or(i64::MAX)
}
