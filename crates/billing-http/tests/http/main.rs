//! The client against real sockets: what it sends, what it bears, and that a walk is the window.

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
