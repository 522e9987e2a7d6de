//! Reads sums by day, product, currency and API key.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::ControlFlow;

use billing_engine::NO_TEXT;
use billing_ledger::{AccountId, Charges, Error, LendCharges, LendRollup, Rollup};
use billing_model::{Currency, Day, Total};
use foldhash::fast::RandomState;
use rusqlite::{Connection, Row};

use crate::ledger::SqliteLedger;
use crate::ordered_texts::OrderedTexts;
use crate::row::{count, parse};
use crate::strings::Texts;

/// A sum that waits until all sums of its day are there. The ledger has them in the order in which their texts were
/// first stored, and they are lent in the order of the texts. Its texts are known by their places.
struct Line {
    sku: usize,
    currency: usize,
    api_key: Option<usize>,
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
    let mut select = connection.prepare_cached(
        "SELECT day, sku, currency, api_key, is_credit, entries, amount, units FROM rollups
         WHERE account = ?1 AND day BETWEEN ?2 AND ?3",
    )?;
    let mut rows = select.query((account.0, first.0, last.0))?;
    let mut lines = Lines::of(first);
    while let Some(row) = rows.next()? {
        let day = Day(row.get(0)?);
        if day != lines.day && lines.lend(lend).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        lines.day = day;
        lines.push(connection, row)?;
    }
    Ok(lines.lend(lend))
}

/// The sums of a day.
struct Lines {
    day: Day,
    lines: Vec<Line>,
    texts: OrderedTexts,
    currencies: Vec<Currency>,
    /// The places of currencies by their numbers.
    currency_places: HashMap<i64, usize, RandomState>,
}

impl Lines {
    fn of(day: Day) -> Self {
        Self {
            day,
            lines: Vec::new(),
            texts: OrderedTexts::default(),
            currencies: Vec::new(),
            currency_places: HashMap::default(),
        }
    }

    fn push(&mut self, connection: &Connection, row: &Row<'_>) -> rusqlite::Result<()> {
        let texts = &mut self.texts;
        let api_key = match row.get(3)? {
            NO_TEXT => None,
            id => Some(texts.place(connection, id)?),
        };
        let currency = row.get(2)?;
        let currency = match self.currency_places.entry(currency) {
            Entry::Occupied(place) => *place.get(),
            Entry::Vacant(vacant) => {
                let place = texts.place(connection, currency)?;
                self.currencies.push(Currency::from(texts.text(place)));
                *vacant.insert(self.currencies.len() - 1)
            }
        };
        let line = Line {
            sku: texts.place(connection, row.get(1)?)?,
            currency,
            api_key,
            is_credit: row.get(4)?,
            entries: count(row, 5)?,
            amount: parse(row, 6, str::parse)?,
            units: parse(row, 7, str::parse)?,
        };
        self.lines.push(line);
        Ok(())
    }

    /// Lends the sums in order, and is empty then.
    fn lend(&mut self, lend: &mut LendRollup<'_>) -> ControlFlow<()> {
        self.texts.rank();
        let (currencies, ranks) = (&self.currencies, self.texts.ranks());
        let rank = |line: &Line| {
            let api_key = line.api_key.map(|place| ranks[place]);
            (ranks[line.sku], &currencies[line.currency], api_key, line.is_credit)
        };
        self.lines.sort_unstable_by(|one, other| rank(one).cmp(&rank(other)));
        let (day, texts) = (self.day, &self.texts);
        self.lines.drain(..).try_for_each(|line| {
            lend(Rollup {
                day,
                sku: texts.text(line.sku),
                currency: &currencies[line.currency],
                api_key_id: line.api_key.map(|place| texts.text(place)),
                is_credit: line.is_credit,
                entries: line.entries,
                amount: &line.amount,
                units: &line.units,
            })
        })
    }
}
