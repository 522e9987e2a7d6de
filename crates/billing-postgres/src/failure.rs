//! What can fail in a call, and which kind of error it is. PostgreSQL says so by the codes of its appendix "PostgreSQL Error Codes".

use std::io;

use billing_ledger::{AccountId, Error, ErrorKind};
use billing_model::ValueError;
use tokio_postgres::error::{Severity, SqlState};

use crate::target::Target;

/// A failure within a call, before it is an [`Error`] with the ledger's name.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database refused or was lost.
    Database(tokio_postgres::Error),
    /// The ledger refuses, in these words.
    Kind(ErrorKind, String),
    /// An error in full, that of a borrower say.
    Error(Error),
}

impl Failure {
    pub(crate) fn unknown_account(account: AccountId) -> Self {
        Self::Kind(ErrorKind::UnknownAccount, account.0.to_string())
    }

    /// A value that cannot be in a ledger.
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::Kind(ErrorKind::Corrupt, what.into())
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(cause: tokio_postgres::Error) -> Self {
        Self::Database(cause)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<ValueError> for Failure {
    fn from(cause: ValueError) -> Self {
        Self::Error(cause.into())
    }
}

/// The error for a failure in the ledger at this place.
pub(crate) fn error(target: &Target, failure: Failure) -> Error {
    match failure {
        Failure::Database(cause) => {
            let kind = kind_of(&cause);
            // The message has all that the client knows, so its error is not told once more as the cause.
            Error::new(kind, message(kind, target, &detail_of(&cause)))
        }
        Failure::Kind(kind, detail) => Error::new(kind, message(kind, target, &detail)),
        Failure::Error(error) => error,
    }
}

/// The kind of a failure of the database.
pub(crate) fn kind_of(cause: &tokio_postgres::Error) -> ErrorKind {
    let Some(code) = cause.code() else {
        // The statements are fixed, so a value of another type was put there by somebody else.
        return match () {
            () if is_of_a_value(cause) => ErrorKind::Corrupt,
            () if is_of_ours(cause) => ErrorKind::Engine,
            () if is_of_trust(cause) => ErrorKind::CannotOpen,
            () => ErrorKind::Away,
        };
    };
    match *code {
        SqlState::DISK_FULL => ErrorKind::Full,
        SqlState::IO_ERROR => ErrorKind::Io,
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => ErrorKind::Corrupt,
        SqlState::LOCK_NOT_AVAILABLE
        | SqlState::QUERY_CANCELED
        | SqlState::T_R_DEADLOCK_DETECTED
        | SqlState::T_R_SERIALIZATION_FAILURE
        // Statements are sent together: another one failed before this one, perhaps for want of a lock.
        | SqlState::IN_FAILED_SQL_TRANSACTION
        | SqlState::OUT_OF_MEMORY => ErrorKind::Busy,
        SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::TOO_MANY_CONNECTIONS
        | SqlState::IDLE_SESSION_TIMEOUT
        | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => ErrorKind::Away,
        SqlState::INVALID_CATALOG_NAME => ErrorKind::NotFound,
        SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::INSUFFICIENT_PRIVILEGE => ErrorKind::CannotOpen,
        SqlState::UNDEFINED_TABLE | SqlState::UNDEFINED_COLUMN | SqlState::INVALID_SCHEMA_NAME => {
            ErrorKind::Replaced
        }
        _ if code.code().starts_with("08") => ErrorKind::Away,
        _ if code.code().starts_with("28") => ErrorKind::CannotOpen,
        _ => ErrorKind::Engine,
    }
}

/// True when the database said that nothing of the transaction is stored. A lost connection says nothing, and neither does a session that
/// ends: it may end after the commit.
pub(crate) fn says_not_stored(cause: &tokio_postgres::Error) -> bool {
    cause.as_db_error().is_some_and(|error| error.parsed_severity() == Some(Severity::Error))
}

/// True for a value that has another type or form than its column.
fn is_of_a_value(cause: &tokio_postgres::Error) -> bool {
    // The client tells its own kinds of error by their words alone.
    let text = cause.to_string();
    text.starts_with("error deserializing")
        || text.starts_with("invalid column")
        || text.starts_with("query returned")
}

/// True for a statement that was not sent, because we gave it values that it does not take: a fault of this program.
fn is_of_ours(cause: &tokio_postgres::Error) -> bool {
    let text = cause.to_string();
    text.starts_with("error serializing")
        || text.starts_with("error encoding")
        || (text.starts_with("expected ") && text.contains(" parameters but got "))
}

/// True for a statement that was prepared on a connection and is of no use on it any more: the tables have changed since, or somebody
/// between here and the database has dropped it.
pub(crate) fn is_of_stale_statement(cause: &tokio_postgres::Error) -> bool {
    matches!(cause.code(), Some(&(SqlState::FEATURE_NOT_SUPPORTED | SqlState::INVALID_SQL_STATEMENT_NAME)))
}

/// True for a write where only reading is allowed: by a setting, or because the server is a standby.
pub(crate) fn is_of_reading_only(cause: &tokio_postgres::Error) -> bool {
    cause.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// True where one of the two sides does not trust the other, which waiting does not change: no password was given, the server has no TLS,
/// or a certificate does not fit. A connection that is lost while TLS begins is none of these.
fn is_of_trust(cause: &tokio_postgres::Error) -> bool {
    let text = cause.to_string();
    let lost = std::error::Error::source(cause)
        .and_then(|source| source.downcast_ref::<io::Error>())
        .is_some_and(|error| error.kind() != io::ErrorKind::InvalidData);
    text.starts_with("invalid configuration") || (text.starts_with("error performing TLS handshake") && !lost)
}

/// True when somebody else had a lock for longer than it is waited for.
pub(crate) fn is_of_lock(failure: &Failure) -> bool {
    matches!(failure, Failure::Database(cause) if cause.code() == Some(&SqlState::LOCK_NOT_AVAILABLE))
}

/// True when the database knows no such user, or takes another password.
pub(crate) fn is_of_letting_in(cause: &tokio_postgres::Error) -> bool {
    cause.code().is_some_and(|code| code.code().starts_with("28"))
}

/// The database's own words.
pub(crate) fn detail_of(cause: &tokio_postgres::Error) -> String {
    match cause.as_db_error() {
        Some(error) if is_of_reading_only(cause) => format!(
            "the server there takes no writes, as a standby or by default_transaction_read_only ({})",
            error.message()
        ),
        Some(error) => error.message().to_owned(),
        None => std::error::Error::source(cause).map_or_else(|| cause.to_string(), ToString::to_string),
    }
}

fn message(kind: ErrorKind, target: &Target, detail: &str) -> String {
    match kind {
        ErrorKind::NotFound => format!("there is no ledger in `{target}`: {detail}"),
        ErrorKind::NotALedger => format!("the schema `billing` of `{target}` is not a ledger: {detail}"),
        ErrorKind::OlderVersion => {
            format!(
                "the ledger `{target}` is from an older version of this program ({detail}): let `billing keys list` take it forward \
                 first"
            )
        }
        ErrorKind::NewerVersion => {
            format!(
                "the ledger `{target}` is from a newer version of this program ({detail}): update the program"
            )
        }
        ErrorKind::CannotOpen => format!("cannot use the ledger `{target}`: {detail}"),
        ErrorKind::Replaced => format!("`{target}` no longer holds the ledger that was opened: {detail}"),
        ErrorKind::Full => {
            format!("no space is left on the disk of the database of the ledger `{target}`: {detail}")
        }
        ErrorKind::Io => format!("the disk of the database of the ledger `{target}` failed: {detail}"),
        ErrorKind::Away => {
            format!(
                "the database of the ledger `{target}` does not answer ({detail}): see that it runs, and try again"
            )
        }
        ErrorKind::Busy => {
            format!("the ledger `{target}` is busy, with an import perhaps ({detail}): try again later")
        }
        ErrorKind::OutcomeNotKnown => {
            format!(
                "the connection to the ledger `{target}` was lost while it stored ({detail}), so it is not known whether it did: look \
                 whether it is there; a batch may just be sent again"
            )
        }
        ErrorKind::UnknownAccount => format!("the ledger `{target}` has no account with the number {detail}"),
        ErrorKind::UnknownEntry => {
            format!("the ledger `{target}` has no such entry, or not any more: {detail}")
        }
        ErrorKind::Outdated => {
            format!("the account in `{target}` has changed since the change was made for it: {detail}")
        }
        ErrorKind::WalkOutdated => {
            format!("entries of `{target}` were taken out that the walk had not reached yet: begin it anew")
        }
        ErrorKind::SyncedAccount => {
            format!(
                "the account in `{target}` is kept in step with a service, and takes no entries from elsewhere{detail}"
            )
        }
        ErrorKind::Corrupt => format!("the ledger `{target}` is damaged: {detail}"),
        _ => format!("the ledger `{target}`: {detail}"),
    }
}
