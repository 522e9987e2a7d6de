//! The model test: what the export job, which the command runs too, leaves in a file is compared with the ledger itself, written
//! as plainly as it can be (`billing_testkit::Book`), over random ledgers, windows, page sizes, services, faults, stops and deaths; and what a sync leaves in a ledger is compared with its
//! source.
//! Table of contents.
//!
//! Everything is real but the service and the waiting: the client, its sockets, the files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

// What is drawn at random.
mod fault;
mod ledger;
mod order;

// What plays the parts.
mod export;
mod mortal;
mod service;

// What must hold.
mod arrivals;
mod bounds;
mod survival;
mod sync;
