//! Entries from JSON and to JSON: the one conversion, used by pages, files and servers.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::ser::{self, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::decimal_text::parse_decimal;
use crate::decode_error::DecodeError;
use crate::entry::{InferenceDetails, UsageEntry};
use crate::entry_fields::Fields;
use crate::entry_text::{Text, given};
use crate::error::ValueError;
use crate::half_characters::mended;
use crate::other_fields::OtherFields;
use crate::plain_entry;
use crate::read_notes::ReadNotes;
use crate::timestamp::Timestamp;

impl UsageEntry {
    /// Reads one entry from its JSON object.
    ///
    /// Half a character in a text (`\ud83d` alone, as JavaScript prints it) becomes U+FFFD. `notes` that are null are the
    /// empty text.
    ///
    /// # Errors
    /// [`DecodeError`] naming the field that is missing or wrong. Nothing is rounded and nothing is guessed.
    pub fn from_json(text: &str) -> Result<Self, DecodeError> {
        plain_entry::entry(text).map_or_else(|| read_entry(text, Reading::Lenient), Ok)
    }

    /// As [`UsageEntry::from_json`], and notes what was changed or passed over.
    ///
    /// # Errors
    /// As there; nothing is noted then.
    pub fn from_json_noting(text: &str, notes: &mut ReadNotes) -> Result<Self, DecodeError> {
        let entry = match plain_entry::entry(text) {
            Some(entry) => entry,
            None => {
                let mut halves = 0;
                let entry = read_entry_counting(text, Reading::Lenient, &mut halves)?;
                notes.half_characters += halves;
                entry
            }
        };
        notes.note_other_fields(&entry);
        Ok(entry)
    }

    /// As [`UsageEntry::from_json`], for input whose sender can be asked what was meant: `unit` beside `units` must say
    /// the same.
    ///
    /// ```
    /// use billing_model::UsageEntry;
    /// let text = r#"{"timestamp":"2026-06-14T19:52:45.087Z","sku":"a","pricePerUnitUsd":1,"units":1,"unit":2,
    ///   "amount":-1,"currency":"USD","notes":""}"#;
    /// assert_eq!(UsageEntry::from_json_strict(text).unwrap_err().field(), Some("unit"));
    /// assert!(UsageEntry::from_json(text).is_ok());
    /// ```
    ///
    /// # Errors
    /// [`DecodeError`] naming the field that is missing or wrong.
    pub fn from_json_strict(text: &str) -> Result<Self, DecodeError> {
        plain_entry::entry(text).map_or_else(|| read_entry(text, Reading::Strict), Ok)
    }

    /// Appends the entry as one JSON object, keys in upstream's (alphabetical) order, without a line break.
    ///
    /// Numbers are in plain form, all their digits and no more. Other fields come last, as they came.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        Fields::of(self).write_json(out);
    }
}

impl Serialize for UsageEntry {
    /// As [`UsageEntry::write_json`]; only for `serde_json`, the one serialiser that can carry exact numbers.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = Vec::with_capacity(512);
        self.write_json(&mut out);
        let text = String::from_utf8(out).map_err(ser::Error::custom)?;
        RawValue::from_string(text).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for UsageEntry {
    /// As [`UsageEntry::from_json`]; only for `serde_json`, the one deserialiser that gives the text of a number.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let object = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_json(object.get()).map_err(|error| {
            // serde carries one text, so the chain of errors becomes one.
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            match error.field() {
                Some(field) => de::Error::custom(format_args!("field `{field}`: {cause}")),
                None => de::Error::custom(cause),
            }
        })
    }
}

/// What becomes of a `unit` beside `units`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It is ignored.
    Lenient,
    /// It must say the same.
    Strict,
}

/// Reads an entry of any form, and says what is wrong with a text that is none.
pub(crate) fn read_entry(text: &str, reading: Reading) -> Result<UsageEntry, DecodeError> {
    read_entry_counting(text, reading, &mut 0)
}

/// The same, and counts the texts with half a character. serde_json refuses such texts. Only after that they are
/// mended, and read again.
fn read_entry_counting(text: &str, reading: Reading, halves: &mut u64) -> Result<UsageEntry, DecodeError> {
    let error = match read_unmended(text, text, reading) {
        Ok(entry) => return Ok(entry),
        Err(error) => error,
    };
    let mut texts = 0;
    let Some(mended) = mended(text, |_| texts += 1) else { return Err(error) };
    let entry = read_unmended(&mended, text, reading)?;
    *halves += texts;
    Ok(entry)
}

/// The same of a text without half a character. `as_it_came` is what it was, of which other fields are kept.
pub(crate) fn read_unmended(
    text: &str,
    as_it_came: &str,
    reading: Reading,
) -> Result<UsageEntry, DecodeError> {
    let raw = serde_json::from_str::<RawEntry<'_>>(text).map_err(|cause| DecodeError::json(cause, text))?;
    let entry = UsageEntry { other_fields: OtherFields::of_entry(as_it_came), ..raw.decode()? };
    if reading == Reading::Strict {
        raw.check_unit(&entry)?;
    }
    Ok(entry)
}

/// An entry as it stands in the text: numbers as written, strings borrowed where they hold no escapes.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
struct RawEntry<'a> {
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    #[serde(borrow)]
    sku: Option<Text<'a>>,
    #[serde(borrow)]
    price_per_unit_usd: Option<&'a RawValue>,
    #[serde(borrow)]
    units: Option<&'a RawValue>,
    /// The seed's field list calls `units` so.
    #[serde(borrow)]
    unit: Option<&'a RawValue>,
    #[serde(borrow)]
    amount: Option<&'a RawValue>,
    #[serde(borrow)]
    currency: Option<Text<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    notes: Option<Option<Text<'a>>>,
    #[serde(borrow)]
    inference_details: Option<RawDetails<'a>>,
    #[serde(borrow)]
    api_key_id: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", remote = "Self")]
struct RawDetails<'a> {
    #[serde(borrow)]
    request_id: Option<Text<'a>>,
    #[serde(borrow)]
    inference_execution_time: Option<&'a RawValue>,
    #[serde(borrow)]
    prompt_tokens: Option<&'a RawValue>,
    #[serde(borrow)]
    completion_tokens: Option<&'a RawValue>,
}

/// A struct that is read from a JSON object only. A derived one also takes an array, value by value in the order of its
/// fields. No service means that, and a price would become an amount.
trait Members<'de>: Sized {
    const CALLED: &'static str;

    fn read<D: Deserializer<'de>>(members: D) -> Result<Self, D::Error>;
}

impl<'de: 'a, 'a> Members<'de> for RawEntry<'a> {
    const CALLED: &'static str = "a usage entry, which is an object";

    fn read<D: Deserializer<'de>>(members: D) -> Result<Self, D::Error> {
        Self::deserialize(members)
    }
}

impl<'de: 'a, 'a> Members<'de> for RawDetails<'a> {
    const CALLED: &'static str = "inference details, which are an object";

    fn read<D: Deserializer<'de>>(members: D) -> Result<Self, D::Error> {
        Self::deserialize(members)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawEntry<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawDetails<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Members<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::CALLED)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<T, A::Error> {
        T::read(MapAccessDeserializer::new(members))
    }
}

impl RawEntry<'_> {
    fn decode(&self) -> Result<UsageEntry, DecodeError> {
        let currency = required("currency", self.currency.as_ref(), |text| Ok(Currency::from(text.str()?)))?;
        let inference_details = match &self.inference_details {
            None => None,
            Some(details) => details.decode()?.into_option(),
        };
        Ok(UsageEntry {
            timestamp: required("timestamp", self.timestamp.as_ref(), |text| {
                text.str()?.parse::<Timestamp>()
            })?,
            sku: required("sku", self.sku.as_ref(), Text::owned)?,
            price_per_unit_usd: required("pricePerUnitUsd", self.price_per_unit_usd, number)?,
            units: required("units", self.units.or(self.unit), number)?,
            amount: required("amount", self.amount, number)?,
            currency,
            // Some services write empty notes as null.
            notes: required("notes", self.notes.as_ref(), |text| {
                text.as_ref().map_or(Ok(String::new()), Text::owned)
            })?,
            inference_details,
            api_key_id: optional("apiKeyId", self.api_key_id.as_ref(), Text::owned)?
                .filter(|id| !id.is_empty()),
            // The caller takes them from the text.
            other_fields: None,
        })
    }

    /// Checks that a `unit` beside `units` says the same.
    fn check_unit(&self, entry: &UsageEntry) -> Result<(), DecodeError> {
        match self.unit {
            Some(unit) if number(unit) != Ok(entry.units) => {
                Err(DecodeError::value("unit", ValueError::not_the_units(unquoted(unit))))
            }
            _ => Ok(()),
        }
    }
}

impl RawDetails<'_> {
    fn decode(&self) -> Result<InferenceDetails, DecodeError> {
        let request_id = optional("inferenceDetails.requestId", self.request_id.as_ref(), Text::owned)?;
        Ok(InferenceDetails {
            request_id: request_id.filter(|id| !id.is_empty()),
            execution_time_ms: optional(
                "inferenceDetails.inferenceExecutionTime",
                self.inference_execution_time,
                number,
            )?,
            prompt_tokens: optional("inferenceDetails.promptTokens", self.prompt_tokens, number)?,
            completion_tokens: optional("inferenceDetails.completionTokens", self.completion_tokens, number)?,
        })
    }
}

fn required<T, U>(
    field: &'static str,
    value: Option<T>,
    read: impl FnOnce(T) -> Result<U, ValueError>,
) -> Result<U, DecodeError> {
    value.ok_or_else(ValueError::missing).and_then(read).map_err(|cause| DecodeError::value(field, cause))
}

fn optional<T, U>(
    field: &'static str,
    value: Option<T>,
    read: impl FnOnce(T) -> Result<U, ValueError>,
) -> Result<Option<U>, DecodeError> {
    value.map(read).transpose().map_err(|cause| DecodeError::value(field, cause))
}

/// A JSON number, or a JSON string that holds one, as services send both.
fn number(raw: &RawValue) -> Result<Decimal, ValueError> {
    parse_decimal(unquoted(raw))
}

fn unquoted(raw: &RawValue) -> &str {
    let text = raw.get();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::Page;

    const ROW: &str = r#"{"amount":-0.0168192,"apiKeyId":"e28e82dc","currency":"DIEM","inferenceDetails":{"completionTokens":214,"inferenceExecutionTime":4433,"promptTokens":84306,"requestId":"chatcmpl-a5"},"notes":"API Inference","pricePerUnitUsd":0.2,"sku":"kimi-k2-7-code-llm-cache-input-mtoken","timestamp":"2026-06-26T11:11:34.193Z","units":0.084096}"#;

    #[test]
    fn a_row_is_written_as_upstream_writes_it() {
        let entry = UsageEntry::from_json(ROW).unwrap();
        let mut out = Vec::new();
        entry.write_json(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), ROW);
        assert_eq!(serde_json::to_string(&entry).unwrap(), ROW);
        assert_eq!(serde_json::from_str::<UsageEntry>(ROW).unwrap(), entry);
        assert_eq!(serde_json::from_reader::<_, UsageEntry>(ROW.as_bytes()).unwrap(), entry);
    }

    #[test]
    fn an_array_is_no_entry_though_its_values_would_fit() {
        for text in [
            r#"["2026-06-14T19:52:45.087Z","s",1,1,null,-1,"USD","n",null,null]"#.to_owned(),
            with(
                r#"{"completionTokens":214,"inferenceExecutionTime":4433,"promptTokens":84306,"requestId":"chatcmpl-a5"}"#,
                r#"["chatcmpl-a5",4433,84306,214]"#,
            ),
        ] {
            let error = UsageEntry::from_json(&text).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains("an object") && !cause.contains("Raw"), "{cause}");
            assert!(Page::from_history_json(&format!("{{\"data\":[{text}]}}")).is_err());
        }
    }

    /// The row with one piece of its text replaced.
    fn with(from: &str, to: &str) -> String {
        assert!(ROW.contains(from), "{from}");
        ROW.replacen(from, to, 1)
    }

    #[test]
    fn a_faulty_field_is_named_and_nothing_is_guessed() {
        for (text, field, cause) in [
            (with(r#""amount":-0.0168192,"#, ""), "amount", "is missing"),
            (with("-0.0168192", "null"), "amount", "is missing"),
            (with("-0.0168192", "[1]"), "amount", "`[1]` is not a decimal number"),
            (with("-0.0168192", "\"-0.1O\""), "amount", "`-0.1O` is not a decimal number"),
            (with("-0.0168192", "1e400"), "amount", "`1e400` does not fit"),
            (with("0.084096", "true"), "units", "`true` is not a decimal number"),
            (with(r#""2026-06-26T11:11:34.193Z""#, "5"), "timestamp", "is not a string"),
            (with("2026-06-26T11", "2026/06/26T11"), "timestamp", "is not an RFC 3339 date-time"),
            (with(r#""DIEM""#, "{}"), "currency", "is not a string"),
            (with(r#""API Inference""#, "1.5"), "notes", "is not a string"),
            (with(r#""notes":"API Inference","#, ""), "notes", "is missing"),
            (with("84306", "\"many\""), "inferenceDetails.promptTokens", "`many` is not a decimal number"),
        ] {
            let error = UsageEntry::from_json(&text).unwrap_err();
            assert_eq!(error.field(), Some(field), "{text}");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains(cause), "{source}");
            let serde = serde_json::from_str::<UsageEntry>(&text).unwrap_err().to_string();
            assert!(serde.contains(field) && serde.contains(cause), "{serde}");
        }
    }

    #[test]
    fn strange_but_legal_rows_are_kept() {
        let kept = |text: &str| UsageEntry::from_json(text).unwrap();
        let entry = kept(ROW);
        assert_eq!(kept(&with("-0.0168192", "\"-1.68192e-2\"")), entry);
        assert_eq!(kept(&with("\"units\"", "\"unit\"")), entry);
        assert_eq!(kept(&with("\"units\"", "\"unit\":\"mtoken\",\"units\"")), entry);
        let other = kept(&with("{", r#"{"aFieldOfTheFuture":{"x":[1,2.5e400]},"#));
        assert_eq!(
            other.other_fields.as_ref().unwrap().as_str(),
            r#"{"aFieldOfTheFuture":{"x":[1,2.5e400]}}"#
        );
        assert_eq!(UsageEntry { other_fields: None, ..other }, entry);
        assert_eq!(kept(&with("214", "214.0")), entry);
        assert_eq!(kept(&with("DIEM", "NEW")).currency, Currency::from("NEW"));
        assert_eq!(kept(&with(r#""e28e82dc""#, "\"\"")).api_key_id, None);
        assert_eq!(kept(&with(r#""apiKeyId":"e28e82dc","#, "")).api_key_id, None);
        let empty = r#"{"completionTokens":null,"requestId":null}"#;
        let details = &ROW[ROW.find("{\"completionTokens").unwrap()..=ROW.find("a5\"}").unwrap() + 3];
        assert_eq!(kept(&with(details, empty)).inference_details, None);
        assert_eq!(kept(&with(details, "null")).inference_details, None);
        assert_eq!(kept(&with("API Inference", "a\\nb \\u00e9")).notes, "a\nb é");
        assert_eq!(kept(&with("\"API Inference\"", "null")).notes, "");
        assert_eq!(kept(&with("API Inference", "cut \\ud83d")).notes, "cut \u{fffd}");
    }

    #[test]
    fn units_that_are_said_twice_are_read_strictly_when_they_are_the_same() {
        for (members, strict) in [
            (r#""unit":0.084096"#, Ok("0.084096")),
            (r#""units":null,"unit":2"#, Ok("2")),
            (r#""units":2,"unit":null"#, Ok("2")),
            (r#""units":2,"unit":2.0"#, Ok("2")),
            (r#""unit":"2e0","units":"2.00""#, Ok("2")),
            (r#""units":2,"unit":3"#, Err("`3`")),
            (r#""unit":"3","units":2"#, Err("`3`")),
            (r#""units":2,"unit":"mtoken""#, Err("`mtoken`")),
            (r#""units":2,"unit":[]"#, Err("`[]`")),
        ] {
            let text = with(r#""units":0.084096"#, members);
            let read = UsageEntry::from_json_strict(&text);
            match (&read, strict) {
                (Ok(entry), Ok(units)) => assert_eq!(entry.units.to_string(), units, "{text}"),
                (Err(error), Err(shown)) => {
                    assert_eq!(error.field(), Some("unit"));
                    let cause = std::error::Error::source(error).unwrap().to_string();
                    assert!(cause.starts_with(shown), "{cause}");
                }
                _ => panic!("{text}: {read:?}"),
            }
            assert!(UsageEntry::from_json(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_key_given_twice_is_an_error() {
        assert!(UsageEntry::from_json(&with("{", r#"{"amount":1,"#)).is_err());
    }
}
