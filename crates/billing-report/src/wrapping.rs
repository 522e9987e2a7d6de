//! Words on as many lines as they need.

use console::measure_text_width;

/// The lines of a text in so many columns of a terminal. All but the first are set in by two. A word that is longer than a line is
/// not broken.
pub(crate) fn wrapped(words: &str, columns: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in words.split(' ') {
        let is_full = measure_text_width(&line) + 1 + measure_text_width(word) > columns;
        if is_full && !line.trim().is_empty() {
            lines.push(std::mem::replace(&mut line, String::from(" ")));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_wider_than_it_must_be() {
        for (words, columns, expect) in [
            ("one two", 7, &["one two"][..]),
            ("one two", 6, &["one", "  two"]),
            ("one longer-than-that x", 6, &["one", "  longer-than-that", "  x"]),
            ("a  b", 80, &["a  b"]),
        ] {
            assert_eq!(wrapped(words, columns), expect);
        }
    }
}
