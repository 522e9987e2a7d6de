//! Sums of a day, as a ledger keeps them.

use billing_model::{Currency, Day, Total};

/// What one product cost on one UTC day, in one currency, under one API key; or what was credited for it.
#[derive(Clone, Copy, Debug)]
pub struct DaySum<'a> {
    /// The day, in UTC.
    pub day: Day,
    /// The product.
    pub sku: &'a str,
    /// What the amount counts.
    pub currency: &'a Currency,
    /// The API key that was charged.
    pub api_key_id: Option<&'a str>,
    /// True for the entries whose amount is above zero.
    pub is_credit: bool,
    /// How many entries.
    pub entries: u64,
    /// The exact sum of their amounts, signed as in the ledger.
    pub amount: &'a Total,
    /// The exact sum of their units.
    pub units: &'a Total,
}
