//! What a server is told, beside its ledger.

use std::num::NonZeroU32;
use std::time::Duration;

use billing_model::Timestamp;

use crate::budget::Budget;
use crate::origin::Origin;

/// How a server behaves.
///
/// ```
/// use std::num::NonZeroU32;
/// use billing_server::{Config, UsageEndpoint};
/// # let now = || billing_model::Timestamp::from_unix_ns(0);
/// let config = Config {
///     rate_limit: NonZeroU32::new(60),
///     usage_endpoint: UsageEndpoint::Deprecated,
///     ..Config::new(now)
/// };
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The clock. It dates cursors, receipts and the uses of keys, says which day it is and names CSV files; no entry
    /// depends on it, but for [`max_age`](Config::max_age) and [`max_future`](Config::max_future). Spans of time are
    /// measured by a monotonic clock.
    pub now: fn() -> Timestamp,
    /// How long a cursor is good for.
    pub cursor_ttl: Duration,
    /// Where `GET /billing/usage` is in its life.
    pub usage_endpoint: UsageEndpoint,
    /// Requests a minute that a key may make; `None` is no limit.
    pub rate_limit: Option<NonZeroU32>,
    /// Of these, how many to `GET /billing/usage`; `None` is no limit of its own. The provider let it fall to 1.
    pub usage_rate_limit: Option<NonZeroU32>,
    /// Requests of a caller that may fail in 30 seconds. After one more, the caller is blocked for 30 seconds. `None`
    /// blocks nobody. A refused batch (409, 422) is no failure.
    pub failed_request_limit: Option<NonZeroU32>,
    /// Requests that are answered at the same time; a further one gets 503. It bounds memory: an answer takes about a MiB
    /// at most until its client has it.
    pub concurrent_requests: usize,
    /// Pages that are read and encoded at once; further requests wait. It bounds the ledger's connections.
    pub concurrent_reads: usize,
    /// Connections that are open at the same time. For a further one, the one that was idle longest is ended. When none
    /// is idle, the new one waits.
    pub connections: usize,
    /// How many of these one address may have, or one network of IPv6 (/64); `None` is half. For a further one, an idle
    /// one of the same address is ended. When none is idle, the new one gets 503. Behind a proxy, all clients have the
    /// proxy's address.
    pub connections_per_address: Option<usize>,
    /// The longest that a request may take until it is answered.
    pub request_timeout: Duration,
    /// The longest that a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// The longest that a client may take to fetch an answer that is ready.
    pub response_timeout: Duration,
    /// The longest that usage analytics may look for an answer.
    pub analytics_timeout: Duration,
    /// How long an answer of usage analytics is good for.
    pub analytics_ttl: Duration,
    /// How far behind the clock a row of a batch may be; `None` is any time that a ledger holds.
    pub max_age: Option<Duration>,
    /// How far ahead of the clock a row of a batch may be; `None` is any time that a ledger holds.
    pub max_future: Option<Duration>,
    /// Origins whose pages may read answers in a browser. Without any, no page may. Other programs are not affected.
    pub allow_origins: Vec<Origin>,
    /// Bytes of a batch that is sent, after decompression too.
    pub body_limit: usize,
    /// Bytes that batches and answers may take together: three eighths for bodies that come, as much for reading them
    /// and for their rows until they are stored, and a quarter for answers until they are fetched. A request that finds
    /// no room waits in line. At least [`Config::least_memory`] of the body limit.
    pub memory: usize,
}

/// Where `GET /billing/usage` is in its life: the provider took it through all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UsageEndpoint {
    /// It answers.
    #[default]
    Live,
    /// It answers, and says that it will end.
    Deprecated,
    /// It has ended: everybody gets 410.
    Sunset,
}

impl Config {
    /// The memory that a server needs at the least, for batches of up to so many bytes.
    pub fn least_memory(body_limit: usize) -> usize {
        Budget::least(body_limit)
    }

    /// Usual values: no rate limit, cursors for 24 hours, a request in 30 seconds, batches of 16 MiB.
    pub fn new(now: fn() -> Timestamp) -> Self {
        Self {
            now,
            cursor_ttl: Duration::from_secs(24 * 60 * 60),
            usage_endpoint: UsageEndpoint::Live,
            rate_limit: None,
            usage_rate_limit: None,
            failed_request_limit: NonZeroU32::new(50),
            concurrent_requests: 256,
            // An engine may allow fewer.
            concurrent_reads: 4,
            connections: 1024,
            connections_per_address: None,
            request_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(60),
            analytics_timeout: Duration::from_secs(10),
            analytics_ttl: Duration::from_secs(600),
            max_age: None,
            max_future: None,
            allow_origins: Vec::new(),
            body_limit: 16 << 20,
            memory: 320 << 20,
        }
    }
}
