//! What the ledger keeps about an import in chunks. Its entries are hidden until it ends, and those of an import that
//! did not end are removed.

use std::time::Instant;

use billing_ledger::{AccountId, Error, ErrorKind, Sequences};
use rusqlite::{Connection, OptionalExtension};

use crate::connections::Connections;
use crate::ledger::SqliteLedger;
use crate::lock_file::{Lock, LockFile};
use crate::pace::Pace;
use crate::row::{count, signed};
use crate::snapshot::Present;
use crate::source;

/// How many numbers an import reserves: more than any import has entries. What is stored meanwhile gets numbers behind
/// them.
const RESERVED: u64 = 1 << 40;

/// Entries that are removed at a time.
const REMOVED_AT_ONCE: u32 = 2_000;

/// The row of an import that has not ended.
#[derive(Clone, Copy)]
pub(crate) struct Pending {
    /// A random number, so that no other import ever has it.
    id: i64,
    account: AccountId,
    sequences: Sequences,
}

impl Pending {
    /// Adds the row that hides what the import is going to store. The first entry is at `at_ns`. `None` when there is
    /// no such account.
    pub(crate) fn begin(
        connections: &Connections,
        writer: &Connection,
        account: AccountId,
        at_ns: i64,
    ) -> Result<Option<Self>, Error> {
        let fail = |cause| connections.fail(cause);
        connections.begin_on(writer)?;
        let Some(present) = Present::of(writer, account).map_err(fail)? else { return Ok(None) };
        source::refuse_synced(connections, writer, account)?;
        // The lock keeps imports apart. If two names of one ledger lead to two locks, this does.
        if find(writer).map_err(fail)?.is_some() {
            return Err(connections.error(ErrorKind::ImportUnderWay));
        }
        let first = present.next_sequence;
        let sequences = Sequences { first, last: first + (RESERVED - 1) };
        let id = writer
            .query_row(
                "INSERT INTO imports (id, account, first_sequence, last_sequence, first_ns, last_ns)
                 VALUES (random(), ?1, ?2, ?3, ?4, ?4) RETURNING id",
                (account.0, signed(sequences.first), signed(sequences.last), at_ns),
                |row| row.get(0),
            )
            .map_err(fail)?;
        set_next_sequence(writer, account, first, sequences.last + 1).map_err(fail)?;
        connections.commit_on(writer)?;
        Ok(Some(Self { id, account, sequences }))
    }

    pub(crate) fn sequences(self) -> Sequences {
        self.sequences
    }

    /// Notes, in the transaction that stores them, that entries lie in this span.
    pub(crate) fn extend(
        self,
        writer: &Connection,
        (first_ns, last_ns): (i64, i64),
    ) -> rusqlite::Result<bool> {
        let sql = "UPDATE imports SET first_ns = MIN(first_ns, ?2), last_ns = MAX(last_ns, ?3) WHERE id = ?1";
        Ok(writer.prepare_cached(sql)?.execute((self.id, first_ns, last_ns))? == 1)
    }

    /// Gives back the numbers from one on. If others have numbers behind them already, it notes that no entry will ever
    /// have these.
    fn give_back(self, writer: &Connection, from: u64) -> rusqlite::Result<()> {
        let last = self.sequences.last;
        if !set_next_sequence(writer, self.account, last + 1, from)? {
            writer
                .prepare_cached(
                    "INSERT INTO unused (account, first_sequence, last_sequence) VALUES (?1, ?2, ?3)",
                )?
                .execute((self.account.0, signed(from), signed(last)))?;
        }
        Ok(())
    }

    /// Removes the row, which makes all entries visible, in the transaction that adds their sums. False when the
    /// import's row is gone.
    ///
    /// Numbers that were not needed are given back, unless others have those behind them already.
    pub(crate) fn show(self, writer: &Connection, next_sequence: u64) -> rusqlite::Result<bool> {
        self.give_back(writer, next_sequence)?;
        Ok(writer.execute("DELETE FROM imports WHERE id = ?1", [self.id])? == 1)
    }

    /// Removes the import: its entries some at a time, because others write meanwhile, and the row that hides them
    /// last. After a kill in between, the next import or server goes on with it. Returns how many entries there were.
    pub(crate) fn remove(self, connections: &Connections) -> Result<u64, Error> {
        let writer = connections.writer()?;
        let fail = |cause| connections.fail(cause);
        // The row gets another id. An import that still runs finds out at its next step, and cannot end.
        connections.begin_on(&writer)?;
        let claimed = claim(&writer, self.id).map_err(fail)?;
        connections.commit_on(&writer)?;
        let Some((id, (first_ns, last_ns))) = claimed else { return Ok(0) };
        let (mut after, mut removed) = ((first_ns, -1), 0);
        let mut pace = Pace::default();
        while let Some(until) = connections.read(|reader| self.next_entries(reader, after, last_ns))? {
            pace.rest();
            let begun = Instant::now();
            connections.begin_on(&writer)?;
            removed += self.remove_entries(&writer, after, until).map_err(fail)?;
            connections.commit_on(&writer)?;
            pace.held(begun.elapsed());
            after = until;
        }
        connections.begin_on(&writer)?;
        writer.execute("DELETE FROM imports WHERE id = ?1", [id]).map_err(fail)?;
        self.give_back(&writer, self.sequences.first).map_err(fail)?;
        connections.commit(writer)?;
        Ok(removed)
    }

    /// The last of the next entries to be removed, by time and number.
    fn next_entries(
        self,
        reader: &Connection,
        after: (i64, i64),
        last_ns: i64,
    ) -> rusqlite::Result<Option<(i64, i64)>> {
        let mut select = reader.prepare_cached(
            "SELECT timestamp_ns, sequence FROM entries
             WHERE account = ?1 AND (timestamp_ns, sequence) > (?2, ?3) AND timestamp_ns <= ?4
             AND sequence BETWEEN ?5 AND ?6 ORDER BY timestamp_ns, sequence LIMIT ?7",
        )?;
        let Sequences { first, last } = self.sequences;
        let of_import = (signed(first), signed(last));
        let mut rows = select.query((
            self.account.0,
            after.0,
            after.1,
            last_ns,
            of_import.0,
            of_import.1,
            REMOVED_AT_ONCE,
        ))?;
        let mut until = None;
        while let Some(row) = rows.next()? {
            until = Some((row.get(0)?, row.get(1)?));
        }
        Ok(until)
    }

    fn remove_entries(
        self,
        writer: &Connection,
        after: (i64, i64),
        until: (i64, i64),
    ) -> rusqlite::Result<u64> {
        let Sequences { first, last } = self.sequences;
        let removed = writer
            .prepare_cached(
                "DELETE FROM entries WHERE account = ?1 AND (timestamp_ns, sequence) > (?2, ?3)
                 AND (timestamp_ns, sequence) <= (?4, ?5) AND sequence BETWEEN ?6 AND ?7",
            )?
            .execute((self.account.0, after.0, after.1, until.0, until.1, signed(first), signed(last)))?;
        Ok(removed as u64)
    }
}

impl SqliteLedger {
    /// Removes what a killed import has left: entries that nobody sees, but that take up space. A running import is
    /// left alone. Others read and write meanwhile. The space is used again, but the file does not shrink. Returns how
    /// many entries were removed.
    ///
    /// An import of many entries does this first. A program that keeps a ledger open for long calls it too, on a thread
    /// that may block.
    ///
    /// # Errors
    /// When the ledger cannot be read or written.
    pub(crate) fn remove_unfinished_import(&self) -> Result<u64, Error> {
        let connections = &self.0.connections;
        if connections.read(find)?.is_none() {
            return Ok(0);
        }
        match lock(connections)? {
            Some(_lock) => remove_left(connections),
            None => Ok(0),
        }
    }
}

/// The lock that an import holds while it runs; `None` when another one has it.
pub(crate) fn lock(connections: &Connections) -> Result<Option<LockFile>, Error> {
    match LockFile::take(connections.path(), "-import", "") {
        Ok(Lock::Taken(lock)) => Ok(Some(lock)),
        Ok(Lock::HeldBy(_)) => Ok(None),
        Err(cause) => Err(connections.error(ErrorKind::CannotOpen).caused_by(cause)),
    }
}

/// Removes what is left of an import. The caller has the lock, so no import is running.
pub(crate) fn remove_left(connections: &Connections) -> Result<u64, Error> {
    match connections.read(find)? {
        Some(left) => left.remove(connections),
        None => Ok(0),
    }
}

fn find(connection: &Connection) -> rusqlite::Result<Option<Pending>> {
    connection
        .query_row("SELECT id, account, first_sequence, last_sequence FROM imports LIMIT 1", [], |row| {
            let sequences = Sequences { first: count(row, 2)?, last: count(row, 3)? };
            Ok(Pending { id: row.get(0)?, account: AccountId(row.get(1)?), sequences })
        })
        .optional()
}

/// Gives the row another id. Returns it, and the span of time in which the entries lie.
fn claim(writer: &Connection, id: i64) -> rusqlite::Result<Option<(i64, (i64, i64))>> {
    writer
        .query_row(
            "UPDATE imports SET id = random() WHERE id = ?1 RETURNING id, first_ns, last_ns",
            [id],
            |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))),
        )
        .optional()
}

/// Changes the number of the account's next entry, if it is still this one.
fn set_next_sequence(writer: &Connection, account: AccountId, from: u64, to: u64) -> rusqlite::Result<bool> {
    writer
        .prepare_cached("UPDATE accounts SET next_sequence = ?3 WHERE id = ?1 AND next_sequence = ?2")?
        .execute((account.0, signed(from), signed(to)))
        .map(|changed| changed == 1)
}
