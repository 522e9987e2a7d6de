//! Tests of the ledger's promises, with real files. A list in memory is the oracle.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod house;

mod backups;
mod check;
mod check_at_large;
mod check_blocks;
mod check_synced;
mod contract;
mod copies;
mod migration;
mod opening;
mod places;
mod replaced;

mod accounts;
mod keys;

mod batches;
mod files;
mod imports;
mod overlaps;

mod repairs;
mod repairs_of_numbers;
mod sources;
