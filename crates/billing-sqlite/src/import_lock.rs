//! The lock of an import in chunks, by which others know that it still runs.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::file_id::FileId;
use crate::paths::with_suffix;

/// How often the file may be removed between two calls of this one, each time by an import that ends.
const MAX_TRIES: u32 = 16;

/// A locked file beside the ledger. The system drops the lock when the process ends, however it ends. The file may stay
/// then and means nothing.
pub(crate) struct ImportLock {
    path: PathBuf,
    _file: File,
}

impl ImportLock {
    /// Takes the lock; `None` when another import has it.
    pub(crate) fn take(ledger: &Path) -> io::Result<Option<Self>> {
        // With links resolved, all names of one ledger share one lock, as they share its log.
        let path = with_suffix(&fs::canonicalize(ledger)?, "-import");
        for _ in 0..MAX_TRIES {
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
            give_to_owner(ledger, &path);
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(cause)) => return Err(cause),
            }
            // The import that had the lock may have removed the file in between.
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

/// Gives the lock's file to the owner of the ledger, who must be able to take it after an import by root was killed. A
/// user who may not do that keeps the file, as usual.
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
        // This happens under the lock, so the file is this import's. If it stays, the next import uses it.
        let _ = fs::remove_file(&self.path);
    }
}
