//! Why a copy has not ended.

use std::fmt;

/// A copy that did not end. The target stays unfinished, and the same copy goes on with it, but for [`ErrorKind::Changed`] and
/// [`ErrorKind::Used`].
///
/// # What to do
/// See to what the cause says, and copy again. After [`ErrorKind::Changed`] remove the target and begin anew. [`ErrorKind::Differs`] says
/// that one of the two ledgers has something that it should not have: check the source, and begin anew.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    cause: Option<billing_ledger::Error>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The source cannot be read.
    Source,
    /// The target cannot be written or read.
    Target,
    /// What was copied before is another thing in the source by now: it was repaired or restored since.
    Changed,
    /// Source and target differ, where they should not.
    Differs,
    /// The copy had ended before, and the two are not the same any more: one was used since. Nothing was touched.
    Used,
}

impl Error {
    pub(crate) fn source(cause: billing_ledger::Error) -> Self {
        Self {
            kind: ErrorKind::Source,
            message: "the ledger that is copied cannot be read".to_owned(),
            cause: Some(cause),
        }
    }

    pub(crate) fn target(cause: billing_ledger::Error) -> Self {
        Self { kind: ErrorKind::Target, message: "the copy cannot be kept".to_owned(), cause: Some(cause) }
    }

    pub(crate) fn unreadable_state(state: &str) -> Self {
        let message = format!("the copy is at `{}`, which this program does not know", state.escape_debug());
        Self { kind: ErrorKind::Target, message, cause: None }
    }

    pub(crate) fn changed(what: impl fmt::Display) -> Self {
        let message = format!(
            "{what} is another one in the ledger that is copied than it was: it was repaired or restored since the copy began, or somebody changed the copy"
        );
        Self { kind: ErrorKind::Changed, message, cause: None }
    }

    pub(crate) fn differs(message: String) -> Self {
        Self { kind: ErrorKind::Differs, message, cause: None }
    }

    pub(crate) fn used(how: impl fmt::Display) -> Self {
        let message = format!(
            "the copy had ended before, and the two ledgers are not the same any more, so one of them was used since: {how}"
        );
        Self { kind: ErrorKind::Used, message, cause: None }
    }

    /// What happened.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error of the source or of the target.
    pub fn cause(&self) -> Option<&billing_ledger::Error> {
        self.cause.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_ref().map(|cause| cause as &(dyn std::error::Error + 'static))
    }
}
