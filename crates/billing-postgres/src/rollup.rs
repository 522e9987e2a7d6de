//! Reads sums by day, product, currency and API key.

use std::ops::ControlFlow;

use billing_ledger::{AccountId, Charges, Error, LendCharges, LendRollup, Rollup};
use billing_model::{Currency, Day, Total};
use futures::TryStreamExt;
use tokio_postgres::Row;

use crate::connections::Limit;
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::row::count;
use crate::session::Session;
use crate::text;

impl PostgresLedger {
    pub(crate) fn rollups(
        &self,
        account: AccountId,
        days: Option<(Day, Day)>,
        lend: &mut LendRollup<'_>,
    ) -> Result<(), Error> {
        // Each is one statement, so what it reads is of one moment.
        match days {
            Some(days) => {
                let lent = async |session: Session<'_>| lend_rollups(session, account, days, lend).await;
                self.connections().ask(Limit::Patience, lent)
            }
            None => {
                let days = (Day(i64::MIN), Day(i64::MAX));
                let lent = async |session: Session<'_>| lend_rollups(session, account, days, lend).await;
                self.connections().read(Limit::None, lent)
            }
        }
    }

    pub(crate) fn charges(
        &self,
        account: AccountId,
        (first, last): (Day, Day),
        lend: &mut LendCharges<'_>,
    ) -> Result<(), Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = "SELECT day, sku, currency, api_key_id, amount::text, units::text FROM rollups
                       WHERE account = $1 AND day BETWEEN $2 AND $3 AND NOT is_credit ORDER BY day";
            let mut rows = std::pin::pin!(session.stream(sql, &[&account.0, &first.0, &last.0]).await?);
            while let Some(row) = rows.try_next().await? {
                let spend: Total = total(&row, 4)?;
                let api_key_id = row.try_get::<_, Option<_>>(3)?.map(text::read);
                let charges = Charges {
                    day: Day(row.try_get(0)?),
                    sku: &text::read(row.try_get(1)?),
                    currency: &currency(&row)?,
                    api_key_id: api_key_id.as_deref(),
                    spend: -spend,
                    units: total(&row, 5)?,
                };
                if lend(charges).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

async fn lend_rollups(
    session: Session<'_>,
    account: AccountId,
    (first, last): (Day, Day),
    lend: &mut LendRollup<'_>,
) -> Result<(), Failure> {
    let sql =
        "SELECT day, sku, currency, api_key_id, amount::text, units::text, is_credit, entries FROM rollups
               WHERE account = $1 AND day BETWEEN $2 AND $3 ORDER BY day";
    let mut rows = std::pin::pin!(session.stream(sql, &[&account.0, &first.0, &last.0]).await?);
    let (mut day, mut lines) = (first, Vec::new());
    while let Some(row) = rows.try_next().await? {
        let day_of_row = Day(row.try_get(0)?);
        if day_of_row != day && lend_day(day, &mut lines, lend)?.is_break() {
            return Ok(());
        }
        day = day_of_row;
        lines.push(Line { currency: currency(&row)?, row });
    }
    lend_day(day, &mut lines, lend).map(drop)
}

/// A sum that waits until all sums of its day are there: the table has them in the order of digests.
struct Line {
    currency: Currency,
    row: Row,
}

/// Lends the sums of a day in order. There are none then.
fn lend_day(day: Day, lines: &mut Vec<Line>, lend: &mut LendRollup<'_>) -> Result<ControlFlow<()>, Failure> {
    // Texts that are kept have the order of the texts.
    let mut sorted = lines.iter().map(|line| Ok((line.key()?, line))).collect::<Result<Vec<_>, Failure>>()?;
    sorted.sort_unstable_by_key(|(key, _)| *key);
    for ((sku, currency, api_key_id, is_credit), Line { row, .. }) in sorted {
        let lent = lend(Rollup {
            day,
            sku: &text::read(sku),
            currency,
            api_key_id: api_key_id.map(text::read).as_deref(),
            is_credit,
            entries: count(row, 7)?,
            amount: &total(row, 4)?,
            units: &total(row, 5)?,
        });
        if lent.is_break() {
            return Ok(lent);
        }
    }
    lines.clear();
    Ok(ControlFlow::Continue(()))
}

impl Line {
    fn key(&self) -> Result<(&str, &Currency, Option<&str>, bool), Failure> {
        Ok((self.row.try_get(1)?, &self.currency, self.row.try_get(3)?, self.row.try_get(6)?))
    }
}

fn currency(row: &Row) -> Result<Currency, Failure> {
    Ok(Currency::from(&*text::read(row.try_get(2)?)))
}

/// The number of a column of digits. The database has every digit of a sum, also zeros at the end.
fn total(row: &Row, column: usize) -> Result<Total, Failure> {
    Ok(row.try_get::<_, &str>(column)?.parse()?)
}
