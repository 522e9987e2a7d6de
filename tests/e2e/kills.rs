//! An export is killed at every call, gets disk errors, and loses power: in the end it is as if nothing had happened.

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
