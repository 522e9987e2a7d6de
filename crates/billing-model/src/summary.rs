//! What a lot of entries comes to.

use std::collections::BTreeMap;

use crate::currency::Currency;
use crate::entry::{UsageEntry, is_credit};
use crate::timestamp::Timestamp;
use crate::total::Total;

/// The count, the span and the exact sums of the entries that went by.
///
/// ```
/// use billing_model::{Currency, Summary, UsageEntry};
/// # let row = |amount| UsageEntry::from_json(&format!(r#"{{"timestamp":"2026-06-14T19:52:45.087Z","units":1,
/// #   "sku":"s","pricePerUnitUsd":1,"amount":{amount},"currency":"USD","notes":""}}"#)).unwrap();
/// let mut summary = Summary::default();
/// summary.extend(&[row("-0.1"), row("25"), row("-8e-7")]);
/// let usd = &summary.amounts[&Currency::Usd];
/// assert_eq!((usd.spend().to_string(), usd.net().to_string()), ("0.1000008".into(), "24.8999992".into()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many entries.
    pub entries: u64,
    /// The earliest timestamp.
    pub first: Option<Timestamp>,
    /// The latest timestamp.
    pub last: Option<Timestamp>,
    /// The sums per currency. Never added across currencies.
    pub amounts: BTreeMap<Currency, Amounts>,
}

/// The exact sums of one currency.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    /// How many entries.
    pub entries: u64,
    /// The sum of the charges: zero or negative, as in the ledger.
    pub charged: Total,
    /// The sum of top-ups, grants and refunds: zero or positive.
    pub credited: Total,
}

impl Amounts {
    fn add(&mut self, entry: &UsageEntry) {
        self.entries += 1;
        match is_credit(entry.amount) {
            true => self.credited.add(entry.amount),
            false => self.charged.add(entry.amount),
        }
    }

    /// The sum of all amounts, signed as in the ledger.
    pub fn net(&self) -> Total {
        let mut net = self.charged.clone();
        net.merge(&self.credited);
        net
    }

    /// The charges as money out: zero or positive, before refunds.
    pub fn spend(&self) -> Total {
        -self.charged.clone()
    }
}

impl Summary {
    /// Counts one entry in.
    pub fn add(&mut self, entry: &UsageEntry) {
        self.entries += 1;
        self.first = Some(self.first.map_or(entry.timestamp, |first| first.min(entry.timestamp)));
        self.last = self.last.max(Some(entry.timestamp));
        if let Some(amounts) = self.amounts.get_mut(&entry.currency) {
            return amounts.add(entry);
        }
        self.amounts.entry(entry.currency.clone()).or_default().add(entry);
    }

    /// Adds what other entries come to.
    pub fn merge(&mut self, other: &Self) {
        self.entries += other.entries;
        self.first = [self.first, other.first].into_iter().flatten().min();
        self.last = self.last.max(other.last);
        for (currency, theirs) in &other.amounts {
            let ours = self.amounts.entry(currency.clone()).or_default();
            ours.entries += theirs.entries;
            ours.charged.merge(&theirs.charged);
            ours.credited.merge(&theirs.credited);
        }
    }
}

impl<'a> Extend<&'a UsageEntry> for Summary {
    fn extend<I: IntoIterator<Item = &'a UsageEntry>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.add(entry));
    }
}
