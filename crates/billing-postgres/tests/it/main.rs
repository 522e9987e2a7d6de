//! Tests of the ledger's promises, with a real server.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod house;

mod accounts;
mod away;
mod check;
mod check_at_large;
mod check_changed;
mod contract;
mod failover;
mod opening;
mod pages;
mod plans;
mod repairs;
mod repairs_of_numbers;
mod sharing;
mod standby;
mod texts;
mod writing;
