//! Reads sums by day, product, currency and API key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

use billing_ledger::{AccountId, Charges, Error, LendCharges, LendRollup, Rollup};
use billing_model::{Currency, Day, Total};
use rusqlite::Connection;

use crate::ledger::SqliteLedger;
use crate::row::{count, optional_text, parse};
use crate::strings::Texts;

/// A sum that waits until all sums of its day are there. The ledger has them in the order in which their texts were
/// first stored, and they are lent in the order of the texts.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    sku: String,
    currency: Currency,
    api_key_id: Option<String>,
    is_credit: bool,
    entries: u64,
    amount: Total,
    units: Total,
}

impl SqliteLedger {
    pub(crate) fn rollups(
        &self,
        account: AccountId,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> Result<(), Error> {
        self.0.connections.read(|connection| lend_rollups(connection, account, days, lend).map(drop))
    }

    pub(crate) fn charges(
        &self,
        account: AccountId,
        (first, last): (Day, Day),
        lend: &mut LendCharges<'_>,
    ) -> Result<(), Error> {
        self.0.connections.read(|connection| {
            let (mut texts, mut currencies) = (Texts::default(), HashMap::new());
            let mut select = connection.prepare_cached(
                "SELECT day, sku, currency, api_key, amount, units FROM rollups
                 WHERE account = ?1 AND day BETWEEN ?2 AND ?3 AND is_credit = 0",
            )?;
            let mut rows = select.query((account.0, first.0, last.0))?;
            while let Some(row) = rows.next()? {
                let (sku, currency, api_key) = (row.get(1)?, row.get(2)?, row.get(3)?);
                if let Entry::Vacant(place) = currencies.entry(currency) {
                    place.insert(Currency::from(texts.text(connection, currency)?));
                }
                let [sku, api_key_id] = texts.look_up(connection, [sku, api_key])?;
                let spend: Total = parse(row, 4, str::parse)?;
                let charges = Charges {
                    day: Day(row.get(0)?),
                    sku: sku.unwrap_or_default(),
                    currency: &currencies[&currency],
                    api_key_id,
                    spend: -spend,
                    units: parse(row, 5, str::parse)?,
                };
                if lend(charges).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn lend_rollups(
    connection: &Connection,
    account: AccountId,
    days: Option<(Day, Day)>,
    lend: &mut LendRollup<'_>,
) -> rusqlite::Result<ControlFlow<()>> {
    let (first, last) = days.unwrap_or((Day(i64::MIN), Day(i64::MAX)));
    let mut texts = Texts::default();
    let mut select = connection.prepare_cached(
        "SELECT day, sku, currency, api_key, is_credit, entries, amount, units FROM rollups
         WHERE account = ?1 AND day BETWEEN ?2 AND ?3",
    )?;
    let mut rows = select.query((account.0, first.0, last.0))?;
    let (mut day, mut lines) = (first, Vec::new());
    while let Some(row) = rows.next()? {
        let next = Day(row.get(0)?);
        if next != day && lend_day(day, &mut lines, lend).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        day = next;
        lines.push(Line {
            sku: texts.text(connection, row.get(1)?)?.to_owned(),
            currency: Currency::from(texts.text(connection, row.get(2)?)?),
            api_key_id: optional_text(row.get(3)?, connection, &mut texts)?,
            is_credit: row.get(4)?,
            entries: count(row, 5)?,
            amount: parse(row, 6, str::parse)?,
            units: parse(row, 7, str::parse)?,
        });
    }
    Ok(lend_day(day, &mut lines, lend))
}

fn lend_day(day: Day, lines: &mut Vec<Line>, lend: &mut LendRollup<'_>) -> ControlFlow<()> {
    lines.sort_unstable();
    lines.drain(..).try_for_each(|line| {
        lend(Rollup {
            day,
            sku: &line.sku,
            currency: &line.currency,
            api_key_id: line.api_key_id.as_deref(),
            is_credit: line.is_credit,
            entries: line.entries,
            amount: &line.amount,
            units: &line.units,
        })
    })
}
