//! What is behind a path that somebody named.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind};

/// What is to be written at a path.
#[derive(Debug)]
pub(crate) enum Destination {
    /// What exists and is not a file: `/dev/null`, a pipe. It cannot be replaced, so it is written straight through.
    Through(File),
    /// A file, to be put in place when it is whole.
    File(Place),
}

/// The place of a file.
#[derive(Debug)]
pub(crate) struct Place {
    /// The path with all symbolic links resolved, in a directory that exists.
    pub(crate) path: PathBuf,
    /// True when there is a file already.
    pub(crate) is_taken: bool,
}

impl Destination {
    /// Finds out where the path leads, and refuses at once what could not be written later.
    pub(crate) fn find(path: &Path) -> Result<Self, Error> {
        let failed = |cause| Error::io(ErrorKind::Create, Some(path), cause);
        let existing = match fs::metadata(path) {
            Ok(existing) => Some(existing),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => None,
            Err(cause) => return Err(failed(cause)),
        };
        if existing.as_ref().map_or(ends_in_separator(path), fs::Metadata::is_dir) {
            return Err(Error::new(ErrorKind::Directory, path));
        }
        if existing.as_ref().is_some_and(|existing| !existing.is_file()) {
            return OpenOptions::new().write(true).open(path).map(Self::Through).map_err(failed);
        }
        if existing.as_ref().is_some_and(|existing| existing.permissions().readonly()) {
            return Err(Error::new(ErrorKind::ReadOnly, path));
        }
        let target = resolve(path).map_err(|cause| match cause.kind() {
            io::ErrorKind::NotFound => Error::new(ErrorKind::NoDirectory, path),
            _ => failed(cause),
        })?;
        Ok(Self::File(Place { path: target, is_taken: existing.is_some() }))
    }
}

/// The file that is to be replaced: behind every symbolic link, and with a directory that exists.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
        found => return found,
    }
    let directory = directory_of(path);
    match fs::read_link(path) {
        // A link to a file that is still to be created. Links in a circle are another error, so this ends.
        Ok(next) => resolve(&directory.join(next)),
        Err(_) => {
            let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
            Ok(fs::canonicalize(directory)?.join(name))
        }
    }
}

/// The directory that a path is in.
pub(crate) fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

/// `Path` does not tell `out/` from `out`.
fn ends_in_separator(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().last().is_some_and(|last| std::path::is_separator((*last).into()))
}
