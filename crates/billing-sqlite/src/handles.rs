//! Files that are also open in the engine, read by plain handles.
//!
//! To close any handle to a file drops all locks that the process has on it, the engine's too. So the handles of one
//! ledger are shared by all who have it open in this process, are opened once, and are closed when the last of them has
//! closed its connections. Who is about to connect asks for them before.

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
    /// With what each of them is: the index is another file whenever it was made anew.
    handles: Vec<(FileId, Arc<File>)>,
}

/// A share in the handles of one ledger. Dropped after the connections to it.
pub(crate) struct Handles {
    ledger: FileId,
}

impl Handles {
    /// Those of the file at a path, which is made, for its owner alone, when `create` says so. None when there is none.
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
                    // Somebody else was quicker.
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

    /// The file that they are of.
    pub(crate) fn ledger(&self) -> FileId {
        self.ledger
    }

    /// How many have the ledger open in this process.
    pub(crate) fn users(&self) -> usize {
        open().get(&self.ledger).map_or(0, |entry| entry.users)
    }

    /// A handle to read one of the ledger's files. None when there is none, or when it is another one by now.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Option<Arc<File>>> {
        let mut open = open();
        let Some(id) = FileId::at(path)? else { return Ok(None) };
        let handles = &mut open.entry(self.ledger).or_default().handles;
        if let Some((_, file)) = handles.iter().find(|(kept, _)| *kept == id) {
            return Ok(Some(Arc::clone(file)));
        }
        let file = Arc::new(File::open(path)?);
        let found = FileId::of(path, &file.metadata()?);
        // Kept even when it is not the one that was asked for: to close it may cost somebody else the locks.
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
            // Closed before anybody else may connect.
            drop(open.remove(&self.ledger));
        }
    }
}

/// The list is whole at every moment, so one that a panic left locked is as good as another.
fn open() -> MutexGuard<'static, BTreeMap<FileId, Entry>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}
