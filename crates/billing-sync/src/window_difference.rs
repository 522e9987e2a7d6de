//! What a window of the ledger and of its source differ in.

use std::collections::BTreeMap;

use billing_model::{Currency, TimeWindow, Total};

/// What the ledger and the source have in a window, and what differs. Entries are compared one by one, as multisets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WindowDifference {
    /// The window.
    pub window: TimeWindow,
    /// How many entries the ledger had.
    pub held: u64,
    /// How many entries the source has.
    pub found: u64,
    /// The exact sum of the ledger's amounts in each currency.
    pub held_sums: BTreeMap<Currency, Total>,
    /// The exact sum of the source's amounts in each currency.
    pub found_sums: BTreeMap<Currency, Total>,
    /// Entries of the source that the ledger did not have.
    pub missing: u64,
    /// Those of them that arrived after their time was final.
    pub late: u64,
    /// Entries whose API key or other fields were others.
    pub changed: u64,
    /// Entries of the ledger that the source does not have.
    pub vanished: u64,
    /// True when the ledger had something else than was once brought in line: somebody else wrote to it. A sync then makes anew what is
    /// kept of the window beside the entries, as a repair does.
    pub is_altered: bool,
}

impl WindowDifference {
    /// True when nothing differs.
    pub fn is_empty(&self) -> bool {
        (self.missing, self.changed, self.vanished) == (0, 0, 0)
    }
}
