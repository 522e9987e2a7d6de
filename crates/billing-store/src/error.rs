//! What can go wrong with a ledger.

use std::fmt;
use std::path::{Path, PathBuf};

use billing_model::Timestamp;
use rusqlite::ffi;

/// A ledger that could not be opened, read or written.
///
/// # What to do
/// The message says it where something can be done: free space ([`ErrorKind::Full`]), wait for another writer
/// ([`ErrorKind::Busy`]), use a newer program ([`ErrorKind::NewerVersion`]), open the ledger anew
/// ([`ErrorKind::Replaced`]). Nothing of the call that failed is stored; what was stored before is as it was. After [`ErrorKind::Io`] and [`ErrorKind::Corrupt`] check the disk, open the
/// ledger anew, and compare it with its source before you go on.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    path: PathBuf,
    detail: String,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no file at the path.
    NotFound,
    /// The file is something else. It was not touched.
    NotALedger,
    /// The ledger was written by a newer version of this crate. It was not touched.
    NewerVersion,
    /// The ledger was written by an older version of this crate, and what was asked for takes nothing forward. It was not
    /// touched. Open it.
    OlderVersion,
    /// The file cannot be opened or created here: its directory is missing, or its permissions do not allow it.
    CannotOpen,
    /// The file at the path is another one than was opened, or is gone. It was not touched. Open the ledger anew.
    Replaced,
    /// The log beside the file does not go with it: the file was put where another ledger had been, or the same at another
    /// time; or the log is there and the file is not. Neither was touched. Move the log away, or put the ledger back that
    /// it belongs to.
    ForeignLog,
    /// The disk is full.
    Full,
    /// The disk failed.
    Io,
    /// Somebody else writes to the ledger, and did not end in time.
    Busy,
    /// Another import of many entries runs, and a ledger takes one at a time. Import again when it has ended.
    ImportUnderWay,
    /// The account has the content of a file already: it was imported before. Nothing of the import is stored.
    AlreadyImported,
    /// What is compared while files are read could not be kept: the directory for temporary files is full, or cannot be
    /// written. Nothing of the import is stored.
    CannotCompare,
    /// An instant that a ledger cannot hold: before the year 1678 or after 2262.
    TimestampOutOfRange,
    /// A name that nobody can read; the message says why. Give an account another one: 1 to 128 characters, no space at either
    /// end, no control characters and none that change the direction of reading. A key's description must have no control
    /// characters.
    InvalidName,
    /// A DIEM allocation below zero.
    InvalidAllocation,
    /// There is a file already where a backup is to be. It was not touched.
    Exists,
    /// A backup could not be written; the cause says why. Nothing is left of it.
    CannotBackUp,
    /// Somebody has the ledger open that was to be replaced. Nothing was touched. Stop the server first.
    InUse,
    /// A copy could not be put in the place of a ledger; the cause says why. What was there is there.
    CannotRestore,
    /// An account that this ledger does not have.
    UnknownAccount,
    /// An account that has something, and so is not removed; the message says what. Entries, batches and imported files are
    /// for good. Revoke its keys, and wait for an import to end.
    AccountInUse,
    /// An import that was used after it had failed, or whose entries somebody removed while it ran.
    Aborted,
    /// The file holds what no ledger holds.
    Corrupt,
    /// The system gave no random numbers for a key.
    NoRandomness,
    /// Anything else that the storage engine refused.
    Engine,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, path: &Path, detail: impl Into<String>) -> Self {
        Self { kind, path: path.to_owned(), detail: detail.into(), cause: None }
    }

    pub(crate) fn caused_by(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// A failure of the engine, by its code.
    pub(crate) fn engine(path: &Path, cause: rusqlite::Error) -> Self {
        Self::new(ErrorKind::of_engine(&cause), path, "").caused_by(cause)
    }

    pub(crate) fn timestamp(path: &Path, at: Timestamp) -> Self {
        Self::new(ErrorKind::TimestampOutOfRange, path, at.to_string())
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The ledger's file, as it was named when it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True when the same call may succeed later.
    pub fn is_busy(&self) -> bool {
        matches!(self.kind, ErrorKind::Busy | ErrorKind::ImportUnderWay)
    }
}

impl ErrorKind {
    pub(crate) fn of_engine(cause: &rusqlite::Error) -> Self {
        use rusqlite::Error as Cause;
        use rusqlite::ErrorCode as Code;
        match cause {
            Cause::SqliteFailure(failure, _) => match failure.code {
                Code::DiskFull => Self::Full,
                // The log's index cannot grow, which is what a full disk makes of it.
                Code::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
                Code::DatabaseBusy | Code::DatabaseLocked => Self::Busy,
                Code::CannotOpen | Code::PermissionDenied | Code::ReadOnly => Self::CannotOpen,
                Code::SystemIoFailure => Self::Io,
                Code::DatabaseCorrupt | Code::NotADatabase => Self::Corrupt,
                _ => Self::Engine,
            },
            // The statements are fixed, so a value of another type is the file's fault.
            Cause::FromSqlConversionFailure(..)
            | Cause::IntegralValueOutOfRange(..)
            | Cause::InvalidColumnType(..)
            | Cause::QueryReturnedNoRows => Self::Corrupt,
            _ => Self::Engine,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, detail, .. } = self;
        let path = path.display();
        match self.kind {
            ErrorKind::NotFound => write!(f, "there is no ledger at `{path}`"),
            ErrorKind::NotALedger => write!(f, "`{path}` is not a ledger: {detail}"),
            ErrorKind::NewerVersion => {
                write!(
                    f,
                    "the ledger `{path}` is from a newer version of this program ({detail}): update the program"
                )
            }
            ErrorKind::OlderVersion => {
                write!(
                    f,
                    "the ledger `{path}` is of version {detail}: any other command takes it forward, and then it can be checked"
                )
            }
            ErrorKind::CannotOpen if detail.is_empty() => write!(f, "cannot open `{path}`"),
            ErrorKind::CannotOpen => write!(f, "cannot open `{path}`: {detail}"),
            ErrorKind::Replaced => {
                write!(f, "the file at `{path}` is no longer the ledger that was opened: {detail}")
            }
            ErrorKind::ForeignLog => {
                write!(
                    f,
                    "the log `{detail}` is not that of the ledger `{path}` as it is there: put back the file that the log belongs \
                     to, which it may have batches of; or put a copy in the place of both with `billing restore`; or move the \
                     log away to use the file without it"
                )
            }
            ErrorKind::Full => write!(f, "no space is left on the disk of the ledger `{path}`"),
            ErrorKind::Io => write!(f, "the disk of the ledger `{path}` failed"),
            ErrorKind::Busy => {
                write!(
                    f,
                    "the ledger `{path}` is being written to, by another import perhaps: try again later"
                )
            }
            ErrorKind::ImportUnderWay => {
                write!(
                    f,
                    "another import into the ledger `{path}` is under way: import again when it has ended"
                )
            }
            ErrorKind::AlreadyImported | ErrorKind::InvalidName | ErrorKind::AccountInUse => {
                f.write_str(detail)
            }
            ErrorKind::CannotCompare => {
                write!(f, "the files cannot be compared: the directory for temporary files cannot be used")
            }
            ErrorKind::TimestampOutOfRange => {
                write!(f, "the timestamp {detail} does not fit: a ledger holds the years 1678 to 2262")
            }
            ErrorKind::InvalidAllocation => {
                write!(f, "`{detail}` is no allocation: an account gets 0 DIEM a day or more")
            }
            ErrorKind::Exists => write!(f, "there is a file at `{detail}` already: give another name"),
            ErrorKind::CannotBackUp => {
                write!(f, "the backup `{detail}` of the ledger `{path}` cannot be written")
            }
            ErrorKind::InUse => {
                write!(f, "the ledger `{path}` is open in another program, a server perhaps: stop it first")
            }
            ErrorKind::CannotRestore => {
                write!(f, "the copy `{detail}` cannot be put in the place of the ledger `{path}`")
            }
            ErrorKind::UnknownAccount => write!(
                f,
                "the ledger `{path}` has no account with the number {detail}; it may have been removed"
            ),
            ErrorKind::Aborted => {
                write!(f, "the import into `{path}` failed and stores nothing: import again")
            }
            ErrorKind::Corrupt => write!(f, "the ledger `{path}` is damaged: `billing check` says where"),
            ErrorKind::NoRandomness => write!(f, "the system has no random numbers for a new key"),
            ErrorKind::Engine => write!(f, "the ledger `{path}` could not be used"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn failures_of_the_engine_are_told_apart() {
        for (code, kind, message) in [
            (ffi::SQLITE_FULL, ErrorKind::Full, "no space is left on the disk of the ledger `a/b.db`"),
            (
                ffi::SQLITE_BUSY_SNAPSHOT,
                ErrorKind::Busy,
                "the ledger `a/b.db` is being written to, by another import perhaps: try again later",
            ),
            (ffi::SQLITE_READONLY_DIRECTORY, ErrorKind::CannotOpen, "cannot open `a/b.db`"),
            (ffi::SQLITE_IOERR_FSYNC, ErrorKind::Io, "the disk of the ledger `a/b.db` failed"),
            (
                ffi::SQLITE_CORRUPT,
                ErrorKind::Corrupt,
                "the ledger `a/b.db` is damaged: `billing check` says where",
            ),
            (ffi::SQLITE_CONSTRAINT_UNIQUE, ErrorKind::Engine, "the ledger `a/b.db` could not be used"),
        ] {
            let cause = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            let error = Error::engine(Path::new("a/b.db"), cause);
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
            assert_eq!(error.is_busy(), kind == ErrorKind::Busy);
            assert!(error.source().is_some(), "the engine's own words are the cause");
        }
    }
}
