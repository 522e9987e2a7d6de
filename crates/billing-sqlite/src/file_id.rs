//! Which file is at a path.

use std::io;
use std::path::Path;

/// The identity of a file on this system, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The identity of the file at a path; `None` when nothing is there.
    pub(crate) fn at(path: &Path) -> io::Result<Option<Self>> {
        match std::fs::metadata(path) {
            Ok(file) => Ok(Some(Self::of(path, &file))),
            Err(cause) if is_missing(&cause) => Ok(None),
            Err(cause) => Err(cause),
        }
    }

    #[cfg(unix)]
    pub(crate) fn of(_: &Path, file: &std::fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self { device: file.dev(), inode: file.ino() }
    }

    /// Other systems do not let an open file be replaced, so its name is enough.
    #[cfg(not(unix))]
    pub(crate) fn of(path: &Path, _: &std::fs::Metadata) -> Self {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        path.hash(&mut hasher);
        Self { device: 0, inode: hasher.finish() }
    }
}

fn is_missing(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
