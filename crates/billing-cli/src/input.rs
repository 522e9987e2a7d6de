//! Files that are read: a file by its path, or stdin.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;

use anyhow::anyhow;
use billing_format::Content;
use billing_postgres::Target;

use crate::exit::Failure;

/// The name that stands for stdin.
const STDIN: &str = "-";

/// How a file of SQLite begins, which a ledger is.
const LEDGER: &[u8; 16] = b"SQLite format 3\0";

/// What a file is called: its path, or stdin.
pub(crate) fn shown(path: &Path) -> String {
    match path == Path::new(STDIN) {
        true => "stdin".to_owned(),
        false => path.display().to_string(),
    }
}

/// The same in a sentence, a path in quotes.
pub(crate) fn quoted(path: &Path) -> String {
    match path == Path::new(STDIN) {
        true => shown(path),
        false => format!("`{}`", shown(path)),
    }
}

/// True for a file of SQLite. Only a file that is none of what was asked for is looked at.
pub(crate) fn is_ledger(path: &Path) -> bool {
    let mut start = [0; LEDGER.len()];
    let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
    is_file && File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *LEDGER
}

pub(crate) enum Input {
    Stdin(io::Stdin),
    /// A file by its path, which may be a named pipe.
    File(File),
}

impl Input {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        if path == Path::new(STDIN) {
            return Ok(Self::Stdin(io::stdin()));
        }
        if path.to_str().is_some_and(Target::is_meant) {
            return Err(Failure::usage(anyhow!("{} is a ledger in a database, and no file", quoted(path)))
                .hint("a ledger is named with --ledger"));
        }
        let failed = |error: anyhow::Error| Failure::failed(error.context(quoted(path)));
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
