//! The report of a check, which makes every count, sum and balance anew from the entries and compares them with what is
//! kept.

use std::collections::BTreeMap;

use crate::difference::{Difference, DifferenceKind};

/// What a check looked at, and what it found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// What was looked at.
    pub checked: Checked,
    /// The differences in the order in which they were found: the first [`Report::LISTED`] of each kind.
    pub differences: Vec<Difference>,
    /// How many differences there are of each kind, including those that are not listed.
    pub found: BTreeMap<DifferenceKind, u64>,
}

/// How much of each was looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Accounts, including those that only entries or sums refer to.
    pub accounts: u64,
    /// Entries that can be seen.
    pub entries: u64,
    /// Entries of an import that has not ended: nobody sees them, and no sum has them.
    pub hidden_entries: u64,
    /// Entries that were taken out.
    pub removed_entries: u64,
    /// Counts of entries in a span of time.
    pub counts: u64,
    /// Sums of a day, product, currency and API key.
    pub rollups: u64,
    /// Sums of a currency over all time.
    pub balances: u64,
    /// Blocks of entries.
    pub blocks: u64,
    /// Accounts that are copies of a service.
    pub sources: u64,
    /// Records of what was walked of such accounts.
    pub coverage: u64,
    /// Receipts of batches.
    pub receipts: u64,
    /// Files that were imported.
    pub files: u64,
    /// API keys.
    pub keys: u64,
    /// Texts that entries share.
    pub texts: u64,
}

impl Report {
    /// Differences of one kind that are listed; one lost account can make millions.
    pub const LISTED: u64 = 50;

    /// True when nothing differs.
    pub fn is_clean(&self) -> bool {
        self.found.is_empty()
    }

    /// How many differences there are, including those that are not listed.
    pub fn total(&self) -> u64 {
        self.found.values().sum()
    }
}
