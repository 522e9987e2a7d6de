//! The way to stdout, which bears a closed pipe.

use std::io::{self, Write};

use crate::exit::{Exit, Failure};
use crate::terminal::harmless;

/// Writes text to stdout, at once.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(harmless(text).as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Done } else { Exit::Failed };
        Failure::new(exit, anyhow::Error::new(error).context("stdout cannot be written"))
    })
}
