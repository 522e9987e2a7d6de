//! Sums by day, product, currency and API key, lent to whoever looks.

use billing_model::{Currency, Day, Total};

/// What one product cost on one day, in one currency, under one API key; or what was credited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rollup<'a> {
    /// The day, in UTC.
    pub day: Day,
    /// The product.
    pub sku: &'a str,
    /// What `amount` counts.
    pub currency: &'a Currency,
    /// The API key that was charged; `None` for the web app and for what is not usage.
    pub api_key_id: Option<&'a str>,
    /// True for top-ups, grants and refunds: entries whose amount is above zero. They are summed apart from charges.
    pub is_credit: bool,
    /// How many entries.
    pub entries: u64,
    /// The exact sum of their amounts, signed as in the ledger.
    pub amount: &'a Total,
    /// The exact sum of their units.
    pub units: &'a Total,
}

/// What one product cost on one day, in one currency, under one API key, before refunds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charges<'a> {
    /// The day, in UTC.
    pub day: Day,
    /// The product.
    pub sku: &'a str,
    /// What `spend` counts.
    pub currency: &'a Currency,
    /// The API key that was charged; `None` for the web app.
    pub api_key_id: Option<&'a str>,
    /// The exact sum of the charges: zero or positive, money out.
    pub spend: Total,
    /// The exact sum of their units.
    pub units: Total,
}
