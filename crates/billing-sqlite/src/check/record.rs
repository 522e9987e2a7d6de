//! What a ledger keeps in order, beside the same made anew from entries in order: one step of each at a time.

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

/// Which of the records one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// Of one of [`LEVELS`], by its place there: slot, currency.
    Counts(usize),
    /// Day, product, currency, API key, side.
    Rollups,
    /// Currency, side.
    Balances,
}

/// Rows that are summed at a time, about 3 MiB. A day or a slot that has more is read again for the rest.
const MOST_OPEN: usize = 1 << 14;

/// What of an entry is counted and summed.
pub(super) struct Facts {
    pub(super) timestamp_ns: i64,
    pub(super) sku: i64,
    pub(super) currency: i64,
    pub(super) api_key: i64,
    /// Zero where it is no number; units likewise.
    pub(super) amount: Decimal,
    pub(super) units: Decimal,
}

/// What some entries come to.
#[derive(Default)]
struct Sums {
    entries: u64,
    amount: Total,
    units: Total,
}

/// A row of a table. Of a sum that is no number it has the text.
struct Held {
    entries: i64,
    totals: [Option<Result<Total, String>>; 2],
}

/// A table of one account, beside what its entries come to. `N` columns say what a row is about, in the table's order.
pub(super) struct Record<'s, const N: usize> {
    table: Table,
    account: i64,
    /// The numbers of entries that no row has, the first and the last; none where the last is the lower one.
    hidden: (i64, i64),
    /// Which row an entry goes into.
    key: fn(Table, &Facts) -> [i64; N],
    rows: Rows<'s>,
    next: Option<([i64; N], Held)>,
    /// The rows of one slot or day, or all of them: the first of them, when there are too many.
    open: BTreeMap<[i64; N], Sums>,
    /// The first row that there was no room for.
    beyond: Option<[i64; N]>,
    /// The slot or day of these rows.
    slot: Option<i64>,
}

impl<'s, const N: usize> Record<'s, N> {
    /// With a statement of [`Table::sql`].
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

    /// Adds an entry. The rows of an earlier slot or day are compared first: no more is added to them.
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
        // The first ones stay, because they are compared first.
        if self.open.len() > MOST_OPEN {
            self.beyond = self.open.pop_last().map(|(key, _)| key);
        }
    }

    /// Compares what entries come to with the rows up to there.
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

    /// Sums the rows from one on, of the slot or day at hand.
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
            // Zero for what is no number, which the first reading has noted.
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

    /// Compares the rest.
    pub(super) fn close<F: FnMut(&Checked)>(
        mut self,
        findings: &mut Findings<'_, F>,
    ) -> rusqlite::Result<()> {
        self.settle(findings)?;
        self.pass_over(None, findings)
    }

    /// Notes the rows before a key, or all that are left, as some that no entry goes into.
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

/// A sum as it is kept, or what is in its place.
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

    /// Whether it has sums of amounts, and of units.
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

/// A slot of a level as a place has it.
fn slot_name(at: usize, slot: i64) -> String {
    let (_, width_ns) = LEVELS[at];
    let first = instant(Span::of_slot(slot, width_ns).first_ns);
    let name = ["64 days", "day", "hour", "minute"][at];
    // One that is far from all time has no instant of its own.
    format!("{name} {slot}, from {first}")
}

fn day_name(day: i64) -> String {
    let first = instant(Span::of_slot(day, NS_PER_DAY).first_ns);
    format!("day {day}, {}", first.split_once('T').map_or("", |(date, _)| date))
}
