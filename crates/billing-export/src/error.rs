//! The error of an export, and what was kept.

use std::error::Error as StdError;
use std::fmt;

use billing_model::{QueryError, Timestamp, ValueError};

/// An export that did not come to its end, and what of it was kept.
///
/// # What to do
/// [`cause`](Error::cause) says who can help. Where something is [`kept`](Error::kept), the same export goes on with it, whatever
/// the cause was. Where [it is not known](Error::is_kept_known) whether anything is, opening the place again tells. Otherwise the place
/// is as it was before, if it takes back what was written; in a pipe there is what [`added`](Error::added) counts, and it is not
/// the window.
pub struct Error<S>(Box<Inner<S>>);

struct Inner<S> {
    cause: Cause<S>,
    is_settled: bool,
    added: u64,
    is_resumed: bool,
    remains: Remains,
}

/// What ended an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause<S> {
    /// The export was told to [`Stop`](crate::Stop).
    #[error("the export was stopped")]
    Stopped,
    /// The [`Client`](billing_http::Client) is of another service than the export, so nothing was sent.
    #[error("the export is of {export}, and the client of {client}")]
    OtherService {
        /// The base URL of the export.
        export: String,
        /// That of the client.
        client: String,
    },
    /// The [`Client`](billing_http::Client) has another key than the export, so nothing was sent.
    #[error("the export is of another key than the client has")]
    OtherKey,
    /// The endpoint does not take the question.
    #[error(transparent)]
    Query(QueryError),
    /// What an earlier run left has no window, so that it is not known what is missing: its text is none, or the place has not
    /// kept it. Begin anew, by [`open_anew`](crate::Export::open_anew).
    #[error("the checkpoint has no window")]
    Settled(#[source] Option<ValueError>),
    /// The service failed, or what came of it is not the window. After [`Moved`](billing_http::ErrorKind::Moved) the window was
    /// walked as often as is done.
    #[error(transparent)]
    Service(billing_http::Error),
    /// The place failed.
    #[error(transparent)]
    Sink(S),
}

/// What is kept for the next run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The number of entries.
    pub entries: u64,
    /// They are all entries of the window before this instant.
    pub complete_until: Timestamp,
}

/// What is known of what is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Remains {
    Nothing,
    Kept(Kept),
    /// The place failed. This is what it said before.
    NotKnown(Option<Kept>),
}

/// How far a walk had come when it ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) is_settled: bool,
    pub(crate) added: u64,
    pub(crate) is_resumed: bool,
}

impl<S> Error<S> {
    pub(crate) fn new(cause: Cause<S>, progress: Progress, remains: Remains) -> Self {
        let Progress { is_settled, added, is_resumed } = progress;
        Self(Box::new(Inner { cause, is_settled, added, is_resumed, remains }))
    }

    /// Why the export ended.
    pub fn cause(&self) -> &Cause<S> {
        &self.0.cause
    }

    /// Why the export ended, as an owned value.
    pub fn into_cause(self) -> Cause<S> {
        self.0.cause
    }

    /// What is there to go on with, as it was looked up afterwards: a disk that fails keeps less than came. Where it
    /// [is not known](Error::is_kept_known), this is what an earlier run left, as the place said before it failed to go on with it, or
    /// `None`. Else `None` is that there is nothing.
    pub fn kept(&self) -> Option<Kept> {
        match self.0.remains {
            Remains::Kept(kept) => Some(kept),
            Remains::NotKnown(before) => before,
            Remains::Nothing => None,
        }
    }

    /// False when the place failed at the look-up, or as it was begun, gone on with or begun anew: then there may be something to go
    /// on with, of this run or an earlier one, or nothing.
    pub fn is_kept_known(&self) -> bool {
        !matches!(self.0.remains, Remains::NotKnown(_))
    }

    /// How many entries this run has written.
    pub fn added(&self) -> u64 {
        self.0.added
    }

    /// True when this run continued an earlier one.
    pub fn is_resumed(&self) -> bool {
        self.0.is_resumed
    }

    /// False when the run ended before its window was known, and so before it changed the place.
    pub fn is_settled(&self) -> bool {
        self.0.is_settled
    }

    /// True when the export was told to stop.
    pub fn is_stopped(&self) -> bool {
        matches!(self.0.cause, Cause::Stopped)
    }
}

impl<S: fmt::Debug> fmt::Debug for Error<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { cause, added, remains, .. } = &*self.0;
        f.debug_struct("Error").field("cause", cause).field("added", added).field("kept", remains).finish()
    }
}

impl<S: fmt::Display> fmt::Display for Error<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.cause.fmt(f)
    }
}

impl<S: StdError + 'static> StdError for Error<S> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.cause.source()
    }
}
