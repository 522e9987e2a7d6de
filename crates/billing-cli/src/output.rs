//! Where an export goes: a file that is whole or not there, or stdout.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use billing_model::Mark;
use billing_sink::{Error, Finished, Plain, ResumableFile, Target};

use crate::exit::Failure;

pub(crate) enum Output {
    File(Box<ResumableFile>),
    /// Standard output without the buffer of its own that flushes at every line.
    Stdout(Plain<File>),
}

impl Output {
    pub(crate) fn stdout() -> Result<Self, Failure> {
        match io::stdout().as_fd().try_clone_to_owned() {
            Ok(stdout) => Ok(Self::Stdout(Plain(File::from(stdout)))),
            Err(error) => Err(Failure::failed(anyhow::Error::new(error).context("stdout is closed"))),
        }
    }
}

/// True when stdout is a file, which nobody reads meanwhile.
pub(crate) fn is_stdout_a_file() -> bool {
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    stdout.and_then(|stdout| stdout.metadata()).is_ok_and(|about| about.is_file())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
        }
    }
}

impl Target for Output {
    /// What a file came to.
    type Done = Option<Finished>;

    fn commit(self) -> Result<Self::Done, Error> {
        match self {
            Self::File(file) => file.commit().map(Some),
            Self::Stdout(stdout) => stdout.commit().map(|_| None),
        }
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Result<(), Error> {
        match self {
            Self::File(file) => file.mark(mark),
            Self::Stdout(stdout) => stdout.mark(mark),
        }
    }

    fn entries_held(&self) -> Option<u64> {
        match self {
            Self::File(file) => file.entries_held(),
            Self::Stdout(stdout) => stdout.entries_held(),
        }
    }

    fn path(&self) -> Option<&Path> {
        match self {
            Self::File(file) => file.path(),
            Self::Stdout(_) => None,
        }
    }

    fn takes_back(&self) -> bool {
        match self {
            Self::File(file) => file.takes_back(),
            Self::Stdout(stdout) => stdout.takes_back(),
        }
    }
}
