//! By what it is seen that the files are still those of the ledger that was opened.

use std::io;

use crate::guard::Guard;
use crate::meta::Secret;
use crate::still::Still;

/// What is looked at before anything is handed out.
pub(crate) enum Watch {
    /// The file and its log.
    Log(Guard),
    /// The file alone, which is only read: it changes when a writer's log is copied into it.
    Still(Still),
}

impl Watch {
    pub(crate) fn is_still(&self) -> bool {
        matches!(self, Self::Still(_))
    }

    /// True when the files are those of the ledger, and of one state that may be read.
    pub(crate) fn fits(&self, secret: &Secret) -> io::Result<bool> {
        match self {
            Self::Log(guard) => guard.fits(secret),
            Self::Still(still) => still.is_same(),
        }
    }

    /// How many frames the log has.
    pub(crate) fn frames(&self) -> u32 {
        match self {
            Self::Log(guard) => guard.frames().unwrap_or_default(),
            Self::Still(_) => 0,
        }
    }
}
