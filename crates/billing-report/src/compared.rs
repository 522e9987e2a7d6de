//! How many amounts are price times units.

use billing_model::Decimal;

use crate::product::is_product;

/// Counts of entries that were compared.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Compared {
    pub(crate) entries: u64,
    /// Those whose amount is another one.
    pub(crate) mismatched: u64,
}

impl Compared {
    /// Compares one more; `rate` is USD for one unit of its currency.
    pub(crate) fn add(&mut self, amount: Decimal, rate: Decimal, price: Decimal, units: Decimal) {
        self.entries += 1;
        self.mismatched += u64::from(!is_product(amount, rate, price, units));
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.entries += other.entries;
        self.mismatched += other.mismatched;
    }
}
