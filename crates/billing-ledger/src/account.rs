//! The accounts of a ledger.

use billing_model::{Currency, Decimal, Total};

/// An account of a ledger. No later account gets the number of one that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccountId(pub i64);

/// An account, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The account.
    pub id: AccountId,
    /// What it is called; its own within the ledger.
    pub name: String,
    /// How many entries it has.
    pub entries: u64,
    /// The DIEM that it may spend each UTC day; `None` for an account without any.
    pub diem_allocation: Option<Decimal>,
    /// The sum of all entries of each currency, signed as in the ledger: below zero is what the account owes. The currencies are in
    /// [`Currency`]'s order.
    pub nets: Vec<(Currency, Total)>,
}

/// What an account has, as far as the ledger tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Funds {
    /// The DIEM that it may spend each UTC day.
    pub diem_allocation: Option<Decimal>,
    /// The sum of the day's DIEM entries, signed as in the ledger.
    pub diem_of_day: Total,
    /// The sum of all entries of each currency, signed as in the ledger, the currencies in [`Currency`]'s order.
    pub nets: Vec<(Currency, Total)>,
}
