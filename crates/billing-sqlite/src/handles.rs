//! Plain handles to files that the engine has open too.
//!
//! Closing any handle to a file drops all locks that the process has on the file, the engine's too. So the handles of a
//! ledger are opened once and shared by all in this process that have it open. They are closed when the last of these
//! has closed its connections. A caller asks for them before it connects.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::file_id::FileId;

/// The ledgers that this process has open.
static OPEN: Mutex<BTreeMap<FileId, Entry>> = Mutex::new(BTreeMap::new());

#[derive(Default)]
struct Entry {
    users: usize,
    /// Each handle with the identity of its file: whenever the index is made anew, it is another file.
    handles: Vec<(FileId, Arc<File>)>,
}

/// A share in the handles of one ledger. It must be dropped after the connections to it.
pub(crate) struct Handles {
    ledger: FileId,
}

impl Handles {
    /// The handles of the file at a path; `None` when there is no file. With `create` the file is made, readable by its
    /// owner only.
    pub(crate) fn of(path: &Path, create: bool) -> io::Result<Option<Self>> {
        let mut open = open();
        let ledger = match FileId::at(path)? {
            Some(ledger) => ledger,
            None if create => {
                let mut options = OpenOptions::new();
                options.read(true).write(true).create_new(true);
                #[cfg(unix)]
                {
                    use std::os::unix::fs::OpenOptionsExt;
                    options.mode(0o600);
                }
                let file = match options.open(path) {
                    // Somebody else has made the file just now.
                    Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                        drop(open);
                        return Self::of(path, false);
                    }
                    file => file?,
                };
                let ledger = FileId::of(path, &file.metadata()?);
                open.entry(ledger).or_default().handles.push((ledger, Arc::new(file)));
                ledger
            }
            None => return Ok(None),
        };
        open.entry(ledger).or_default().users += 1;
        Ok(Some(Self { ledger }))
    }

    /// The ledger's file.
    pub(crate) fn ledger(&self) -> FileId {
        self.ledger
    }

    /// How many times this process has the ledger open.
    pub(crate) fn users(&self) -> usize {
        open().get(&self.ledger).map_or(0, |entry| entry.users)
    }

    /// A handle to read one of the ledger's files. `None` when the file is missing, or is another one by now.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Option<Arc<File>>> {
        let mut open = open();
        let Some(id) = FileId::at(path)? else { return Ok(None) };
        let handles = &mut open.entry(self.ledger).or_default().handles;
        if let Some((_, file)) = handles.iter().find(|(kept, _)| *kept == id) {
            return Ok(Some(Arc::clone(file)));
        }
        let file = Arc::new(File::open(path)?);
        let found = FileId::of(path, &file.metadata()?);
        // The handle is kept even when it is of another file than was asked for: closing it could drop locks of
        // somebody else.
        handles.push((found, Arc::clone(&file)));
        Ok((found == id).then_some(file))
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        let mut open = open();
        let Some(entry) = open.get_mut(&self.ledger) else { return };
        entry.users -= 1;
        if entry.users == 0 {
            // The handles are closed before anybody else can connect.
            drop(open.remove(&self.ledger));
        }
    }
}

/// The list is consistent at every moment, so it can be used even after a panic.
fn open() -> MutexGuard<'static, BTreeMap<FileId, Entry>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
