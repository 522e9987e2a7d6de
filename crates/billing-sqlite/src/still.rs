//! A ledger that nobody has open: its file alone is read, without a log beside it and without a lock.
//!
//! Nothing keeps a writer from beginning meanwhile. It writes to its log first, and the file stays as it is until the log is copied
//! into it. Each commit has a new seal on one of the first pages, and those are copied first. So what was read between two looks that
//! find the same seal, length and time is of one state.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::guard::Alone;
use crate::handles::Handles;
use crate::meta::USUAL_ROOT;
use crate::paths::real;

/// The file as it was at a first look.
pub(crate) struct Still {
    path: PathBuf,
    file: Arc<File>,
    seen: Seen,
}

#[derive(PartialEq, Eq)]
struct Seen {
    alone: Alone,
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Still {
    /// Looks at a file; `None` when it is missing.
    pub(crate) fn new(handles: &Handles, path: &Path) -> io::Result<Option<Self>> {
        let path = real(path);
        let Some(file) = handles.read(&path)? else { return Ok(None) };
        let seen = Seen::of(&path, &file)?;
        Ok(Some(Self { path, file, seen }))
    }

    /// True when the file is as it was.
    pub(crate) fn is_same(&self) -> io::Result<bool> {
        Ok(Seen::of(&self.path, &self.file)? == self.seen)
    }
}

impl Seen {
    fn of(path: &Path, file: &File) -> io::Result<Self> {
        let about = fs::metadata(path)?;
        Ok(Self {
            alone: Alone::read(file, USUAL_ROOT)?,
            bytes: about.len(),
            modified: about.modified().ok(),
        })
    }
}
