//! Entries from files on their way into a ledger.

use std::fmt;

use billing_model::{Sink, Timestamp, UsageEntry};

use crate::error::Error;

/// An import into one account: it stores all of its entries at [`finish`](Import::finish), or none. One that is dropped stores
/// nothing.
///
/// Nothing of it is seen before. Entries may come in any order; equal ones are all kept. Its memory does not grow with its
/// length. Entries of one instant that others store meanwhile may come before or after those of the import.
///
/// # Errors
/// [`TimestampOutOfRange`](crate::ErrorKind::TimestampOutOfRange) for an entry that a ledger cannot hold,
/// [`ImportUnderWay`](crate::ErrorKind::ImportUnderWay) where an engine takes one large import at a time,
/// [`Busy`](crate::ErrorKind::Busy) when another writer does not end in time. After an error nothing follows: every later call
/// is [`Aborted`](crate::ErrorKind::Aborted).
pub trait Import: Send + fmt::Debug {
    /// Takes entries, after those of the calls before.
    ///
    /// # Errors
    /// When the entries could not be taken.
    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error>;

    /// Says which file the entries came from that were written since the file before ended. It is kept in the
    /// transaction that shows the entries: the ledger has both or neither, whenever the import ends or is killed.
    ///
    /// An account takes the same content once, unless [`FileContent::again`] says otherwise: then `finish` fails with
    /// [`AlreadyImported`](crate::ErrorKind::AlreadyImported), also when somebody else imported it meanwhile, and
    /// stores nothing. A file without entries is not kept. Entries that are written and then belong to no call of this
    /// belong to no file.
    fn end_file(&mut self, content: FileContent);

    /// Makes all of it durable and visible, at once: so many entries.
    ///
    /// # Errors
    /// When that could not be done, and then nothing is stored.
    fn finish(self: Box<Self>) -> Result<u64, Error>;
}

impl Sink for Box<dyn Import> {
    /// How many entries were stored.
    type Output = u64;
    type Error = Error;

    fn write(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        self.as_mut().write(entries)
    }

    fn finish(self) -> Result<u64, Error> {
        Import::finish(self)
    }
}

/// A file whose entries were written into an [`Import`], for the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileContent {
    /// What the file is called.
    pub name: String,
    /// The SHA-256 of what is in it.
    pub sha256: [u8; 32],
    /// When it was imported.
    pub imported_at: Timestamp,
    /// True to import it even though the account has it already.
    pub again: bool,
}

/// A file that was imported, as the ledger keeps it. Displayed, it says when, under which name, and how many entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedFile {
    /// What it was called.
    pub name: String,
    /// When it was imported: the last time, if more than once.
    pub imported_at: Timestamp,
    /// How many entries it has.
    pub entries: u64,
}

impl fmt::Display for ImportedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, imported_at, entries } = self;
        let noun = if *entries == 1 { "entry" } else { "entries" };
        write!(f, "on {imported_at}, as `{name}`, {entries} {noun}")
    }
}

/// Refuses entries that a ledger cannot hold.
///
/// # Errors
/// [`TimestampOutOfRange`](crate::ErrorKind::TimestampOutOfRange).
pub fn check_timestamps(entries: &[UsageEntry]) -> Result<(), Error> {
    match entries.iter().find(|entry| entry.timestamp.unix_ns().is_none()) {
        Some(beyond) => Err(Error::timestamp(beyond.timestamp)),
        None => Ok(()),
    }
}
