//! Which rows behind an account's last number were recorded: somebody lowered the number since, so that nobody could see them.

use std::ops::Range;
use std::pin::pin;

use billing_ledger::{AccountId, Block, Position};
use billing_model::{EntryDigest, OtherFields, WholeSet};
use futures::TryStreamExt as _;

use crate::failure::Failure;
use crate::row::{self, COLUMNS, Scratch, signed};
use crate::session::Session;

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
    pub(super) async fn of(session: Session<'_>, account: AccountId, end: i64) -> Result<Self, Failure> {
        let sql = "SELECT first_sequence, entries, whole_set FROM blocks
             WHERE account = $1 AND removed_ns IS NULL AND entries BETWEEN 1 AND $3 AND first_sequence > $2 - entries
             ORDER BY first_sequence";
        let rows = session.rows(sql, &[&account.0, &end, &signed(Block::MOST_ENTRIES)]).await?;
        let mut claims = Vec::with_capacity(rows.len());
        for row in &rows {
            let first: i64 = row.try_get(0)?;
            let numbers = first..first.saturating_add(row.try_get(1)?);
            claims.push(Claim { numbers, held: row.try_get(2)?, found: WholeSet::EMPTY, is_readable: true });
        }
        fill(session, account, &mut claims).await?;
        claims.retain(|claim| claim.is_readable && claim.found.to_string() == claim.held);
        Ok(Self(claims.into_iter().map(|claim| claim.numbers).collect()))
    }

    pub(super) fn has(&self, number: i64) -> bool {
        let behind = self.0.partition_point(|block| block.start <= number);
        behind.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|block| block.contains(&number))
    }
}

async fn fill(session: Session<'_>, account: AccountId, claims: &mut [Claim]) -> Result<(), Failure> {
    let Some(first) = claims.first().map(|claim| claim.numbers.start.max(0)) else { return Ok(()) };
    let mut scratch = Scratch::default();
    for table in ["entries", "removed"] {
        let sql = format!("SELECT {COLUMNS} FROM {table} WHERE account = $1 AND sequence >= $2");
        let mut rows = pin!(session.stream(&sql, &[&account.0, &first]).await?);
        while let Some(row) = rows.try_next().await? {
            let Position { sequence, .. } = row::position(&row)?;
            let number = signed(sequence);
            let behind = claims.partition_point(|claim| claim.numbers.start <= number);
            let claim = behind.checked_sub(1).and_then(|at| claims.get_mut(at));
            let Some(claim) = claim.filter(|claim| claim.numbers.contains(&number)) else { continue };
            match row::owned(&row, &mut scratch) {
                Ok(entry) => {
                    let other_fields = entry.other_fields.as_ref().map(OtherFields::as_str);
                    let digest = EntryDigest::of(&entry);
                    claim.found.add(digest.whole(entry.api_key_id.as_deref(), other_fields));
                }
                Err(_) => claim.is_readable = false,
            }
        }
    }
    Ok(())
}
