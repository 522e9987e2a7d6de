//! Errors of a ledger in a file: their messages, and their kinds by the engine's codes.

use std::path::Path;

use billing_ledger::{Error, ErrorKind};
use rusqlite::ffi;

/// An error of this kind, with the ledger's path and further words.
pub(crate) fn failure(kind: ErrorKind, path: &Path, detail: impl AsRef<str>) -> Error {
    Error::new(kind, message(kind, path, detail.as_ref()))
}

/// A failure of the engine, by its code.
pub(crate) fn engine(path: &Path, cause: rusqlite::Error) -> Error {
    failure(kind_of(&cause), path, "").caused_by(cause)
}

/// The kind of an engine's failure.
pub(crate) fn kind_of(cause: &rusqlite::Error) -> ErrorKind {
    use rusqlite::Error as Cause;
    use rusqlite::ErrorCode as Code;
    match cause {
        Cause::SqliteFailure(failure, _) => match failure.code {
            Code::DiskFull => ErrorKind::Full,
            // The log's index cannot grow: this is how a full disk shows there.
            Code::SystemIoFailure if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => ErrorKind::Full,
            Code::DatabaseBusy | Code::DatabaseLocked => ErrorKind::Busy,
            Code::CannotOpen | Code::PermissionDenied | Code::ReadOnly => ErrorKind::CannotOpen,
            Code::SystemIoFailure => ErrorKind::Io,
            Code::DatabaseCorrupt | Code::NotADatabase => ErrorKind::Corrupt,
            _ => ErrorKind::Engine,
        },
        // The statements are fixed, so a value of another type means that the file is damaged.
        Cause::FromSqlConversionFailure(..)
        | Cause::IntegralValueOutOfRange(..)
        | Cause::InvalidColumnType(..)
        | Cause::QueryReturnedNoRows => ErrorKind::Corrupt,
        _ => ErrorKind::Engine,
    }
}

fn message(kind: ErrorKind, path: &Path, detail: &str) -> String {
    let path = path.display();
    match kind {
        ErrorKind::NotFound => format!("there is no ledger at `{path}`"),
        ErrorKind::NotALedger => format!("`{path}` is not a ledger: {detail}"),
        ErrorKind::NewerVersion => {
            format!(
                "the ledger `{path}` is from a newer version of this program ({detail}): update the program"
            )
        }
        ErrorKind::OlderVersion => {
            format!(
                "the ledger `{path}` is of version {detail}: check it with the program that wrote it, or let `billing keys list` take \
                     it forward first"
            )
        }
        ErrorKind::UnfinishedCopy if detail.is_empty() => {
            format!(
                "a copy into the ledger `{path}` has begun and has not ended: run `billing ledger copy` again"
            )
        }
        ErrorKind::UnfinishedCopy => {
            format!("a copy into the ledger `{path}` has not ended, and {detail}: remove it and copy anew")
        }
        ErrorKind::CannotOpen if detail.is_empty() => format!("cannot open `{path}`"),
        ErrorKind::CannotOpen => format!("cannot open `{path}`: {detail}"),
        ErrorKind::Replaced => {
            format!("the file at `{path}` is no longer the ledger that was opened: {detail}")
        }
        ErrorKind::ForeignLog => {
            format!(
                "the log `{detail}` is not that of the ledger `{path}` as it is there: put back the file that the log belongs \
                     to, which it may have batches of; or put a copy in the place of both with `billing restore`; or move the \
                     log away to use the file without it"
            )
        }
        ErrorKind::Full if detail.is_empty() => {
            format!("no space is left on the disk of the ledger `{path}`")
        }
        // The message for a ledger that is being taken forward.
        ErrorKind::Full | ErrorKind::Corrupt if !detail.is_empty() => format!("the ledger `{path}` {detail}"),
        ErrorKind::Io => format!("the disk of the ledger `{path}` failed"),
        ErrorKind::Busy => {
            format!("the ledger `{path}` is being written to, by another import perhaps: try again later")
        }
        ErrorKind::ImportUnderWay => {
            format!("another import into the ledger `{path}` is under way: import again when it has ended")
        }
        ErrorKind::AlreadyImported | ErrorKind::InvalidName | ErrorKind::AccountInUse => detail.to_owned(),
        ErrorKind::CannotCompare => {
            "the files cannot be compared: the directory for temporary files cannot be used".to_owned()
        }
        ErrorKind::Exists => format!("there is a file at `{detail}` already: give another name"),
        ErrorKind::CannotBackUp => {
            format!("the backup `{detail}` of the ledger `{path}` cannot be written")
        }
        ErrorKind::InUse => {
            format!("the ledger `{path}` is open in another program, a server perhaps: stop it first")
        }
        ErrorKind::CannotRestore => {
            format!("the copy `{detail}` cannot be put in the place of the ledger `{path}`")
        }
        ErrorKind::UnknownAccount => {
            format!("the ledger `{path}` has no account with the number {detail}; it may have been removed")
        }
        ErrorKind::UnknownEntry => {
            format!("the ledger `{path}` has no entry at {detail}, or not any more; nothing was changed")
        }
        ErrorKind::Outdated => {
            format!(
                "the account was changed in the ledger `{path}` meanwhile, and nothing was stored: read it anew ({detail})"
            )
        }
        ErrorKind::SyncedAccount => {
            format!(
                "the account in the ledger `{path}` is kept in step with a service and takes nothing from elsewhere: use \
                 another account"
            )
        }
        ErrorKind::InvalidCoverage => {
            format!(
                "what was walked cannot be recorded in the ledger `{path}`, and nothing was stored: {detail}"
            )
        }
        ErrorKind::WalkOutdated => {
            "entries that were still to come were taken out of the ledger: begin anew".to_owned()
        }
        ErrorKind::Aborted => {
            format!("the import into `{path}` failed and stores nothing: import again")
        }
        ErrorKind::Corrupt => format!("the ledger `{path}` is damaged: `billing check` says where"),
        // Refusals of the contract have their own messages. All others are the engine's.
        _ => format!("the ledger `{path}` could not be used"),
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
            let error = engine(Path::new("a/b.db"), cause);
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, message));
            assert_eq!(error.is_busy(), kind == ErrorKind::Busy);
            assert!(error.source().is_some(), "the engine's own words are the cause");
        }
    }
}
