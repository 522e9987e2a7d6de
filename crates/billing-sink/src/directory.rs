//! The directory of a file, as far as it decides whether the file's name is durable.

use std::fs::File;
use std::io;
use std::path::Path;

/// The directory of a file. The name of a file is durable only when its directory is on the disk.
///
/// `None` where directories cannot be synchronised: some network file systems have no such thing, and their names are
/// durable when the call returns.
#[derive(Debug)]
pub(crate) struct Directory(Option<File>);

impl Directory {
    /// Opens the directory, and tries whether it can be synchronised.
    #[cfg(unix)]
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let directory = File::open(path)?;
        match directory.sync_all() {
            Ok(()) => Ok(Self(Some(directory))),
            Err(cause)
                if matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
            {
                Ok(Self(None))
            }
            Err(cause) => Err(cause),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn open(_: &Path) -> io::Result<Self> {
        Ok(Self(None))
    }

    /// Makes the names in the directory durable, and which files they belong to.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.0.as_ref().map_or(Ok(()), File::sync_all)
    }
}
