//! What a failure means for the caller: an exit code, a line that says what happened, a line that says what to do.

use std::process::ExitCode;

use anyhow::anyhow;
use billing_http::ErrorKind;
use billing_sink::{DrainError, ErrorKind as SinkErrorKind};

use crate::interrupt::Stopped;
use crate::terminal;

/// The exit codes. They change only with a line in the CHANGELOG.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success after all: the reader of stdout has gone.
    Done = 0,
    Failed = 1,
    Usage = 2,
    Key = 4,
    Unreachable = 5,
    Incomplete = 6,
    Interrupted = 130,
}

/// Why a command did not do what it was asked to do.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: anyhow::Error,
    hints: Vec<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self { exit, error: error.into(), hints: Vec::new() }
    }

    pub(crate) fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Failed, error)
    }

    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::new(Exit::Usage, error)
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says what was being done.
    pub(crate) fn context(mut self, doing: impl std::fmt::Display + Send + Sync + 'static) -> Self {
        self.error = self.error.context(doing);
        self
    }

    /// Says it on stderr, and gives the code to exit with.
    pub(crate) fn report(self) -> ExitCode {
        if self.exit != Exit::Done {
            terminal::error(&format!("{:#}", self.error));
            self.hints.iter().for_each(|hint| terminal::hint(hint));
        }
        ExitCode::from(self.exit as u8)
    }
}

impl From<billing_http::Error> for Failure {
    fn from(error: billing_http::Error) -> Self {
        let (exit, hint) = match error.kind() {
            ErrorKind::InvalidUrl => (Exit::Usage, "a base URL looks like https://api.venice.ai/api/v1"),
            ErrorKind::InsecureUrl => (Exit::Usage, "the key goes only over https, or to this machine"),
            ErrorKind::InvalidKey => {
                (Exit::Key, "the key is the one line that the service showed when it was made")
            }
            ErrorKind::Unauthorized => (
                Exit::Key,
                "check BILLING_API_KEY, VENICE_API_KEY or --api-key-file; billing takes an admin key of this service",
            ),
            ErrorKind::NotFound => {
                (Exit::Unreachable, "check --base-url: it ends with the path, such as /api/v1")
            }
            ErrorKind::Gone => {
                (Exit::Unreachable, "the service ended this endpoint; try the other --endpoint")
            }
            ErrorKind::Unreachable => (Exit::Unreachable, "check --base-url and the network"),
            ErrorKind::Unavailable => (Exit::Unreachable, "the service fails; try again later"),
            ErrorKind::RateLimited => (
                Exit::Unreachable,
                "the service asks for patience; try again later, or allow more with --max-wait",
            ),
            ErrorKind::Interrupted => {
                (Exit::Incomplete, "nothing is lost; try again, or a smaller --page-size")
            }
            ErrorKind::Moved => {
                (Exit::Incomplete, "entries arrived meanwhile; run it again, or end the window earlier")
            }
            ErrorKind::Inconsistent | ErrorKind::CursorLost | ErrorKind::TooManyPages => {
                (Exit::Incomplete, "the service contradicts itself; try again, or the other --endpoint")
            }
            ErrorKind::NotTheApi | ErrorKind::Redirected => (
                Exit::Failed,
                "check --base-url; a proxy or a login page may be in between, or a page is too large: try a smaller --page-size",
            ),
            ErrorKind::Malformed => {
                (Exit::Failed, "nothing was rounded or left out; report this if the service is right")
            }
            _ => return Self::failed(error),
        };
        Self::new(exit, error).hint(hint)
    }
}

impl From<billing_sink::Error> for Failure {
    fn from(error: billing_sink::Error) -> Self {
        match &error {
            gone if gone.is_broken_pipe() => Self::new(Exit::Done, error),
            full if full.is_storage_full() => {
                let hint = match full.kind() {
                    // At the very last of its steps the new file, whole, is in the place of the old one.
                    SinkErrorKind::Commit | SinkErrorKind::Remove => "the disk is full",
                    _ => "the disk is full; a file that was there before is as it was",
                };
                Self::failed(error).hint(hint)
            }
            other if other.kind() == SinkErrorKind::OtherArguments => Self::usage(error).hint(
                "give the same arguments to go on with it, or --restart to throw it away and begin anew",
            ),
            left if left.is_restartable() => {
                Self::failed(error).hint("--restart throws it away and begins anew")
            }
            busy if busy.is_busy() => {
                Self::failed(error).hint("wait for the other run, or choose another -o")
            }
            _ => Self::failed(error),
        }
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Interrupted => Self::new(Exit::Interrupted, anyhow!("interrupted")),
            Stopped::Failed(error) => error.into(),
        }
    }
}

impl<E: Into<Failure>> From<DrainError<E, billing_sink::Error>> for Failure {
    fn from(error: DrainError<E, billing_sink::Error>) -> Self {
        match error {
            DrainError::Pages(error) => error.into(),
            DrainError::Sink(error) => error.into(),
        }
    }
}

impl From<billing_store::Error> for Failure {
    fn from(error: billing_store::Error) -> Self {
        match error.kind() {
            billing_store::ErrorKind::NotFound => {
                Self::failed(error).hint("billing import or billing keys create makes a ledger")
            }
            _ => Self::failed(error),
        }
    }
}
