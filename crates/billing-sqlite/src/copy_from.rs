//! Reads all that a ledger keeps, for a copy of it.

use std::ops::ControlFlow;

use billing_ledger::{
    AccountId, CopiedAccount, CopiedBlock, CopiedFile, CopiedKey, CopiedReceipt, CopyFrom, EntriesToCopy,
    Error, KeyDigest, KeyKind, Ledger, LedgerSecret, LendFile, LendReceipt, LendTaken, LendToCopy, Outline,
    Position, Sequences, Taken,
};
use billing_model::parse_decimal;
use rusqlite::{CachedStatement, Connection, Params, Row};

use crate::feed::{BLOCK, block};
use crate::ledger::SqliteLedger;
use crate::removal;
use crate::renumbered;
use crate::row::{self, COLUMNS, Scratch, count, parse, signed};
use crate::snapshot::Present;
use crate::strings::Texts;

impl CopyFrom for SqliteLedger {
    fn ledger(&self) -> &dyn Ledger {
        self
    }

    fn secret(&self) -> LedgerSecret {
        LedgerSecret(*self.0.connections.secret())
    }

    fn is_in_use(&self) -> Result<bool, Error> {
        self.0.connections.is_in_use()
    }

    fn outline(&self) -> Result<Outline, Error> {
        self.0.connections.read(outline)
    }

    fn keys_to_copy(&self) -> Result<Vec<CopiedKey>, Error> {
        self.0.connections.read(|connection| {
            let sql = "SELECT id, account, kind, description, digest, last_six, created_ns, revoked_ns, last_used_ns
                       FROM keys ORDER BY id";
            connection.prepare(sql)?.query_map([], key)?.collect()
        })
    }

    fn blocks_to_copy(&self, after: u64, limit: u32) -> Result<Vec<CopiedBlock>, Error> {
        self.0.connections.read(|connection| {
            let sql = format!(
                "SELECT {BLOCK}, first_ns, last_ns FROM blocks WHERE number > ?1 ORDER BY number LIMIT ?2"
            );
            blocks(connection, connection.prepare_cached(&sql)?, (signed(after), limit))
        })
    }

    fn blocks_of(&self, account: AccountId, from: u64, limit: u32) -> Result<Vec<CopiedBlock>, Error> {
        self.0.connections.read(|connection| {
            let sql = format!(
                "SELECT {BLOCK}, first_ns, last_ns FROM blocks WHERE account = ?1 AND first_sequence >= ?2
                 ORDER BY first_sequence LIMIT ?3"
            );
            blocks(connection, connection.prepare_cached(&sql)?, (account.0, signed(from), limit))
        })
    }

    fn entries_to_copy(
        &self,
        which: &EntriesToCopy,
        lend: &mut LendToCopy<'_>,
    ) -> Result<Option<Position>, Error> {
        self.0.connections.read(|connection| lend_entries(connection, which, lend))?
    }

    fn taken_to_copy(
        &self,
        account: AccountId,
        removals: Sequences,
        after: Option<Taken>,
        limit: u32,
        lend: &mut LendTaken<'_>,
    ) -> Result<Option<Taken>, Error> {
        let place =
            Taken { removal: removals.first, position: Position { timestamp_ns: i64::MIN, sequence: 0 } };
        let (Taken { removal, position }, is_begun) = (after.unwrap_or(place), after.is_some());
        self.0.connections.read(|connection| {
            // No entry has a sequence below zero, so the first place of all is behind this one.
            let sequence = if is_begun { signed(position.sequence) } else { -1 };
            let sql = format!(
                "SELECT {COLUMNS}, removal FROM removed WHERE account = ?1
                 AND (removal, timestamp_ns, sequence) > (?2, ?3, ?4) AND removal <= ?5
                 ORDER BY removal, timestamp_ns, sequence LIMIT ?6"
            );
            let mut select = connection.prepare_cached(&sql)?;
            let (removal, last) = (signed(removal), signed(removals.last));
            let mut rows =
                select.query((account.0, removal, position.timestamp_ns, sequence, last, limit))?;
            let (mut scratch, mut page) = (Scratch::default(), Page::of(limit));
            while let Some(row) = rows.next()? {
                let position = row::position(row)?;
                let taken = Taken { removal: count(row, REMOVAL)?, position };
                if let Err(refused) = lend(taken, row::lend(row, position, connection, &mut scratch)?) {
                    return Ok(Err(refused));
                }
                page.end_with(taken);
            }
            Ok(Ok(page.next()))
        })?
    }

    fn count_to_copy(&self, account: AccountId) -> Result<(u64, u64), Error> {
        self.0.connections.read(|connection| {
            let sql = "SELECT (SELECT COUNT(*) FROM entries WHERE account = ?1),
                              (SELECT COUNT(*) FROM removed WHERE account = ?1)";
            connection.query_row(sql, [account.0], |row| Ok((count(row, 0)?, count(row, 1)?)))
        })
    }

    fn receipts_to_copy(&self, since_ns: i64, lend: &mut LendReceipt<'_>) -> Result<(), Error> {
        self.0.connections.read(|connection| {
            let mut select = connection.prepare(
                "SELECT account, idempotency_key, digest, entries, received_ns FROM receipts WHERE received_ns >= ?1",
            )?;
            let receipts = select.query_map([since_ns], |row| {
                Ok(CopiedReceipt {
                    account: AccountId(row.get(0)?),
                    idempotency_key: row.get(1)?,
                    digest: row.get(2)?,
                    entries: count(row, 3)?,
                    received_ns: row.get(4)?,
                })
            })?;
            lend_all(receipts, lend)
        })?
    }

    fn files_to_copy(&self, lend: &mut LendFile<'_>) -> Result<(), Error> {
        self.0.connections.read(|connection| {
            let mut select = connection.prepare(
                "SELECT account, sha256, copy, name, imported_ns, entries, first_sequence FROM files
                 ORDER BY account, sha256, copy",
            )?;
            let files = select.query_map([], |row| {
                Ok(CopiedFile {
                    account: AccountId(row.get(0)?),
                    sha256: row.get(1)?,
                    copy: count(row, 2)?,
                    name: row.get(3)?,
                    imported_ns: row.get(4)?,
                    entries: count(row, 5)?,
                    first_sequence: count(row, 6)?,
                })
            })?;
            lend_all(files, lend)
        })?
    }
}

/// Where the number of a removal stands behind [`COLUMNS`].
const REMOVAL: usize = 9;

fn outline(connection: &Connection) -> rusqlite::Result<Outline> {
    let last_block = "SELECT COALESCE(MAX(number), 0) FROM blocks";
    let last_block = connection.query_row(last_block, [], |row| count(row, 0))?;
    let mut select = connection.prepare("SELECT id, name, diem_allocation FROM accounts ORDER BY id")?;
    let mut rows = select.query([])?;
    let mut accounts = Vec::new();
    while let Some(row) = rows.next()? {
        let id = AccountId(row.get(0)?);
        let present = Present::of(connection, id)?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let renumbered_from = renumbered::first(connection, id)?.map(|first| {
            u64::try_from(first).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, first))
        });
        let diem_allocation = row.get::<_, Option<String>>(2)?;
        accounts.push(CopiedAccount {
            id,
            name: row.get(1)?,
            next_sequence: present.snapshot().end,
            renumbered_from: renumbered_from.transpose()?,
            diem_allocation: diem_allocation.map(|_| parse(row, 2, parse_decimal)).transpose()?,
        });
    }
    Ok(Outline { last_block, last_account: removal::last_account(connection)?, accounts })
}

fn key(row: &Row<'_>) -> rusqlite::Result<CopiedKey> {
    Ok(CopiedKey {
        id: row.get(0)?,
        account: AccountId(row.get(1)?),
        kind: KeyKind::from_text(row.get_ref(2)?.as_str()?),
        description: row.get(3)?,
        digest: KeyDigest(row.get(4)?),
        last_six: row.get(5)?,
        created_ns: row.get(6)?,
        revoked_ns: row.get(7)?,
        last_used_ns: row.get(8)?,
    })
}

/// The blocks of rows of [`BLOCK`] with their spans.
fn blocks(
    connection: &Connection,
    mut select: CachedStatement<'_>,
    values: impl Params,
) -> rusqlite::Result<Vec<CopiedBlock>> {
    let (mut texts, mut blocks) = (Texts::default(), Vec::new());
    let mut rows = select.query(values)?;
    while let Some(row) = rows.next()? {
        let span_ns = (row.get(6)?, row.get(7)?);
        blocks.push(CopiedBlock { block: block(connection, &mut texts, row)?, span_ns });
    }
    Ok(blocks)
}

/// Lends all of these. Returns the error of the borrower, if it has one.
fn lend_all<T>(
    mut all: impl Iterator<Item = rusqlite::Result<T>>,
    lend: &mut dyn FnMut(T) -> Result<(), Error>,
) -> rusqlite::Result<Result<(), Error>> {
    all.try_fold(Ok(()), |done, one| match done {
        Ok(()) => one.map(&mut *lend),
        refused => Ok(refused),
    })
}

/// A page that is lent.
struct Page<P> {
    limit: u32,
    lent: u32,
    last: Option<P>,
}

impl<P> Page<P> {
    fn of(limit: u32) -> Self {
        Self { limit, lent: 0, last: None }
    }

    fn end_with(&mut self, place: P) {
        self.lent += 1;
        self.last = Some(place);
    }

    /// Where the next page goes on, if this one is full.
    fn next(self) -> Option<P> {
        self.last.filter(|_| self.lent >= self.limit)
    }
}

/// Lends entries, and those that were taken out where they would stand on the page. The error is the borrower's.
fn lend_entries(
    connection: &Connection,
    which: &EntriesToCopy,
    lend: &mut LendToCopy<'_>,
) -> rusqlite::Result<Result<Option<Position>, Error>> {
    let EntriesToCopy { account, span_ns: (first_ns, last_ns), sequences, after, removed_since, limit } =
        *which;
    // No entry has a sequence below zero, so the first place of all is behind this one.
    let after = after.map_or((first_ns, -1), |after| (after.timestamp_ns, signed(after.sequence)));
    let (low, high) = (signed(sequences.first), signed(sequences.last));
    let mut scratch = Scratch::default();
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM entries WHERE account = ?1 AND (timestamp_ns, sequence) > (?2, ?3)
         AND timestamp_ns <= ?4 AND sequence BETWEEN ?5 AND ?6 ORDER BY timestamp_ns, sequence LIMIT ?7"
    ))?;
    let mut rows = select.query((account.0, after.0, after.1, last_ns, low, high, limit))?;
    let mut page = Page::of(limit);
    while let Some(row) = rows.next()? {
        let position = row::position(row)?;
        match lend(position, row::lend(row, position, connection, &mut scratch)?) {
            Err(refused) => return Ok(Err(refused)),
            Ok(ControlFlow::Break(())) => page.limit = 0,
            Ok(ControlFlow::Continue(())) => {}
        }
        page.end_with(position);
        if page.limit == 0 {
            break;
        }
    }
    let next = page.next();
    let Some(since) = removed_since else { return Ok(Ok(next)) };
    let until = next.map_or((last_ns, i64::MAX), |next| (next.timestamp_ns, signed(next.sequence)));
    let mut select = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM removed WHERE account = ?1 AND removal >= ?2 AND sequence BETWEEN ?3 AND ?4
         AND (timestamp_ns, sequence) > (?5, ?6) AND (timestamp_ns, sequence) <= (?7, ?8)"
    ))?;
    let mut rows = select.query((account.0, signed(since), low, high, after.0, after.1, until.0, until.1))?;
    while let Some(row) = rows.next()? {
        let position = row::position(row)?;
        if let Err(refused) = lend(position, row::lend(row, position, connection, &mut scratch)?) {
            return Ok(Err(refused));
        }
    }
    Ok(Ok(next))
}
