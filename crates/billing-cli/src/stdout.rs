//! Writes to stdout. A closed pipe is no failure.

use std::io::{self, IsTerminal, Write};

use billing_model::is_invisible;
use billing_report::table::Room;
use console::Term;

use crate::exit::{Exit, Failure};
use crate::terminal::{self, harmless};

/// The room for a table on stdout: that of its terminal, else as much as one on stderr has. Names are whole where nobody said
/// how wide it is: neither a terminal nor `COLUMNS`.
pub(crate) fn room() -> Room {
    let of_terminal = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
    let of_terminal = of_terminal.filter(|columns| *columns > 0);
    Room {
        columns: of_terminal.unwrap_or_else(terminal::columns),
        whole_names: of_terminal.is_none() && terminal::columns_said().is_none(),
    }
}

/// Writes text to stdout and flushes it.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write(&harmless(text))
}

/// Writes JSON from a service to stdout, byte for byte, with a line break after it. On a terminal control characters are
/// escaped, which does not change the meaning of the JSON.
pub(crate) fn print_json(json: &str) -> Result<(), Failure> {
    let end = if json.ends_with('\n') { "" } else { "\n" };
    match io::stdout().is_terminal() {
        // Outside of strings they are white space. Within strings JSON does not allow them.
        true => write(&(plain_json(&json.replace(['\r', '\t'], " ")) + end)),
        false => write(&format!("{json}{end}")),
    }
}

/// Writes text to stdout as it is: what is not made for a terminal goes to one only after [`harmless`].
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Done } else { Exit::Failed };
        Failure::new(exit, anyhow::Error::new(error).context("stdout cannot be written"))
    })
}

/// The JSON with all characters escaped that could control a terminal. JSON has them only within strings, so its
/// meaning stays the same.
pub(crate) fn plain_json(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    for c in json.chars() {
        if c != '\n' && (c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')) {
            let mut units = [0; 2];
            c.encode_utf16(&mut units).iter().for_each(|unit| plain.push_str(&format!("\\u{unit:04x}")));
        } else {
            plain.push(c);
        }
    }
    plain
}
