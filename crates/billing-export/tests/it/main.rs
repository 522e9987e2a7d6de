//! Tests of the export job with a service on loopback and real files. Table of contents.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod support;
mod table;

mod again;
mod clients;
mod example;
mod going_on;
mod lost;
mod stops;
