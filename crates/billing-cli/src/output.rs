//! The output of an export: a file that is whole or not there, or stdout.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use billing_export::{ExportFile, Found, Place};
use billing_format::Format;
use billing_model::Mark;
use billing_sink::{Error, FileSink, Finished, Plain, ResumableFile, Target};

use crate::exit::Failure;

/// The place of an export.
pub(crate) enum Output {
    File(ExportFile),
    /// Standard output, without Rust's buffer, which flushes at every line.
    Stdout(Format, Arc<File>),
}

impl Output {
    pub(crate) fn stdout(format: Format) -> Result<Self, Failure> {
        Ok(Self::Stdout(format, stdout()?))
    }
}

impl Place for Output {
    type Sink = FileSink<Opened>;

    fn open(&self, asked: &BTreeMap<String, String>, restart: bool) -> Result<Found<Self::Sink>, Error> {
        match self {
            Self::File(file) => file.open_within(asked, restart, |file| Opened::File(Box::new(file))),
            Self::Stdout(format, stdout) => {
                let sink = FileSink::new(*format, Opened::Stdout(Plain(Arc::clone(stdout))));
                Ok(Found::new(|_, _| Ok(sink)).passing())
            }
        }
    }
}

/// Standard output, without Rust's buffer.
pub(crate) fn stdout() -> Result<Arc<File>, Failure> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(stdout) => Ok(Arc::new(File::from(stdout))),
        Err(error) => Err(Failure::failed(anyhow::Error::new(error).context("stdout is closed"))),
    }
}

/// True when stdout is a regular file. Then nothing on the terminal comes from it.
pub(crate) fn is_stdout_a_file() -> bool {
    let stdout = io::stdout().as_fd().try_clone_to_owned().map(File::from);
    stdout.and_then(|stdout| stdout.metadata()).is_ok_and(|about| about.is_file())
}

/// The target of an export's bytes.
pub(crate) enum Opened {
    File(Box<ResumableFile>),
    Stdout(Plain<Arc<File>>),
}

impl Write for Opened {
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

impl Target for Opened {
    /// The facts about a finished file; `None` for stdout.
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
