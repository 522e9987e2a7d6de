//! The billing API over a ledger of its own.
