//! Imports entries into the ledger.

use std::fmt;

use billing_ledger::{AccountId, Error, ErrorKind, FileContent, Import, check_timestamps};
use billing_model::UsageEntry;

use crate::connections::Limit;
use crate::failure::Failure;
use crate::gathered::Gathered;
use crate::imported_file::{self, FileEntries};
use crate::intake::{self, Intake};
use crate::ledger::PostgresLedger;
use crate::source;

/// Entries that are held in memory before they go to a table of the import's own. An import of fewer needs none.
const HELD_ENTRIES: usize = 10_000;

/// Bytes of their texts that are held, exceeded by at most about one call's.
const HELD_BYTES: usize = 4 << 20;

/// An import into one account, which stores all of its entries when it is finished, or none.
///
/// Up to then nobody has to wait for it, and nothing of it is in the ledger. Then it locks the account until everything is stored,
/// which takes about as long as the writing did: who reads sees the account as it was, and who writes to it waits.
#[must_use = "an import that is dropped stores nothing"]
pub(crate) struct PostgresImport {
    ledger: PostgresLedger,
    account: AccountId,
    /// The entries that are still in memory, and about how many bytes their texts have.
    held: Vec<UsageEntry>,
    held_bytes: usize,
    /// The part that is in tables already, if any is.
    gathered: Option<Gathered>,
    /// How many entries were written.
    written: u64,
    /// The files that they came from, as far as those were named.
    files: Vec<FileEntries>,
    has_failed: bool,
}

impl PostgresLedger {
    pub(crate) fn import(&self, account: AccountId) -> Result<Box<dyn Import>, Error> {
        self.connections().ask(Limit::Patience, async |session| {
            let sql = "SELECT FROM accounts WHERE id = $1";
            match session.row_if_any(sql, &[&account.0]).await? {
                Some(_) => source::refuse_synced(session, account).await,
                None => Err(Failure::unknown_account(account)),
            }
        })?;
        Ok(Box::new(PostgresImport {
            ledger: self.clone(),
            account,
            held: Vec::new(),
            held_bytes: 0,
            gathered: None,
            written: 0,
            files: Vec::new(),
            has_failed: false,
        }))
    }
}

impl PostgresImport {
    /// Does a step. After a failed step every further one is refused, so that nothing follows half a lot of entries.
    fn step<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.has_failed {
            let message = "the import failed before, and stores nothing: begin it anew";
            return Err(Error::new(ErrorKind::Aborted, message));
        }
        let done = step(self);
        if done.is_err() {
            self.has_failed = true;
            (self.held, self.gathered) = (Vec::new(), None);
        }
        done
    }

    fn take(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        check_timestamps(entries)?;
        self.written += entries.len() as u64;
        // So many entries are worth a copy of their own, and need not be held.
        if let Some(gathered) = &mut self.gathered
            && self.held.is_empty()
            && entries.len() >= HELD_ENTRIES / 4
        {
            return gathered.store(self.ledger.connections(), entries);
        }
        self.held_bytes += entries.iter().map(UsageEntry::text_bytes).sum::<usize>();
        self.held.extend_from_slice(entries);
        if self.held.len() >= HELD_ENTRIES || self.held_bytes >= HELD_BYTES {
            self.gather_held()?;
        }
        Ok(())
    }

    fn gather_held(&mut self) -> Result<(), Error> {
        let connections = self.ledger.connections();
        let gathered = match &mut self.gathered {
            Some(gathered) => gathered,
            None => self.gathered.insert(Gathered::begin(connections, self.account)?),
        };
        gathered.store(connections, &self.held)?;
        self.held.clear();
        self.held_bytes = 0;
        Ok(())
    }

    fn end(&mut self) -> Result<u64, Error> {
        if self.gathered.is_some() {
            self.gather_held()?;
        }
        match &mut self.gathered {
            Some(gathered) => gathered.finish(self.ledger.connections(), &self.files),
            None => self.store_held(),
        }
    }

    /// Stores what is held, which is all.
    fn store_held(&self) -> Result<u64, Error> {
        let Self { account, held, files, .. } = self;
        self.ledger.connections().write(Limit::None, async |session| {
            let next = intake::lock(session, *account).await?;
            let next = next.ok_or_else(|| Failure::unknown_account(*account))?;
            source::refuse_synced(session, *account).await?;
            imported_file::record(session, *account, next, files).await?;
            let (mut copy, mut intake) = (intake::copy(session), Intake::new(*account, next));
            for entry in held {
                intake.store(&mut copy, session, entry).await?;
            }
            copy.end().await?;
            let entries = intake.entries();
            intake::close(session, &mut [intake]).await?;
            Ok(entries)
        })
    }
}

impl Import for PostgresImport {
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
        self.step(Self::end)
    }
}

impl fmt::Debug for PostgresImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresImport").field("account", &self.account).finish_non_exhaustive()
    }
}
