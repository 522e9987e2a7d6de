//! Tells whether two lots of entries are the same, without holding either.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use crate::entry::UsageEntry;
use crate::error::{ValueError, ValueErrorKind};
use crate::identity::{EntryDigest, WholeDigest};

/// A lot of entries by what they are: equal for the same entries, whatever their order, keys and unknown fields.
pub type EntrySet = DigestSet<EntryDigest>;

/// A lot of entries by all that they have.
pub type WholeSet = DigestSet<WholeDigest>;

/// The number of entries and the sum of their digests modulo 2¹²⁸: equal for equal multisets, whatever the order.
///
/// Entries have no id and equal ones are legal, so the only identity of a lot of entries is the multiset. Entries can be taken
/// out again, and lots put together and taken apart, all in constant memory.
///
/// Two different lots of the same number have the same sum with a chance of about 2⁻¹²⁸. This protects against chance,
/// and not against an attacker who makes entries for the purpose: with thousands of entries, digests with the same sum
/// are found far faster than by trying (Wagner's generalised birthday attack). Where that matters, compare the digests
/// one by one.
///
/// The text, `v1:<number>:<32 hexadecimal digits>`, can be kept; `docs/identity.md` defines it. There is one text for each set.
///
/// ```
/// # use billing_model::{EntryDigest, EntrySet, UsageEntry};
/// # let row = |amount| UsageEntry::from_json(&format!(r#"{{"timestamp":"2026-06-14T19:52:45.087Z","units":1,
/// #   "sku":"s","pricePerUnitUsd":1,"amount":{amount},"currency":"USD","notes":""}}"#)).unwrap();
/// let (a, b) = (row("-1"), row("-2"));
/// let mut set: EntrySet = [&a, &b].into_iter().collect();
/// assert_eq!(set, [&b, &a].into_iter().collect());
/// assert_ne!(set, [&a, &a, &b].into_iter().collect());
///
/// assert_eq!(set.to_string().parse(), Ok(set));
/// set.remove(EntryDigest::of(&a));
/// set.remove(EntryDigest::of(&b));
/// assert_eq!(set.to_string(), "v1:0:00000000000000000000000000000000");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DigestSet<D> {
    entries: u64,
    sum: u128,
    of: PhantomData<D>,
}

/// One of the two digests of an entry: [`EntryDigest`] or [`WholeDigest`].
pub trait Digested: Copy + sealed::Sealed {
    /// The digest of an entry.
    fn of(entry: &UsageEntry) -> Self;

    /// Its bytes, of which a set takes the first for the most significant one.
    fn to_bytes(self) -> [u8; 16];
}

impl<D: Digested> DigestSet<D> {
    /// No entries.
    pub const EMPTY: Self = Self { entries: 0, sum: 0, of: PhantomData };

    /// Puts one entry in.
    pub fn add(&mut self, digest: D) {
        self.entries = self.entries.wrapping_add(1);
        self.sum = self.sum.wrapping_add(number(digest));
    }

    /// Takes one entry out. It is not checked that the entry was in: an entry may be taken out first and put in later.
    pub fn remove(&mut self, digest: D) {
        self.entries = self.entries.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(number(digest));
    }

    /// Puts another lot in.
    pub fn merge(&mut self, other: Self) {
        self.entries = self.entries.wrapping_add(other.entries);
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Takes another lot out.
    pub fn subtract(&mut self, other: Self) {
        self.entries = self.entries.wrapping_sub(other.entries);
        self.sum = self.sum.wrapping_sub(other.sum);
    }

    /// How many entries are in it. A number above half of `u64::MAX` says that more entries were taken out than were
    /// in.
    pub fn entries(&self) -> u64 {
        self.entries
    }
}

fn number(digest: impl Digested) -> u128 {
    u128::from_be_bytes(digest.to_bytes())
}

impl<D: Digested> Default for DigestSet<D> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<D: Digested> FromIterator<D> for DigestSet<D> {
    fn from_iter<I: IntoIterator<Item = D>>(digests: I) -> Self {
        let mut set = Self::EMPTY;
        digests.into_iter().for_each(|digest| set.add(digest));
        set
    }
}

impl<'a, D: Digested> FromIterator<&'a UsageEntry> for DigestSet<D> {
    fn from_iter<I: IntoIterator<Item = &'a UsageEntry>>(entries: I) -> Self {
        entries.into_iter().map(D::of).collect()
    }
}

impl<D> fmt::Display for DigestSet<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}:{}:{:032x}", EntryDigest::VERSION, self.entries, self.sum)
    }
}

impl<D> fmt::Debug for DigestSet<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<D: Digested> FromStr for DigestSet<D> {
    type Err = ValueError;

    /// Reads the text of a set of this version, in its one form.
    ///
    /// # Errors
    /// [`ValueErrorKind::NotADigestSet`], also for the text of another version: its digests are others.
    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parts = text.strip_prefix("v1:").and_then(|parts| parts.split_once(':'));
        let set = parts.and_then(|(entries, sum)| {
            let sum = u128::from_str_radix(sum, 16).ok()?;
            Some(Self { entries: entries.parse().ok()?, sum, of: PhantomData })
        });
        // Signs, capitals and zeros in front would be other texts for the same.
        set.filter(|set| set.to_string() == text)
            .ok_or_else(|| ValueError::new(ValueErrorKind::NotADigestSet, text))
    }
}

mod sealed {
    /// Sealed, so that a set never has digests of another kind.
    pub trait Sealed {}
    impl Sealed for super::EntryDigest {}
    impl Sealed for super::WholeDigest {}
}

impl Digested for EntryDigest {
    fn of(entry: &UsageEntry) -> Self {
        Self::of(entry)
    }

    fn to_bytes(self) -> [u8; 16] {
        self.to_bytes()
    }
}

impl Digested for WholeDigest {
    fn of(entry: &UsageEntry) -> Self {
        Self::of(entry)
    }

    fn to_bytes(self) -> [u8; 16] {
        self.to_bytes()
    }
}
