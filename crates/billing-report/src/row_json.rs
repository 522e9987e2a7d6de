//! The form of a row in JSON.
#![expect(
    clippy::disallowed_types,
    reason = "what serde makes for a flattened field has places for numbers; ours are texts"
)]

use billing_model::Total;
use serde::{Deserialize, Deserializer, Serialize};

use crate::amount::Amount;
use crate::dimension::Dimension;
use crate::sums::{Sums, Tokens};

/// A row as it stands in JSON.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RowJson {
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) day: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) week: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) month: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) hour: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) weekday: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) model: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) sku: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) key: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) request: Label,
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub(crate) notes: Label,
    pub(crate) currency: String,
    /// How many rows it is the sum of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rest: Option<u64>,
    #[serde(flatten)]
    pub(crate) sums: SumsJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) share: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usd: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<SumsJson>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) trend: Vec<Amount>,
}

/// The label of a dimension, which may be `null`, or none where the row is not by it.
pub(crate) type Label = Option<Option<String>>;

/// `null` is a label too.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Sums as they stand in JSON. What follows from others is written and not read.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SumsJson {
    entries: u64,
    spend: Amount,
    credits: Amount,
    #[serde(skip_deserializing)]
    net: Option<Amount>,
    input_tokens: Amount,
    cached_input_tokens: Amount,
    cache_write_tokens: Amount,
    output_tokens: Amount,
    token_spend: Amount,
    #[serde(skip_deserializing)]
    price_per_million_tokens: Option<Amount>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests: Option<u64>,
}

impl Default for SumsJson {
    fn default() -> Self {
        (&Sums::default()).into()
    }
}

impl From<&Sums> for SumsJson {
    fn from(sums: &Sums) -> Self {
        let amount = |total: &Total| Amount(total.clone());
        Self {
            entries: sums.entries,
            spend: amount(&sums.spend),
            credits: amount(&sums.credits),
            net: Some(Amount(sums.net())),
            input_tokens: amount(&sums.tokens.input),
            cached_input_tokens: amount(&sums.tokens.cached_input),
            cache_write_tokens: amount(&sums.tokens.cache_write),
            output_tokens: amount(&sums.tokens.output),
            token_spend: amount(&sums.token_spend),
            price_per_million_tokens: sums.price_per_million_tokens().map(Amount),
            requests: sums.requests,
        }
    }
}

impl From<SumsJson> for Sums {
    fn from(json: SumsJson) -> Self {
        Self {
            entries: json.entries,
            spend: json.spend.0,
            credits: json.credits.0,
            tokens: Tokens {
                input: json.input_tokens.0,
                cached_input: json.cached_input_tokens.0,
                cache_write: json.cache_write_tokens.0,
                output: json.output_tokens.0,
            },
            token_spend: json.token_spend.0,
            requests: json.requests,
        }
    }
}

impl RowJson {
    /// The place of a dimension's label; `None` for the currency, which every row has.
    pub(crate) fn label(&mut self, dimension: Dimension) -> Option<&mut Label> {
        Some(match dimension {
            Dimension::Day => &mut self.day,
            Dimension::Week => &mut self.week,
            Dimension::Month => &mut self.month,
            Dimension::Hour => &mut self.hour,
            Dimension::Weekday => &mut self.weekday,
            Dimension::Model => &mut self.model,
            Dimension::Sku => &mut self.sku,
            Dimension::Currency => return None,
            Dimension::Key => &mut self.key,
            Dimension::Kind => &mut self.kind,
            Dimension::Request => &mut self.request,
            Dimension::Notes => &mut self.notes,
        })
    }
}
