//! Text from entries, made fit for a place in a page.

use std::fmt::{self, Write as _};

use billing_model::one_line;

/// The most characters of a name that a page shows. Longer ones end in `…`.
const MOST_CHARS: usize = 120;

/// Any text, for between tags and in an attribute in double quotes: on one line, without what steers the direction of reading.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in clean(self.0).chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// The text on one line, and not longer than a page shows.
pub(super) fn clean(text: &str) -> String {
    one_line(text, MOST_CHARS)
}

/// The word with a capital in front.
pub(super) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// JSON for within a `<script>`: nothing in it ends the element or begins a comment, because `<` and `>` stand in texts alone, and
/// are escaped there.
pub(super) fn json_in_script(json: &str) -> String {
    json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_leaves_its_place() {
        for (text, expect) in [
            ("plain", "plain"),
            ("\"><img src=x onerror=alert(1)>", "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"),
            ("</script><!--", "&lt;/script&gt;&lt;!--"),
            ("&lt;", "&amp;lt;"),
            ("it's", "it&#39;s"),
            ("a\u{202e}b\u{2028}c\u{0}d\u{1b}[2J", "ab c d [2J"),
        ] {
            assert_eq!(Text(text).to_string(), expect);
        }
        let long = "x".repeat(100_000);
        assert_eq!(Text(&long).to_string().chars().count(), MOST_CHARS + 1);
    }

    #[test]
    fn json_stays_json_and_does_not_end_its_element() {
        let json = serde_json::to_string("</script><!-- & \u{2028}").unwrap();
        let safe = json_in_script(&json);
        assert!(!safe.contains(['<', '>', '&']), "{safe}");
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), "</script><!-- & \u{2028}");
    }
}
