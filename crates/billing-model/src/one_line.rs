//! Text from elsewhere, made fit to be shown.

/// The text on one line of a terminal or a log: no control characters and none that change the direction of what is
/// read, a single space for each run of white space and control characters, and at most so many characters, with `…`
/// behind them where there were more.
///
/// ```
/// use billing_model::one_line;
/// assert_eq!(one_line("first\u{1b}[31m\r\n  second", 40), "first [31m second");
/// assert_eq!(one_line("pay \u{202e}DSU 01\u{202c} now", 40), "pay DSU 01 now");
/// assert_eq!(one_line("überlang", 4), "über…");
/// ```
pub fn one_line(text: &str, most_chars: usize) -> String {
    let mut line = String::new();
    let (mut shown, mut after_space) = (0, false);
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        let is_space = c.is_control() || c.is_whitespace();
        if is_space && after_space {
            continue;
        }
        if shown == most_chars {
            line.push('…');
            break;
        }
        line.push(if is_space { ' ' } else { c });
        after_space = is_space;
        shown += 1;
    }
    line
}

/// True for a character that shows nothing by itself and changes how its neighbours are seen: it turns the direction of
/// reading, joins, hides, or carries text that nobody sees.
///
/// These are Unicode's `Default_Ignorable_Code_Point` and the marks of interlinear notes. White space and control
/// characters are not among them.
///
/// ```
/// use billing_model::is_invisible;
/// assert!(is_invisible('\u{202e}') && is_invisible('\u{200b}') && !is_invisible('a') && !is_invisible('\n'));
/// ```
pub fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' // soft hyphen
        | '\u{34f}' // joins graphemes
        | '\u{61c}' // Arabic letter mark
        | '\u{115f}'..='\u{1160}' // Hangul fillers, and two more below
        | '\u{17b4}'..='\u{17b5}' // Khmer vowels that are not written
        | '\u{180b}'..='\u{180f}' // Mongolian variation selectors
        | '\u{200b}'..='\u{200f}' // zero width, left-to-right and right-to-left marks
        | '\u{202a}'..='\u{202e}' // embeddings and overrides of the direction
        | '\u{2060}'..='\u{206f}' // word joiner, isolates of the direction, and what is deprecated
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' // variation selectors
        | '\u{feff}' // byte order mark
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' // interlinear notes
        | '\u{1bca0}'..='\u{1bca3}' // shorthand
        | '\u{1d173}'..='\u{1d17a}' // musical beams and slurs
        | '\u{e0000}'..='\u{e0fff}' // tags, and more variation selectors
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_has_no_more_than_what_is_read() {
        for (text, most, expect) in [
            ("", 5, ""),
            ("plain", 5, "plain"),
            ("plainly", 5, "plain…"),
            ("one\ttwo\r\n\r\nthree", 20, "one two three"),
            ("one\u{2028}two\u{2029}three\u{85}four\u{a0}five", 40, "one two three four five"),
            ("\u{0}\u{7}\u{1b}]0;title\u{7}\u{9b}2J", 40, " ]0;title 2J"),
            ("a\u{200b}b\u{feff}c\u{2066}d\u{2069}e\u{61c}f\u{200f}g\u{e0041}h", 40, "abcdefgh"),
            // What is not seen does not count.
            ("ab\u{200b}\u{200b}\u{200b}", 2, "ab"),
            ("ab\n\n", 2, "ab…"),
            ("日本語のテキスト", 3, "日本語…"),
            ("שלום", 9, "שלום"),
        ] {
            assert_eq!(one_line(text, most), expect, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_that_steers_a_terminal_is_left(text in prop::collection::vec(any::<char>(), 0..60), most in 0..50_usize) {
            let text = String::from_iter(text);
            let line = one_line(&text, most);
            prop_assert!(line.chars().all(|c| !c.is_control() && !is_invisible(c) && (c == ' ' || !c.is_whitespace())));
            prop_assert!(!line.contains("  "));
            prop_assert!(line.chars().count() <= most + 1);
            // It is its own line.
            prop_assert_eq!(one_line(&line, most + 1), line);
        }
    }
}
