//! What a ledger lends its sums and entries to.

use billing_model::{Currency, LentEntry, ValueError};
use billing_report::{DaySum, Reading, ReportBuilder, TodayBuilder};

/// What sums and entries are lent to. A copy without any takes in a part of them, or begins anew.
pub(crate) trait Builder: Clone + Send + Sync {
    /// What has to be read for it.
    fn reading(&self) -> Reading;

    /// The only currency that it looks at; `None` for all.
    fn currency(&self) -> Option<&Currency>;

    /// Adds a sum of a UTC day.
    fn add_sum(&mut self, sum: &DaySum<'_>);

    /// Adds an entry.
    ///
    /// # Errors
    /// For an entry whose numbers cannot be read.
    fn add_lent(&mut self, entry: &LentEntry<'_>) -> Result<(), ValueError>;

    /// Adds what another one has, which was lent other sums and entries.
    fn merge(&mut self, other: Self);
}

impl Builder for ReportBuilder {
    fn reading(&self) -> Reading {
        self.question().reading()
    }

    fn currency(&self) -> Option<&Currency> {
        self.question().filter.currency.as_ref()
    }

    fn add_sum(&mut self, sum: &DaySum<'_>) {
        Self::add_sum(self, sum);
    }

    fn add_lent(&mut self, entry: &LentEntry<'_>) -> Result<(), ValueError> {
        Self::add_lent(self, entry)
    }

    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }
}

impl Builder for TodayBuilder {
    fn reading(&self) -> Reading {
        Self::reading(self)
    }

    fn currency(&self) -> Option<&Currency> {
        None
    }

    fn add_sum(&mut self, sum: &DaySum<'_>) {
        Self::add_sum(self, sum);
    }

    fn add_lent(&mut self, entry: &LentEntry<'_>) -> Result<(), ValueError> {
        Self::add_lent(self, entry)
    }

    fn merge(&mut self, other: Self) {
        Self::merge(self, other);
    }
}
