//! Which entry an entry is, in 128 bits that mean the same on every machine and in every later version.

use std::fmt;

use crate::canonical::{digest, hex, put_entry, put_whole};
use crate::entry::UsageEntry;
use crate::other_fields::OtherFields;

/// The digest of what an entry is: of its eleven documented fields, and of nothing else.
///
/// Entries have no id. Equal digests say "the same entry", or one of several that are equal to the last digit, which is legal.
/// The API key is not in it, because text/csv leaves it out: [`WholeDigest`] has everything.
///
/// `docs/identity.md` defines it, with test vectors. It can be kept: this version of it never changes, and another one would
/// have another [`VERSION`](Self::VERSION). Numbers and timestamps count by their values, so `1`, `1.0` and `1e0` are the same.
/// Details without a value are as none.
///
/// Two different entries have the same digest with a chance of about 2⁻¹²⁸, and somebody who makes entries for the purpose
/// needs about 2⁶⁴ of them to find two.
///
/// ```
/// use billing_model::{EntryDigest, UsageEntry};
/// let row = |amount| UsageEntry::from_json(&format!(r#"{{"timestamp":"2026-06-14T19:52:45.087Z","units":1,"amount":{amount},
///   "sku":"venice-sd35-image-unit","pricePerUnitUsd":0.01,"currency":"USD","notes":""}}"#));
/// let digest = EntryDigest::of(&row("-0.01")?);
/// assert_eq!(digest.to_string(), "c949941adf3694b55e223d74753feaf7");
/// assert_eq!(digest, EntryDigest::of(&row("-1.0e-2")?));
/// assert_ne!(digest, EntryDigest::of(&row("-0.02")?));
/// # Ok::<(), billing_model::DecodeError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryDigest([u8; 16]);

impl EntryDigest {
    /// The version of the definition.
    pub const VERSION: u8 = 1;

    /// The digest of an entry. It allocates nothing.
    pub fn of(entry: &UsageEntry) -> Self {
        Self(digest(|out| put_entry(out, entry)))
    }

    /// The digest of all that an entry with this digest has: with its API key, and the text of its
    /// [other fields](OtherFields::as_str).
    ///
    /// ```
    /// # use billing_model::{EntryDigest, UsageEntry, WholeDigest};
    /// # let entry = UsageEntry::from_json(r#"{"timestamp":"2026-06-14T19:52:45.087Z","sku":"s","pricePerUnitUsd":1,
    /// #   "units":1,"amount":-1,"currency":"USD","notes":"","apiKeyId":"e28e82dc"}"#).unwrap();
    /// assert_eq!(EntryDigest::of(&entry).whole(Some("e28e82dc"), None), WholeDigest::of(&entry));
    /// ```
    pub fn whole(self, api_key_id: Option<&str>, other_fields: Option<&str>) -> WholeDigest {
        WholeDigest(digest(|out| put_whole(out, self.0, api_key_id, other_fields)))
    }

    /// A digest that was kept.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The digest, to be kept.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// The digest of all that an entry has: of what [`EntryDigest`] covers, of its API key and of the fields that this crate does
/// not know.
///
/// Two entries with the same [`EntryDigest`] and different whole digests are one entry, of which the key or other
/// fields were changed in place. `docs/identity.md` defines it too, and it can be kept as well.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WholeDigest([u8; 16]);

impl WholeDigest {
    /// The digest of an entry. Whoever has its [`EntryDigest`] already asks [`EntryDigest::whole`], which is less work.
    pub fn of(entry: &UsageEntry) -> Self {
        let other_fields = entry.other_fields.as_ref().map(OtherFields::as_str);
        EntryDigest::of(entry).whole(entry.api_key_id.as_deref(), other_fields)
    }

    /// A digest that was kept.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The digest, to be kept.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// Writes the 32 digits of a digest.
fn show(bytes: [u8; 16], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.pad(std::str::from_utf8(&hex(bytes)).map_err(|_| fmt::Error)?)
}

impl fmt::Display for EntryDigest {
    /// Its 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, f)
    }
}

impl fmt::Debug for EntryDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, f)
    }
}

impl fmt::Display for WholeDigest {
    /// Its 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, f)
    }
}

impl fmt::Debug for WholeDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(self.0, f)
    }
}
