//! The fields of an entry that nobody documented: kept as they came, and in the order in which they came.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{ValueError, ValueErrorKind};
use crate::field_name::{IN_DETAILS, IN_ENTRY};
use crate::half_characters::mended;

/// The JSON fields of an entry that this crate does not know, which nobody interprets: a JSON object of at least one member.
///
/// Names and values stand in it byte for byte as they came: `1.50` stays `1.50`, an escape stays an escape, also that of half a
/// character, and a name that came twice is there twice. Only white space between tokens is left out, so that an entry
/// is one line, and the same entry the same bytes whoever has indented it. Unknown fields of `inferenceDetails` are in a
/// member of that name, which comes last. A field that is known is never in it.
///
/// ```
/// use billing_model::UsageEntry;
/// let text = r#"{"amount":-1,"apiKeyId":null,"currency":"USD","inferenceDetails":null,"notes":"","pricePerUnitUsd":1,
///   "sku":"a","region": "eu", "tier": {"level": 1.50}, "timestamp":"2026-06-14T19:52:45.087Z","units":1}"#;
/// let entry = UsageEntry::from_json(text)?;
/// let other = entry.other_fields.as_ref().map(|other| other.as_str());
/// assert_eq!(other, Some(r#"{"region":"eu","tier":{"level":1.50}}"#));
/// assert!(serde_json::to_string(&entry).unwrap().ends_with(r#""units":1,"region":"eu","tier":{"level":1.50}}"#));
/// # Ok::<(), billing_model::DecodeError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OtherFields {
    text: Box<str>,
    /// Where the members of the entry itself end, and that of its details may begin.
    own_end: usize,
}

impl OtherFields {
    /// Reads the text of such an object, as CSV has it in a column; `None` for an object without members.
    ///
    /// ```
    /// use billing_model::OtherFields;
    /// let other = OtherFields::from_json(r#"{ "inferenceDetails": {"cached": true}, "region": "eu" }"#)?;
    /// assert_eq!(other.unwrap().as_str(), r#"{"region":"eu","inferenceDetails":{"cached":true}}"#);
    /// assert_eq!(OtherFields::from_json("{}")?, None);
    /// assert!(OtherFields::from_json(r#"{"amount": 1}"#).is_err(), "which has a place of its own");
    /// # Ok::<(), billing_model::ValueError>(())
    /// ```
    ///
    /// # Errors
    /// [`ValueErrorKind::NotOtherFields`] when it is not a JSON object, or has a field in it that is known.
    pub fn from_json(text: &str) -> Result<Option<Self>, ValueError> {
        let fail = || ValueError::new(ValueErrorKind::NotOtherFields, text);
        let (mut own, mut of_details) = (Members::default(), None);
        for (key, value) in members(text).ok_or_else(fail)? {
            match &*name(key) {
                DETAILS if of_details.is_none() => {
                    let mut nested = Members::default();
                    for (key, value) in members(value).ok_or_else(fail)? {
                        if IN_DETAILS.contains(&&*name(key)) {
                            return Err(fail());
                        }
                        nested.push(key, value);
                    }
                    of_details = Some(nested);
                }
                name if IN_ENTRY.contains(&name) => return Err(fail()),
                _ => own.push(key, value),
            }
        }
        Ok(Self::of(own, of_details.unwrap_or_default()))
    }

    /// The text of the object.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The other fields of an entry whose text is known to be readable.
    pub(crate) fn of_entry(text: &str) -> Option<Self> {
        let (mut own, mut of_details) = (Members::default(), Members::default());
        for (key, value) in members(text)? {
            let name = name(key);
            if name == DETAILS {
                let nested = members(value).unwrap_or_default().into_iter();
                nested
                    .filter(|(key, _)| !IN_DETAILS.contains(&&*self::name(key)))
                    .for_each(|(key, value)| of_details.push(key, value));
            } else if !IN_ENTRY.contains(&&*name) {
                own.push(key, value);
            }
        }
        Self::of(own, of_details)
    }

    /// Puts together what was found in an entry and in its details.
    pub(crate) fn of(own: Members, of_details: Members) -> Option<Self> {
        let (own, of_details) = (own.text(), of_details.text());
        if own.is_empty() && of_details.is_empty() {
            return None;
        }
        // All that it can have, so that it is allocated once.
        let mut text = String::with_capacity(own.len() + of_details.len() + DETAILS_START.len() + 4);
        text.extend(["{", own]);
        let own_end = text.len();
        if !of_details.is_empty() {
            let comma = if own.is_empty() { "" } else { "," };
            text.extend([comma, DETAILS_START, of_details, "}"]);
        }
        text.push('}');
        Some(Self { text: text.into(), own_end })
    }

    /// The members of the entry itself, with commas between them.
    pub(crate) fn own_members(&self) -> &str {
        &self.text[1..self.own_end]
    }

    /// The members of its details, with commas between them.
    pub(crate) fn members_of_details(&self) -> &str {
        let rest = &self.text[self.own_end..];
        let rest = rest.strip_prefix(',').unwrap_or(rest);
        rest.strip_prefix(DETAILS_START).and_then(|rest| rest.strip_suffix("}}")).unwrap_or_default()
    }

    /// The names of those that are not null, of the entry and of its details.
    pub(crate) fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let all = members(&self.text).unwrap_or_default().into_iter();
        let nested = |(key, value)| match key {
            DETAILS_KEY => members(value).unwrap_or_default(),
            _ => vec![(key, value)],
        };
        all.flat_map(nested).filter(|(_, value)| *value != "null").map(|(key, _)| name(key))
    }
}

impl fmt::Display for OtherFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for OtherFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

const DETAILS: &str = "inferenceDetails";
const DETAILS_KEY: &str = "\"inferenceDetails\"";
const DETAILS_START: &str = "\"inferenceDetails\":{";

/// Members of a JSON object as they come, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Members(String);

impl Members {
    /// Takes a member: its name in quotes, and its value.
    pub(crate) fn push(&mut self, key: &str, value: &str) {
        // A large member is one allocation; the few small ones that an entry has are one or two together.
        self.0.reserve((key.len() + value.len() + 2).max(60));
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(key);
        self.0.push(':');
        push_tokens(&mut self.0, value);
    }

    fn text(&self) -> &str {
        &self.0
    }
}

/// Appends a JSON value without the white space between its tokens.
fn push_tokens(out: &mut String, json: &str) {
    // Nearly all values are one token. All bytes are looked at, several at a time, which costs less than to stop at one.
    let is_space = |byte: u8| (byte == b' ') | (byte == b'\n') | (byte == b'\t') | (byte == b'\r');
    if !json.bytes().fold(false, |found, byte| found | is_space(byte)) {
        return out.push_str(json);
    }
    let (mut copied, mut in_string, mut is_escaped) = (0, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if !in_string && is_space(byte) => {
                out.push_str(&json[copied..at]);
                copied = at + 1;
            }
            _ => {}
        }
    }
    out.push_str(&json[copied..]);
}

/// The name that a key is. Half a character in it is U+FFFD, which no known name has.
fn name(key: &str) -> Cow<'_, str> {
    let plain = key.strip_prefix('"').and_then(|key| key.strip_suffix('"')).filter(|key| !key.contains('\\'));
    if let Some(name) = plain {
        return Cow::Borrowed(name);
    }
    let key = mended(key, |_| ()).map_or(Cow::Borrowed(key), Cow::Owned);
    Cow::Owned(serde_json::from_str(&key).unwrap_or_default())
}

/// The members of an object, names in quotes and values, each as it stands in the text; `None` for what is no object.
fn members(text: &str) -> Option<Vec<(&str, &str)>> {
    serde_json::from_str::<RawMembers<'_>>(text).ok().map(|members| members.0)
}

struct RawMembers<'a>(Vec<(&'a str, &'a str)>);

impl<'de: 'a, 'a> Deserialize<'de> for RawMembers<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = RawMembers<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = object.next_entry::<&RawValue, &RawValue>()? {
            members.push((key.get(), value.get()));
        }
        Ok(RawMembers(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::UsageEntry;
    use proptest::prelude::*;

    /// An entry with these members more, and these in its details.
    fn entry(members: &str, details: &str) -> String {
        format!(
            r#"{{"timestamp":"2026-06-14T19:52:45.087Z","sku":"a","pricePerUnitUsd":1,"units":1,"amount":1,"currency":"USD","notes":""{members},"inferenceDetails":{details}}}"#
        )
    }

    /// What is kept of an entry.
    fn kept(text: &str) -> Option<String> {
        let entry = UsageEntry::from_json(text).unwrap();
        let again = UsageEntry::from_json(&serde_json::to_string(&entry).unwrap()).unwrap();
        assert_eq!(again, entry, "{text}");
        let other = entry.other_fields.clone();
        if let Some(other) = &other {
            assert_eq!(OtherFields::from_json(other.as_str()), Ok(Some(other.clone())), "{text}");
            assert_eq!(
                entry.text_bytes() - UsageEntry { other_fields: None, ..entry }.text_bytes(),
                other.as_str().len()
            );
        }
        other.map(|other| other.to_string())
    }

    #[test]
    fn what_is_unknown_is_kept_as_it_came() {
        for (members, details, expect) in [
            ("", "null", None),
            (r#","unit":null,"apiKeyId":"k""#, r#"{"requestId":"r","promptTokens":null}"#, None),
            (r#","x":1"#, "null", Some(r#"{"x":1}"#)),
            (r#","x":null"#, "{}", Some(r#"{"x":null}"#)),
            (r#","b":1.50,"a":[],"b":-0e5"#, "null", Some(r#"{"b":1.50,"a":[],"b":-0e5}"#)),
            ("", r#"{"x":{"requestId":1}}"#, Some(r#"{"inferenceDetails":{"x":{"requestId":1}}}"#)),
            (
                r#","amounts":{"amount":[{}]}"#,
                r#"{"y":2,"promptTokens":3,"x":null}"#,
                Some(r#"{"amounts":{"amount":[{}]},"inferenceDetails":{"y":2,"x":null}}"#),
            ),
            // White space is kept in strings alone.
            (
                ",\"a b\" :\t{ \"c\\\" d\" : [ 1 , \" \\\\\" , true ] }\r\n",
                "{ }",
                Some(r#"{"a b":{"c\" d":[1," \\",true]}}"#),
            ),
            // Escapes stay, of half a character and in names too.
            (r#","x":"\u0041\ud83d \/""#, "null", Some(r#"{"x":"\u0041\ud83d \/"}"#)),
            (r#","\u0078\ud83d":1,"\ud83dx":2"#, "null", Some(r#"{"\u0078\ud83d":1,"\ud83dx":2}"#)),
            // A name that is known is known in any spelling.
            (r#","\u0061piKeyId":"k","x":1"#, r#"{"\u0072equestId":"r"}"#, Some(r#"{"x":1}"#)),
            (
                r#","inferenceDetails.requestId":"r","units.":1"#,
                "null",
                Some(r#"{"inferenceDetails.requestId":"r","units.":1}"#),
            ),
            (
                r#","":"","requestId":"r""#,
                r#"{"amount":1}"#,
                Some(r#"{"":"","requestId":"r","inferenceDetails":{"amount":1}}"#),
            ),
            (
                r#","x":1e400,"y":"},\"inferenceDetails\":{""#,
                "null",
                Some(r#"{"x":1e400,"y":"},\"inferenceDetails\":{"}"#),
            ),
        ] {
            let text = entry(members, details);
            assert_eq!(kept(&text).as_deref(), expect, "{text}");
            // The long way, by a text that has to be mended, and by an escape in the name of a field.
            let long = text.replace(r#""notes":"""#, r#""notes":"\ud83d""#);
            assert_eq!(kept(&long).as_deref(), expect, "{long}");
            let long = text.replace("\"notes\"", r#""n\u006ftes""#);
            assert_eq!(kept(&long).as_deref(), expect, "{long}");
        }
        let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(2000), "]".repeat(2000));
        assert_eq!(kept(&entry(&format!(",{}", &deep[1..deep.len() - 1]), "null")), Some(deep));
    }

    #[test]
    fn details_of_unknown_fields_alone_are_written_whole() {
        let entry = UsageEntry::from_json(&entry("", r#"{"x":1}"#)).unwrap();
        assert_eq!(entry.inference_details, None);
        let details = r#"{"completionTokens":null,"inferenceExecutionTime":null,"promptTokens":null,"requestId":null,"x":1}"#;
        let text = serde_json::to_string(&entry).unwrap();
        assert!(text.contains(&format!(r#""inferenceDetails":{details},"notes""#)), "{text}");
    }

    #[test]
    fn a_text_that_is_no_object_of_other_fields_is_refused() {
        for text in [
            "",
            "x",
            "null",
            "[]",
            "1",
            r#"["x",1]"#,
            r#"{"x":1"#,
            r#"{"x":1}}"#,
            r#"{"x":01}"#,
            r#"{x:1}"#,
            r#"{1:1}"#,
            r#"{"x":1,}"#,
            r#"{"amount":1}"#,
            r#"{"\u0061mount":1}"#,
            r#"{"unit":"mtoken"}"#,
            r#"{"apiKeyId":null}"#,
            r#"{"inferenceDetails":null}"#,
            r#"{"inferenceDetails":{"requestId":null}}"#,
            r#"{"inferenceDetails":{"x":1},"inferenceDetails":{"y":1}}"#,
        ] {
            let error = OtherFields::from_json(text).unwrap_err();
            assert_eq!(error.kind(), ValueErrorKind::NotOtherFields, "{text}");
        }
        for (text, expect) in [
            ("{}", None),
            (" { } ", None),
            (r#"{"inferenceDetails":{}}"#, None),
            (r#"{"inferenceDetails":{},"x":1}"#, Some(r#"{"x":1}"#)),
            (
                r#"{"inferenceDetails":{"amount":1},"requestId":1}"#,
                Some(r#"{"requestId":1,"inferenceDetails":{"amount":1}}"#),
            ),
        ] {
            let read = OtherFields::from_json(text).unwrap();
            assert_eq!(read.as_ref().map(OtherFields::as_str), expect, "{text}");
        }
    }

    proptest! {
        #[test]
        fn white_space_between_tokens_is_left_out_and_nothing_else(
            tokens in prop::collection::vec((r#""([ \t\n!#-\[\]-~\u{e9}]|\\["\\n/])*"|-?[0-9.e]{1,3}|[{}\[\],:]"#, "[ \t\r\n]{0,2}"), 0..8),
        ) {
            let spaced: String = tokens.iter().flat_map(|(token, space)| [space.as_str(), token]).collect();
            let mut out = String::new();
            push_tokens(&mut out, &spaced);
            prop_assert_eq!(out, tokens.into_iter().map(|(token, _)| token).collect::<String>());
        }
    }
}
