//! Makes the counts and sums of days anew, and the balances of an account.

use std::collections::BTreeSet;

use billing_engine::{LEVELS, NS_PER_DAY, Span, day_of_unix_ns};
use billing_ledger::{AccountId, Amendment, Change, Position};
use billing_model::TimeWindow;

use crate::failure::Failure;
use crate::intake::Intake;
use crate::row::{self, COLUMNS, Scratch};
use crate::session::Session;
use crate::sums::{BalanceRows, Tables};
use crate::text;

/// Days of a slot of the coarsest level.
const DAYS_PER_SLOT: i64 = LEVELS[0].1 / NS_PER_DAY;

/// Entries that are read at a time.
const AT_ONCE: usize = 10_000;

/// Days whose counts and sums are made anew: the first and the last of each stretch.
pub(super) struct Days(Vec<(i64, i64)>);

impl Days {
    /// The days of a window, and those outside of it of what is taken out, amended and added. Beyond an open end of the window there may
    /// be rows of days that no ledger holds; they are meant too.
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
    pub(super) async fn clear(&self, session: Session<'_>, account: AccountId) -> Result<(), Failure> {
        session.execute("DELETE FROM balances WHERE account = $1", &[&account.0]).await?;
        for (first, last) in &self.0 {
            let sql = "DELETE FROM rollups WHERE account = $1 AND day BETWEEN $2 AND $3";
            session.execute(sql, &[&account.0, first, last]).await?;
            forget_counts(session, account, LEVELS[0].0, slot_of(*first), slot_of(*last)).await?;
            for (level, width) in &LEVELS[1..] {
                let slots = NS_PER_DAY / width;
                let last_slot = last.saturating_add(1).saturating_mul(slots).saturating_sub(1);
                forget_counts(session, account, *level, first.saturating_mul(slots), last_slot).await?;
            }
        }
        Ok(())
    }

    /// Adds the entries that these days have to what comes in, so that the sums have both.
    pub(super) async fn add_kept(&self, session: Session<'_>, intake: &mut Intake) -> Result<(), Failure> {
        let sql = format!(
            "SELECT {COLUMNS} FROM entries WHERE account = $1 AND (timestamp_ns, sequence) > ($2, $3) AND timestamp_ns <= $4
             ORDER BY timestamp_ns, sequence LIMIT $5"
        );
        let at_once = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
        let mut scratch = Scratch::default();
        for (first_day, last_day) in &self.0 {
            let last_ns = Span::of_slot(*last_day, NS_PER_DAY).last_ns;
            let mut after = (Span::of_slot(*first_day, NS_PER_DAY).first_ns, -1_i64);
            loop {
                let rows = session
                    .rows(&sql, &[&intake.account().0, &after.0, &after.1, &last_ns, &at_once])
                    .await?;
                for row in &rows {
                    after = (row.try_get(0)?, row.try_get(1)?);
                    intake.add(&row::owned(row, &mut scratch)?, after.0);
                }
                if intake.is_full() {
                    intake.store_sums(session).await?;
                }
                if rows.len() < AT_ONCE {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Makes the counts of the coarsest level anew from those of the days, and balances from all sums.
    pub(super) async fn sum_up(&self, session: Session<'_>, account: AccountId) -> Result<(), Failure> {
        // Division in SQL rounds to zero, and days before 1970 have numbers below it.
        let sql = format!(
            "INSERT INTO counts (account, level, slot, currency, entries)
             SELECT account, $2, (slot - ((slot % {DAYS_PER_SLOT}) + {DAYS_PER_SLOT}) % {DAYS_PER_SLOT}) / {DAYS_PER_SLOT} AS coarse,
                 currency, sum(entries)::bigint
             FROM counts WHERE account = $1 AND level = $3 AND slot BETWEEN $4 AND $5 GROUP BY account, coarse, currency"
        );
        let (coarse, days) = (level(LEVELS[0].0), level(LEVELS[1].0));
        let mut stretches = self.0.clone();
        stretches.sort_unstable();
        let mut after = None;
        for (first, last) in stretches {
            let first = slot_of(first).max(after.unwrap_or(i64::MIN));
            let last = slot_of(last);
            // Two stretches of days may share a slot.
            if first > last {
                continue;
            }
            after = last.checked_add(1);
            forget_counts(session, account, LEVELS[0].0, first, last).await?;
            let first_day = first.saturating_mul(DAYS_PER_SLOT);
            let last_day = last.saturating_mul(DAYS_PER_SLOT).saturating_add(DAYS_PER_SLOT - 1);
            session.execute(&sql, &[&account.0, &coarse, &days, &first_day, &last_day]).await?;
        }
        balance(session, account).await
    }
}

async fn forget_counts(
    session: Session<'_>,
    account: AccountId,
    of_level: i64,
    first: i64,
    last: i64,
) -> Result<(), Failure> {
    let sql = "DELETE FROM counts WHERE account = $1 AND level = $2 AND slot BETWEEN $3 AND $4";
    session.execute(sql, &[&account.0, &level(of_level), &first, &last]).await.map(drop)
}

/// The number of a level as the table has it.
fn level(number: i64) -> i16 {
    i16::try_from(number).unwrap_or(i16::MAX)
}

/// The slot of the coarsest level that a day is in.
fn slot_of(day: i64) -> i64 {
    day.div_euclid(DAYS_PER_SLOT)
}

/// Makes the balances of an account anew from its sums.
async fn balance(session: Session<'_>, account: AccountId) -> Result<(), Failure> {
    session.execute("DELETE FROM balances WHERE account = $1", &[&account.0]).await?;
    let sql =
        "SELECT currency, is_credit, sum(entries)::bigint, sum(amount)::text FROM rollups WHERE account = $1
         GROUP BY currency, is_credit ORDER BY currency, is_credit";
    let mut balances = BalanceRows::default();
    for row in session.rows(sql, &[&account.0]).await? {
        let currency = text::read(row.try_get(0)?);
        balances.push(account, &currency, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    }
    balances.store(session, Tables::Ledger).await
}
