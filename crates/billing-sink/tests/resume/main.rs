//! Resumable files: runs that are killed anywhere, files that are damaged anywhere, runs that begin again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod damage;
mod gzip;
mod kills;
#[cfg(unix)]
mod places;
mod states;
mod support;
