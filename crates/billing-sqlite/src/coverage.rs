//! Records of what was walked of a synced account.

use std::ops::ControlFlow;

use billing_ledger::{AccountId, Coverage, Error, ErrorKind, LendCoverage};
use billing_model::{Currency, Timestamp, Total};
use rusqlite::{Connection, OptionalExtension};

use crate::error::failure;
use crate::intake::Intake;
use crate::ledger::SqliteLedger;
use crate::row::{self, parse};
use crate::snapshot::Present;
use crate::source;
use crate::strings::Texts;

/// Where a record that begins before every entry begins.
const OPEN_NS: i64 = i64::MIN;

impl SqliteLedger {
    pub(crate) fn coverage(&self, account: AccountId, lend: &mut LendCoverage<'_>) -> Result<(), Error> {
        let found = self.0.connections.read(|reader| {
            if Present::of(reader, account)?.is_none() {
                return Ok(false);
            }
            let mut texts = Texts::default();
            let mut select = reader.prepare_cached(
                "SELECT since_ns, until_ns, as_of_ns, whole_set FROM coverage WHERE account = ?1 ORDER BY since_ns",
            )?;
            let mut rows = select.query([account.0])?;
            while let Some(row) = rows.next()? {
                let since_ns: i64 = row.get(0)?;
                let record = Coverage {
                    since: (since_ns != OPEN_NS).then(|| Timestamp::from_unix_ns(since_ns)),
                    until: Timestamp::from_unix_ns(row.get(1)?),
                    as_of: Timestamp::from_unix_ns(row.get(2)?),
                    sums: sums(reader, &mut texts, account, since_ns)?,
                    whole_set: parse(row, 3, str::parse)?,
                };
                if lend(&record) == ControlFlow::Break(()) {
                    break;
                }
            }
            Ok(true)
        })?;
        if found { Ok(()) } else { Err(self.unknown_account(account)) }
    }

    /// Records what is walked, in the transaction of a change. Each record that begins in the span of these is replaced.
    pub(crate) fn cover(
        &self,
        writer: &Connection,
        intake: &mut Intake,
        records: &[Coverage],
    ) -> Result<(), Error> {
        let fail = |cause| self.0.connections.fail(cause);
        let refuse = |why: &str| Err(failure(ErrorKind::InvalidCoverage, self.0.connections.path(), why));
        let spans = records.iter().map(Span::of).collect::<Result<Vec<_>, _>>()?;
        let [first, ..] = spans.as_slice() else { return Ok(()) };
        let account = intake.account();
        if !source::is_synced(writer, account).map_err(fail)? {
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
        if reaches_beyond(writer, account, all).map_err(fail)? {
            return refuse("it would cut another record in two");
        }
        replace(writer, intake, all, &spans, records).map_err(fail)
    }
}

/// Makes the records of an account what these are.
pub(crate) fn put_all(
    writer: &Connection,
    account: AccountId,
    records: &[Coverage],
) -> Result<rusqlite::Result<()>, Error> {
    let spans = records.iter().map(Span::of).collect::<Result<Vec<_>, _>>()?;
    let all = Span { since_ns: OPEN_NS, until_ns: i64::MAX, as_of_ns: 0 };
    Ok(replace(writer, &mut Intake::new(account, 0), all, &spans, records))
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

/// True when a record that is there lies on one of the borders of this span. Records do not overlap, so only two can.
fn reaches_beyond(writer: &Connection, account: AccountId, span: Span) -> rusqlite::Result<bool> {
    let mut last_before = writer.prepare_cached(
        "SELECT until_ns FROM coverage WHERE account = ?1 AND since_ns < ?2 ORDER BY since_ns DESC LIMIT 1",
    )?;
    let mut reaches = |border: i64| -> rusqlite::Result<bool> {
        let until_ns = last_before.query_row((account.0, border), |row| row.get::<_, i64>(0)).optional()?;
        Ok(until_ns.is_some_and(|until_ns| until_ns > border))
    };
    Ok(reaches(span.since_ns)? || reaches(span.until_ns)?)
}

fn replace(
    writer: &Connection,
    intake: &mut Intake,
    all: Span,
    spans: &[Span],
    records: &[Coverage],
) -> rusqlite::Result<()> {
    let account = intake.account().0;
    for delete in [
        "DELETE FROM coverage_sums WHERE account = ?1 AND since_ns >= ?2 AND since_ns < ?3",
        "DELETE FROM coverage WHERE account = ?1 AND since_ns >= ?2 AND since_ns < ?3",
    ] {
        writer.prepare_cached(delete)?.execute((account, all.since_ns, all.until_ns))?;
    }
    let mut insert = writer.prepare_cached(
        "INSERT INTO coverage (account, since_ns, until_ns, as_of_ns, whole_set) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    let mut insert_sum = writer.prepare_cached(
        "INSERT INTO coverage_sums (account, since_ns, currency, amount) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (Span { since_ns, until_ns, as_of_ns }, record) in spans.iter().zip(records) {
        insert.execute((account, since_ns, until_ns, as_of_ns, record.whole_set.to_string()))?;
        for (currency, sum) in &record.sums {
            let currency = intake.text_id(writer, currency.as_str())?;
            insert_sum.execute((account, since_ns, currency, sum.to_string()))?;
        }
    }
    Ok(())
}

fn sums(
    connection: &Connection,
    texts: &mut Texts,
    account: AccountId,
    since_ns: i64,
) -> rusqlite::Result<Vec<(Currency, Total)>> {
    let mut select = connection
        .prepare_cached("SELECT currency, amount FROM coverage_sums WHERE account = ?1 AND since_ns = ?2")?;
    row::currency_sums(connection, texts, select.query((account.0, since_ns))?)
}
