//! Which sequence numbers the rows of an account have, those of what was taken out too.

use std::collections::HashMap;
use std::ops::Range;

use billing_ledger::AccountId;

use crate::failure::Failure;
use crate::row::count;
use crate::session::Session;

/// The numbers that all rows of an account have.
const ROWS: &str = "SELECT sequence FROM entries WHERE account = $1
     UNION ALL SELECT sequence FROM removed WHERE account = $1";

/// Numbers that several rows have, with the number of rows.
pub(super) struct Shared(HashMap<i64, u64>);

impl Shared {
    pub(super) async fn of(session: Session<'_>, account: AccountId) -> Result<Self, Failure> {
        let sql = format!(
            "SELECT sequence, count(*) FROM ({ROWS}) AS all_rows GROUP BY sequence HAVING count(*) > 1"
        );
        let rows = session.rows(&sql, &[&account.0]).await?;
        let shared = rows.iter().map(|row| Ok((row.try_get(0)?, count(row, 1)?)));
        Ok(Self(shared.collect::<Result<_, Failure>>()?))
    }

    /// True when several rows have the number.
    pub(super) fn has(&self, number: i64) -> bool {
        self.0.contains_key(&number)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = i64> {
        self.0.keys().copied()
    }

    /// Notes that a row does not have its number any more.
    pub(super) fn leave(&mut self, number: i64) {
        match self.0.get_mut(&number) {
            Some(rows @ 3..) => *rows -= 1,
            _ => drop(self.0.remove(&number)),
        }
    }
}

/// The stretches of numbers that rows have, in order. No two rows share one.
pub(super) struct Runs(Vec<Range<i64>>);

impl Runs {
    pub(super) async fn of(session: Session<'_>, account: AccountId) -> Result<Self, Failure> {
        let sql = format!(
            "SELECT min(sequence), max(sequence) + 1 FROM (
                 SELECT sequence, sequence - row_number() OVER (ORDER BY sequence) AS run FROM ({ROWS}) AS all_rows
             ) AS numbered GROUP BY run ORDER BY 1"
        );
        let rows = session.rows(&sql, &[&account.0]).await?;
        let runs = rows.iter().map(|row| Ok(row.try_get(0)?..row.try_get(1)?));
        Ok(Self(runs.collect::<Result<_, Failure>>()?))
    }

    /// What of a range rows have, in order.
    pub(super) fn within(&self, range: &Range<i64>) -> Vec<Range<i64>> {
        let first = self.0.partition_point(|run| run.end <= range.start);
        let behind = self.0.iter().skip(first).take_while(|run| run.start < range.end);
        behind.map(|run| run.start.max(range.start)..run.end.min(range.end)).collect()
    }
}

/// Notes which numbers of an account nobody has for good.
pub(super) async fn leave_unused(
    session: Session<'_>,
    account: AccountId,
    unused: &[Range<i64>],
) -> Result<(), Failure> {
    let (first, last): (Vec<_>, Vec<_>) = unused.iter().map(|range| (range.start, range.end - 1)).unzip();
    session.execute("DELETE FROM unused WHERE account = $1", &[&account.0]).await?;
    let sql = "INSERT INTO unused (account, first_sequence, last_sequence)
         SELECT $1, first, last FROM unnest($2::bigint[], $3::bigint[]) AS left_over (first, last)";
    session.execute(sql, &[&account.0, &first, &last]).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_shared_until_one_row_is_left() {
        let mut shared = Shared(HashMap::from([(7, 3)]));
        shared.leave(7);
        assert!(shared.has(7));
        shared.leave(7);
        assert!(!shared.has(7));
    }

    #[test]
    fn a_range_has_its_parts_of_runs() {
        let runs = Runs(vec![0..5, 6..7, 9..20]);
        for (range, expect) in [
            (0..30, "[0..5, 6..7, 9..20]"),
            (4..10, "[4..5, 6..7, 9..10]"),
            (5..6, "[]"),
            (12..13, "[12..13]"),
            (20..25, "[]"),
        ] {
            assert_eq!(format!("{:?}", runs.within(&range)), expect, "{range:?}");
        }
    }
}
