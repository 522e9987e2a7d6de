//! Tells whether two entries are alike, without holding either.

use std::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::entry::UsageEntry;

/// The hashes of an entry, its API key apart: text/csv leaves the key out, so the same entry may come with it and without. It
/// leaves out other fields too, which do not count here.
///
/// Entries that are equal have equal hashes, and others have them with a chance of about 2⁻¹²⁸. The hashes are those of this
/// version of the crate: compare them, do not keep them.
///
/// ```
/// # use billing_model::{Likeness, UsageEntry};
/// # let row = |key| UsageEntry::from_json(&format!(r#"{{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"amount":-1,
/// #   "sku":"s","pricePerUnitUsd":1,"currency":"USD","notes":"","apiKeyId":{key}}}"#)).unwrap();
/// let (with, without) = (row("\"key-1\""), row("null"));
/// assert_eq!(Likeness::of(&with).but_api_key, Likeness::of(&without).but_api_key);
/// assert_ne!(Likeness::of(&with), Likeness::of(&without));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Likeness {
    /// Of all that it holds but its API key.
    pub but_api_key: u128,
    /// Of its API key, if it has one.
    pub api_key: Option<u64>,
}

impl Likeness {
    /// The hashes of one entry.
    pub fn of(entry: &UsageEntry) -> Self {
        // All fields are named, so that this does not compile until a new field is treated here.
        let UsageEntry {
            timestamp,
            sku,
            price_per_unit_usd,
            units,
            amount,
            currency,
            notes,
            inference_details,
            api_key_id,
            // Text/csv leaves them out too.
            other_fields: _,
        } = entry;
        let product = (timestamp, sku, price_per_unit_usd, units);
        Self {
            but_api_key: hashed(&(product, amount, currency, notes, inference_details)).finish128().as_u128(),
            // Half of it is enough to tell the keys of one account apart.
            api_key: api_key_id.as_ref().map(|key| hashed(key).finish()),
        }
    }
}

fn hashed(value: &impl Hash) -> SipHasher13 {
    let mut hasher = SipHasher13::new();
    value.hash(&mut hasher);
    hasher
}
