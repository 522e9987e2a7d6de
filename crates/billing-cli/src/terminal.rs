//! Writes errors, hints and notes to stderr. Also has the width of the terminal, and decides which characters are shown.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use billing_model::is_invisible;
use console::Term;

use crate::redaction::without_passwords;

/// The most characters of an error or a hint: room for some paths of the greatest length. A service may send megabytes
/// in the place of a page, and an error that quotes it must be shorter.
const MOST_CHARS: usize = 10_000;

pub(crate) fn error(text: &str) {
    note(&format!("error: {}", on_one_line(text)));
}

pub(crate) fn hint(text: &str) {
    note(&format!("hint: {}", on_one_line(text)));
}

/// Writes a detail of an error, on a line below it.
pub(crate) fn detail(text: &str) {
    note(&format!("  {}", on_one_line(text)));
}

/// Writes a note that may have text from elsewhere: a report's.
pub(crate) fn note_on_one_line(text: &str) {
    note(&format!("note: {}", on_one_line(text)));
}

/// Writes a line to stderr. A failure to write it is ignored, because it does not change what the command did.
pub(crate) fn note(text: &str) {
    let text = harmless(&without_passwords(text));
    // This has no colours where stderr is not a terminal, or NO_COLOR is set.
    let mut stderr = anstream::stderr();
    let _ = match text.split_once(": ").and_then(|(word, rest)| Some((word, rest, style_of(word)?))) {
        Some((word, rest, style)) => writeln!(stderr, "{style}{word}:{style:#} {rest}"),
        None => writeln!(stderr, "{text}"),
    };
}

/// The style of the first word of a line.
fn style_of(word: &str) -> Option<Style> {
    match word {
        "error" => Some(AnsiColor::Red.on_default().bold()),
        "warning" => Some(AnsiColor::Yellow.on_default().bold()),
        "hint" => Some(AnsiColor::Green.on_default()),
        _ => None,
    }
}

/// The width of a table: that of the terminal, or else `COLUMNS`, or else 80.
pub(crate) fn columns() -> usize {
    let of_terminal = Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
    of_terminal.filter(|columns| *columns > 0).or_else(columns_said).unwrap_or(80)
}

/// Columns that `COLUMNS` says.
pub(crate) fn columns_said() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.trim().parse().ok().filter(|columns| *columns > 0)
}

/// True where the locale has another encoding than UTF-8, and on a terminal that can do nothing. Where nobody says, as for a service
/// that a system starts, UTF-8 is what files have.
pub(crate) fn has_ascii_alone() -> bool {
    let variable = |name| std::env::var(name).ok().filter(|text| !text.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable);
    let is_utf8 = |locale: &str| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    locale.is_some_and(|locale| !is_utf8(&locale)) || variable("TERM").is_some_and(|term| term == "dumb")
}

/// Text from files and services, safe to show. Sequences that move a terminal's cursor or change the direction of
/// reading are replaced.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c != '\n' && is_steering(c) { '\u{fffd}' } else { c }).collect()
}

/// The same for one line. Unlike [`one_line`](billing_model::one_line) it keeps all spaces, because a path may have two
/// in a row.
fn on_one_line(text: &str) -> String {
    let mut line: String =
        text.chars().take(MOST_CHARS).map(|c| if is_steering(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST_CHARS).is_some() {
        line.push('…');
    }
    line
}

fn is_steering(c: char) -> bool {
    c.is_control() || is_invisible(c) || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_not_steered_by_text_from_elsewhere() {
        assert_eq!(harmless("a\u{1b}[2Jb\nc\r\u{7}"), "a\u{fffd}[2Jb\nc\u{fffd}\u{fffd}");
        assert_eq!(harmless("a\u{202e}b\u{2028}c\u{feff}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(on_one_line("a\nhint: b  c"), "a\u{fffd}hint: b  c");
        assert_eq!(on_one_line(&"é".repeat(MOST_CHARS + 1)), format!("{}…", "é".repeat(MOST_CHARS)));
    }
}
