//! The API as a client meets it.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod held;
mod house;

/// Who is let in, and what is refused, how.
mod refusals;

/// Which form is served, with which headers.
mod forms;

/// Every entry once, whatever the page size and whatever happens meanwhile.
mod walks;

/// What the server's own troubles look like from outside.
mod faults;

/// What pages in a browser may read.
mod browsers;

/// What only shows on a real connection.
mod socket;

/// Sums by day, model and key.
mod analytics;

/// What is left to spend.
mod balance;

/// What whoever runs the server sees of it.
mod operation;

/// The API in a program of one's own, over a ledger that is no file.
mod example;

/// What is sent again while it is still being stored.
mod turns;
