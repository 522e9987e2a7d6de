//! Entries on their way into the ledger.

use std::fmt;

use billing_model::UsageEntry;
use billing_sink::Sink;
use rusqlite::Connection;

use crate::error::{Error, ErrorKind};
use crate::intake::Intake;
use crate::ledger::{AccountId, Ledger};

/// An import into one account: a [`Sink`] that stores all of its entries at [`finish`](Sink::finish), or none.
///
/// Nothing of it is seen before, and nothing is left of one that is dropped. Entries may come in any order; equal ones
/// are all kept. It is the ledger's only writer while it lasts: other writers wait for some seconds and then fail with
/// [`ErrorKind::Busy`]; readers do not wait. Its memory does not grow with its length.
///
/// Its error for an entry that a ledger cannot hold is [`ErrorKind::TimestampOutOfRange`].
#[must_use = "an import that is dropped stores nothing"]
pub struct Import {
    /// A connection in its transaction, and what comes into it; none after a failure. Dropping it undoes the import.
    /// Dropped before the ledger, which is closed with its last connection.
    open: Option<(Connection, Intake)>,
    ledger: Ledger,
    account: AccountId,
    entries: u64,
}

impl Ledger {
    /// Begins an import.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownAccount`], [`ErrorKind::Busy`] when another import does not end in time, or when the ledger
    /// cannot be written.
    pub fn import(&self, account: AccountId) -> Result<Import, Error> {
        let connections = &self.0.connections;
        let writer = connections.begin()?;
        let intake = Intake::open(&writer, account).map_err(|cause| connections.fail(cause))?;
        let intake = intake.ok_or_else(|| self.unknown_account(account))?;
        Ok(Import { ledger: self.clone(), account, open: Some((writer, intake)), entries: 0 })
    }
}

impl Import {
    fn take(&mut self) -> Result<(Connection, Intake), Error> {
        let aborted = || Error::new(ErrorKind::Aborted, self.ledger.0.connections.path(), "");
        self.open.take().ok_or_else(aborted)
    }
}

impl Sink for Import {
    /// How many entries were stored.
    type Output = u64;
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        // Given back only when all went well: half a batch is never followed by more.
        let (writer, mut intake) = self.take()?;
        intake.store(&writer, self.ledger.0.connections.path(), entries)?;
        self.entries = intake.entries();
        self.open = Some((writer, intake));
        Ok(())
    }

    fn finish(mut self) -> Result<u64, Error> {
        let (writer, intake) = self.take()?;
        let connections = &self.ledger.0.connections;
        let entries = intake.close(&writer).map_err(|cause| connections.fail(cause))?;
        connections.commit(writer)?;
        Ok(entries)
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import")
            .field("account", &self.account)
            .field("entries", &self.entries)
            .finish_non_exhaustive()
    }
}
