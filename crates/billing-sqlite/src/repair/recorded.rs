//! Which rows behind an account's last number were recorded: somebody lowered the number since, so that nobody could see them.

use std::ops::Range;

use billing_ledger::{AccountId, Block};
use billing_model::WholeSet;
use rusqlite::{Connection, Row};

use super::blocks::share;
use crate::row::{self, COLUMNS, Scratch, signed};

/// What a block says that it has, and what rows have its numbers.
struct Claim {
    numbers: Range<i64>,
    held: String,
    found: WholeSet,
    is_readable: bool,
}

/// The numbers of rows that their blocks vouch for, from `end` on.
pub(super) struct Recorded(Vec<Range<i64>>);

impl Recorded {
    pub(super) fn of(writer: &Connection, account: AccountId, end: i64) -> rusqlite::Result<Self> {
        let mut select = writer.prepare(
            "SELECT first_sequence, entries, whole_set FROM blocks
             WHERE account = ?1 AND removed_ns IS NULL AND entries BETWEEN 1 AND ?3 AND first_sequence > ?2 - entries
             ORDER BY first_sequence",
        )?;
        let claim = |row: &Row<'_>| {
            let first: i64 = row.get(0)?;
            let numbers = first..first.saturating_add(row.get(1)?);
            Ok(Claim { numbers, held: row.get(2)?, found: WholeSet::EMPTY, is_readable: true })
        };
        let claims = select.query_map((account.0, end, signed(Block::MOST_ENTRIES)), claim)?;
        let mut claims: Vec<Claim> = claims.collect::<rusqlite::Result<_>>()?;
        fill(writer, account, &mut claims)?;
        claims.retain(|claim| claim.is_readable && claim.found.to_string() == claim.held);
        Ok(Self(claims.into_iter().map(|claim| claim.numbers).collect()))
    }

    pub(super) fn has(&self, number: i64) -> bool {
        let behind = self.0.partition_point(|block| block.start <= number);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|block| block.contains(&number))
    }
}

fn fill(writer: &Connection, account: AccountId, claims: &mut [Claim]) -> rusqlite::Result<()> {
    let Some(first) = claims.first().map(|claim| claim.numbers.start) else { return Ok(()) };
    let mut scratch = Scratch::default();
    for table in ["entries", "removed"] {
        let sql = format!("SELECT {COLUMNS} FROM {table} WHERE account = ?1 AND sequence >= MAX(?2, 0)");
        let mut select = writer.prepare(&sql)?;
        let mut rows = select.query((account.0, first))?;
        while let Some(row) = rows.next()? {
            let position = row::position(row)?;
            let number = signed(position.sequence);
            let behind = claims.partition_point(|claim| claim.numbers.start <= number);
            let claim = behind.checked_sub(1).and_then(|at| claims.get_mut(at));
            let Some(claim) = claim.filter(|claim| claim.numbers.contains(&number)) else { continue };
            match share(row, position, writer, &mut scratch) {
                Ok(share) => claim.found.add(share.whole),
                Err(_) => claim.is_readable = false,
            }
        }
    }
    Ok(())
}
