//! Makes the counts and sums of days anew, and the balances of an account.

use std::collections::BTreeMap;

use billing_engine::repair::{Coarse, DAYS_PER_SLOT, Days};
use billing_engine::{LEVELS, Summand};
use billing_ledger::AccountId;
use billing_model::Total;
use rusqlite::Connection;

use crate::intake::Intake;
use crate::row::units_and_amount;
use crate::snapshot::Present;
use crate::tables::Tables;

/// Removes what is kept of days, and all balances.
pub(super) fn clear(days: &Days, writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
    writer.execute("DELETE FROM balances WHERE account = ?1", [account.0])?;
    let mut rollups = writer.prepare("DELETE FROM rollups WHERE account = ?1 AND day BETWEEN ?2 AND ?3")?;
    let mut counts = writer.prepare(FORGET_COUNTS)?;
    for (first, last) in days.stretches() {
        rollups.execute((account.0, first, last))?;
        for (level, first_slot, last_slot) in Days::slots(*first, *last) {
            counts.execute((account.0, level, first_slot, last_slot))?;
        }
    }
    Ok(())
}

const FORGET_COUNTS: &str = "DELETE FROM counts WHERE account = ?1 AND level = ?2 AND slot BETWEEN ?3 AND ?4";

/// Adds the entries that days have to what comes in.
pub(super) fn add_kept(
    days: &Days,
    writer: &Connection,
    present: Present,
    intake: &mut Intake,
) -> rusqlite::Result<()> {
    let (first, last) = present.hidden();
    let mut select = writer.prepare(
        "SELECT timestamp_ns, sku, currency, api_key, numbers FROM entries
         WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3 AND sequence NOT BETWEEN ?4 AND ?5",
    )?;
    for span in days.spans() {
        let mut rows = select.query((intake.account().0, span.first_ns, span.last_ns, first, last))?;
        while let Some(row) = rows.next()? {
            let [Some(units), Some(amount)] = units_and_amount(row.get_ref(4)?) else {
                return Err(rusqlite::Error::QueryReturnedNoRows);
            };
            intake.sum_kept(&Summand {
                timestamp_ns: row.get(0)?,
                sku: row.get(1)?,
                currency: row.get(2)?,
                api_key: row.get(3)?,
                amount,
                units,
            });
            if intake.is_full() {
                intake.store_sums(writer, Tables::Ledger)?;
            }
        }
    }
    Ok(())
}

/// Makes the counts of the coarsest level anew from those of the days, and balances from all sums.
pub(super) fn sum_up(days: &Days, writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
    let mut delete = writer.prepare(FORGET_COUNTS)?;
    // Division in SQL rounds to zero, and days before 1970 have numbers below it.
    let mut insert = writer.prepare(&format!(
        "INSERT INTO counts (account, level, slot, currency, entries)
         SELECT account, ?2, (slot - ((slot % {DAYS_PER_SLOT}) + {DAYS_PER_SLOT}) % {DAYS_PER_SLOT}) / {DAYS_PER_SLOT} AS coarse,
             currency, SUM(entries)
         FROM counts WHERE account = ?1 AND level = ?3 AND slot BETWEEN ?4 AND ?5 GROUP BY coarse, currency",
    ))?;
    let (coarse, fine) = (LEVELS[0].0, LEVELS[1].0);
    for Coarse { slots, days } in days.coarse() {
        delete.execute((account.0, coarse, slots.0, slots.1))?;
        insert.execute((account.0, coarse, fine, days.0, days.1))?;
    }
    balance(writer, account)
}

/// Makes the balances of an account anew from its sums. A sum of another day that cannot be read counts as none: it is another
/// difference, and is repaired with its day.
fn balance(writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
    writer.execute("DELETE FROM balances WHERE account = ?1", [account.0])?;
    let mut balances = BTreeMap::<(i64, i64), (i64, Total)>::new();
    let mut select =
        writer.prepare("SELECT currency, is_credit, entries, amount FROM rollups WHERE account = ?1")?;
    let mut rows = select.query([account.0])?;
    while let Some(row) = rows.next()? {
        let (entries, amount) = balances.entry((row.get(0)?, row.get(1)?)).or_default();
        *entries = entries.saturating_add(row.get(2)?);
        let sum = row.get_ref(3)?.as_str().ok().and_then(|text| text.parse().ok());
        amount.merge(&sum.unwrap_or_default());
    }
    let mut insert = writer.prepare(
        "INSERT INTO balances (account, currency, is_credit, entries, amount) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    balances.into_iter().try_for_each(|((currency, is_credit), (entries, amount))| {
        insert.execute((account.0, currency, is_credit, entries, amount.to_string())).map(drop)
    })
}
