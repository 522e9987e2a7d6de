//! A copy of the ledger as it is at one moment, made while others read and write it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use billing_ledger::{Error, ErrorKind};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::failure;
use crate::ledger::SqliteLedger;
use crate::paths::{remove_files, with_suffix};
use crate::schema;

/// Copies all pages in one step, which sees one state of the ledger. With several steps, the copy would begin anew at
/// every commit.
const ALL_PAGES: i32 = -1;

impl SqliteLedger {
    /// Writes a copy of the ledger to a path where nothing is: whole and durable, or not at all.
    ///
    /// Nobody has to wait meanwhile. The copy is a ledger like this one, with the same accounts and keys, so keep it
    /// just as private. It has everything that was stored before the call, and each batch that is stored meanwhile as a
    /// whole or not at all. Until it is complete it grows beside the path as `….part`. What a killed backup has left
    /// there is replaced.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`], [`ErrorKind::CannotBackUp`], or when the ledger cannot be read.
    pub fn back_up(&self, to: &Path) -> Result<(), Error> {
        let ledger = self.0.connections.path();
        let place = || to.display().to_string();
        let failed = |cause: io::Error| match cause.kind() {
            io::ErrorKind::AlreadyExists => failure(ErrorKind::Exists, ledger, place()),
            _ => failure(ErrorKind::CannotBackUp, ledger, place()).caused_by(cause),
        };
        if fs::symlink_metadata(to).is_ok() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let part = Part::create(to).map_err(failed)?;
        let connections = &self.0.connections;
        let copied = connections.read(|reader| copy(reader, &part.0));
        // The copy is checked after the reader was closed, because the ledger's log cannot be begun anew while it has a
        // reader.
        let copied = copied.and_then(|copy| check(copy).map_err(|cause| connections.fail(cause)));
        copied.map_err(|error| match error.kind() {
            // Faults of the ledger itself keep their kinds.
            ErrorKind::Replaced | ErrorKind::Corrupt => error,
            ErrorKind::Full => failed(io::Error::from(io::ErrorKind::StorageFull)),
            _ => failure(ErrorKind::CannotBackUp, ledger, place()).caused_by(error),
        })?;
        part.keep_as(to).map_err(failed)
    }
}

/// Copies what a connection reads, and seals the copy as a state of its own. Returns the connection to the copy.
pub(crate) fn copy(reader: &Connection, to: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(to, flags)?;
    // The copy is made durable as a whole at the end. Until then it does not count.
    target.pragma_update(None, "synchronous", "off")?;
    target.pragma_update(None, "journal_mode", "off")?;
    let backup = Backup::new(reader, &mut target)?;
    while backup.step(ALL_PAGES)? != StepResult::Done {
        std::thread::yield_now();
    }
    drop(backup);
    // With this, a log of the original is never taken for the copy's.
    schema::seal_copy(&target)?;
    Ok(target)
}

/// A backup that was not checked could be worthless, so every page of the copy is read.
fn check(copy: Connection) -> rusqlite::Result<()> {
    copy.query_row("PRAGMA quick_check(1)", [], |row| match row.get_ref(0)?.as_str()? {
        "ok" => Ok(()),
        // The engine's own code for a damaged page.
        _ => Err(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
            None,
        )),
    })?;
    copy.close().map_err(|(_, cause)| cause)
}

/// A file beside the path, which gets the name when it is complete. If this is dropped before, the file is removed.
pub(crate) struct Part(PathBuf);

impl Part {
    pub(crate) fn create(to: &Path) -> io::Result<Self> {
        let part = Self(with_suffix(to, ".part"));
        part.remove()?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt;
            options.mode(0o600);
        }
        options.open(&part.0)?;
        Ok(part)
    }

    /// Unlike a rename, a link never replaces a file that has come meanwhile.
    pub(crate) fn keep_as(self, to: &Path) -> io::Result<()> {
        OpenOptions::new().write(true).open(&self.0)?.sync_all()?;
        fs::hard_link(&self.0, to)?;
        fs::remove_file(&self.0)?;
        sync_directory(to)
    }

    /// Replaces what is there.
    pub(crate) fn rename_to(self, to: &Path) -> io::Result<()> {
        fs::rename(&self.0, to)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn remove(&self) -> io::Result<()> {
        remove_files(&self.0)
    }
}

/// Makes the names beside a path durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(directory) => File::open(directory)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // A file that cannot be removed is replaced by the next backup to this path.
        let _ = self.remove();
    }
}
