//! The ledger: an embedded SQLite file that keeps every entry, once and exactly.
