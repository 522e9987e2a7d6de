//! What can go wrong with a ledger.

use std::fmt;

use billing_model::{Timestamp, ValueError};

/// A ledger that could not be opened, read or written.
///
/// # What to do
/// The message is the engine's, and says what can be done where something can: free space ([`ErrorKind::Full`]), wait
/// for another writer ([`ErrorKind::Busy`]), use a newer program ([`ErrorKind::NewerVersion`]), open the ledger anew
/// ([`ErrorKind::Replaced`]). Nothing of the call that failed is stored, but for [`ErrorKind::OutcomeNotKnown`]; what
/// was stored before is as it was. After [`ErrorKind::Io`] and [`ErrorKind::Corrupt`] check the disk, open the ledger
/// anew, and compare it with its source before you go on.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no ledger there.
    NotFound,
    /// What is there is something else. It was not touched.
    NotALedger,
    /// The ledger was written by a newer version of its engine. It was not touched.
    NewerVersion,
    /// The ledger was written by an older version of its engine, and this call does not take it forward. It was not
    /// touched. Open it.
    OlderVersion,
    /// A copy of another ledger into this one has begun and has not ended. Go on with the copy.
    UnfinishedCopy,
    /// The ledger cannot be opened or made there: a directory is missing, or permissions do not allow it.
    CannotOpen,
    /// The ledger at this place is another one than was opened, or is gone. It was not touched. Open it anew.
    Replaced,
    /// A file that the engine keeps beside the ledger does not belong to it: one of the two was put there from
    /// elsewhere. Neither was touched.
    ForeignLog,
    /// There is no space left.
    Full,
    /// The disk failed.
    Io,
    /// Somebody else writes to the ledger, and did not end in time.
    Busy,
    /// The database that holds the ledger does not answer: it is being started, was stopped, or cannot be reached. What was stored is
    /// as it was.
    Away,
    /// It is not known whether the call was stored, because the engine got no answer. Send a batch again: its key
    /// prevents a second one. After a [`Change`](crate::Change) read the window anew.
    OutcomeNotKnown,
    /// Another import of many entries runs, and a ledger takes one at a time. Import again when it has ended.
    ImportUnderWay,
    /// The account has the content of a file already: it was imported before. Nothing of the import is stored.
    AlreadyImported,
    /// The data by which files are compared could not be kept. Nothing of the import is stored.
    CannotCompare,
    /// An instant that a ledger cannot hold: before the year 1678 or after 2262.
    TimestampOutOfRange,
    /// A name that nobody can read; the message says why. Give an account another one: 1 to 128 characters, no space at either
    /// end, no control characters and none that change the direction of reading. A key's description must have no control
    /// characters.
    InvalidName,
    /// A DIEM allocation below zero.
    InvalidAllocation,
    /// There is something already where a backup is to be. It was not touched.
    Exists,
    /// A backup could not be written; the cause says why. Nothing is left of it.
    CannotBackUp,
    /// Somebody has the ledger open that was to be replaced. Nothing was touched. Stop the server first.
    InUse,
    /// A copy could not be put in the place of a ledger; the cause says why. The ledger is as it was.
    CannotRestore,
    /// An account that this ledger does not have.
    UnknownAccount,
    /// An entry that is to be taken out or amended and is not there, not any more, or named twice. Nothing of the change is stored.
    /// Read the window anew.
    UnknownEntry,
    /// The account has changed since a [`Change`](crate::Change) was made for it. Nothing of the change is stored. Read the window
    /// anew.
    Outdated,
    /// The account is kept in step with a service, and takes no entries from elsewhere. Nothing is stored. Use another account.
    SyncedAccount,
    /// The account is kept in step with no service, or a record of what was walked cannot be: it overlaps another one, or is empty.
    InvalidCoverage,
    /// Since the first page of a walk an entry was taken out that the walk had not reached yet. Begin it anew.
    WalkOutdated,
    /// An account that has something, and so is not removed, or does not become a copy of a service; the message says what. Entries,
    /// batches, imported files and what was taken out are for good. Revoke its keys, and wait for an import to end.
    AccountInUse,
    /// An import that was used after it had failed, or whose entries somebody removed while it ran.
    Aborted,
    /// The ledger has a value that cannot be in a ledger: it is damaged.
    Corrupt,
    /// The system gave no random numbers for a key.
    NoRandomness,
    /// The engine has nothing of the kind.
    Unsupported,
    /// Anything else that the engine refused.
    Engine,
}

impl Error {
    /// An error in an engine's words.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: None }
    }

    /// The same with its cause.
    #[must_use]
    pub fn caused_by(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// The error for an entry or an event at an instant that no ledger can hold.
    pub fn timestamp(at: Timestamp) -> Self {
        let message = format!("the timestamp {at} does not fit: a ledger holds the years 1678 to 2262");
        Self::new(ErrorKind::TimestampOutOfRange, message)
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// True when the same call may succeed later.
    pub fn is_busy(&self) -> bool {
        matches!(self.kind, ErrorKind::Away | ErrorKind::Busy | ErrorKind::ImportUnderWay)
    }
}

impl From<ValueError> for Error {
    /// The error for a kept value that cannot be read.
    fn from(cause: ValueError) -> Self {
        Self::new(ErrorKind::Corrupt, "the ledger is damaged: it holds a value that is none").caused_by(cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
