//! Structs that are read from JSON objects only.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, Visitor};

/// A struct that is read from a JSON object.
///
/// A derived one also takes an array, value by value in the order of its fields. No service means that: any list would be an
/// answer whose numbers are others.
pub(crate) struct Object<T>(T);

/// Reads a text that is one object.
pub(crate) fn read_object<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text).map(|Object(value)| value)
}

/// A member that is an object.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Object::deserialize(deserializer).map(|Object(value)| value)
}

/// A member that is a list of objects.
pub(crate) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let objects = Vec::deserialize(deserializer)?;
    Ok(objects.into_iter().map(|Object(value)| value).collect())
}

/// The same, empty for null.
pub(crate) fn objects_or_null<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let objects = Option::<Vec<_>>::deserialize(deserializer)?;
    Ok(objects.into_iter().flatten().map(|Object(value)| value).collect())
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Analytics, Balance, BatchReceipt, ConflictingBatch, DecodeError, Page, RefusedBatch};

    /// Each object of an answer in turn becomes the list of its values. In the answers all members are there, in the order
    /// of the fields.
    #[test]
    fn an_array_is_no_object_anywhere() {
        type IsRead = fn(&str) -> Result<(), DecodeError>;
        for (is_read, answer) in [
            (
                (|text| Balance::from_json(text).map(drop)) as IsRead,
                r#"{"canConsume":true,"consumptionCurrency":"USD","balances":{"diem":5,"usd":7,"bundledCredits":null,"earnedCredits":null},"diemEpochAllocation":3}"#,
            ),
            (
                |text| Analytics::from_json(text).map(drop),
                r#"{"lookback":"1d","byDate":[{"date":"2026-06-14","USD":1,"DIEM":2}],"byModel":[{"modelName":"a","unitType":"tokens","modelType":null,"totalUsd":1,"totalDiem":2,"totalUnits":3,"breakdown":[{"type":"Input","usd":1,"diem":2,"units":3}]}],"byModelDaily":[{"date":1781395200000}],"topModels":[],"byKey":[{"apiKeyId":null,"description":"Web App","totalUsd":1,"totalDiem":2,"totalUnits":3}],"byKeyDaily":[{"date":1781395200000}],"topKeyNames":[]}"#,
            ),
            (|text| BatchReceipt::from_json(text).map(drop), r#"{"idempotencyKey":"z","recorded":3}"#),
            (
                |text| RefusedBatch::from_json(text).map(drop),
                r#"{"error":"x","rows":1,"badRows":[[1,1]],"issues":[{"row":1,"field":null,"message":"y"}]}"#,
            ),
            (|text| ConflictingBatch::from_json(text).map(drop), r#"{"error":"x","idempotencyKey":"z"}"#),
            (
                |text| Page::from_usage_json(text).map(drop),
                r#"{"data":[],"pagination":{"limit":1,"page":1,"total":0,"totalPages":0},"warningMessage":null}"#,
            ),
            (|text| Page::from_history_json(text).map(drop), r#"{"data":[],"nextCursor":null}"#),
        ] {
            is_read(answer).unwrap();
            for (start, _) in answer.match_indices('{') {
                let list = as_list(answer, start);
                assert!(is_read(&list).is_err(), "{list}");
            }
        }
    }

    /// The text with the object that starts there as a list of its values. Texts in it hold no braces, colons or commas.
    fn as_list(text: &str, start: usize) -> String {
        let mut depth = 0;
        let mut out = text[..start].to_owned();
        let mut key_of_it = false;
        for (at, c) in text[start..].char_indices() {
            match c {
                '{' | '[' => depth += 1,
                '}' | ']' => depth -= 1,
                _ => {}
            }
            match c {
                '{' if depth == 1 => {
                    out.push('[');
                    key_of_it = true;
                }
                '}' if depth == 0 => {
                    out.push(']');
                    out.push_str(&text[start + at + 1..]);
                    return out;
                }
                ':' if key_of_it => key_of_it = false,
                _ if key_of_it => {}
                _ => {
                    out.push(c);
                    key_of_it = c == ',' && depth == 1;
                }
            }
        }
        out
    }

    #[test]
    fn an_object_becomes_the_list_of_its_values() {
        let text = r#"[{"a":1,"b":{"c":[2,3],"d":"x"},"e":null}]"#;
        assert_eq!(as_list(text, 1), r#"[[1,{"c":[2,3],"d":"x"},null]]"#);
        assert_eq!(as_list(text, 12), r#"[{"a":1,"b":[[2,3],"x"],"e":null}]"#);
    }
}
