//! The way to stdout, which bears a closed pipe.

use std::io::{self, IsTerminal, Write};

use billing_model::is_invisible;
use console::Term;

use crate::exit::{Exit, Failure};
use crate::table::Room;
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

/// Writes text to stdout, at once.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    write(&harmless(text))
}

/// Writes JSON of somebody else to stdout, byte for byte and with a line break behind it. On a terminal what would steer it
/// is escaped: the JSON means the same.
pub(crate) fn print_json(json: &str) -> Result<(), Failure> {
    let end = if json.ends_with('\n') { "" } else { "\n" };
    match io::stdout().is_terminal() {
        // Outside of texts they are white space, and within them they cannot stand.
        true => write(&(plain_json(&json.replace(['\r', '\t'], " ")) + end)),
        false => write(&format!("{json}{end}")),
    }
}

fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|error| {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::Done } else { Exit::Failed };
        Failure::new(exit, anyhow::Error::new(error).context("stdout cannot be written"))
    })
}

/// The JSON with all that would steer a terminal escaped. Outside of texts JSON has none of it, so what a program reads is the
/// same.
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
