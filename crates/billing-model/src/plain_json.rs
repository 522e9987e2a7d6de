//! JSON of the plain kind, in one pass over its bytes: numbers, nulls, strings without escapes, known keys.
//!
//! A function returns `None` for what it does not take, legal JSON or not, and never says what is wrong. Then
//! serde_json reads the whole text, and it alone refuses. So a function may take less than serde_json. It must not take
//! more, and what it takes it must read as serde_json does.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::decimal::Decimal;
use crate::decimal_text::{Short, parse_decimal};
use crate::json_text::plain_length;
use crate::other_fields::Members;

/// A place in a JSON text, between two of its tokens.
pub(crate) struct PlainJson<'a> {
    text: &'a str,
    /// The text before half characters were mended. It is as long, and each byte is at the same place. Unknown members
    /// are copied from it, so that they are kept as they came.
    as_it_came: &'a str,
    at: usize,
}

/// A key that an object may have.
pub(crate) struct Key {
    name: &'static str,
    /// The bytes of the key in quotes and its colon, as they stand in front of a value, filled up with zeros.
    words: [u64; Key::WORDS],
    /// The bits of `words` that are not filling.
    mask: [u64; Key::WORDS],
    length: usize,
}

impl Key {
    /// As many as the longest key takes.
    const WORDS: usize = 4;

    pub(crate) const fn new(name: &'static str) -> Self {
        let (mut words, mut mask) = ([0; Self::WORDS], [0; Self::WORDS]);
        let length = name.len() + 3;
        let mut at = 0;
        while at < length {
            let byte = match at {
                0 => b'"',
                _ if at <= name.len() => name.as_bytes()[at - 1],
                _ if at == name.len() + 1 => b'"',
                _ => b':',
            };
            words[at / 8] |= (byte as u64) << (at % 8 * 8);
            mask[at / 8] |= 0xff << (at % 8 * 8);
            at += 1;
        }
        Self { name, words, mask, length }
    }

    /// True when the text starts with the key and its colon. Near the end of a text, where fewer bytes are left than
    /// the words have, this is false for every key.
    #[inline]
    fn starts(&self, text: &[u8]) -> bool {
        let Some(start) = text.first_chunk::<{ Self::WORDS * 8 }>() else { return false };
        let (words, _) = start.as_chunks::<8>();
        // All words are compared at once. To compare as many bytes as the key has would be a function call, which costs
        // more.
        let differing = words.iter().zip(self.words.iter().zip(&self.mask));
        let differing = differing.map(|(word, (key, mask))| (u64::from_le_bytes(*word) ^ key) & mask);
        differing.fold(0, |all, bits| all | bits) == 0
    }
}

/// The value that an object is read into.
pub(crate) trait Slots<'a> {
    /// The keys that are known, in the order in which they are likely to come.
    const KEYS: &'static [Key];

    /// Takes the value of one of them, by its row.
    fn take(&mut self, row: usize, json: &mut PlainJson<'a>) -> Option<()>;

    /// Takes the members whose keys are not in the table.
    fn others(&mut self) -> &mut Members;
}

impl<'a> PlainJson<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, as_it_came: text, at: 0 }
    }

    /// Of a text that was mended. It is as long as what came.
    pub(crate) fn mended(text: &'a str, as_it_came: &'a str) -> Self {
        Self { as_it_came, ..Self::new(text) }
    }

    /// True when nothing but white space follows.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.position() == self.text.len()
    }

    /// Where the next token starts.
    pub(crate) fn position(&mut self) -> usize {
        while matches!(self.byte(), Some(b' ' | b'\n' | b'\t' | b'\r')) {
            self.at += 1;
        }
        self.at
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// What is left of the text, from the next token on.
    fn rest(&mut self) -> &'a [u8] {
        &self.text.as_bytes()[self.position()..]
    }

    /// Takes a token of one byte if it is the next, and says whether it was.
    pub(crate) fn takes(&mut self, token: u8) -> bool {
        if self.byte() != Some(token) && self.rest().first() != Some(&token) {
            return false;
        }
        self.at += 1;
        true
    }

    /// Takes a token of one byte.
    pub(crate) fn take(&mut self, token: u8) -> Option<()> {
        self.takes(token).then_some(())
    }

    /// Takes null if it is the next, and says whether it was.
    pub(crate) fn takes_null(&mut self) -> bool {
        let found = self.rest().starts_with(b"null");
        self.at += if found { b"null".len() } else { 0 };
        found
    }

    /// Takes an object: values of known keys to their places, other members as they came.
    ///
    /// Keys that come in the order of the table are compared with one name only.
    pub(crate) fn object<S: Slots<'a>>(&mut self, slots: &mut S) -> Option<()> {
        self.take(b'{')?;
        if self.takes(b'}') {
            return Some(());
        }
        let mut next = 0;
        loop {
            match self.key(S::KEYS, next)? {
                Err(key) => {
                    let start = self.position();
                    self.value::<IgnoredAny>()?;
                    slots.others().push(key, self.as_it_came.get(start..self.at)?);
                }
                Ok(row) => {
                    slots.take(row, self)?;
                    next = row + 1;
                }
            }
            if !self.takes(b',') {
                return self.take(b'}');
            }
        }
    }

    /// Takes a key and its colon: its row in the table, or the key itself when it is not in there. `next` is the row to
    /// try first.
    #[inline]
    fn key(&mut self, table: &[Key], next: usize) -> Option<Result<usize, &'a str>> {
        if let Some(key) = table.get(next)
            && key.starts(self.rest())
        {
            self.at += key.length;
            return Some(Ok(next));
        }
        self.any_key(table)
    }

    /// The same, of any of the rows.
    #[inline(never)]
    fn any_key(&mut self, table: &[Key]) -> Option<Result<usize, &'a str>> {
        let start = self.position();
        let name = self.string()?;
        let as_it_came = self.as_it_came.get(start..self.at)?;
        self.take(b':')?;
        Some(table.iter().position(|key| key.name == name).ok_or(as_it_came))
    }

    /// Takes an array; `element` takes one of its values.
    pub(crate) fn array(&mut self, mut element: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.take(b'[')?;
        if self.takes(b']') {
            return Some(());
        }
        loop {
            element(self)?;
            if !self.takes(b',') {
                return self.take(b']');
            }
        }
    }

    /// Takes a string without escapes.
    pub(crate) fn string(&mut self) -> Option<&'a str> {
        self.take(b'"')?;
        let start = self.at;
        self.at += plain_length(&self.text.as_bytes()[start..]);
        let text = self.text.get(start..self.at)?;
        // The quote must stand exactly here. In front of other tokens a line break is white space, and in a string it
        // is a fault.
        if self.byte()? != b'"' {
            return None;
        }
        self.at += 1;
        Some(text)
    }

    /// Takes a string. Escapes are left to serde_json.
    pub(crate) fn text(&mut self) -> Option<Cow<'a, str>> {
        let start = self.at;
        if let Some(text) = self.string() {
            return Some(Cow::Borrowed(text));
        }
        self.at = start;
        self.value::<String>().map(Cow::Owned)
    }

    /// Takes a number, or a string that holds one.
    ///
    /// It is written where it belongs. A value that is written in parts and then moved as a whole stalls the processor.
    #[inline]
    pub(crate) fn number(&mut self, place: &mut Decimal) -> Option<()> {
        let rest = self.rest();
        match Short::leading(rest) {
            Some(short) if is_number(rest, short.length) => {
                self.at += short.length;
                *place = short.decimal();
            }
            _ => *place = self.long_number()?,
        }
        Some(())
    }

    /// Takes a number that is in a string, or not a short one.
    #[inline(never)]
    fn long_number(&mut self) -> Option<Decimal> {
        let rest = self.rest();
        if rest.first() == Some(&b'"') {
            return parse_decimal(self.string()?).ok();
        }
        let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let length = rest.iter().take_while(is_part).count();
        let end = self.at + length;
        let number = parse_decimal(self.text.get(self.at..end)?).ok().filter(|_| starts_as_number(rest))?;
        self.at = end;
        Some(number)
    }

    /// Takes any value, as serde_json reads it.
    pub(crate) fn value<T: Deserialize<'a>>(&mut self) -> Option<T> {
        let mut values = serde_json::Deserializer::from_str(&self.text[self.at..]).into_iter::<T>();
        let value = values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(value)
    }
}

/// True when a decimal of so many bytes, at the start of a text, is a number of JSON to its end.
#[inline]
fn is_number(text: &[u8], length: usize) -> bool {
    starts_as_number(text) && !matches!(text.get(length), Some(b'e' | b'E'))
}

/// False for a zero in front of other digits. JSON has no such numbers; decimals may start so.
#[inline]
fn starts_as_number(text: &[u8]) -> bool {
    !matches!(text, [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_taken_without_escapes_and_control_characters() {
        for (text, taken) in [
            ("\"\"", Some("")),
            (" \n\"é,:\u{7f}\"x", Some("é,:\u{7f}")),
            ("\"12345678\"", Some("12345678")),
            ("\"a\n\"", None),
            ("\"\t\"", None),
            ("\"a\u{0}b\"", None),
            ("\"\u{1f}\"", None),
            ("\"12345678\u{1f}\"", None),
            (r#""a\tb""#, None),
            ("\"1234567", None),
            ("\"12345678", None),
            ("a\"", None),
        ] {
            assert_eq!(PlainJson::new(text).string(), taken, "{text:?}");
        }
    }

    #[test]
    fn a_number_is_of_the_grammar_of_json_or_not_taken() {
        for (text, taken, rest) in [
            ("0,", "0", ","),
            (" -0.50}", "-0.5", "}"),
            ("\"007\"]", "7", "]"),
            ("-8e-7 ", "-0.0000008", " "),
            ("1E+2", "100", ""),
            ("1-2", "1", "-2"),
            ("0.0023000000000000004,", "0.0023000000000000004", ","),
            ("7.9228162514264337593543950335x", "7.9228162514264337593543950335", "x"),
        ] {
            let mut json = PlainJson::new(text);
            let mut number = Decimal::ZERO;
            assert_eq!(json.number(&mut number), Some(()), "{text}");
            assert_eq!(crate::decimal_text::decimal_text(number), taken, "{text}");
            assert_eq!(&json.text[json.at..], rest, "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            ".5",
            "1.",
            "1.e1",
            "1e",
            "1e+",
            "--1",
            "01",
            "-01",
            "00",
            "1e400",
            "null",
            "NaN",
            "\"1",
            "\"\"",
            "\" 1\"",
            "\"\\u0031\"",
            "[1]",
            "true",
        ] {
            assert_eq!(PlainJson::new(text).number(&mut Decimal::default()), None, "{text}");
        }
    }
}
