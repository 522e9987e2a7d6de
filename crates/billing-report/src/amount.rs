//! Sums in JSON: texts, exact to the last digit.

use billing_model::Total;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub(crate) fn serialize<S: Serializer>(total: &Total, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(total)
}

/// A sum that may be missing, as `null`.
pub(crate) fn serialize_optional<S: Serializer>(
    total: &Option<Total>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    total.as_ref().map(ToString::to_string).serialize(serializer)
}

pub(crate) fn serialize_all<S: Serializer>(totals: &[Total], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(totals.iter().map(ToString::to_string))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Total, D::Error> {
    Amount::deserialize(deserializer).map(|Amount(total)| total)
}

/// A sum that JSON has as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Amount(pub(crate) Total);

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}
