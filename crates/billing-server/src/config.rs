//! What a server is told, beside its ledger.

use std::time::Duration;

use billing_model::Timestamp;

/// How a server behaves.
///
/// ```
/// use std::time::Duration;
/// use billing_server::Config;
/// # let now = || billing_model::Timestamp::from_unix_ns(0);
/// let config = Config { cursor_ttl: Duration::from_secs(60 * 60), ..Config::new(now) };
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The clock. It dates cursors and names CSV files; no entry depends on it.
    pub now: fn() -> Timestamp,
    /// How long a cursor is good for.
    pub cursor_ttl: Duration,
    /// Pages that are read and encoded at once; further requests wait. It bounds memory (about 1 MiB each) and the
    /// ledger's connections.
    pub concurrent_reads: usize,
}

impl Config {
    /// Cursors that live for 24 hours, and 4 pages read at once: as many connections as the ledger keeps open.
    pub fn new(now: fn() -> Timestamp) -> Self {
        Self { now, cursor_ttl: Duration::from_secs(24 * 60 * 60), concurrent_reads: 4 }
    }
}
