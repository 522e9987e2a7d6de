//! The one place that writes to stderr, how wide the terminal is, and what may be shown there.

use std::io::Write;

use anstyle::{AnsiColor, Style};
use billing_model::is_invisible;
use console::Term;

/// Characters of an error or a hint that are shown: room for some paths, each as long as a path can be. What a service
/// sends in the place of a page may be megabytes, and an error that quotes it should not be.
const MOST_CHARS: usize = 10_000;

pub(crate) fn error(text: &str) {
    note(&format!("error: {}", on_one_line(text)));
}

pub(crate) fn hint(text: &str) {
    note(&format!("hint: {}", on_one_line(text)));
}

/// A line of what an error is made of, below it.
pub(crate) fn detail(text: &str) {
    note(&format!("  {}", on_one_line(text)));
}

/// Writes a line to stderr. One that cannot be written changes nothing about what was done.
pub(crate) fn note(text: &str) {
    let text = harmless(text);
    // Without colours where stderr is no terminal, or NO_COLOR is set.
    let mut stderr = anstream::stderr();
    let _ = match text.split_once(": ").and_then(|(word, rest)| Some((word, rest, style_of(word)?))) {
        Some((word, rest, style)) => writeln!(stderr, "{style}{word}:{style:#} {rest}"),
        None => writeln!(stderr, "{text}"),
    };
}

/// How the first word of a line is shown.
fn style_of(word: &str) -> Option<Style> {
    match word {
        "error" => Some(AnsiColor::Red.on_default().bold()),
        "warning" => Some(AnsiColor::Yellow.on_default().bold()),
        "hint" => Some(AnsiColor::Green.on_default()),
        _ => None,
    }
}

/// Columns that a table may take: those of the terminal, else what `COLUMNS` says, else 80.
pub(crate) fn columns() -> usize {
    let of_terminal = Term::stderr().size_checked().map(|(_, columns)| usize::from(columns));
    of_terminal.filter(|columns| *columns > 0).or_else(columns_said).unwrap_or(80)
}

/// Columns that `COLUMNS` says.
pub(crate) fn columns_said() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.trim().parse().ok().filter(|columns| *columns > 0)
}

/// Text from files and services may hold sequences that move a terminal's cursor, or turn the direction of reading: they
/// are shown, not obeyed.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c != '\n' && is_steering(c) { '\u{fffd}' } else { c }).collect()
}

/// The same of what is one line. Unlike [`one_line`](billing_model::one_line) it leaves spaces as they are: there are
/// paths with two in a row.
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
