//! Reads all that a ledger keeps, for a copy of it.

use std::ops::ControlFlow;
use std::pin::pin;

use billing_ledger::{
    AccountId, CopiedAccount, CopiedBlock, CopiedFile, CopiedKey, CopiedReceipt, CopyFrom, EntriesToCopy,
    Error, ErrorKind, KeyDigest, KeyKind, Ledger, LedgerSecret, LendFile, LendReceipt, LendTaken, LendToCopy,
    Outline, Position, Sequences, Taken,
};
use billing_model::parse_decimal;
use futures::TryStreamExt as _;
use tokio_postgres::Row;

use crate::connections::Limit;
use crate::failure::Failure;
use crate::feed::{BLOCK, block};
use crate::ledger::PostgresLedger;
use crate::row::{self, COLUMNS, Scratch, count, signed};
use crate::session::{Session, Values};
use crate::text;

impl CopyFrom for PostgresLedger {
    fn ledger(&self) -> &dyn Ledger {
        self
    }

    fn secret(&self) -> LedgerSecret {
        LedgerSecret(*self.connections().secret())
    }

    fn is_in_use(&self) -> Result<bool, Error> {
        self.connections().is_in_use()
    }

    fn outline(&self) -> Result<Outline, Error> {
        self.connections().read(Limit::None, outline)
    }

    fn keys_to_copy(&self) -> Result<Vec<CopiedKey>, Error> {
        self.connections().read(Limit::None, async |session| {
            let sql = "SELECT id, account, kind, description, digest, last_six, created_ns, revoked_ns, last_used_ns
                       FROM keys ORDER BY id";
            session.rows(sql, &[]).await?.iter().map(key).collect()
        })
    }

    fn blocks_to_copy(&self, after: u64, limit: u32) -> Result<Vec<CopiedBlock>, Error> {
        self.connections().read(Limit::None, async |session| {
            let sql = format!(
                "SELECT {BLOCK}, first_ns, last_ns FROM blocks WHERE number > $1 ORDER BY number LIMIT $2"
            );
            blocks(session, &sql, &[&signed(after), &i64::from(limit)]).await
        })
    }

    fn blocks_of(&self, account: AccountId, from: u64, limit: u32) -> Result<Vec<CopiedBlock>, Error> {
        self.connections().read(Limit::None, async |session| {
            let sql = format!(
                "SELECT {BLOCK}, first_ns, last_ns FROM blocks WHERE account = $1 AND first_sequence >= $2
                 ORDER BY first_sequence LIMIT $3"
            );
            blocks(session, &sql, &[&account.0, &signed(from), &i64::from(limit)]).await
        })
    }

    fn entries_to_copy(
        &self,
        which: &EntriesToCopy,
        lend: &mut LendToCopy<'_>,
    ) -> Result<Option<Position>, Error> {
        self.connections().read(Limit::None, async |session| lend_entries(session, which, lend).await)
    }

    fn taken_to_copy(
        &self,
        account: AccountId,
        removals: Sequences,
        after: Option<Taken>,
        limit: u32,
        lend: &mut LendTaken<'_>,
    ) -> Result<Option<Taken>, Error> {
        // No entry has a sequence below zero, so the first place of all is behind this one.
        let after = after.map_or((signed(removals.first), i64::MIN, -1), |Taken { removal, position }| {
            (signed(removal), position.timestamp_ns, signed(position.sequence))
        });
        self.connections().read(Limit::None, async |session| {
            let sql = format!(
                "SELECT {COLUMNS}, removal FROM removed WHERE account = $1
                 AND (removal, timestamp_ns, sequence) > ($2, $3, $4) AND removal <= $5
                 ORDER BY removal, timestamp_ns, sequence LIMIT $6"
            );
            let (last, most) = (signed(removals.last), i64::from(limit));
            let values: Values<'_> = &[&account.0, &after.0, &after.1, &after.2, &last, &most];
            let mut rows = pin!(session.stream(&sql, values).await?);
            let (mut scratch, mut lent, mut end) = (Scratch::default(), 0, None);
            while let Some(row) = rows.try_next().await? {
                let position = row::position(&row)?;
                let taken = Taken { removal: count(&row, REMOVAL)?, position };
                lend(taken, row::lend(&row, position, &mut scratch)?)?;
                lent += 1;
                end = Some(taken);
            }
            Ok(end.filter(|_| lent >= most))
        })
    }

    fn count_to_copy(&self, account: AccountId) -> Result<(u64, u64), Error> {
        self.connections().read(Limit::None, async |session| {
            let sql = "SELECT (SELECT count(*) FROM entries WHERE account = $1),
                              (SELECT count(*) FROM removed WHERE account = $1)";
            let row = session.row(sql, &[&account.0]).await?;
            Ok((count(&row, 0)?, count(&row, 1)?))
        })
    }

    fn receipts_to_copy(&self, since_ns: i64, lend: &mut LendReceipt<'_>) -> Result<(), Error> {
        self.connections().read(Limit::None, async |session| {
            let sql = "SELECT account, idempotency_key, digest, entries, received_ns FROM receipts WHERE received_ns >= $1";
            let mut rows = pin!(session.stream(sql, &[&since_ns]).await?);
            while let Some(row) = rows.try_next().await? {
                lend(CopiedReceipt {
                    account: AccountId(row.try_get(0)?),
                    idempotency_key: own(&row, 1)?,
                    digest: digest(&row, 2)?,
                    entries: count(&row, 3)?,
                    received_ns: row.try_get(4)?,
                })?;
            }
            Ok(())
        })
    }

    fn files_to_copy(&self, lend: &mut LendFile<'_>) -> Result<(), Error> {
        self.connections().read(Limit::None, async |session| {
            let sql = "SELECT account, sha256, copy, name, imported_ns, entries, first_sequence FROM files
                 ORDER BY account, sha256, copy";
            let mut rows = pin!(session.stream(sql, &[]).await?);
            while let Some(row) = rows.try_next().await? {
                lend(CopiedFile {
                    account: AccountId(row.try_get(0)?),
                    sha256: digest(&row, 1)?,
                    copy: count(&row, 2)?,
                    name: own(&row, 3)?,
                    imported_ns: row.try_get(4)?,
                    entries: count(&row, 5)?,
                    first_sequence: count(&row, 6)?,
                })?;
            }
            Ok(())
        })
    }
}

/// Where the number of a removal stands behind [`COLUMNS`].
const REMOVAL: usize = 14;

async fn outline(session: Session<'_>) -> Result<Outline, Failure> {
    let sql = "SELECT (SELECT coalesce(max(number), 0) FROM blocks),
                      (SELECT last FROM numbers WHERE name = 'account'), pg_is_in_recovery()";
    let last = session.row(sql, &[]).await?;
    if last.try_get(2)? {
        // The locks by which users of a ledger are seen are each server's own.
        let detail = "it is a standby, on which nobody sees who writes to the ledger: copy from its primary";
        return Err(Failure::Kind(ErrorKind::CannotOpen, detail.to_owned()));
    }
    let sql = "SELECT id, name, next_sequence, renumbered_from, diem_allocation FROM accounts ORDER BY id";
    let mut accounts = Vec::new();
    for row in session.rows(sql, &[]).await? {
        let is_renumbered = row.try_get::<_, Option<i64>>(3)?.is_some();
        accounts.push(CopiedAccount {
            id: AccountId(row.try_get(0)?),
            name: own(&row, 1)?,
            next_sequence: count(&row, 2)?,
            renumbered_from: if is_renumbered { Some(count(&row, 3)?) } else { None },
            diem_allocation: row.try_get::<_, Option<&str>>(4)?.map(parse_decimal).transpose()?,
        });
    }
    Ok(Outline { last_block: count(&last, 0)?, last_account: last.try_get(1)?, accounts })
}

fn key(row: &Row) -> Result<CopiedKey, Failure> {
    Ok(CopiedKey {
        id: own(row, 0)?,
        account: AccountId(row.try_get(1)?),
        kind: KeyKind::from_text(row.try_get(2)?),
        description: own(row, 3)?,
        digest: KeyDigest(digest(row, 4)?),
        last_six: own(row, 5)?,
        created_ns: row.try_get(6)?,
        revoked_ns: row.try_get(7)?,
        last_used_ns: row.try_get(8)?,
    })
}

/// The blocks of rows of [`BLOCK`] with their spans.
async fn blocks(session: Session<'_>, sql: &str, values: Values<'_>) -> Result<Vec<CopiedBlock>, Failure> {
    let rows = session.rows(sql, values).await?;
    rows.iter()
        .map(|row| Ok(CopiedBlock { block: block(row)?, span_ns: (row.try_get(8)?, row.try_get(9)?) }))
        .collect()
}

/// Lends entries, and those that were taken out where they would stand on the page.
async fn lend_entries(
    session: Session<'_>,
    which: &EntriesToCopy,
    lend: &mut LendToCopy<'_>,
) -> Result<Option<Position>, Failure> {
    let EntriesToCopy { account, span_ns: (first_ns, last_ns), sequences, after, removed_since, limit } =
        *which;
    // No entry has a sequence below zero, so the first place of all is behind this one.
    let after = after.map_or((first_ns, -1), |after| (after.timestamp_ns, signed(after.sequence)));
    let (low, high, most) = (signed(sequences.first), signed(sequences.last), i64::from(limit));
    let sql = format!(
        "SELECT {COLUMNS} FROM entries WHERE account = $1 AND (timestamp_ns, sequence) > ($2, $3)
         AND timestamp_ns <= $4 AND sequence BETWEEN $5 AND $6 ORDER BY timestamp_ns, sequence LIMIT $7"
    );
    let (mut scratch, mut lent, mut next) = (Scratch::default(), 0, None);
    {
        let values: Values<'_> = &[&account.0, &after.0, &after.1, &last_ns, &low, &high, &most];
        let mut rows = pin!(session.stream(&sql, values).await?);
        while let Some(row) = rows.try_next().await? {
            let position = row::position(&row)?;
            let is_enough = lend(position, row::lend(&row, position, &mut scratch)?)?.is_break();
            lent += 1;
            if lent == most || is_enough {
                next = Some(position);
                break;
            }
        }
    }
    let Some(since) = removed_since else { return Ok(next) };
    let until = next.map_or((last_ns, i64::MAX), |next| (next.timestamp_ns, signed(next.sequence)));
    let sql = format!(
        "SELECT {COLUMNS} FROM removed WHERE account = $1 AND removal >= $2 AND sequence BETWEEN $3 AND $4
         AND (timestamp_ns, sequence) > ($5, $6) AND (timestamp_ns, sequence) <= ($7, $8)"
    );
    let values: Values<'_> =
        &[&account.0, &signed(since), &low, &high, &after.0, &after.1, &until.0, &until.1];
    let mut rows = pin!(session.stream(&sql, values).await?);
    while let Some(row) = rows.try_next().await? {
        let position = row::position(&row)?;
        // Those that were taken out come in any case.
        let _: ControlFlow<()> = lend(position, row::lend(&row, position, &mut scratch)?)?;
    }
    Ok(next)
}

fn own(row: &Row, column: usize) -> Result<String, Failure> {
    Ok(text::read(row.try_get(column)?).into_owned())
}

fn digest(row: &Row, column: usize) -> Result<[u8; 32], Failure> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| Failure::damaged("it has a digest that has not 32 bytes"))
}
