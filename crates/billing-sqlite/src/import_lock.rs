//! The lock of an import in chunks, by which others know that it still runs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::file_id::FileId;
use crate::paths::with_suffix;

/// How often the file may be removed between two calls of ours, each time by an import that ends.
const MAX_TRIES: u32 = 16;

/// A file beside the ledger, locked. The system drops the lock when the process ends, however it ends; then the file may
/// stay, and means nothing.
pub(crate) struct ImportLock {
    path: PathBuf,
    _file: File,
}

impl ImportLock {
    /// `None` when an import has it.
    pub(crate) fn take(ledger: &Path) -> io::Result<Option<Self>> {
        // Links lead to one ledger, as they do for its log.
        let path = with_suffix(&fs::canonicalize(ledger)?, "-import");
        for _ in 0..MAX_TRIES {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            give_to_owner(ledger, &path);
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(cause)) => return Err(cause),
            }
            // The one who had it may have removed it in between.
            match fs::metadata(&path) {
                Ok(there) if FileId::of(&path, &there) == FileId::of(&path, &file.metadata()?) => {
                    return Ok(Some(Self { path, _file: file }));
                }
                Ok(_) => {}
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(None)
    }
}

/// Whose the ledger is, theirs is the lock: they must be able to take it when an import of root was killed. Who may not give
/// it away has it as everybody has what they make.
#[cfg(unix)]
fn give_to_owner(ledger: &Path, lock: &Path) {
    use std::os::unix::fs::{MetadataExt, chown};
    if let (Ok(ledger), Ok(made)) = (fs::metadata(ledger), fs::metadata(lock))
        && (ledger.uid(), ledger.gid()) != (made.uid(), made.gid())
    {
        let _ = chown(lock, Some(ledger.uid()), Some(ledger.gid()));
    }
}

#[cfg(not(unix))]
fn give_to_owner(_: &Path, _: &Path) {}

impl Drop for ImportLock {
    fn drop(&mut self) {
        // Under the lock, so that it is ours. One that stays is used by the next import.
        let _ = fs::remove_file(&self.path);
    }
}
