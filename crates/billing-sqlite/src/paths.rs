//! The paths of a ledger's files: the file itself, and what the engine keeps beside it.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// The file that a link leads to.
pub(crate) fn real(path: &Path) -> PathBuf {
    if cfg!(unix) { std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()) } else { path.to_owned() }
}

/// Removes a ledger's file and the files beside it, if they are there. The file goes first: a log without its file is
/// not read, but a file without its log would be.
pub(crate) fn remove_files(path: &Path) -> io::Result<()> {
    for suffix in ["", "-journal", "-wal", "-shm"] {
        match fs::remove_file(with_suffix(path, suffix)) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    Ok(())
}

/// A path with more at the end of its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
