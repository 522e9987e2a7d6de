//! Whether the ledger can be written, tried and not asked: free space, quotas and permissions each have exceptions.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};

use billing_ledger::{Error, ErrorKind};

use crate::error::failure;
use crate::ledger::SqliteLedger;
use crate::paths::with_suffix;

impl SqliteLedger {
    /// Tries whether the ledger can be written and its disk has room for so many bytes more. No entry changes.
    ///
    /// A transaction is stored, which says that the file can be written. It says little of room, since the log may have
    /// that from before; so as many bytes are written to a file beside the ledger, which has no name by then and goes
    /// with this call.
    ///
    /// # Errors
    /// Why not, as for any call that writes: [`ErrorKind::Full`], [`ErrorKind::CannotOpen`], [`ErrorKind::Io`],
    /// [`ErrorKind::Busy`].
    pub(crate) fn try_writing(&self, room: usize) -> Result<(), Error> {
        let connections = &self.0.connections;
        connections.write(|_| Ok(()))?;
        let written = || {
            // Where the file is, not a link to it: that is the disk in question.
            let path = with_suffix(&fs::canonicalize(connections.path())?, "-probe");
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&path)?;
            fs::remove_file(&path)?;
            let zeros = vec![0; 64 << 10];
            for start in (0..room).step_by(zeros.len()) {
                file.write_all(&zeros[..zeros.len().min(room - start)])?;
            }
            // Some file systems look for room only now.
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
