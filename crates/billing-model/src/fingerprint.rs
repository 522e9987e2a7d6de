//! Tells whether two lots of entries are the same, without holding either.

use std::hash::Hash;

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::entry::UsageEntry;

/// The number of entries and the sum of their 128-bit hashes: equal for equal multisets, whatever the order.
///
/// Entries have no id and equal ones are legal, so the only identity of a lot of entries is the multiset. Two
/// different lots have the same fingerprint with a chance of about 2⁻¹²⁸. The hashes are those of this version of the
/// crate: compare fingerprints, do not store them.
///
/// ```
/// # use billing_model::{Fingerprint, UsageEntry};
/// # let row = |amount| UsageEntry::from_json(&format!(r#"{{"timestamp":"2026-06-14T19:52:45.087Z","units":1,
/// #   "sku":"s","pricePerUnitUsd":1,"amount":{amount},"currency":"USD","notes":""}}"#)).unwrap();
/// let (a, b) = (row("-1"), row("-2"));
/// let once: Fingerprint = [&a, &b].into_iter().collect();
/// assert_eq!(once, [&b, &a].into_iter().collect());
/// assert_ne!(once, [&a, &a, &b].into_iter().collect());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    entries: u64,
    hashes: u128,
}

impl Fingerprint {
    /// Counts one entry in.
    pub fn add(&mut self, entry: &UsageEntry) {
        let mut hasher = SipHasher13::new();
        entry.hash(&mut hasher);
        self.entries += 1;
        self.hashes = self.hashes.wrapping_add(hasher.finish128().as_u128());
    }

    /// How many entries were counted in.
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

impl<'a> FromIterator<&'a UsageEntry> for Fingerprint {
    fn from_iter<I: IntoIterator<Item = &'a UsageEntry>>(entries: I) -> Self {
        let mut fingerprint = Self::default();
        entries.into_iter().for_each(|entry| fingerprint.add(entry));
        fingerprint
    }
}
