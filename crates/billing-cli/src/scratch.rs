//! A directory for as long as a command runs.

use std::fs::{DirBuilder, remove_dir_all};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process;

/// Names that are tried. One that is there was left by a process that was killed.
const MOST_NAMES: u32 = 1_000;

/// A directory that is this user's alone, and gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes a directory where the system keeps temporary files; on Unix `TMPDIR` says where.
    pub(crate) fn new() -> io::Result<Self> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        for number in 0..MOST_NAMES {
            let path = std::env::temp_dir().join(format!("billing-{}-{number}", process::id()));
            match builder.create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to whoever clears up temporary files.
        let _ = remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_gone_with_all_that_is_in_it() {
        let (one, other) = (Scratch::new().unwrap(), Scratch::new().unwrap());
        let paths = [one.path().to_owned(), other.path().to_owned()];
        std::fs::write(paths[0].join("file"), "x").unwrap();
        assert_ne!(paths[0], paths[1]);
        drop((one, other));
        assert!(paths.iter().all(|path| !path.exists()), "{paths:?}");
    }
}
