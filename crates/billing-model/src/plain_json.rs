//! JSON of the plain kind, in one pass over its bytes: numbers, nulls, strings without escapes, known keys.
//!
//! Every function says `None` to what it does not take, be it legal JSON or not, and never what is wrong with it: then
//! the whole text is for serde_json, which alone refuses. So a function may take less than serde_json, but never more,
//! and never as something else.

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
    /// What it was before half characters were mended, place by place: what is unknown is kept as it came.
    as_it_came: &'a str,
    at: usize,
}

/// A key of an object that becomes `M`, and what takes its value.
pub(crate) type Member<'a, M> = (&'static str, fn(&mut PlainJson<'a>, &mut M) -> Option<()>);

/// What an object becomes.
pub(crate) trait Slots {
    /// Where members go whose keys no table has.
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

    /// Takes an object: values of the keys of the table by its functions, other members as they came.
    ///
    /// Keys that come in the order of the table are compared with one name only.
    pub(crate) fn object<M: Slots>(&mut self, table: &[Member<'a, M>], members: &mut M) -> Option<()> {
        self.take(b'{')?;
        if self.takes(b'}') {
            return Some(());
        }
        let mut next = 0;
        loop {
            let found = self.key(table, next)?;
            self.take(b':')?;
            match found {
                Err(key) => {
                    let start = self.position();
                    self.value::<IgnoredAny>()?;
                    members.others().push(key, self.as_it_came.get(start..self.at)?);
                }
                Ok(row) => {
                    let (_, take_value) = table[row];
                    take_value(self, members)?;
                    next = row + 1;
                }
            }
            if !self.takes(b',') {
                return self.take(b'}');
            }
        }
    }

    /// Takes a key, and says in which row of the table it is, or as which it came. `next` is the row to try first.
    fn key<M>(&mut self, table: &[Member<'a, M>], next: usize) -> Option<Result<usize, &'a str>> {
        if let Some((name, _)) = table.get(next)
            && let [b'"', rest @ ..] = self.rest()
            && rest.starts_with(name.as_bytes())
            && rest.get(name.len()) == Some(&b'"')
        {
            self.at += name.len() + 2;
            return Some(Ok(next));
        }
        let start = self.position();
        let key = self.string()?;
        let as_it_came = self.as_it_came.get(start..self.at)?;
        Some(table.iter().position(|(name, _)| *name == key).ok_or(as_it_came))
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
        // Exactly here: in front of other tokens a line break is space, in a string it is a fault.
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
    pub(crate) fn number(&mut self) -> Option<Decimal> {
        let rest = self.rest();
        if rest.first() == Some(&b'"') {
            return parse_decimal(self.string()?).ok();
        }
        // JSON has no such numbers; decimals may start so.
        if let [b'0', b'0'..=b'9', ..] | [b'-', b'0', b'0'..=b'9', ..] = rest {
            return None;
        }
        let has_no_exponent = |short: &Short| !matches!(rest.get(short.length), Some(b'e' | b'E'));
        if let Some(short) = Short::leading(rest).filter(has_no_exponent) {
            self.at += short.length;
            return Some(short.decimal());
        }
        let is_part = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let end = self.at + rest.iter().take_while(is_part).count();
        let number = parse_decimal(self.text.get(self.at..end)?).ok()?;
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
            assert_eq!(
                json.number().map(crate::decimal_text::decimal_text).as_deref(),
                Some(taken),
                "{text}"
            );
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
            assert_eq!(PlainJson::new(text).number(), None, "{text}");
        }
    }
}
