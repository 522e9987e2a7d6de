//! A file to import, or stdin.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use anyhow::anyhow;
use billing_format::Content;

use crate::exit::Failure;

pub(crate) enum Input {
    Stdin(io::Stdin),
    /// It may be a pipe by name.
    File(File),
}

impl Input {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new("-") {
            return Ok(Self::Stdin(io::stdin()));
        }
        let failed = |error: anyhow::Error| Failure::failed(error.context(format!("`{}`", path.display())));
        let file = File::open(path).map_err(|error| failed(error.into()))?;
        match file.metadata() {
            Ok(metadata) if metadata.is_dir() => Err(failed(anyhow!("is a directory"))),
            _ => Ok(Self::File(file)),
        }
    }

    /// The SHA-256 of what is in it, where that can be read and then read again. What is wrong with it is said when its
    /// entries are read.
    pub(crate) fn sha256(&mut self) -> Option<[u8; 32]> {
        let Self::File(file) = self else { return None };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return None;
        }
        let sha256 = Content::open(&mut *file).and_then(Content::finish);
        file.rewind().ok().and(sha256.ok())
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stdin(stdin) => stdin.read(buffer),
            Self::File(file) => file.read(buffer),
        }
    }
}
