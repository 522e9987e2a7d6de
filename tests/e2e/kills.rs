//! Killed at every call, let down by the disk, and left without power: an export ends as if nothing had been.

// What the tests stand on: a small export, and the tool that stops it where it is told to.
mod small_export;
pub(crate) mod strace;

mod every_call;
mod failing_calls;
mod full_disk;
mod full_ledger;
mod imports;
mod migrations;
mod power_loss;
mod random_moments;
mod restores;

// What a power loss leaves, for `power_loss`.
mod call_log;
mod disk;
