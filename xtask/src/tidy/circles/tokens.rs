//! A Rust file as tokens: comments are left out, and a literal is one token.

/// What a file is made of, as far as paths need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A name, a keyword or a number.
    Word(&'a str),
    /// `::`.
    PathSign,
    /// Any other sign.
    Sign(char),
    /// A text or a character, with its quotes.
    Literal(&'a str),
}

/// The tokens of a file. An incomplete file is read as far as it goes, because cargo reports it better.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, token) = match first {
            _ if first.is_whitespace() => (first.len_utf8(), None),
            _ if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), None),
            _ if rest.starts_with("/*") => (comment_length(rest), None),
            _ if literal_length(rest) > 0 => {
                let length = literal_length(rest);
                (length, Some(Token::Literal(&rest[..length])))
            }
            // A lifetime or a label: no path begins with one.
            '\'' => (1 + word_length(&rest[1..]), None),
            _ if rest.starts_with("::") => (2, Some(Token::PathSign)),
            _ if is_of_word(first) => {
                // `r#type` is the name `type`.
                let mark = if rest.starts_with("r#") { 2 } else { 0 };
                let length = mark + word_length(&rest[mark..]);
                (length, Some(Token::Word(&rest[mark..length])))
            }
            sign => (sign.len_utf8(), Some(Token::Sign(sign))),
        };
        found.extend(token);
        rest = &rest[length..];
    }
    found
}

fn is_of_word(character: char) -> bool {
    character == '_' || character.is_alphanumeric()
}

fn word_length(text: &str) -> usize {
    text.find(|character| !is_of_word(character)).unwrap_or(text.len())
}

/// Block comments may be nested.
fn comment_length(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest.starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The bytes of the literal that a text begins with; zero when it begins with none.
fn literal_length(text: &str) -> usize {
    let prefix = ["br", "cr", "b", "c", "r"].into_iter().find(|prefix| text.starts_with(prefix));
    let prefix = prefix.unwrap_or_default();
    let rest = &text[prefix.len()..];
    let length = match rest.as_bytes() {
        _ if prefix.ends_with('r') => raw_length(rest),
        [b'"', ..] => quoted_length(rest, b'"'),
        [b'\'', ..] if prefix.is_empty() || prefix == "b" => character_length(rest),
        _ => 0,
    };
    if length == 0 { 0 } else { prefix.len() + length }
}

/// From the first number sign or quote on.
fn raw_length(text: &str) -> usize {
    let signs = text.len() - text.trim_start_matches('#').len();
    if !text[signs..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", &text[..signs]);
    let body = signs + 1;
    text[body..].find(&end).map_or(text.len(), |at| body + at + end.len())
}

/// From the first quote on.
fn quoted_length(text: &str, quote: u8) -> usize {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            _ if byte == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A character; zero for a lifetime, which has no second quote.
fn character_length(text: &str) -> usize {
    let mut characters = text.char_indices().skip(1);
    match (characters.next(), characters.next()) {
        (Some((_, '\\')), _) => quoted_length(text, b'\''),
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}
