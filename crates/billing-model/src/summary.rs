//! What a lot of entries comes to.

use std::collections::BTreeMap;

use crate::currency::Currency;
use crate::entry::UsageEntry;
use crate::timestamp::Timestamp;
use crate::total::Total;

/// The count, the span and the exact sums of the entries that went by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many entries.
    pub entries: u64,
    /// The earliest timestamp.
    pub first: Option<Timestamp>,
    /// The latest timestamp.
    pub last: Option<Timestamp>,
    /// The sum of the amounts, signed as in the ledger, per currency. Never added across currencies.
    pub amounts: BTreeMap<Currency, Total>,
}

impl Summary {
    /// Counts one entry in.
    pub fn add(&mut self, entry: &UsageEntry) {
        self.entries += 1;
        self.first = Some(self.first.map_or(entry.timestamp, |first| first.min(entry.timestamp)));
        self.last = self.last.max(Some(entry.timestamp));
        match self.amounts.get_mut(&entry.currency) {
            Some(total) => total.add(entry.amount),
            None => self.amounts.entry(entry.currency.clone()).or_default().add(entry.amount),
        }
    }
}

impl<'a> Extend<&'a UsageEntry> for Summary {
    fn extend<I: IntoIterator<Item = &'a UsageEntry>>(&mut self, entries: I) {
        entries.into_iter().for_each(|entry| self.add(entry));
    }
}
