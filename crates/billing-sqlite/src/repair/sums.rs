//! Makes the counts and sums of days anew, and the balances of an account.

use std::collections::{BTreeMap, BTreeSet};

use billing_engine::{LEVELS, NS_PER_DAY, Span, Summand, day_of_unix_ns};
use billing_ledger::{AccountId, Amendment, Change, Position};
use billing_model::{TimeWindow, Total};
use rusqlite::Connection;

use crate::intake::Intake;
use crate::row::units_and_amount;
use crate::snapshot::Present;
use crate::tables::Tables;

/// Days of a slot of the coarsest level.
const DAYS_PER_SLOT: i64 = LEVELS[0].1 / NS_PER_DAY;

/// Days whose counts and sums are made anew: the first and the last of each stretch.
pub(super) struct Days(Vec<(i64, i64)>);

impl Days {
    /// The days of a window, and those outside of it of what is taken out, amended and added. Beyond an open end of the window there may be rows of days that
    /// no ledger holds; they are meant too.
    pub(super) fn of(window: TimeWindow, remove: &[Position], amend: &[Amendment], change: &Change) -> Self {
        let whole = Span::of(window).map(|span| {
            let first_day = window.since().map_or(i64::MIN, |_| day_of_unix_ns(span.first_ns).0);
            let last_day = window.until().map_or(i64::MAX, |_| day_of_unix_ns(span.last_ns).0);
            (first_day, last_day)
        });
        let mut others = BTreeSet::new();
        let is_outside = |day: i64| whole.is_none_or(|(first, last)| day < first || day > last);
        let mut note = |at_ns: i64| {
            let day = day_of_unix_ns(at_ns).0;
            if is_outside(day) {
                others.insert(day);
            }
        };
        remove.iter().for_each(|position| note(position.timestamp_ns));
        amend.iter().for_each(|amendment| note(amendment.position.timestamp_ns));
        let mut rows = change.add.rows();
        while let Some(entry) = rows.next() {
            entry.timestamp.unix_ns().into_iter().for_each(&mut note);
        }
        Self(whole.into_iter().chain(others.into_iter().map(|day| (day, day))).collect())
    }

    /// Removes what is kept of them, and all balances.
    pub(super) fn clear(&self, writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
        writer.execute("DELETE FROM balances WHERE account = ?1", [account.0])?;
        let mut rollups =
            writer.prepare("DELETE FROM rollups WHERE account = ?1 AND day BETWEEN ?2 AND ?3")?;
        let mut counts = writer
            .prepare("DELETE FROM counts WHERE account = ?1 AND level = ?2 AND slot BETWEEN ?3 AND ?4")?;
        for (first, last) in &self.0 {
            rollups.execute((account.0, first, last))?;
            counts.execute((account.0, LEVELS[0].0, slot_of(*first), slot_of(*last)))?;
            for (level, width) in &LEVELS[1..] {
                let slots = NS_PER_DAY / width;
                let last_slot = last.saturating_add(1).saturating_mul(slots).saturating_sub(1);
                counts.execute((account.0, level, first.saturating_mul(slots), last_slot))?;
            }
        }
        Ok(())
    }

    /// Adds the entries that these days have to what comes in.
    pub(super) fn add_kept(
        &self,
        writer: &Connection,
        present: Present,
        intake: &mut Intake,
    ) -> rusqlite::Result<()> {
        let (first, last) = present.hidden();
        let mut select = writer.prepare(
            "SELECT timestamp_ns, sku, currency, api_key, numbers FROM entries
             WHERE account = ?1 AND timestamp_ns BETWEEN ?2 AND ?3 AND sequence NOT BETWEEN ?4 AND ?5",
        )?;
        for (first_day, last_day) in &self.0 {
            let first_ns = Span::of_slot(*first_day, NS_PER_DAY).first_ns;
            let last_ns = Span::of_slot(*last_day, NS_PER_DAY).last_ns;
            let mut rows = select.query((intake.account().0, first_ns, last_ns, first, last))?;
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
    pub(super) fn sum_up(&self, writer: &Connection, account: AccountId) -> rusqlite::Result<()> {
        let mut delete = writer
            .prepare("DELETE FROM counts WHERE account = ?1 AND level = ?2 AND slot BETWEEN ?3 AND ?4")?;
        // Division in SQL rounds to zero, and days before 1970 have numbers below it.
        let mut insert = writer.prepare(&format!(
            "INSERT INTO counts (account, level, slot, currency, entries)
             SELECT account, ?2, (slot - ((slot % {DAYS_PER_SLOT}) + {DAYS_PER_SLOT}) % {DAYS_PER_SLOT}) / {DAYS_PER_SLOT} AS coarse,
                currency, SUM(entries)
             FROM counts WHERE account = ?1 AND level = ?3 AND slot BETWEEN ?4 AND ?5 GROUP BY coarse, currency",
        ))?;
        let (coarse, days) = (LEVELS[0].0, LEVELS[1].0);
        let mut after = None;
        for (first, last) in self.in_order() {
            let first = slot_of(first).max(after.unwrap_or(i64::MIN));
            let last = slot_of(last);
            // Two stretches of days may share a slot.
            if first > last {
                continue;
            }
            after = last.checked_add(1);
            delete.execute((account.0, coarse, first, last))?;
            let first_day = first.saturating_mul(DAYS_PER_SLOT);
            let last_day = last.saturating_mul(DAYS_PER_SLOT).saturating_add(DAYS_PER_SLOT - 1);
            insert.execute((account.0, coarse, days, first_day, last_day))?;
        }
        balance(writer, account)
    }

    fn in_order(&self) -> Vec<(i64, i64)> {
        let mut stretches = self.0.clone();
        stretches.sort_unstable();
        stretches
    }
}

/// The slot of the coarsest level that a day is in.
fn slot_of(day: i64) -> i64 {
    day.div_euclid(DAYS_PER_SLOT)
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
