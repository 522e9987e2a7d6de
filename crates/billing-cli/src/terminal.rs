//! The one place that writes to stderr, and the way to stdout that bears a closed pipe.
#![expect(clippy::print_stderr, reason = "a command-line tool speaks here")]

use std::io::{self, Write};

use crate::exit::{Exit, Failure};

pub(crate) fn error(text: &str) {
    eprintln!("error: {text}");
}

pub(crate) fn hint(text: &str) {
    eprintln!("hint: {text}");
}

pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// Writes text to stdout, at once.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Done } else { Exit::Failed };
        Failure::new(exit, anyhow::Error::new(error).context("stdout cannot be written"))
    })
}
