//! Records of what was walked of a synced account.

use std::ops::ControlFlow;

use billing_ledger::{AccountId, Coverage, Error, ErrorKind, LendCoverage};
use billing_model::Timestamp;
use futures::TryStreamExt as _;
use std::pin::pin;

use crate::blocks::{self, array_text};
use crate::connections::Limit;
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::session::Session;
use crate::source;

/// Where a record that begins before every entry begins.
const OPEN_NS: i64 = i64::MIN;

impl PostgresLedger {
    pub(crate) fn coverage(&self, account: AccountId, lend: &mut LendCoverage<'_>) -> Result<(), Error> {
        self.connections().read(Limit::None, async |session| {
            let found = session.row_if_any("SELECT FROM accounts WHERE id = $1", &[&account.0]).await?;
            found.map(drop).ok_or_else(|| Failure::unknown_account(account))?;
            let sql = "SELECT since_ns, until_ns, as_of_ns, currencies, amounts, whole_set FROM coverage
                 WHERE account = $1 ORDER BY since_ns";
            let mut rows = pin!(session.stream(sql, &[&account.0]).await?);
            while let Some(row) = rows.try_next().await? {
                let since_ns: i64 = row.try_get(0)?;
                let record = Coverage {
                    since: (since_ns != OPEN_NS).then(|| Timestamp::from_unix_ns(since_ns)),
                    until: Timestamp::from_unix_ns(row.try_get(1)?),
                    as_of: Timestamp::from_unix_ns(row.try_get(2)?),
                    sums: blocks::read_sums(&row, 3)?,
                    whole_set: row.try_get::<_, &str>(5)?.parse()?,
                };
                if lend(&record) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(())
        })
    }
}

/// Records what is walked, in the transaction of a change, whose account is locked. Each record that begins in the span of these is
/// replaced.
pub(crate) async fn cover(
    session: Session<'_>,
    account: AccountId,
    records: &[Coverage],
) -> Result<(), Failure> {
    let refuse = |why: &str| Err(Failure::Kind(ErrorKind::InvalidCoverage, why.to_owned()));
    let spans = records.iter().map(Span::of).collect::<Result<Vec<_>, _>>()?;
    let [first, ..] = spans.as_slice() else { return Ok(()) };
    if !source::is_synced(session, account).await? {
        return refuse("the account is kept in step with no service");
    }
    let mut all = Span { until_ns: first.since_ns, ..*first };
    for span in &spans {
        if span.since_ns >= span.until_ns {
            return refuse("a record has no time");
        }
        if span.since_ns != all.until_ns {
            return refuse("a record does not begin where the one before it ends");
        }
        all.until_ns = span.until_ns;
    }
    for border in [all.since_ns, all.until_ns] {
        if is_within(session, account, border).await? {
            return refuse("it would cut another record in two");
        }
    }
    let sql = "DELETE FROM coverage WHERE account = $1 AND since_ns >= $2 AND since_ns < $3";
    session.execute(sql, &[&account.0, &all.since_ns, &all.until_ns]).await?;
    store(session, account, &spans, records).await
}

/// Makes the records of an account what these are.
pub(crate) async fn put_all(
    session: Session<'_>,
    account: AccountId,
    records: &[Coverage],
) -> Result<(), Failure> {
    let spans = records.iter().map(Span::of).collect::<Result<Vec<_>, _>>()?;
    session.execute("DELETE FROM coverage WHERE account = $1", &[&account.0]).await?;
    store(session, account, &spans, records).await
}

/// The time of a record, its end excluded.
#[derive(Clone, Copy)]
struct Span {
    since_ns: i64,
    until_ns: i64,
    as_of_ns: i64,
}

impl Span {
    fn of(record: &Coverage) -> Result<Self, Error> {
        let ns = |at: Timestamp| at.unix_ns().ok_or_else(|| Error::timestamp(at));
        Ok(Self {
            since_ns: record.since.map_or(Ok(OPEN_NS), ns)?,
            until_ns: ns(record.until)?,
            as_of_ns: ns(record.as_of)?,
        })
    }
}

/// True when an instant lies within a record that is there, and not at its beginning. Records do not overlap, so only one can have it.
async fn is_within(session: Session<'_>, account: AccountId, at_ns: i64) -> Result<bool, Failure> {
    let sql =
        "SELECT until_ns FROM coverage WHERE account = $1 AND since_ns < $2 ORDER BY since_ns DESC LIMIT 1";
    match session.row_if_any(sql, &[&account.0, &at_ns]).await? {
        Some(row) => Ok(row.try_get::<_, i64>(0)? > at_ns),
        None => Ok(false),
    }
}

async fn store(
    session: Session<'_>,
    account: AccountId,
    spans: &[Span],
    records: &[Coverage],
) -> Result<(), Failure> {
    let since_ns: Vec<_> = spans.iter().map(|span| span.since_ns).collect();
    let until_ns: Vec<_> = spans.iter().map(|span| span.until_ns).collect();
    let as_of_ns: Vec<_> = spans.iter().map(|span| span.as_of_ns).collect();
    let sums = records.iter().map(|record| blocks::kept_sums(&record.sums));
    let (currencies, amounts): (Vec<_>, Vec<_>) =
        sums.map(|(currencies, amounts)| (array_text(&currencies), array_text(&amounts))).unzip();
    let whole_sets: Vec<_> = records.iter().map(|record| record.whole_set.to_string()).collect();
    let sql = "INSERT INTO coverage (account, since_ns, until_ns, as_of_ns, currencies, amounts, whole_set)
         SELECT $1, since_ns, until_ns, as_of_ns, currencies::text[], amounts::text[], whole_set
         FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[])
             AS coming (since_ns, until_ns, as_of_ns, currencies, amounts, whole_set)";
    let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
        [&account.0, &since_ns, &until_ns, &as_of_ns, &currencies, &amounts, &whole_sets];
    session.execute(sql, &values).await.map(drop)
}
