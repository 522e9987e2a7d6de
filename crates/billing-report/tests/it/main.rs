//! Reports of entries and sums, as those who make and show them see them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod lent;
mod plain;

mod edges;
mod forms;
mod pairs;
mod proof;
mod small;
mod splits;
