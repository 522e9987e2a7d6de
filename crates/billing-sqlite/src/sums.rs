//! Sums and counts of entries, kept as the entries come in.

use std::collections::{BTreeMap, HashMap};

use billing_ledger::AccountId;
use billing_model::{Day, Decimal, Total, UsageEntry, is_credit};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::blocks;
use crate::counts::{self, MinuteCounts};
use crate::day;
use crate::row::{TextIds, parse, units_and_amount};
use crate::tables::Tables;

/// The key of the sum that an entry goes into.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Line {
    day: Day,
    sku: i64,
    currency: i64,
    api_key: i64,
    is_credit: bool,
}

/// What an entry adds to counts and sums, with its texts as numbers.
pub(crate) struct Summand {
    pub(crate) timestamp_ns: i64,
    pub(crate) sku: i64,
    pub(crate) currency: i64,
    pub(crate) api_key: i64,
    pub(crate) amount: Decimal,
    pub(crate) units: Decimal,
}

/// The sums of entries that come in, less those of entries that are taken out.
#[derive(Default)]
struct Sums {
    entries: i64,
    amount: Total,
    units: Total,
}

/// The changes of a transaction to sums and counts. They are gathered, so that each row is read and written once for
/// many entries.
#[derive(Default)]
pub(crate) struct Deltas {
    lines: HashMap<Line, Sums>,
    minutes: MinuteCounts,
}

impl Deltas {
    /// Lines and minutes that are gathered, at most: about a MiB of each.
    const CAPACITY: usize = 8192;

    pub(crate) fn add(&mut self, summand: &Summand) {
        let sums = self.line(summand);
        sums.entries += 1;
        sums.amount.add(summand.amount);
        sums.units.add(summand.units);
        self.minutes.count(summand.timestamp_ns, summand.currency, 1);
    }

    /// Takes an entry back out of the sums and counts.
    pub(crate) fn subtract(&mut self, summand: &Summand) {
        let sums = self.line(summand);
        sums.entries -= 1;
        sums.amount.add(-summand.amount);
        sums.units.add(-summand.units);
        self.minutes.count(summand.timestamp_ns, summand.currency, -1);
    }

    fn line(&mut self, summand: &Summand) -> &mut Sums {
        let Summand { timestamp_ns, sku, currency, api_key, amount, .. } = *summand;
        let is_credit = is_credit(amount);
        let line = Line { day: day::of_unix_ns(timestamp_ns), sku, currency, api_key, is_credit };
        self.lines.entry(line).or_default()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lines.len().max(self.minutes.len()) >= Self::CAPACITY
    }

    /// Adds what was gathered to these tables, and is empty then.
    pub(crate) fn store(
        &mut self,
        writer: &Connection,
        tables: Tables,
        account: AccountId,
    ) -> rusqlite::Result<()> {
        self.minutes.store(writer, tables, account)?;
        let mut lines: Vec<_> = self.lines.drain().collect();
        // They are written in the order of the table, so that neighbours are on the same page.
        lines.sort_unstable_by_key(|(line, _)| *line);
        store_lines(writer, tables, account, lines.into_iter().map(Ok))
    }
}

/// Adds to the ledger's sums, counts and blocks what an import gathered in tables of its own.
pub(crate) fn add_gathered(writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
    counts::add_gathered(writer)?;
    blocks::add_gathered(writer)?;
    let gathered = Tables::Gathered;
    let mut select = writer.prepare(&format!(
        "SELECT entries, amount, units, day, sku, currency, api_key, is_credit FROM {gathered}rollups
         ORDER BY account, day, sku, currency, api_key, is_credit",
    ))?;
    let lines = select.query_map([], |row| {
        let line = Line {
            day: Day(row.get(3)?),
            sku: row.get(4)?,
            currency: row.get(5)?,
            api_key: row.get(6)?,
            is_credit: row.get(7)?,
        };
        Ok((line, Sums::from_row(row)?))
    })?;
    store_lines(writer, Tables::Ledger, account, lines)
}

/// Adds sums to those of these tables. In the ledger they go to its balances too.
fn store_lines(
    writer: &Connection,
    tables: Tables,
    account: AccountId,
    lines: impl Iterator<Item = rusqlite::Result<(Line, Sums)>>,
) -> rusqlite::Result<()> {
    let mut select = writer.prepare_cached(&format!(
        "SELECT entries, amount, units FROM {tables}rollups
         WHERE (account, day, sku, currency, api_key, is_credit) = (?1, ?2, ?3, ?4, ?5, ?6)",
    ))?;
    let mut replace = writer.prepare_cached(&format!(
        "INSERT OR REPLACE INTO {tables}rollups
         (account, day, sku, currency, api_key, is_credit, entries, amount, units)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    ))?;
    let mut delete = writer.prepare_cached(&format!(
        "DELETE FROM {tables}rollups
         WHERE (account, day, sku, currency, api_key, is_credit) = (?1, ?2, ?3, ?4, ?5, ?6)",
    ))?;
    let mut balances: BTreeMap<(i64, bool), Sums> = BTreeMap::new();
    for line in lines {
        let (Line { day, sku, currency, api_key, is_credit }, sums) = line?;
        balances.entry((currency, is_credit)).or_default().merge(&sums);
        let key = (account.0, day.0, sku, currency, api_key, is_credit);
        let mut stored = select.query_row(key, Sums::from_row).optional()?.unwrap_or_default();
        stored.merge(&sums);
        let Sums { entries, amount, units } = stored;
        if is_none(entries)? {
            delete.execute(key)?;
            continue;
        }
        replace.execute((
            account.0,
            day.0,
            sku,
            currency,
            api_key,
            is_credit,
            entries,
            amount.to_string(),
            units.to_string(),
        ))?;
    }
    match tables {
        Tables::Ledger => store_balances(writer, account, balances),
        Tables::Gathered => Ok(()),
    }
}

fn store_balances(
    writer: &Connection,
    account: AccountId,
    balances: BTreeMap<(i64, bool), Sums>,
) -> rusqlite::Result<()> {
    let mut select = writer.prepare_cached(
        "SELECT entries, amount, '0' FROM balances WHERE (account, currency, is_credit) = (?1, ?2, ?3)",
    )?;
    let mut replace = writer.prepare_cached(
        "INSERT OR REPLACE INTO balances (account, currency, is_credit, entries, amount)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut delete =
        writer.prepare_cached("DELETE FROM balances WHERE (account, currency, is_credit) = (?1, ?2, ?3)")?;
    for ((currency, is_credit), sums) in balances {
        let stored = select.query_row((account.0, currency, is_credit), Sums::from_row).optional()?;
        let mut stored = stored.unwrap_or_default();
        stored.merge(&sums);
        if is_none(stored.entries)? {
            delete.execute((account.0, currency, is_credit))?;
            continue;
        }
        replace.execute((account.0, currency, is_credit, stored.entries, stored.amount.to_string()))?;
    }
    Ok(())
}

/// True when a sum has no entries any more. A number of entries below zero is a fault of the ledger.
fn is_none(entries: i64) -> rusqlite::Result<bool> {
    if entries < 0 { Err(rusqlite::Error::IntegralValueOutOfRange(0, entries)) } else { Ok(entries == 0) }
}

/// Makes all sums and counts anew from the entries. The tables must be empty.
pub(crate) fn rebuild(writer: &Connection) -> rusqlite::Result<()> {
    let mut select = writer.prepare(
        "SELECT account, timestamp_ns, sku, currency, api_key, numbers FROM entries ORDER BY account",
    )?;
    let mut rows = select.query([])?;
    let mut gathered: Option<(AccountId, Deltas)> = None;
    while let Some(row) = rows.next()? {
        let account = AccountId(row.get(0)?);
        if let Some((other, deltas)) = &mut gathered
            && (*other != account || deltas.is_full())
        {
            deltas.store(writer, Tables::Ledger, *other)?;
            *other = account;
        }
        let (_, deltas) = gathered.get_or_insert_with(|| (account, Deltas::default()));
        let [Some(units), Some(amount)] = units_and_amount(row.get_ref(5)?) else {
            return Err(rusqlite::Error::QueryReturnedNoRows);
        };
        deltas.add(&Summand {
            timestamp_ns: row.get(1)?,
            sku: row.get(2)?,
            currency: row.get(3)?,
            api_key: row.get(4)?,
            amount,
            units,
        });
    }
    match gathered {
        Some((account, mut deltas)) => deltas.store(writer, Tables::Ledger, account),
        None => Ok(()),
    }
}

impl Summand {
    pub(crate) fn of(entry: &UsageEntry, timestamp_ns: i64, ids: TextIds) -> Self {
        let TextIds { sku, currency, api_key, .. } = ids;
        Self { timestamp_ns, sku, currency, api_key, amount: entry.amount, units: entry.units }
    }
}

impl Sums {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            entries: row.get(0)?,
            amount: parse(row, 1, str::parse)?,
            units: parse(row, 2, str::parse)?,
        })
    }

    fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        self.amount.merge(&other.amount);
        self.units.merge(&other.units);
    }
}
