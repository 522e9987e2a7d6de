//! Finds out by trying whether the ledger can be written. Asking for free space, quotas and permissions would not be
//! enough, because each has exceptions.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use billing_ledger::{Error, ErrorKind};

use crate::error::failure;
use crate::ledger::SqliteLedger;
use crate::paths::with_suffix;

impl SqliteLedger {
    /// Tries whether the ledger can be written and its disk has room for so many bytes more. No entry changes.
    ///
    /// A committed transaction shows that the file can be written. It does not show that there is room, because the log
    /// may have room left from before. So as many bytes are written to a file beside the ledger, whose name is removed
    /// before and which is gone after this call.
    ///
    /// # Errors
    /// The reason why not, as from any call that writes: [`ErrorKind::Full`], [`ErrorKind::CannotOpen`],
    /// [`ErrorKind::Io`], [`ErrorKind::Busy`].
    pub(crate) fn try_writing(&self, room: usize) -> Result<(), Error> {
        let connections = &self.0.connections;
        connections.write(|_| Ok(()))?;
        let written = || {
            // Links are resolved, because the disk of the file itself is in question.
            let path = with_suffix(&fs::canonicalize(connections.path())?, "-probe");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
            fs::remove_file(&path)?;
            let zeros = vec![0; 64 << 10];
            for start in (0..room).step_by(zeros.len()) {
                file.write_all(&zeros[..zeros.len().min(room - start)])?;
            }
            // Some file systems check for room only now.
            file.sync_data()
        };
        written().map_err(|cause| failure(kind_of(&cause), connections.path(), "").caused_by(cause))
    }
}

fn kind_of(cause: &io::Error) -> ErrorKind {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::Full,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => ErrorKind::CannotOpen,
        _ => ErrorKind::Io,
    }
}
