//! What a new account may be called.

use std::fmt::Write;

use crate::error::{Error, ErrorKind};

/// Characters of a name, at most: it stands on a line of a list, and in messages.
const MOST_CHARS: usize = 128;

/// Characters of a refused name that its message shows.
const SHOWN_CHARS: usize = 40;

/// Refuses a name that nobody can read, type again, or tell from another one.
///
/// Only new accounts are asked: a ledger may have others from before these rules, and they stay what they are called.
///
/// # Errors
/// [`ErrorKind::InvalidName`]: the message says why.
pub fn check_account_name(name: &str) -> Result<(), Error> {
    let fault = if name.is_empty() {
        "it is empty"
    } else if name.contains(is_control) {
        "it has control characters"
    } else if name.contains(turns_direction) {
        "it has characters that change the direction of reading"
    } else if name.starts_with(char::is_whitespace) || name.ends_with(char::is_whitespace) {
        "it begins or ends with a space"
    } else if name.chars().nth(MOST_CHARS).is_some() {
        "it is longer than 128 characters"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorKind::InvalidName, format!("`{}` is no name for an account: {fault}", shown(name))))
}

/// Characters that end a line count too, though Unicode does not call them control characters.
fn is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Unicode's `Bidi_Control`. Other invisible characters are allowed: names in Persian and emoji need joiners.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The name for a message: escapes stand for characters that steer a terminal, and a long name is cut.
fn shown(name: &str) -> String {
    let mut shown = String::new();
    for c in name.chars().take(SHOWN_CHARS) {
        // Writing to a String cannot fail.
        let _ = match is_control(c) || turns_direction(c) {
            true => write!(shown, "{}", c.escape_default()),
            false => write!(shown, "{c}"),
        };
    }
    if name.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_refused(name: &str, message: &str) {
        let error = check_account_name(name).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::InvalidName, message));
    }

    #[test]
    fn a_name_that_nobody_can_read_is_refused() {
        check_refused("", "`` is no name for an account: it is empty");
        check_refused(" ", "` ` is no name for an account: it begins or ends with a space");
        check_refused("acme\u{a0}", "`acme\u{a0}` is no name for an account: it begins or ends with a space");
        check_refused("a\nb", "`a\\nb` is no name for an account: it has control characters");
        check_refused("a\u{2028}b", "`a\\u{2028}b` is no name for an account: it has control characters");
        let turned = "it has characters that change the direction of reading";
        for c in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            let shown = c.escape_default();
            check_refused(&format!("a{c}b"), &format!("`a{shown}b` is no name for an account: {turned}"));
        }
        let long = "é".repeat(129);
        let shown = "é".repeat(40);
        check_refused(
            &long,
            &format!("`{shown}…` is no name for an account: it is longer than 128 characters"),
        );
    }

    #[test]
    fn a_name_of_any_script_is_good() {
        let longest = "é".repeat(128);
        for name in [
            "x",
            "our  team",
            "élan",
            "課金",
            "-",
            "50%",
            "שלום",
            "می\u{200c}خواهم",
            "👩\u{200d}🚀",
            &longest,
        ] {
            assert!(check_account_name(name).is_ok(), "{name}");
        }
    }
}
