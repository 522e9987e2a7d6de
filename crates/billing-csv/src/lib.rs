//! The text/csv form of the usage ledger, both ways.
