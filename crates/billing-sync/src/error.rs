//! The error of a sync or a proof, and what was done before it.

use std::fmt;

use billing_model::{QueryError, Timestamp};

use crate::tally::Tally;

/// A sync or a proof that did not come to its end.
///
/// # What to do
/// [`cause`](Error::cause) says who can help. Every window that was in line before stays so, and the next sync goes on behind the
/// last one of them.
#[derive(Debug)]
pub struct Error {
    cause: Cause,
    done: Tally,
}

/// What ended a sync or a proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// Another process brings the account in line. Wait for it.
    #[error("another sync of this account runs: {0}")]
    Held(String),
    /// The account is a copy of another service. Use another account.
    #[error("the account is kept in step with {held}, and not with {asked}")]
    OtherService {
        /// The base URL of the account's source.
        held: String,
        /// That of the client.
        asked: String,
    },
    /// The key is new, and what it opens is not what is held. Use the key of the account, or another account.
    #[error(
        "the key opens another account than the one that is held: of {held} entries that were compared, it has {common}"
    )]
    OtherKey {
        /// Entries of the ledger that were compared.
        held: u64,
        /// How many of them the key gives.
        common: u64,
    },
    /// The clocks of the service and of this machine are more than a day apart, or what is held lies in the service's future, so one of
    /// them is wrong. Nothing was changed. Set the clock, or ask whoever runs the service.
    #[error("the service's clock says {service}, and this machine's {local}: one of them is wrong")]
    Clock {
        /// The service's.
        service: Timestamp,
        /// This machine's.
        local: Timestamp,
    },
    /// The source does not have a great part of what is held any more: more than a thousand entries, and more than a tenth of all. It may
    /// fail, or keep its history no longer. None of them was taken out; windows without a loss are in line. See
    /// [`SyncJob::accept_vanished`](crate::SyncJob::accept_vanished).
    #[error("the service does not have {vanished} of the {held} entries any more that are held")]
    Vanished {
        /// Entries that the source does not have.
        vanished: u64,
        /// Entries of the account.
        held: u64,
    },
    /// The source lacks other entries each time that it is asked. None of them was taken out. Ask again when it has settled.
    #[error("the service does not have all entries that are held, and others each time it is asked")]
    Unsteady,
    /// The account is a copy of no service.
    #[error("the account is kept in step with no service")]
    NotSynced,
    /// The endpoint does not take the question.
    #[error(transparent)]
    Query(QueryError),
    /// The service failed.
    #[error(transparent)]
    Service(billing_http::Error),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(billing_ledger::Error),
}

impl Cause {
    /// The cause where a client is not of an account's source.
    pub(crate) fn other_service(held: String, client: &billing_http::Client) -> Self {
        Self::OtherService { held, asked: client.base_url().trim_end_matches('/').to_owned() }
    }
}

impl Error {
    pub(crate) fn new(cause: Cause, done: Tally) -> Self {
        Self { cause, done }
    }

    /// Why it ended.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Why it ended, as an owned value.
    pub fn into_cause(self) -> Cause {
        self.cause
    }

    /// What was done before. A sync keeps it.
    pub fn done(&self) -> Tally {
        self.done
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.cause, f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.source()
    }
}

impl From<billing_http::Error> for Cause {
    fn from(error: billing_http::Error) -> Self {
        Self::Service(error)
    }
}

impl From<billing_ledger::Error> for Cause {
    fn from(error: billing_ledger::Error) -> Self {
        Self::Ledger(error)
    }
}

impl From<QueryError> for Cause {
    fn from(error: QueryError) -> Self {
        Self::Query(error)
    }
}
