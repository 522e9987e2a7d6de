//! An export or a sync is killed at every call, gets disk errors, and loses power: in the end it is as if nothing had happened.

// What the tests stand on: a small export, a small sync, and the tool that stops them where it is told to.
mod small_export;
mod small_sync;
pub(crate) mod strace;

mod every_call;
mod failing_calls;
mod failing_sync;
mod full_disk;
mod full_ledger;
mod imports;
mod migrations;
mod power_loss;
mod random_moments;
mod restores;
mod sync;
mod sync_at_random;

// What a power loss leaves, for `power_loss`.
mod call_log;
mod disk;

pub(crate) use full_disk::unshare;
