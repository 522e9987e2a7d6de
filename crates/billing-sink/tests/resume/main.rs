//! Files that outlive the run that wrote them: killed anywhere, damaged anywhere, begun again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod damage;
mod gzip;
mod kills;
#[cfg(unix)]
mod places;
mod states;
mod support;
