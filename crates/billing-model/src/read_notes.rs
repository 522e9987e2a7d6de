//! What reading an entry changed or passed over.

use std::collections::{BTreeMap, BTreeSet};

use crate::entry::UsageEntry;
use crate::field_name::meant_field;

/// The most names that are kept. A file with more unknown names is no file of this ledger.
const MOST_NAMES: usize = 20;

/// What reading changed in entries, and the members that are no field. Only entries that could be read count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadNotes {
    /// Texts with half a character in them, which became U+FFFD. Those of other fields are counted with them, and kept.
    pub half_characters: u64,
    /// Members that are no field though their names look like those of fields that the entry lacked: the name, and the field
    /// that is likely meant. Of very many, the first twenty.
    pub misnamed: BTreeMap<String, &'static str>,
    /// Other members that are no field, and how many entries had them. Of very many, the first twenty.
    pub unknown: BTreeMap<String, u64>,
}

impl ReadNotes {
    /// Notes a member that no field of the entry has the name of.
    fn note_stranger(&mut self, name: &str, entry: &UsageEntry) {
        match meant_field(name).filter(|field| is_lacking(entry, field)) {
            Some(field) if self.misnamed.len() < MOST_NAMES => {
                self.misnamed.entry(name.to_owned()).or_insert(field);
            }
            Some(_) => {}
            None => {
                let is_full = self.unknown.len() >= MOST_NAMES;
                if let Some(entries) = self.unknown.get_mut(name) {
                    *entries += 1;
                } else if !is_full {
                    self.unknown.insert(name.to_owned(), 1);
                }
            }
        }
    }

    /// Notes the members of an entry that no field has the name of, each once.
    pub(crate) fn note_other_fields(&mut self, entry: &UsageEntry) {
        let Some(other) = &entry.other_fields else { return };
        other.names().collect::<BTreeSet<_>>().iter().for_each(|name| self.note_stranger(name, entry));
    }
}

/// True for a field that an entry need not have, and that this one has not.
fn is_lacking(entry: &UsageEntry, field: &str) -> bool {
    let details = entry.inference_details.as_ref();
    match field {
        "apiKeyId" => entry.api_key_id.is_none(),
        "inferenceDetails" => details.is_none(),
        "inferenceDetails.requestId" => details.is_none_or(|details| details.request_id.is_none()),
        "inferenceDetails.inferenceExecutionTime" => {
            details.is_none_or(|details| details.execution_time_ms.is_none())
        }
        "inferenceDetails.promptTokens" => details.is_none_or(|details| details.prompt_tokens.is_none()),
        "inferenceDetails.completionTokens" => {
            details.is_none_or(|details| details.completion_tokens.is_none())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(members: &str, halves: u64, misnamed: &[(&str, &'static str)]) -> BTreeMap<String, u64> {
        let text = format!(
            r#"{{"timestamp":"2026-06-14T19:52:45.087Z","sku":"s","pricePerUnitUsd":1,"units":1,"amount":-1,"currency":"USD",{members}}}"#
        );
        let mut notes = ReadNotes::default();
        let entry = UsageEntry::from_json_noting(&text, &mut notes).unwrap();
        assert_eq!(Ok(entry), UsageEntry::from_json(&text).map_err(|error| format!("{error:?}")));
        assert_eq!(notes.half_characters, halves, "{text}");
        let found: Vec<_> = notes.misnamed.iter().map(|(name, field)| (name.as_str(), *field)).collect();
        assert_eq!(found, misnamed, "{text}");
        notes.unknown
    }

    #[test]
    fn a_member_that_no_field_is_meant_by_is_counted() {
        for more in ["", r#","unit":"mtoken""#] {
            for (members, unknown) in [
                (r#""notes":"","apiKeyId":null,"inferenceDetails":null"#, &[][..]),
                (r#""notes":"","inferenceDetails":{"requestId":"r","promptTokens":1}"#, &[]),
                (r#""notes":"","model":"m","cost":1,"none":null"#, &["cost", "model"]),
                (r#""notes":"","inferenceDetails":{"requestId":"r","region":"eu"}"#, &["region"]),
                // The entry has the field that the name looks like.
                (r#""notes":"","requestId":"r","inferenceDetails":{"requestId":"r"}"#, &["requestId"]),
            ] {
                let found = check(&format!("{members}{more}"), 0, &[]);
                let expect = unknown.iter().map(|name| ((*name).to_owned(), 1)).collect();
                assert_eq!(found, expect, "{members}{more}");
            }
        }
    }

    #[test]
    fn a_member_under_another_name_is_noted_where_the_field_is_lacking() {
        let id = "inferenceDetails.requestId";
        // The second of each is read the long way, for its `unit` beside `units`.
        for more in ["", r#","unit":"mtoken""#] {
            for (members, misnamed) in [
                (r#""notes":"""#, &[][..]),
                (r#""notes":"","requestId":"r""#, &[("requestId", id)]),
                (r#""notes":"","requestId":null"#, &[]),
                (r#""notes":"","requestId":"r","inferenceDetails":{"requestId":"r"}"#, &[]),
                (
                    r#""notes":"","inferenceDetails":{"request_id":"r","promptTokens":1}"#,
                    &[("request_id", id)],
                ),
                (
                    r#""notes":"","inference_details":{"requestId":"r"}"#,
                    &[("inference_details", "inferenceDetails")],
                ),
                (r#""notes":"","Amount":5,"aFieldOfTheFuture":1"#, &[]),
                (
                    r#""notes":"","api_key_id":"k","request_id":"r""#,
                    &[("api_key_id", "apiKeyId"), ("request_id", id)],
                ),
            ] {
                check(&format!("{members}{more}"), 0, misnamed);
            }
        }
    }

    #[test]
    fn texts_with_half_a_character_are_counted_with_those_of_keys() {
        check(r#""notes":"\ud83d""#, 1, &[]);
        check(r#""notes":"\ud83d\ude00 \ud83d \ude00""#, 1, &[]);
        check(r#""notes":"\udfff","apiKeyId":"\uD800""#, 2, &[]);
        check(r#""notes":"","\ud800":1,"request_id":1"#, 1, &[("request_id", "inferenceDetails.requestId")]);
        check(r#""notes":"\\ud83d""#, 0, &[]);
        check(r#""notes":"\ufffd""#, 0, &[]);
    }
}
