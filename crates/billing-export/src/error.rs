//! The error of an export, and what was kept.

use std::error::Error as StdError;
use std::fmt;

use billing_model::{QueryError, Timestamp, ValueError};

/// An export that did not come to its end, and what of it was kept.
///
/// # What to do
/// [`cause`](Error::cause) says where the fault is. When something is [`kept`](Error::kept), run the same export again: it
/// continues there, whatever the cause was. When nothing is kept, a file is as it was before. A pipe has got
/// [`added`](Error::added) entries, which are not the whole window.
pub struct Error<S>(Box<Inner<S>>);

struct Inner<S> {
    cause: Cause<S>,
    is_settled: bool,
    added: u64,
    is_resumed: bool,
    kept: Option<Kept>,
}

/// What ended an export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Cause<S> {
    /// The export was told to [`Stop`](crate::Stop).
    #[error("the export was stopped")]
    Stopped,
    /// The endpoint cannot answer the export.
    #[error(transparent)]
    Query(QueryError),
    /// What an earlier run left has no window, so it is not known what is missing. Begin anew with
    /// [`open_anew`](crate::Export::open_anew).
    #[error("the checkpoint has no window")]
    Settled(#[source] ValueError),
    /// The service failed, or the walk is not whole. After [`Moved`](billing_http::ErrorKind::Moved) in a place that
    /// can take back what was written, the window was walked three times.
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

/// How far a walk had come when it ended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) is_settled: bool,
    pub(crate) added: u64,
    pub(crate) is_resumed: bool,
}

impl<S> Error<S> {
    pub(crate) fn new(cause: Cause<S>, progress: Progress, kept: Option<Kept>) -> Self {
        let Progress { is_settled, added, is_resumed } = progress;
        Self(Box::new(Inner { cause, is_settled, added, is_resumed, kept }))
    }

    /// Why the export ended.
    pub fn cause(&self) -> &Cause<S> {
        &self.0.cause
    }

    /// Why the export ended, as an owned value.
    pub fn into_cause(self) -> Cause<S> {
        self.0.cause
    }

    /// What another run can continue. It was looked up in the place after the failure, because a disk that fails keeps
    /// less than came.
    pub fn kept(&self) -> Option<Kept> {
        self.0.kept
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
        let Inner { cause, added, kept, .. } = &*self.0;
        f.debug_struct("Error").field("cause", cause).field("added", added).field("kept", kept).finish()
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
