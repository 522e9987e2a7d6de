//! How many entries there are in which span of time, and where the entry behind so many others is.
//!
//! The table `counts` has the slots of [`LEVELS`], for each currency by itself. A span is a few runs of whole slots, and a part of a
//! minute at each end, in which the entries themselves are counted.

use billing_engine::{Cut, Found, LEVELS, NS_PER_MINUTE, Span, passes};
use billing_ledger::AccountId;
use billing_model::{Currency, SortOrder};
use tokio_postgres::types::ToSql;

use crate::failure::Failure;
use crate::row::{count, signed};
use crate::session::Session;
use crate::text;

/// In place of a level, it says that a run is a span of entries.
const ENTRIES: i16 = 4;

/// The currencies to count: the one that is asked for, or those that the account has. These are found in its fewest slots, one after the
/// other, each by itself in the index.
fn of_sql(asked: Option<&str>) -> String {
    if let Some(asked) = asked {
        return format!("of (currency) AS (SELECT {asked}::text)");
    }
    let next = |behind: &str| {
        format!(
            "(SELECT currency FROM counts WHERE account = $1 AND level = 0 {behind} ORDER BY currency LIMIT 1)"
        )
    };
    let (first, next) = (next(""), next("AND counts.currency > of.currency"));
    format!("of (currency) AS ({first} UNION ALL SELECT {next} FROM of WHERE currency IS NOT NULL)")
}

/// The counts of one account, of all its entries or of those in one currency.
#[derive(Clone, Copy)]
pub(crate) struct Counts<'c> {
    pub(crate) session: Session<'c>,
    pub(crate) account: AccountId,
    /// `None` for entries of all currencies.
    pub(crate) currency: Option<&'c Charged>,
}

/// A currency in the forms that tables have of it.
pub(crate) struct Charged {
    /// As entries have it.
    pub(crate) kept: String,
    /// As counts have it.
    pub(crate) indexed: String,
}

impl Charged {
    pub(crate) fn of(currency: &Currency) -> Self {
        let currency = currency.as_str();
        Self { kept: text::kept(currency).into_owned(), indexed: text::indexed(currency).into_owned() }
    }
}

/// How many entries there are in each part of a span.
pub(crate) struct Counted(Vec<(Run, u64)>);

impl Counted {
    /// How many entries the span has.
    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|(_, entries)| entries).sum()
    }
}

/// Slots of one level, side by side, or a span of entries that is no whole minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    level: i16,
    /// The first slot, or the first nanosecond.
    first: i64,
    /// The last one, included.
    last: i64,
}

impl Counts<'_> {
    /// Counts a span, in one statement.
    pub(crate) async fn count(self, span: Span) -> Result<Counted, Failure> {
        let mut runs = Vec::with_capacity(9);
        cut(span, &LEVELS, &mut runs);
        let (asked, of_entries) = match self.currency {
            Some(_) => (Some("$5"), "AND currency = $6"),
            None => (None, ""),
        };
        // The rows come in the order of the runs, as `unnest` has it, but nothing promises that.
        let sql = format!(
            "WITH RECURSIVE {of}
             SELECT place, CASE WHEN level = {ENTRIES} THEN (
                 SELECT count(*) FROM entries WHERE account = $1 AND timestamp_ns BETWEEN first AND last {of_entries}
             ) ELSE (
                 SELECT COALESCE(sum(found), 0)::bigint FROM of CROSS JOIN LATERAL (
                     SELECT sum(entries) AS found FROM counts
                     WHERE account = $1 AND counts.level = run.level AND counts.currency = of.currency
                     AND slot BETWEEN first AND last
                 ) AS slots
             ) END
             FROM unnest($2::smallint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS run (level, first, last, place)",
            of = of_sql(asked)
        );
        let levels: Vec<_> = runs.iter().map(|run| run.level).collect();
        let firsts: Vec<_> = runs.iter().map(|run| run.first).collect();
        let lasts: Vec<_> = runs.iter().map(|run| run.last).collect();
        let mut values: Vec<&(dyn ToSql + Sync)> = vec![&self.account.0, &levels, &firsts, &lasts];
        if let Some(Charged { kept, indexed }) = self.currency {
            values.extend([indexed as &(dyn ToSql + Sync), kept]);
        }
        let rows = self.session.rows(&sql, &values).await?;
        let mut entries = vec![0; runs.len()];
        for row in &rows {
            let place = usize::try_from(row.try_get::<_, i64>(0)? - 1).ok();
            if let Some(found) = place.and_then(|place| entries.get_mut(place)) {
                *found = count(row, 1)?;
            }
        }
        Ok(Counted(runs.into_iter().zip(entries).collect()))
    }

    /// Finds the entry before which a span that was counted has `skip` others in this order; `None` when there are not as many.
    pub(crate) async fn locate(
        self,
        counted: &Counted,
        order: SortOrder,
        mut skip: u64,
    ) -> Result<Option<Found>, Failure> {
        let mut has_entry = |(_, entries): &&(Run, u64)| passes(&mut skip, *entries);
        let found = match order {
            SortOrder::Asc => counted.0.iter().find(&mut has_entry),
            SortOrder::Desc => counted.0.iter().rev().find(&mut has_entry),
        };
        let Some((run, _)) = found else { return Ok(None) };
        if run.level == ENTRIES {
            return Ok(Some(Found { within: Span { first_ns: run.first, last_ns: run.last }, skip }));
        }
        self.locate_in_slots(*run, order, skip).await
    }

    /// Goes from level to level: the slot that has the entry is the run of the next level.
    async fn locate_in_slots(self, run: Run, order: SortOrder, skip: u64) -> Result<Option<Found>, Failure> {
        let (direction, of) = (order.as_str(), of_sql(self.currency.map(|_| "$6")));
        let sql = format!(
            "WITH RECURSIVE {of}, runs (level, first, last, skip) AS (
                 SELECT $2::smallint, $3::bigint, $4::bigint, $5::bigint
                 UNION ALL
                 SELECT (level + 1)::smallint, slot * parts, slot * parts + parts - 1, skip - before
                 FROM runs CROSS JOIN LATERAL (
                     SELECT slot, upto - entries AS before FROM (
                         SELECT slot, entries, (sum(entries) OVER (ORDER BY slot {direction}))::bigint AS upto FROM (
                             SELECT slot, sum(entries)::bigint AS entries FROM of CROSS JOIN LATERAL (
                                 SELECT slot, entries FROM counts
                                 WHERE account = $1 AND counts.level = runs.level AND counts.currency = of.currency
                                 AND slot BETWEEN first AND last ORDER BY slot
                             ) AS slots GROUP BY slot
                         ) AS slots
                     ) AS sums
                     WHERE upto > skip ORDER BY slot {direction} LIMIT 1
                 ) AS found CROSS JOIN LATERAL (SELECT (ARRAY[64, 24, 60, 1])[level + 1] AS parts) AS parts
                 WHERE level < {ENTRIES}
             )
             SELECT first, skip FROM runs WHERE level = {ENTRIES}"
        );
        let skip = signed(skip);
        let mut values: Vec<&(dyn ToSql + Sync)> =
            vec![&self.account.0, &run.level, &run.first, &run.last, &skip];
        if let Some(Charged { indexed, .. }) = self.currency {
            values.push(indexed);
        }
        let Some(row) = self.session.row_if_any(&sql, &values).await? else { return Ok(None) };
        let within = Span::of_slot(row.try_get(0)?, NS_PER_MINUTE);
        Ok(Some(Found { within, skip: count(&row, 1)? }))
    }
}

/// Cuts a span into runs, in the order of time.
fn cut(span: Span, levels: &[(i64, i64)], runs: &mut Vec<Run>) {
    let Some(((level, width), finer)) = levels.split_first() else {
        runs.push(Run { level: ENTRIES, first: span.first_ns, last: span.last_ns });
        return;
    };
    let Cut { before, slots, after } = Cut::of(span, *width);
    if let Some(before) = before {
        cut(before, finer, runs);
    }
    if let Some(slots) = slots {
        let level = i16::try_from(*level).unwrap_or(ENTRIES);
        runs.push(Run { level, first: *slots.start(), last: *slots.end() });
    }
    if let Some(after) = after {
        cut(after, finer, runs);
    }
}
