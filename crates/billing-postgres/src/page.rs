//! Reads pages of entries.

use billing_engine::{Found, NS_PER_MINUTE, Span};
use billing_ledger::{
    AccountId, Error, ErrorKind, Filter, LendEntry, NumberedQuery, Position, Sequences, Snapshot, WalkPage,
    WalkQuery,
};
use billing_model::SortOrder;
use futures::TryStreamExt;
use futures::future::try_join;
use tokio_postgres::{Row, RowStream};

use crate::connections::Limit;
use crate::counts::{Charged, Counts};
use crate::failure::Failure;
use crate::ledger::PostgresLedger;
use crate::row::{self, COLUMNS, Scratch, count, signed};
use crate::session::{Session, Values};

/// The account's next number; and whether entries that a walk is still to see were taken out since it began, or got other numbers. A
/// removal has a sequence number: it came later if this number is not in the walk's snapshot. One that nobody gave out is somebody
/// else's, and in no order with the walk.
const PRESENT: &str = "
    SELECT next_sequence, COALESCE(LEAST($2, next_sequence) <= renumbered_from, false) OR EXISTS (
        SELECT FROM removed
        WHERE account = $1 AND removal >= LEAST($2, next_sequence) AND removal < next_sequence
        AND sequence < LEAST($2, next_sequence) AND (timestamp_ns, sequence) > ($3, $4) AND timestamp_ns <= $5
        AND ($6::text IS NULL OR currency = $6) AND sequence NOT BETWEEN $7 AND $8
    ) FROM accounts WHERE id = $1";

/// What an entry must be to be on a page. Numbers below zero and such that nobody has given out yet are nobody's: a row with one is left
/// to the check, and does not end the reading of what could be put right.
const IS_VISIBLE: &str =
    "sequence >= 0 AND sequence < LEAST($5, (SELECT next_sequence FROM accounts WHERE id = $1))
    AND sequence NOT BETWEEN $6 AND $7";

/// The rows of a part of the span, as they stand side by side in the primary key.
fn rows_sql(order: SortOrder) -> String {
    let direction = order.as_str();
    format!(
        "SELECT {COLUMNS} FROM entries
         WHERE account = $1 AND (timestamp_ns, sequence) > ($2, $3) AND timestamp_ns <= $4 AND {IS_VISIBLE}
         ORDER BY timestamp_ns {direction}, sequence {direction} LIMIT $8 OFFSET $9"
    )
}

/// The rows of one currency: counts lead from each minute that has some to the next one, over what lies between. An account may have a
/// thousand other entries for each.
///
/// Minutes are read in order, and so is each of them, so the rows come in order.
fn rows_of_currency_sql(order: SortOrder) -> String {
    let direction = order.as_str();
    // Only the first minute begins before its part of the span, and only the last one ends behind it.
    format!(
        "SELECT {COLUMNS} FROM (
             SELECT slot FROM counts
             WHERE account = $1 AND level = 3 AND counts.currency = $13 AND slot BETWEEN $10 AND $11
             ORDER BY slot {direction}
         ) AS minute CROSS JOIN LATERAL (
             SELECT {COLUMNS} FROM entries
             WHERE account = $1 AND currency = $12
             AND (timestamp_ns, sequence) > (
                 CASE WHEN slot = $10 THEN $2::bigint ELSE slot * {NS_PER_MINUTE} END,
                 CASE WHEN slot = $10 THEN $3::bigint ELSE -1 END
             )
             AND timestamp_ns <= CASE WHEN slot = $11 THEN $4::bigint ELSE (slot + 1) * {NS_PER_MINUTE} - 1 END
             AND {IS_VISIBLE}
             ORDER BY timestamp_ns {direction}, sequence {direction}
         ) AS entry LIMIT $8 OFFSET $9"
    )
}

impl PostgresLedger {
    pub(crate) fn page_by_number(
        &self,
        query: &NumberedQuery<'_>,
        lend: &mut LendEntry<'_>,
    ) -> Result<u64, Error> {
        let NumberedQuery { account, filter, order, limit, page } = *query;
        self.connections().read(Limit::Patience, async |session| {
            let present =
                async { session.row_if_any("SELECT FROM accounts WHERE id = $1", &[&account.0]).await };
            let Some(scan) = Scan::of(session, account, filter) else {
                return present.await?.map(|_| 0).ok_or_else(|| Failure::unknown_account(account));
            };
            let (limit, skip) = (u64::from(limit), u64::from(page.saturating_sub(1)) * u64::from(limit));
            let (present, counted) = try_join(present, scan.counts().count(scan.span)).await?;
            present.ok_or_else(|| Failure::unknown_account(account))?;
            let (part, skip) = match skip {
                0 => (scan.span, 0),
                _ => match scan.counts().locate(&counted, order, skip).await? {
                    Some(Found { within, skip }) => match order {
                        SortOrder::Asc => (Span { first_ns: within.first_ns, ..scan.span }, skip),
                        SortOrder::Desc => (Span { last_ns: within.last_ns, ..scan.span }, skip),
                    },
                    None => return Ok(counted.total()),
                },
            };
            let rows = scan.rows(order, part.and(scan.span), skip, limit).await?;
            let mut scratch = Scratch::default();
            each(rows, order, |row, position| Ok(lend(position, row::lend(row, position, &mut scratch)?)?))
                .await?;
            Ok(counted.total())
        })
    }

    pub(crate) fn page_by_position(
        &self,
        query: &WalkQuery<'_>,
        lend: &mut LendEntry<'_>,
    ) -> Result<WalkPage, Error> {
        let WalkQuery { account, filter, snapshot, after, limit } = *query;
        self.connections().read(Limit::Patience, async |session| {
            let scan = Scan::of(session, account, filter).map(|mut scan| {
                scan.walk(snapshot, after);
                scan
            });
            // One entry more than asked for tells whether there is a next page.
            let most_lent = u64::from(limit.max(1));
            let present = present(session, account, scan.as_ref()).await?;
            let (next_sequence, is_outdated) = present.ok_or_else(|| Failure::unknown_account(account))?;
            if snapshot.is_some() && is_outdated {
                return Err(Failure::Kind(ErrorKind::WalkOutdated, String::new()));
            }
            let snapshot = match snapshot {
                Some(Snapshot { end, without }) => Snapshot { end: end.min(next_sequence), without },
                None => Snapshot { end: next_sequence, without: None },
            };
            let (mut scratch, mut lent, mut last, mut has_more) = (Scratch::default(), 0, None, false);
            if let Some(scan) = scan {
                let rows = scan.rows(SortOrder::Asc, scan.span, 0, most_lent + 1).await?;
                each(rows, SortOrder::Asc, |row, position| {
                    if lent == most_lent {
                        has_more = true;
                        return Ok(());
                    }
                    (lent, last) = (lent + 1, Some(position));
                    Ok(lend(position, row::lend(row, position, &mut scratch)?)?)
                })
                .await?;
            }
            Ok(WalkPage { snapshot, next: last.filter(|_| has_more) })
        })
    }
}

/// Asks for [`PRESENT`]; `None` when there is no such account.
async fn present(
    session: Session<'_>,
    account: AccountId,
    scan: Option<&Scan<'_>>,
) -> Result<Option<(u64, bool)>, Failure> {
    let row = match scan {
        Some(Scan { span, charged, after, end, without, .. }) => {
            let currency = charged.as_ref().map(|charged| &charged.kept);
            let values: Values<'_> =
                &[&account.0, end, &after.0, &after.1, &span.last_ns, &currency, &without.0, &without.1];
            session.row_if_any(PRESENT, values).await?
        }
        None => {
            session
                .row_if_any("SELECT next_sequence, false FROM accounts WHERE id = $1", &[&account.0])
                .await?
        }
    };
    row.map(|row| Ok((count(&row, 0)?, row.try_get(1)?))).transpose()
}

/// Takes rows as they come, and their places.
async fn each(
    rows: RowStream,
    order: SortOrder,
    mut take: impl FnMut(&Row, Position) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut rows = std::pin::pin!(rows);
    let mut last: Option<Position> = None;
    while let Some(row) = rows.try_next().await? {
        let position = row::position(&row)?;
        // The order of a currency's rows follows from how the database joins. Should it ever join in another way, nobody gets a wrong page.
        let is_behind = last.is_none_or(|last| match order {
            SortOrder::Asc => position > last,
            SortOrder::Desc => position < last,
        });
        if !is_behind {
            return Err(Failure::Kind(ErrorKind::Engine, "entries came out of order".to_owned()));
        }
        last = Some(position);
        take(&row, position)?;
    }
    Ok(())
}

/// Reads the entries that a filter lets through, in one state of the ledger.
struct Scan<'s> {
    session: Session<'s>,
    account: AccountId,
    span: Span,
    /// `None` without a filter by currency.
    charged: Option<Charged>,
    /// Entries at or before this place are not read.
    after: (i64, i64),
    /// Entries stored from here on are not read.
    end: i64,
    /// The first and the last number of entries that are not read either. When there are none, the last is lower than the first.
    without: (i64, i64),
}

impl<'s> Scan<'s> {
    /// `None` when no entry can pass the filter.
    fn of(session: Session<'s>, account: AccountId, filter: &Filter) -> Option<Self> {
        let span = Span::of(filter.window)?;
        let charged = filter.currency.as_ref().map(Charged::of);
        let after = (span.first_ns, -1);
        Some(Self { session, account, span, charged, after, end: i64::MAX, without: (0, -1) })
    }

    /// Sees what a walk sees that has come so far.
    fn walk(&mut self, snapshot: Option<Snapshot>, after: Option<Position>) {
        if let Some(Snapshot { end, without }) = snapshot {
            self.end = signed(end);
            // It was given by another engine, from which the ledger was copied.
            if let Some(Sequences { first, last }) = without {
                self.without = (signed(first), signed(last));
            }
        }
        if let Some(Position { timestamp_ns, sequence }) = after {
            self.after = self.after.max((timestamp_ns, signed(sequence)));
        }
    }

    fn counts(&self) -> Counts<'_> {
        Counts { session: self.session, account: self.account, currency: self.charged.as_ref() }
    }

    /// Up to `limit` rows of a part of the span in this order, after skipping some.
    async fn rows(&self, order: SortOrder, part: Span, skip: u64, limit: u64) -> Result<RowStream, Failure> {
        let after = self.after.max((part.first_ns, -1));
        let (limit, skip) = (signed(limit), signed(skip));
        let common: Values<'_> = &[
            &self.account.0,
            &after.0,
            &after.1,
            &part.last_ns,
            &self.end,
            &self.without.0,
            &self.without.1,
            &limit,
            &skip,
        ];
        let Some(Charged { kept, indexed }) = &self.charged else {
            return self.session.stream(&rows_sql(order), common).await;
        };
        let (first, last) = (after.0.div_euclid(NS_PER_MINUTE), part.last_ns.div_euclid(NS_PER_MINUTE));
        let of_currency: Values<'_> = &[&first, &last, kept, indexed];
        self.session.stream(&rows_of_currency_sql(order), &[common, of_currency].concat()).await
    }
}
