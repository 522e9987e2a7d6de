//! What keeps the ledger from being written at the moment.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use billing_ledger::ErrorKind;

/// When to come again about a trouble that a person has to solve first.
const RETRY_TROUBLE: Duration = Duration::from_secs(10);

/// When to come again while a database is away.
const RETRY_AWAY: Duration = Duration::from_secs(5);

/// Why the ledger cannot be written. Mostly a person has to solve it. Reading goes on, unless the ledger is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Its disk is full.
    Full,
    /// It may only be read: its file, its directory or its disk.
    ReadOnly,
    /// Its disk failed.
    Failed,
    /// The database that holds it does not answer.
    Away,
    /// A program of a newer version has taken it forward.
    Newer,
}

impl Trouble {
    /// The trouble that an error shows. A busy ledger has none, and neither has one that refuses a batch.
    pub(crate) fn of(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::Full => Some(Self::Full),
            // The ledger could be opened before, so this is a connection that may not write: to a copy of a database, say.
            ErrorKind::CannotOpen => Some(Self::ReadOnly),
            ErrorKind::Io => Some(Self::Failed),
            ErrorKind::Away => Some(Self::Away),
            ErrorKind::NewerVersion => Some(Self::Newer),
            _ => None,
        }
    }

    /// The trouble that keeps the ledger from being read, too.
    pub(crate) fn of_reading(kind: ErrorKind) -> Option<Self> {
        Self::of(kind).filter(|trouble| matches!(trouble, Self::Away | Self::Newer))
    }

    /// When it may be over.
    pub(crate) fn retry_after(self) -> Duration {
        match self {
            // A database that is started again, or the one in its place, is there within seconds.
            Self::Away => RETRY_AWAY,
            _ => RETRY_TROUBLE,
        }
    }

    /// What became of a batch, in words.
    pub(crate) fn outcome(self) -> &'static str {
        match self {
            Self::Full | Self::ReadOnly | Self::Away | Self::Newer => "Not stored",
            // Perhaps everything was written, and only the sync failed.
            Self::Failed => "Perhaps not stored",
        }
    }

    /// What is wrong, in words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Full => "the disk of the ledger is full",
            Self::ReadOnly => "the ledger can only be read",
            Self::Failed => "the disk of the ledger failed",
            Self::Away => "the database of the ledger is away",
            Self::Newer => "the ledger is from a newer version of this program",
        }
    }
}

/// The result of the last write, and so the present trouble.
#[derive(Debug, Default)]
pub(crate) struct LastWrite(Mutex<Option<Trouble>>);

impl LastWrite {
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the result of a write. An error that says nothing about the disk changes nothing.
    pub(crate) fn note(&self, failed: Option<ErrorKind>) {
        let found = failed.map(Trouble::of);
        if found == Some(None) {
            return;
        }
        let mut trouble = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = found.flatten();
        let before = std::mem::replace(&mut *trouble, now);
        drop(trouble);
        if before != now {
            match now {
                Some(trouble) => tracing::error!("{}; it is tried again every second", trouble.text()),
                None => tracing::info!("the ledger can be written again"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_lasts_until_a_write_works() {
        let last_write = LastWrite::default();
        for (failed, expect) in [
            (Some(ErrorKind::Busy), None),
            (Some(ErrorKind::Full), Some(Trouble::Full)),
            (Some(ErrorKind::Busy), Some(Trouble::Full)),
            (Some(ErrorKind::UnknownAccount), Some(Trouble::Full)),
            (Some(ErrorKind::CannotOpen), Some(Trouble::ReadOnly)),
            (Some(ErrorKind::Io), Some(Trouble::Failed)),
            (Some(ErrorKind::Away), Some(Trouble::Away)),
            (Some(ErrorKind::OutcomeNotKnown), Some(Trouble::Away)),
            (Some(ErrorKind::NewerVersion), Some(Trouble::Newer)),
            (None, None),
        ] {
            last_write.note(failed);
            assert_eq!(last_write.trouble(), expect, "{failed:?}");
        }
    }
}
