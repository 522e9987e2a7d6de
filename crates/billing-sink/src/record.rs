//! What the lines of a checkpoint say: how a file was begun, and how far it is.

use std::collections::BTreeMap;

use billing_model::{Amounts, Currency, Summary, Timestamp, Total};
use serde::de::Deserializer;
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};

use crate::tally::Sha256Sum;

/// What a checkpoint begins with, in every version, so that no other file is taken for one.
pub(crate) const MAGIC: &[u8] = br#"{"billingCheckpoint":"#;

/// The version of the lines that this code writes and reads.
pub(crate) const VERSION: u32 = 1;

/// The part of the first line that is read before its version is known.
#[derive(Debug, Deserialize)]
pub(crate) struct Version {
    #[serde(rename = "billingCheckpoint")]
    pub(crate) version: u32,
}

/// The first line: how the file was begun.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Header {
    /// It is the first member, because the line begins with it.
    #[serde(rename = "billingCheckpoint")]
    version: u32,
    #[serde(with = "text")]
    pub(crate) started: Timestamp,
    pub(crate) asked: BTreeMap<String, String>,
    pub(crate) settled: BTreeMap<String, String>,
}

impl Header {
    pub(crate) fn new(
        started: Timestamp,
        asked: BTreeMap<String, String>,
        settled: BTreeMap<String, String>,
    ) -> Self {
        Self { version: VERSION, started, asked, settled }
    }

    /// The arguments in which this run differs from the one that began the file, in words; `None` when there are none.
    pub(crate) fn difference(&self, asked: &BTreeMap<String, String>) -> Option<String> {
        let value = |of: &BTreeMap<String, String>, name: &str| {
            of.get(name).map_or_else(|| "nothing".to_owned(), |value| format!("`{value}`"))
        };
        let names: std::collections::BTreeSet<_> = asked.keys().chain(self.asked.keys()).collect();
        let differences: Vec<_> = names
            .into_iter()
            .filter(|name| asked.get(*name) != self.asked.get(*name))
            .map(|name| {
                format!("{name}: asked {}, begun with {}", value(asked, name), value(&self.asked, name))
            })
            .collect();
        (!differences.is_empty()).then(|| differences.join("; "))
    }
}

/// Every other line: how far the file is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    /// True when these are all the bytes of the file, so that it lacks nothing but its name.
    pub(crate) finished: bool,
    #[serde(with = "optional_text")]
    pub(crate) complete_until: Option<Timestamp>,
    pub(crate) bytes: u64,
    /// The SHA-256 of those bytes.
    #[serde(with = "text")]
    pub(crate) sha256: Sha256Sum,
    /// What the entries in those bytes come to.
    #[serde(with = "SummaryText")]
    pub(crate) summary: Summary,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Summary")]
struct SummaryText {
    entries: u64,
    #[serde(with = "optional_text")]
    first: Option<Timestamp>,
    #[serde(with = "optional_text")]
    last: Option<Timestamp>,
    #[serde(with = "amounts_text")]
    amounts: BTreeMap<Currency, Amounts>,
}

#[derive(Serialize, Deserialize)]
struct AmountsText {
    entries: u64,
    #[serde(with = "text")]
    charged: Total,
    #[serde(with = "text")]
    credited: Total,
}

/// Values that have an exact text.
mod text {
    use super::{Deserialize, Deserializer, Serializer};
    use serde::de::Error;
    use std::fmt::Display;
    use std::str::FromStr;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

mod optional_text {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp, text};

    #[derive(Serialize, Deserialize)]
    struct Text(#[serde(with = "text")] Timestamp);

    pub(super) fn serialize<S: Serializer>(value: &Option<Timestamp>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Text).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
        Ok(Option::<Text>::deserialize(from)?.map(|text| text.0))
    }
}

mod amounts_text {
    use super::{Amounts, AmountsText, BTreeMap, Currency, Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        amounts: &BTreeMap<Currency, Amounts>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(amounts.iter().map(|(currency, amounts)| {
            let Amounts { entries, charged, credited } = amounts.clone();
            (currency.as_str(), AmountsText { entries, charged, credited })
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<Currency, Amounts>, D::Error> {
        let amounts = BTreeMap::<String, AmountsText>::deserialize(from)?;
        Ok(amounts
            .into_iter()
            .map(|(currency, AmountsText { entries, charged, credited })| {
                (Currency::from(currency.as_str()), Amounts { entries, charged, credited })
            })
            .collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_testkit::any_entries;
    use proptest::prelude::*;

    fn arguments(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_difference_names_each_argument_and_both_values() {
        let begun = arguments(&[("currency", "USD"), ("format", "csv"), ("since", "2026-05-01")]);
        let header = Header::new(Timestamp::from_unix_ns(0), begun.clone(), BTreeMap::new());
        assert_eq!(header.difference(&begun), None);
        let asked = arguments(&[("format", "csv"), ("since", "2026-04-01"), ("until", "")]);
        assert_eq!(
            header.difference(&asked).unwrap(),
            "currency: asked nothing, begun with `USD`; since: asked `2026-04-01`, begun with `2026-05-01`; \
             until: asked ``, begun with nothing"
        );
    }

    #[test]
    fn a_header_begins_as_every_checkpoint_does() {
        let header = Header::new(Timestamp::from_unix_ns(0), BTreeMap::new(), arguments(&[("a", "\n\"é")]));
        let text = serde_json::to_string(&header).unwrap();
        assert_eq!(
            text,
            r#"{"billingCheckpoint":1,"started":"1970-01-01T00:00:00.000Z","asked":{},"settled":{"a":"\n\"é"}}"#
        );
        assert!(text.as_bytes().starts_with(MAGIC));
        assert_eq!(serde_json::from_str::<Version>(&text).unwrap().version, VERSION);
        assert_eq!(serde_json::from_str::<Header>(&text).unwrap().settled, header.settled);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn sums_of_any_entries_survive_their_line(entries in any_entries(20), bytes: u64, finished: bool) {
            let mut summary = Summary::default();
            summary.extend(&entries);
            let complete_until = summary.last.map(Timestamp::next);
            let record = Record { finished, complete_until, bytes, sha256: Sha256Sum([7; 32]), summary };
            let text = serde_json::to_string(&record).unwrap();
            prop_assert!(!text.contains('\n'), "it is one line");
            let read: Record = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&read.summary, &record.summary);
            prop_assert_eq!(
                (read.finished, read.complete_until, read.bytes, read.sha256),
                (finished, complete_until, bytes, record.sha256)
            );
        }
    }
}
