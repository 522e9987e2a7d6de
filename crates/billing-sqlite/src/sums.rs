//! Sums and counts of entries, kept as the entries come in.

use billing_engine::{Balances, Deltas, Line, Summand, Sums};
use billing_ledger::AccountId;
use billing_model::{Day, UsageEntry};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::blocks;
use crate::counts;
use crate::row::{TextIds, parse, units_and_amount};
use crate::tables::Tables;

/// What an entry adds to counts and sums, with the numbers of its texts.
pub(crate) fn summand(entry: &UsageEntry, timestamp_ns: i64, ids: TextIds) -> Summand {
    let TextIds { sku, currency, api_key, .. } = ids;
    Summand { timestamp_ns, sku, currency, api_key, amount: entry.amount, units: entry.units }
}

/// Adds what was gathered to these tables. Nothing is gathered then.
pub(crate) fn store(
    deltas: &mut Deltas,
    writer: &Connection,
    tables: Tables,
    account: AccountId,
) -> rusqlite::Result<()> {
    counts::store(&deltas.drain_slots(), writer, tables, account)?;
    store_lines(writer, tables, account, deltas.drain_lines().into_iter().map(Ok))
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
        Ok((line, read_sums(row)?))
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
    let mut balances = Balances::default();
    for line in lines {
        let (line, sums) = line?;
        balances.add(&line, &sums);
        let Line { day, sku, currency, api_key, is_credit } = line;
        let key = (account.0, day.0, sku, currency, api_key, is_credit);
        let mut stored = select.query_row(key, read_sums).optional()?.unwrap_or_default();
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

fn store_balances(writer: &Connection, account: AccountId, balances: Balances) -> rusqlite::Result<()> {
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
        let stored = select.query_row((account.0, currency, is_credit), read_sums).optional()?;
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
            store(deltas, writer, Tables::Ledger, *other)?;
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
        Some((account, mut deltas)) => store(&mut deltas, writer, Tables::Ledger, account),
        None => Ok(()),
    }
}

/// The entries, the amount and the units that a row begins with.
fn read_sums(row: &Row<'_>) -> rusqlite::Result<Sums> {
    Ok(Sums { entries: row.get(0)?, amount: parse(row, 1, str::parse)?, units: parse(row, 2, str::parse)? })
}
