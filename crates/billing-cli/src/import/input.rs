//! The input of an import: a file or stdin.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use anyhow::anyhow;
use billing_format::Content;

use crate::exit::Failure;

pub(crate) enum Input {
    Stdin(io::Stdin),
    /// A file by its path, which may be a named pipe.
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

    /// The SHA-256 of the content, if the input can be read twice. Errors are left to the reading of the entries.
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
