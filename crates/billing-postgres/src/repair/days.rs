//! Makes the counts and sums of days anew, and the balances of an account.

use billing_engine::LEVELS;
use billing_engine::repair::{Coarse, DAYS_PER_SLOT, Days};
use billing_ledger::AccountId;

use crate::failure::Failure;
use crate::intake::Intake;
use crate::row::{self, COLUMNS, Scratch};
use crate::session::Session;
use crate::sums::{BalanceRows, Tables};
use crate::text;

/// Entries that are read at a time.
const AT_ONCE: usize = 10_000;

/// Removes what is kept of days, and all balances.
pub(super) async fn clear(days: &Days, session: Session<'_>, account: AccountId) -> Result<(), Failure> {
    session.execute("DELETE FROM balances WHERE account = $1", &[&account.0]).await?;
    for (first, last) in days.stretches() {
        let sql = "DELETE FROM rollups WHERE account = $1 AND day BETWEEN $2 AND $3";
        session.execute(sql, &[&account.0, first, last]).await?;
        for (level, first_slot, last_slot) in Days::slots(*first, *last) {
            forget_counts(session, account, level, first_slot, last_slot).await?;
        }
    }
    Ok(())
}

/// Adds the entries that days have to what comes in, so that the sums have both.
pub(super) async fn add_kept(days: &Days, session: Session<'_>, intake: &mut Intake) -> Result<(), Failure> {
    let sql = format!(
        "SELECT {COLUMNS} FROM entries WHERE account = $1 AND (timestamp_ns, sequence) > ($2, $3) AND timestamp_ns <= $4
         ORDER BY timestamp_ns, sequence LIMIT $5"
    );
    let at_once = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let mut scratch = Scratch::default();
    for span in days.spans() {
        let mut after = (span.first_ns, -1_i64);
        loop {
            let values = (intake.account().0, span.last_ns);
            let rows = session.rows(&sql, &[&values.0, &after.0, &after.1, &values.1, &at_once]).await?;
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
pub(super) async fn sum_up(days: &Days, session: Session<'_>, account: AccountId) -> Result<(), Failure> {
    // Division in SQL rounds to zero, and days before 1970 have numbers below it.
    let sql = format!(
        "INSERT INTO counts (account, level, slot, currency, entries)
         SELECT account, $2, (slot - ((slot % {DAYS_PER_SLOT}) + {DAYS_PER_SLOT}) % {DAYS_PER_SLOT}) / {DAYS_PER_SLOT} AS coarse,
             currency, sum(entries)::bigint
         FROM counts WHERE account = $1 AND level = $3 AND slot BETWEEN $4 AND $5 GROUP BY account, coarse, currency"
    );
    for Coarse { slots, days } in days.coarse() {
        forget_counts(session, account, LEVELS[0].0, slots.0, slots.1).await?;
        let (coarse, fine) = (level(LEVELS[0].0), level(LEVELS[1].0));
        session.execute(&sql, &[&account.0, &coarse, &fine, &days.0, &days.1]).await?;
    }
    balance(session, account).await
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
