//! The client on real sockets: what it sends, which faults it survives, and that a walk has exactly the window.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod anchor;
mod answers;
mod batches;
mod clocks;
mod codings;
mod examples;
mod faults;
mod lies;
mod lost_answers;
mod pages;
mod patience;
mod reluctant;
mod retries;
mod server;
mod support;
mod walks;
mod windows;
