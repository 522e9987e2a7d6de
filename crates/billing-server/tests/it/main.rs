//! Tests of the API as a client sees it.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

mod held;
mod house;

/// Which keys are accepted, and how requests are refused.
mod refusals;

/// The format of an answer, and its headers.
mod forms;

/// Walks: every entry comes once, whatever the page size and whatever happens meanwhile.
mod walks;

/// Faults inside the server, as a client sees them.
mod faults;

/// A ledger in a database: it goes away and comes back, and several servers share it.
mod databases;

/// What pages in a browser may read (CORS).
mod browsers;

/// What shows only on a real connection.
mod socket;

/// Analytics: sums by day, model and key.
mod analytics;

/// The balance.
mod balance;

/// What the operator of a server sees.
mod operation;

/// The example: the API in another program, over a ledger in memory.
mod example;

/// What is sent again while it is still being stored.
mod turns;
