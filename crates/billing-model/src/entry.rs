//! One row of the ledger.

use crate::currency::Currency;
use crate::decimal::Decimal;
use crate::other_fields::OtherFields;
use crate::timestamp::Timestamp;

/// An entry of the usage ledger: one input, cache, output or flat fee of one request, or a credit.
///
/// An entry has no id, and entries that are equal to the last digit are legal (a batch of images is n of them): never
/// drop one because an equal one was there before.
///
/// `serde_json` reads and writes it in the API's own form. Keys may come in any order; unknown ones are kept
/// ([`other_fields`](Self::other_fields)).
///
/// Two entries are equal when everything in them is equal. [`EntryDigest`](crate::EntryDigest) tells whether they are
/// the same entry, of which the key or other fields may have been changed in place.
///
/// ```
/// use billing_model::UsageEntry;
/// let entry: UsageEntry = serde_json::from_str(r#"{"timestamp":"2026-06-14T19:52:45.087Z","units":1,
///   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01,"amount":-1e-2,"currency":"USD","notes":""}"#)?;
/// assert!(serde_json::to_string(&entry)?.starts_with(r#"{"amount":-0.01,"apiKeyId":null,"#));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UsageEntry {
    /// When the entry was created.
    pub timestamp: Timestamp,
    /// The product, `zai-org-glm-5-1-llm-output-mtoken`.
    pub sku: String,
    /// The price of one unit in USD, also when another currency is charged.
    pub price_per_unit_usd: Decimal,
    /// Units consumed; of a `…-mtoken` sku one unit is a million tokens.
    pub units: Decimal,
    /// The amount in `currency`: negative is a charge, positive a top-up, a grant or a refund. It is authoritative
    /// and need not be price times units.
    pub amount: Decimal,
    /// What `amount` counts.
    pub currency: Currency,
    /// Free text, `API Inference` for API calls.
    pub notes: String,
    /// The inference request, for usage. Details without a single value are `None`: CSV cannot tell the two apart.
    pub inference_details: Option<InferenceDetails>,
    /// The API key that was charged; `None` for the web app, for what is not usage, and from services that do not
    /// say. Never empty.
    pub api_key_id: Option<String>,
    /// What else the service said, as it came. `None` also where it went through a form that has no place for it.
    pub other_fields: Option<OtherFields>,
}

/// True for an amount that is a credit: a top-up, a grant or a refund, which is above zero. Everything else is a
/// charge, zero too, because some usage costs nothing.
///
/// ```
/// let is_credit = |amount: &str| billing_model::is_credit(amount.parse().unwrap());
/// assert_eq!(["0.01", "0", "-0.01"].map(is_credit), [true, false, false]);
/// ```
pub fn is_credit(amount: Decimal) -> bool {
    amount.is_positive()
}

/// The request behind an entry. All entries of one request repeat the same details, so take its tokens once.
///
/// The numbers are decimals because services send fractional ones.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct InferenceDetails {
    /// The inference request. Never empty.
    pub request_id: Option<String>,
    /// How long it took, in milliseconds.
    pub execution_time_ms: Option<Decimal>,
    /// Tokens read; LLM usage only.
    pub prompt_tokens: Option<Decimal>,
    /// Tokens written; LLM usage only.
    pub completion_tokens: Option<Decimal>,
}

impl UsageEntry {
    /// How many bytes of text it holds, beside its numbers.
    pub fn text_bytes(&self) -> usize {
        let request_id = self.inference_details.as_ref().and_then(|details| details.request_id.as_ref());
        let optional = [self.api_key_id.as_ref(), request_id].into_iter().flatten().map(String::len);
        let other_fields = self.other_fields.as_ref().map_or(0, |other| other.as_str().len());
        self.sku.len()
            + self.currency.as_str().len()
            + self.notes.len()
            + optional.sum::<usize>()
            + other_fields
    }
}

impl InferenceDetails {
    /// These details, or `None` when they hold no value.
    pub fn into_option(self) -> Option<Self> {
        (self != Self::default()).then_some(self)
    }
}
