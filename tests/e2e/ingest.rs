//! Batches that clients send: each is stored as a whole and once, or not at all, whatever happens to the server or to
//! the clients.

// What the tests stand on: batches that tell where they belong, and sums that are made anew.
pub(crate) mod batches;
mod recount;
#[cfg(target_os = "linux")]
mod workload;

mod beside_imports;
mod concurrent;
#[cfg(target_os = "linux")]
mod disk_faults;
mod killed;
#[cfg(target_os = "linux")]
mod killed_at_calls;
mod refusals;
mod row_rules;
mod sizes;
mod walks;

pub(crate) use batches::{Batch, Found, gzip, post};
pub(crate) use recount::{analytics_agree, rollups_are};
