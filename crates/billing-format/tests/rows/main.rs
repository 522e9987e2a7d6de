//! Rows of a body: every bad row is named by its place, and no good row is lost because of its neighbours.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod bodies;
mod damage;
mod faults;
