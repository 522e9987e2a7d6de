//! Sums by day, product, currency and API key, on their way out of the ledger.

use std::collections::HashMap;
use std::ops::ControlFlow;

use billing_model::{Currency, Day, Total};

use crate::account_id::AccountId;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::row::{count, optional_text, parse};
use crate::strings::Texts;

/// What one product cost on one day, in one currency, under one API key; or what was credited for it.
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
    /// True for top-ups, grants and refunds: entries whose amount is above zero. They are summed apart from charges.
    pub is_credit: bool,
    /// How many entries.
    pub entries: u64,
    /// The exact sum of their amounts, signed as in the ledger.
    pub amount: Total,
    /// The exact sum of their units.
    pub units: Total,
}

/// What one product cost on one day, in one currency, under one API key, before refunds: lent to whoever looks.
#[derive(Clone, Debug)]
pub struct Charges<'a> {
    /// The day, in UTC.
    pub day: Day,
    /// The product.
    pub sku: &'a str,
    /// What `spend` counts.
    pub currency: &'a Currency,
    /// The API key that was charged; `None` for the web app.
    pub api_key_id: Option<&'a str>,
    /// The exact sum of the charges: zero or positive, money out.
    pub spend: Total,
    /// The exact sum of their units.
    pub units: Total,
}

impl Ledger {
    /// The account's sums of all days, or of the days from the first to the last given, both included; by day, then by
    /// product, currency and API key, charges before credits. Sums of an account that is not there are none.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn rollups(&self, account: AccountId, days: Option<(Day, Day)>) -> Result<Vec<Rollup>, Error> {
        let (first, last) = days.unwrap_or((Day(i64::MIN), Day(i64::MAX)));
        let mut rollups = self.0.connections.read(|connection| {
            let mut texts = Texts::default();
            let mut select = connection.prepare_cached(
                "SELECT day, sku, currency, api_key, is_credit, entries, amount, units FROM rollups
                 WHERE account = ?1 AND day BETWEEN ?2 AND ?3",
            )?;
            let rollups = select.query_map((account.0, first.0, last.0), |row| {
                Ok(Rollup {
                    day: Day(row.get(0)?),
                    sku: texts.text(connection, row.get(1)?)?.to_owned(),
                    currency: Currency::from(texts.text(connection, row.get(2)?)?),
                    api_key_id: optional_text(row.get(3)?, connection, &mut texts)?,
                    is_credit: row.get(4)?,
                    entries: count(row, 5)?,
                    amount: parse(row, 6, str::parse)?,
                    units: parse(row, 7, str::parse)?,
                })
            })?;
            rollups.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        // Within a day they stand in the order in which their texts were first seen.
        rollups.sort_unstable();
        Ok(rollups)
    }

    /// Shows the account's charges from one day to another, both included, a sum at a time and by day; what was not spent
    /// but credited is left out. Ends early when `visit` breaks, and then gives back what it broke with.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn visit_charges<B>(
        &self,
        account: AccountId,
        (first, last): (Day, Day),
        mut visit: impl FnMut(Charges<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, Error> {
        self.0.connections.read(|connection| {
            let (mut texts, mut currencies) = (Texts::default(), HashMap::new());
            let mut select = connection.prepare_cached(
                "SELECT day, sku, currency, api_key, amount, units FROM rollups
                 WHERE account = ?1 AND day BETWEEN ?2 AND ?3 AND is_credit = 0",
            )?;
            let mut rows = select.query((account.0, first.0, last.0))?;
            while let Some(row) = rows.next()? {
                let (sku, currency, api_key) = (row.get(1)?, row.get(2)?, row.get(3)?);
                if let std::collections::hash_map::Entry::Vacant(place) = currencies.entry(currency) {
                    place.insert(Currency::from(texts.text(connection, currency)?));
                }
                texts.look_up(connection, &[sku, api_key])?;
                let spend: Total = parse(row, 4, str::parse)?;
                let charges = Charges {
                    day: Day(row.get(0)?),
                    sku: texts.known(sku).unwrap_or_default(),
                    currency: &currencies[&currency],
                    api_key_id: texts.known(api_key),
                    spend: -spend,
                    units: parse(row, 5, str::parse)?,
                };
                if let stopped @ ControlFlow::Break(_) = visit(charges) {
                    return Ok(stopped);
                }
            }
            Ok(ControlFlow::Continue(()))
        })
    }
}
