//! The one place that writes to stderr, and the way to stdout that bears a closed pipe.

use std::io::{self, Write};

use crate::exit::{Exit, Failure};

pub(crate) fn error(text: &str) {
    note(&format!("error: {text}"));
}

pub(crate) fn hint(text: &str) {
    note(&format!("hint: {text}"));
}

/// Writes a line to stderr. One that cannot be written changes nothing about what was done.
pub(crate) fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{}", harmless(text));
}

/// Writes text to stdout, at once.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(harmless(text).as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Done } else { Exit::Failed };
        Failure::new(exit, anyhow::Error::new(error).context("stdout cannot be written"))
    })
}

/// Text from files and services may hold sequences that move a terminal's cursor: they are shown, not obeyed.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered_by_text_from_elsewhere() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc\r\u{7}"), "a\u{fffd}[2Jb\nc\u{fffd}\u{fffd}");
    }
}
