//! Copies of real ledgers, in both engines and both ways.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod house;
mod same;
mod story;
mod trouble;

mod breaks;
mod copies;
mod differences;
mod ended;
mod live;
mod refused;
