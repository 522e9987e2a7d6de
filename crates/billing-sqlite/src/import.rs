//! Imports entries into the ledger.

use std::fmt;

use billing_ledger::{AccountId, Error, ErrorKind, FileContent, Import, check_timestamps};
use billing_model::UsageEntry;

use crate::imported_file::{self, FileEntries};
use crate::intake::Intake;
use crate::ledger::SqliteLedger;
use crate::running::Running;
use crate::snapshot::Present;
use crate::source;

#[cfg(test)]
mod model;

/// Entries that are held in memory before they are stored. An import of fewer is one transaction.
const HELD_ENTRIES: usize = 10_000;

/// Bytes of their texts that are held, exceeded by at most about one call's.
const HELD_BYTES: usize = 4 << 20;

/// An import into one account: a [`Sink`] that stores all of its entries at [`finish`](Sink::finish), or none.
///
/// Nothing of it is seen before. Entries may come in any order; equal ones are all kept. Its memory does not grow with its
/// length.
///
/// Fewer than 10,000 entries are one transaction. More are stored in chunks that nobody sees, each in some hundredths of a
/// second, and others read and write in between; `finish` then adds their sums and shows them, in one transaction that
/// takes about a second for a million different minutes. Entries of one instant that others store meanwhile come after
/// those of the import.
///
/// An import that is dropped removes what it has stored. A killed one leaves entries that nobody sees, until the next
/// import of many entries or [`Ledger::remove_unfinished_import`](billing_ledger::Ledger::remove_unfinished_import)
/// removes them. Either way the space is used again, but the file does not shrink. New texts stay too, because other
/// entries may use them.
///
/// # Errors
/// [`ErrorKind::TimestampOutOfRange`] for an entry that a ledger cannot hold, [`ErrorKind::ImportUnderWay`] from 10,000
/// entries on while another one does the same, [`ErrorKind::Busy`] when another writer does not end in time.
#[must_use = "an import that is dropped stores nothing"]
pub(crate) struct SqliteImport {
    ledger: SqliteLedger,
    account: AccountId,
    /// The entries that are not stored yet, and about how many bytes their texts have.
    held: Vec<UsageEntry>,
    held_bytes: usize,
    /// The most entries that are held, beside those of one call.
    most_held: usize,
    /// The part that is stored already, if any is.
    running: Option<Running>,
    /// How many entries were written.
    written: u64,
    /// The files that they came from, as far as those were named.
    files: Vec<FileEntries>,
    has_failed: bool,
}

impl SqliteLedger {
    /// Begins an import.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAccount`], [`ErrorKind::SyncedAccount`], or when the ledger cannot be read.
    pub(crate) fn import(&self, account: AccountId) -> Result<SqliteImport, Error> {
        self.import_holding(account, HELD_ENTRIES)
    }

    pub(crate) fn import_holding(&self, account: AccountId, most_held: usize) -> Result<SqliteImport, Error> {
        let connections = &self.0.connections;
        let (present, is_synced) = connections.read(|connection| {
            Ok((Present::of(connection, account)?, source::is_synced(connection, account)?))
        })?;
        present.ok_or_else(|| self.unknown_account(account))?;
        if is_synced {
            return Err(source::synced(connections));
        }
        Ok(SqliteImport {
            ledger: self.clone(),
            account,
            held: Vec::new(),
            held_bytes: 0,
            most_held,
            running: None,
            written: 0,
            files: Vec::new(),
            has_failed: false,
        })
    }
}

impl SqliteImport {
    /// Does a step. After a failed step every further one is refused, so that nothing follows half a lot of entries.
    fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.has_failed {
            return Err(self.ledger.0.connections.error(ErrorKind::Aborted));
        }
        let done = step(self);
        if done.is_err() {
            self.has_failed = true;
            self.abort();
        }
        done
    }

    fn take(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        check_timestamps(entries)?;
        self.written += entries.len() as u64;
        // So many entries are worth their own transaction, and need not be copied.
        if let Some(running) = &mut self.running
            && self.held.is_empty()
            && entries.len() >= self.most_held / 4
        {
            return running.store(entries);
        }
        self.held_bytes += entries.iter().map(UsageEntry::text_bytes).sum::<usize>();
        self.held.extend_from_slice(entries);
        if self.held.len() >= self.most_held || self.held_bytes >= HELD_BYTES {
            self.store_held()?;
        }
        Ok(())
    }

    /// Stores what is held, in chunks.
    fn store_held(&mut self) -> Result<(), Error> {
        let Some(at_ns) = self.held.first().and_then(|entry| entry.timestamp.unix_ns()) else {
            return Ok(());
        };
        let running = match &mut self.running {
            Some(running) => running,
            None => self.running.insert(Running::begin(&self.ledger, self.account, at_ns)?),
        };
        running.store(&self.held)?;
        self.held.clear();
        self.held_bytes = 0;
        Ok(())
    }

    fn end(&mut self) -> Result<u64, Error> {
        if self.running.is_some() {
            self.store_held()?;
        }
        match &mut self.running {
            Some(running) => running.finish(&self.files),
            None => self.store_at_once(),
        }
    }

    /// Stores what is held in one transaction.
    fn store_at_once(&self) -> Result<u64, Error> {
        let connections = &self.ledger.0.connections;
        let writer = connections.begin()?;
        let intake = Intake::open(&writer, self.account).map_err(|cause| connections.fail(cause))?;
        let mut intake = intake.ok_or_else(|| self.ledger.unknown_account(self.account))?;
        source::refuse_synced(connections, &writer, self.account)?;
        imported_file::record(connections, &writer, self.account, intake.next_sequence(), &self.files)?;
        intake.store_at_once(&writer, connections.path(), &self.held)?;
        let entries = intake.close(&writer).map_err(|cause| connections.fail(cause))?;
        connections.commit(writer)?;
        Ok(entries)
    }

    /// Removes what was stored.
    fn abort(&mut self) {
        self.held = Vec::new();
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }
}

impl Import for SqliteImport {
    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        self.step(|import| import.take(entries))
    }

    fn end_file(&mut self, content: FileContent) {
        let before = self.files.last().map_or(0, |file| file.before + file.entries);
        let entries = self.written - before;
        if entries > 0 {
            self.files.push(FileEntries { content, before, entries });
        }
    }

    fn finish(mut self: Box<Self>) -> Result<u64, Error> {
        let entries = self.step(Self::end)?;
        // Everything is visible now, so there is nothing to remove.
        self.running = None;
        Ok(entries)
    }
}

impl Drop for SqliteImport {
    fn drop(&mut self) {
        self.abort();
    }
}

impl fmt::Debug for SqliteImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteImport").field("account", &self.account).finish_non_exhaustive()
    }
}
