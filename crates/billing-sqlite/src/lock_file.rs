//! A locked file beside the ledger, by which others know that something still runs: an import in chunks, or who brings a synced
//! account in line.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use billing_model::one_line;

use crate::file_id::FileId;
use crate::paths::with_suffix;

/// How often the file may be removed between two calls of this one, each time by a holder that ends.
const MAX_TRIES: u32 = 16;

/// The most bytes that are read of what a holder says of itself, and the most characters that are shown of it.
const MOST_BYTES: u64 = 1024;
const MOST_CHARS: usize = 200;

/// A locked file. The system drops the lock when the process ends, however it ends. The file may stay then and means nothing.
pub(crate) struct LockFile {
    path: PathBuf,
    _file: File,
}

/// Whose a lock is.
pub(crate) enum Lock {
    Taken(LockFile),
    /// Another one has it: what it says of itself, which may be nothing.
    HeldBy(String),
}

impl LockFile {
    /// Takes the lock on the file with this suffix beside the ledger. `holder` is what it says of itself, in one line.
    pub(crate) fn take(ledger: &Path, suffix: &str, holder: &str) -> io::Result<Lock> {
        // With links resolved, all names of one ledger share one lock, as they share its log.
        let path = with_suffix(&fs::canonicalize(ledger)?, suffix);
        for _ in 0..MAX_TRIES {
            let mut file =
                OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path)?;
            give_to_owner(ledger, &path);
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Ok(Lock::HeldBy(line(file))),
                Err(TryLockError::Error(cause)) => return Err(cause),
            }
            // The holder before may have removed the file in between.
            match fs::metadata(&path) {
                Ok(there) if FileId::of(&path, &there) == FileId::of(&path, &file.metadata()?) => {
                    // A holder that was killed may have left its own line.
                    file.set_len(0)?;
                    file.write_all(holder.as_bytes())?;
                    return Ok(Lock::Taken(Self { path, _file: file }));
                }
                Ok(_) => {}
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
                Err(cause) => return Err(cause),
            }
        }
        Ok(Lock::HeldBy(String::new()))
    }
}

/// What the holder of a lock says of itself. Where the system lets nobody read a locked file, that is nothing.
fn line(file: File) -> String {
    let mut bytes = Vec::new();
    let _ = file.take(MOST_BYTES).read_to_end(&mut bytes);
    one_line(&String::from_utf8_lossy(&bytes), MOST_CHARS)
}

/// Gives the lock's file to the owner of the ledger, who must be able to take it after a process of root was killed. A
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

impl Drop for LockFile {
    fn drop(&mut self) {
        // This happens under the lock, so the file is this one's. If it stays, the next holder uses it.
        let _ = fs::remove_file(&self.path);
    }
}
