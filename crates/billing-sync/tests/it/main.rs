//! The job as a program runs it, against a scripted service, with the ledger in memory and in a file. Table of contents.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod house;
mod losses;

mod clocks;
mod first;
mod moved;
mod others;
mod records;
mod reluctant;
mod vanished;
