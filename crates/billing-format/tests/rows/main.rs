//! Rows of a body: every bad one is named by its place, and no good one is lost to its neighbours.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bodies;
mod damage;
mod faults;
