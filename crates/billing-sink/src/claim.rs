//! Files of our own: opened and locked, so that no other run has them, and nothing else in their place is touched.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// How often the file may be replaced while it is being opened, before this gives up. Each time, another run would have
/// to start and end between two calls of this one.
const MAX_TRIES: u32 = 16;

/// Opens and locks the file at `path`. What stands there and is not a file is an error of the kind `in_the_way`; the
/// other errors name the file as the caller did.
pub(crate) fn claim(
    path: &Path,
    options: &OpenOptions,
    named: &Path,
    in_the_way: ErrorKind,
) -> Result<File, Error> {
    let failed = |cause| Error::io(ErrorKind::Create, Some(named), cause);
    for _ in 0..MAX_TRIES {
        if is_in_the_way(path).map_err(failed)? {
            return Err(Error::new(in_the_way, path));
        }
        let file = open(path, options).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(Error::new(ErrorKind::Busy, named)),
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        // Another run may have finished in between. Then the open file is its finished one, or one that is gone.
        if is_at(&file, path).map_err(failed)? {
            // Writing to a file with two names would change it under the other name too.
            return if has_other_names(&file).map_err(failed)? {
                Err(Error::new(in_the_way, path))
            } else {
                Ok(file)
            };
        }
    }
    Err(Error::new(ErrorKind::Busy, named))
}

/// True when something is there that is not a file: a link, a directory, a pipe.
fn is_in_the_way(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(!there.is_file()),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Opens the file without truncating it: until it is locked, it may be another run's.
fn open(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let mut options = options.clone();
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A link or a pipe may have been put there since the last look. A link must not be followed, and a pipe must
        // not be waited for.
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    }
    options.open(path)
}

/// True when the open file is a regular file, and the one at the path.
#[cfg(unix)]
pub(crate) fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let held = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok(held.is_file() && (held.dev(), held.ino()) == (there.dev(), there.ino())),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Elsewhere a file that is open and locked cannot be renamed by another run.
#[cfg(not(unix))]
pub(crate) fn is_at(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn has_other_names(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    Ok(file.metadata()?.nlink() > 1)
}

#[cfg(not(unix))]
fn has_other_names(_: &File) -> io::Result<bool> {
    Ok(false)
}

/// Lets nobody but the owner read or write the file.
#[cfg(unix)]
pub(crate) fn make_private(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o600))
}

#[cfg(not(unix))]
pub(crate) fn make_private(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::part::tests::{make_pipe, old_file};
    use std::os::unix::fs::symlink;

    #[test]
    fn what_comes_after_the_look_is_neither_followed_nor_waited_for() {
        let (directory, path) = old_file();
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let pipe = directory.path().join("pipe");
        make_pipe(&pipe);
        assert!(!is_at(&open(&pipe, &options).unwrap(), &pipe).unwrap(), "a pipe that nobody reads");
        options.read(false);
        assert!(open(&pipe, &options).is_err(), "nor is a reader waited for");

        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(open(&link, &options).is_err());
        assert!(!is_at(&File::open(&path).unwrap(), &link).unwrap());
    }
}
