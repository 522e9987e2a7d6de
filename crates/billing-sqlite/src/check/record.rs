//! Compares a kept table with the same made anew from the entries. Both are in the same order, so it goes through them
//! step by step.

use billing_ledger::{Checked, DifferenceKind};
use std::collections::BTreeMap;

use billing_model::{Decimal, Total, is_credit};
use rusqlite::{Connection, Row, Rows, Statement};

use super::findings::{Findings, Values};
use super::numbers::Numbers;
use super::words::{held, instant};
use crate::counts::LEVELS;
use crate::day::{self, NS_PER_DAY, Span};
use crate::row::{signed, units_and_amount};
use crate::strings::NO_TEXT;

/// The table that a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Counts of one of [`LEVELS`], by its place there. The key is slot and currency.
    Counts(usize),
    /// The key is day, product, currency, API key and side.
    Rollups,
    /// The key is currency and side.
    Balances,
}

/// Rows that are summed at a time, about 3 MiB. A day or a slot that has more is read again for the rest.
const MOST_OPEN: usize = 1 << 14;

/// What an entry adds to counts and sums.
pub(super) struct Facts {
    pub(super) timestamp_ns: i64,
    pub(super) sku: i64,
    pub(super) currency: i64,
    pub(super) api_key: i64,
    /// Zero when it is no number; units likewise.
    pub(super) amount: Decimal,
    pub(super) units: Decimal,
}

/// The counts and sums of some entries.
#[derive(Default)]
struct Sums {
    entries: u64,
    amount: Total,
    units: Total,
}

/// A kept row. A sum that is no number is kept as its text.
struct Held {
    entries: i64,
    totals: [Option<Result<Total, String>>; 2],
}

/// A table of one account, compared with its entries. The key of a row has `N` columns, in the table's order.
pub(super) struct Record<'s, const N: usize> {
    table: Table,
    account: i64,
    /// The first and the last sequence number of hidden entries, which no row counts. When none is hidden, the last is
    /// lower than the first.
    hidden: (i64, i64),
    /// The key of the row that an entry goes into.
    key: fn(Table, &Facts) -> [i64; N],
    rows: Rows<'s>,
    next: Option<([i64; N], Held)>,
    /// The new rows of the present slot or day, or of the whole table. When there are too many, only the first of them.
    open: BTreeMap<[i64; N], Sums>,
    /// The first row that there was no room for.
    beyond: Option<[i64; N]>,
    /// The slot or day of these rows.
    slot: Option<i64>,
}

impl<'s, const N: usize> Record<'s, N> {
    /// Begins a comparison with the statement of [`Table::sql`].
    pub(super) fn new(
        table: Table,
        key: fn(Table, &Facts) -> [i64; N],
        statement: &'s mut Statement<'_>,
        account: i64,
        numbers: &Numbers,
    ) -> rusqlite::Result<Self> {
        let hidden = numbers.hidden();
        let rows = match table {
            Table::Counts(at) => statement.query((account, LEVELS[at].0))?,
            Table::Rollups | Table::Balances => statement.query([account])?,
        };
        let (next, open, beyond, slot) = (None, BTreeMap::new(), None, None);
        let mut record = Self { table, account, hidden, key, rows, next, open, beyond, slot };
        record.step()?;
        Ok(record)
    }

    /// Adds an entry. If it begins a new slot or day, the rows of the one before are compared first, because they are
    /// complete.
    pub(super) fn add<F: FnMut(&Checked)>(
        &mut self,
        facts: &Facts,
        findings: &mut Findings<'_, F>,
    ) -> rusqlite::Result<()> {
        let key = (self.key)(self.table, facts);
        let slot = (self.table != Table::Balances).then_some(key[0]);
        if self.slot != slot {
            self.settle(findings)?;
            self.slot = slot;
        }
        self.add_to_open(key, facts);
        Ok(())
    }

    fn add_to_open(&mut self, key: [i64; N], facts: &Facts) {
        if self.beyond.is_some_and(|beyond| key >= beyond) {
            return;
        }
        let sums = self.open.entry(key).or_default();
        sums.entries += 1;
        if self.table.has_totals().0 {
            sums.amount.add(facts.amount);
            sums.units.add(facts.units);
        }
        // The first rows stay, because they are compared first.
        if self.open.len() > MOST_OPEN {
            self.beyond = self.open.pop_last().map(|(key, _)| key);
        }
    }

    /// Compares the new rows with the kept ones up to there.
    fn settle<F: FnMut(&Checked)>(&mut self, findings: &mut Findings<'_, F>) -> rusqlite::Result<()> {
        loop {
            for (key, sums) in std::mem::take(&mut self.open) {
                self.pass_over(Some(key), findings)?;
                match self.next.take_if(|(held_key, _)| *held_key == key) {
                    Some((_, held)) => {
                        self.compare(key, &held, &sums, findings);
                        self.step()?;
                    }
                    None => {
                        let values = Values::new("entries", None, Some(sums.entries.to_string()));
                        self.differs(key, values, findings);
                    }
                }
            }
            match self.beyond.take() {
                Some(from) => self.read_again(from, findings.connection)?,
                None => return Ok(()),
            }
        }
    }

    /// Reads the entries of the present slot or day again, and sums the rows from a key on.
    fn read_again(&mut self, from: [i64; N], connection: &Connection) -> rusqlite::Result<()> {
        let span = match (self.table, self.slot) {
            (Table::Counts(at), Some(slot)) => Span::of_slot(slot, LEVELS[at].1),
            (Table::Rollups, Some(day)) => Span::of_slot(day, NS_PER_DAY),
            _ => Span { first_ns: i64::MIN, last_ns: i64::MAX },
        };
        let mut select = connection.prepare_cached(
            "SELECT timestamp_ns, sku, currency, api_key, numbers FROM entries
             WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3 AND sequence NOT BETWEEN ?4 AND ?5",
        )?;
        let (first, last) = self.hidden;
        let mut rows = select.query((self.account, span.first_ns, span.last_ns, first, last))?;
        while let Some(row) = rows.next()? {
            // What is no number counts as zero. The first reading has noted it.
            let [units, amount] = units_and_amount(row.get_ref(4)?).map(Option::unwrap_or_default);
            let facts = Facts {
                timestamp_ns: row.get(0)?,
                sku: row.get(1)?,
                currency: row.get(2)?,
                api_key: row.get(3)?,
                amount,
                units,
            };
            let key = (self.key)(self.table, &facts);
            if key >= from {
                self.add_to_open(key, &facts);
            }
        }
        Ok(())
    }

    /// Compares the rest of the rows.
    pub(super) fn close<F: FnMut(&Checked)>(
        mut self,
        findings: &mut Findings<'_, F>,
    ) -> rusqlite::Result<()> {
        self.settle(findings)?;
        self.pass_over(None, findings)
    }

    /// Notes the kept rows before a key, or all that are left, as rows that have no entries.
    fn pass_over<F: FnMut(&Checked)>(
        &mut self,
        end: Option<[i64; N]>,
        findings: &mut Findings<'_, F>,
    ) -> rusqlite::Result<()> {
        while let Some((key, held)) = self.next.take_if(|(key, _)| end.is_none_or(|end| *key < end)) {
            let values = Values::new("entries", Some(held.entries.to_string()), None);
            self.count(findings);
            self.differs(key, values, findings);
            self.step()?;
        }
        Ok(())
    }

    fn compare<F: FnMut(&Checked)>(
        &self,
        key: [i64; N],
        held: &Held,
        sums: &Sums,
        findings: &mut Findings<'_, F>,
    ) {
        self.count(findings);
        if held.entries != signed(sums.entries) {
            let (held, expected) = (held.entries.to_string(), sums.entries.to_string());
            self.differs(key, Values::new("entries", Some(held), Some(expected)), findings);
        }
        let sums = [("amount", &sums.amount), ("units", &sums.units)];
        for ((field, sum), held) in sums.into_iter().zip(&held.totals) {
            let held = match held {
                None => continue,
                Some(Ok(total)) if total == sum => continue,
                Some(Ok(total)) => total.to_string(),
                Some(Err(text)) => text.clone(),
            };
            self.differs(key, Values::new(field, Some(held), Some(sum.to_string())), findings);
        }
    }

    fn step(&mut self) -> rusqlite::Result<()> {
        self.next = match self.rows.next()? {
            Some(row) => {
                let mut key = [0; N];
                for (column, part) in key.iter_mut().enumerate() {
                    *part = row.get(column)?;
                }
                let total = |has: bool, column: usize| has.then(|| total(row, column)).transpose();
                let (amount, units) = self.table.has_totals();
                let totals = [total(amount, N + 1)?, total(units, N + 2)?];
                Some((key, Held { entries: row.get(N)?, totals }))
            }
            None => None,
        };
        Ok(())
    }

    fn count<F>(&self, findings: &mut Findings<'_, F>) {
        let checked = &mut findings.report.checked;
        match self.table {
            Table::Counts(_) => checked.counts += 1,
            Table::Rollups => checked.rollups += 1,
            Table::Balances => checked.balances += 1,
        }
    }

    fn differs<F: FnMut(&Checked)>(&self, key: [i64; N], values: Values, findings: &mut Findings<'_, F>) {
        findings.add(self.table.kind(), |findings| self.table.place(&key, findings), values);
    }
}

/// The kept sum, or a description of what is there in its place.
fn total(row: &Row<'_>, column: usize) -> rusqlite::Result<Result<Total, String>> {
    let value = row.get_ref(column)?;
    let text = value.as_str().ok();
    Ok(text.and_then(|text| text.parse().ok()).ok_or_else(|| held(value)))
}

/// The slot, of the level's width, and the currency.
pub(super) fn count_key(table: Table, facts: &Facts) -> [i64; 2] {
    let width_ns = if let Table::Counts(at) = table { LEVELS[at].1 } else { NS_PER_DAY };
    [facts.timestamp_ns.div_euclid(width_ns), facts.currency]
}

pub(super) fn rollup_key(_: Table, facts: &Facts) -> [i64; 5] {
    let Facts { timestamp_ns, sku, currency, api_key, amount, .. } = *facts;
    [day::of_unix_ns(timestamp_ns).0, sku, currency, api_key, is_credit(amount).into()]
}

pub(super) fn balance_key(_: Table, facts: &Facts) -> [i64; 2] {
    [facts.currency, is_credit(facts.amount).into()]
}

impl Table {
    /// The rows of an account in the order of its primary key.
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Counts(_) => {
                "SELECT slot, currency, entries FROM counts WHERE account = ?1 AND level = ?2
                 ORDER BY slot, currency"
            }
            Self::Rollups => {
                "SELECT day, sku, currency, api_key, is_credit, entries, amount, units FROM rollups
                 WHERE account = ?1 ORDER BY day, sku, currency, api_key, is_credit"
            }
            Self::Balances => {
                "SELECT currency, is_credit, entries, amount FROM balances WHERE account = ?1
                 ORDER BY currency, is_credit"
            }
        }
    }

    /// Whether its rows have sums of amounts, and of units.
    fn has_totals(self) -> (bool, bool) {
        match self {
            Self::Counts(_) => (false, false),
            Self::Rollups => (true, true),
            Self::Balances => (true, false),
        }
    }

    fn kind(self) -> DifferenceKind {
        match self {
            Self::Counts(_) => DifferenceKind::Count,
            Self::Rollups => DifferenceKind::Rollup,
            Self::Balances => DifferenceKind::Balance,
        }
    }

    fn place<F: FnMut(&Checked)>(self, key: &[i64], findings: &Findings<'_, F>) -> String {
        match (self, key) {
            (Self::Counts(at), [slot, currency]) => {
                format!("{}, {}", slot_name(at, *slot), findings.text(*currency))
            }
            (Self::Rollups, [day, sku, currency, api_key, is_credit]) => {
                let key = match *api_key {
                    NO_TEXT => "no API key".to_owned(),
                    key => format!("API key {}", findings.text(key)),
                };
                let (sku, currency) = (findings.text(*sku), findings.text(*currency));
                format!("{}, {sku}, {currency}, {key}, {}", day_name(*day), side(*is_credit))
            }
            (Self::Balances, [currency, is_credit]) => {
                format!("{}, {}", findings.text(*currency), side(*is_credit))
            }
            _ => String::new(),
        }
    }
}

fn side(is_credit: i64) -> String {
    match is_credit {
        0 => "charges".to_owned(),
        1 => "credits".to_owned(),
        other => format!("is_credit {other}"),
    }
}

/// The name of a slot of a level, in the place of a difference.
fn slot_name(at: usize, slot: i64) -> String {
    let (_, width_ns) = LEVELS[at];
    let first = instant(Span::of_slot(slot, width_ns).first_ns);
    let name = ["64 days", "day", "hour", "minute"][at];
    // A damaged slot number may be far outside of all time, and has no instant then.
    format!("{name} {slot}, from {first}")
}

fn day_name(day: i64) -> String {
    let first = instant(Span::of_slot(day, NS_PER_DAY).first_ns);
    format!("day {day}, {}", first.split_once('T').map_or("", |(date, _)| date))
}
