//! An import in chunks, from the first one on.

use std::time::{Duration, Instant};

use billing_ledger::{AccountId, Error, ErrorKind};
use billing_model::UsageEntry;
use rusqlite::Connection;

use crate::imported_file::{self, FileEntries};
use crate::intake::Intake;
use crate::ledger::SqliteLedger;
use crate::lock_file::LockFile;
use crate::pace::Pace;
use crate::pending::{self, Pending};
use crate::source;
use crate::sums;
use crate::tables::{self, Tables};

/// How long a chunk may take. A batch that comes at its beginning waits for so long.
const CHUNK_TIME: Duration = Duration::from_millis(50);

/// Entries that are stored between two looks at the clock.
const STEP: usize = 500;

/// An import in chunks, of which a ledger has one at a time. Its entries are stored and hidden. Its sums and counts are
/// in memory and in temporary tables of its connection. After a kill at any moment, the hidden entries and the row that
/// hides them are left. The transaction that removes this row adds the sums.
pub(crate) struct Running {
    /// It is dropped before the ledger, which closes with its last connection.
    writer: Connection,
    ledger: SqliteLedger,
    pub(crate) pending: Pending,
    intake: Intake,
    /// True once some of the sums are in the tables.
    has_gathered: bool,
    pace: Pace,
    /// It is dropped last. Until then nobody removes the stored entries as left over.
    lock: LockFile,
}

impl Running {
    /// Removes what a killed import has left, and begins. The first entry is at `at_ns`.
    pub(crate) fn begin(ledger: &SqliteLedger, account: AccountId, at_ns: i64) -> Result<Self, Error> {
        let connections = &ledger.0.connections;
        let lock = pending::lock(connections)?;
        let lock = lock.ok_or_else(|| connections.error(ErrorKind::ImportUnderWay))?;
        pending::remove_left(connections)?;
        let writer = connections.open_writer()?;
        // A chunk need not be durable before the end. The log is written in order, so a durable commit, such as this
        // import's last one or that of a batch, makes everything before it durable too.
        writer.pragma_update(None, "synchronous", "normal").map_err(|cause| connections.fail(cause))?;
        tables::create_gathered(&writer).map_err(|cause| connections.fail(cause))?;
        let pending = Pending::begin(connections, &writer, account, at_ns)?;
        let pending = pending.ok_or_else(|| ledger.unknown_account(account))?;
        Ok(Self {
            ledger: ledger.clone(),
            writer,
            pending,
            intake: Intake::new(account, pending.sequences().first),
            has_gathered: false,
            pace: Pace::default(),
            lock,
        })
    }

    /// Stores entries in as many chunks as they need.
    pub(crate) fn store(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        let mut rest = entries;
        while !rest.is_empty() {
            self.pace.rest();
            let begun = Instant::now();
            rest = self.store_chunk(rest, begun + CHUNK_TIME)?;
            self.pace.held(begun.elapsed());
            if self.intake.is_full() {
                self.gather()?;
            }
        }
        Ok(())
    }

    /// Stores hidden entries until the time is over. Returns the rest.
    fn store_chunk<'e>(
        &mut self,
        entries: &'e [UsageEntry],
        until: Instant,
    ) -> Result<&'e [UsageEntry], Error> {
        let connections = &self.ledger.0.connections;
        connections.begin_on(&self.writer)?;
        let mut rest = entries;
        let (mut first_ns, mut last_ns) = (i64::MAX, i64::MIN);
        while !rest.is_empty() && (rest.len() == entries.len() || Instant::now() < until) {
            let (step, others) = rest.split_at(rest.len().min(STEP));
            self.intake.store(&self.writer, connections.path(), step)?;
            for at_ns in step.iter().filter_map(|entry| entry.timestamp.unix_ns()) {
                (first_ns, last_ns) = (first_ns.min(at_ns), last_ns.max(at_ns));
            }
            rest = others;
        }
        let is_known = self.pending.extend(&self.writer, (first_ns, last_ns));
        if !is_known.map_err(|cause| connections.fail(cause))? {
            return Err(connections.error(ErrorKind::Aborted));
        }
        connections.commit_on(&self.writer)?;
        Ok(rest)
    }

    /// Puts the sums into the import's own tables. Only its connection has these, so nobody has to wait.
    fn gather(&mut self) -> Result<(), Error> {
        let Self { writer, intake, .. } = self;
        let gathered = writer
            .execute_batch("BEGIN")
            .and_then(|()| intake.store_sums(writer, Tables::Gathered))
            .and_then(|()| writer.execute_batch("COMMIT"));
        self.has_gathered = true;
        gathered.map_err(|cause| self.ledger.0.connections.fail(cause))
    }

    /// Makes everything visible: one transaction adds the sums, records the files, and removes the row that hides the
    /// entries.
    pub(crate) fn finish(&mut self, files: &[FileEntries]) -> Result<u64, Error> {
        if self.has_gathered {
            self.gather()?;
        }
        self.pace.rest();
        let Self { ledger, writer, pending, intake, .. } = self;
        let connections = &ledger.0.connections;
        let fail = |cause| connections.fail(cause);
        writer.pragma_update(None, "synchronous", "full").map_err(fail)?;
        connections.begin_on(writer)?;
        // These come first, because they may refuse the import, and the rest takes long.
        source::refuse_synced(connections, writer, intake.account())?;
        imported_file::record(connections, writer, intake.account(), pending.sequences().first, files)?;
        // This comes before the import's numbers are used. If the import was removed, others may have them.
        if !pending.show(writer, intake.next_sequence()).map_err(fail)? {
            return Err(connections.error(ErrorKind::Aborted));
        }
        if self.has_gathered {
            sums::add_gathered(writer, intake.account()).map_err(fail)?;
        }
        intake.store_rest(writer).map_err(fail)?;
        connections.commit_on(writer)?;
        Ok(intake.entries())
    }

    /// Removes everything that was stored. What cannot be removed stays hidden, and is left to the next import.
    pub(crate) fn abort(self) {
        let Self { ledger, writer, pending, lock, .. } = self;
        // The writer may be in the middle of a transaction.
        drop(writer);
        let _ = pending.remove(&ledger.0.connections);
        drop(lock);
    }
}
