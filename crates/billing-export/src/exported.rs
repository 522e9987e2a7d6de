//! The result of an export.

use billing_http::{Route, Traffic};
use billing_model::{Currency, Summary, TimeWindow, Timestamp};

/// The result of an export that came to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exported<O> {
    /// The settled window: it does not depend on the present any more.
    pub window: TimeWindow,
    /// The service's base URL, as the caller gave it.
    pub service: String,
    /// The currency, when only entries of one were asked for.
    pub currency: Option<Currency>,
    /// When the first run of the export began, by the caller's clock.
    pub started: Timestamp,
    /// When this run ended, by the caller's clock.
    pub finished: Timestamp,
    /// Number, time range and sums of all entries.
    pub summary: Summary,
    /// The same of the entries that this run added.
    pub added: Summary,
    /// True when this run continued an earlier one.
    pub is_resumed: bool,
    /// True when an earlier run had written everything. Then this run did only the last step and fetched nothing.
    pub was_written: bool,
    /// The endpoint on which the walk ended; `None` when nothing was fetched, or without [`Notes`](crate::Notes).
    pub endpoint: Option<Route>,
    /// Entries in the window by the service's count. `None` for `usage-history`, which has no total, when nothing was
    /// fetched, or without [`Notes`](crate::Notes).
    pub service_total: Option<u64>,
    /// Texts with half a character among the entries that this run added; zero without [`Notes`](crate::Notes).
    pub half_characters: u64,
    /// What the client sent in this run. Jobs that run at once on one client, or on clones of it, share it: each counts what was
    /// sent for the others meanwhile.
    pub traffic: Traffic,
    /// What the sink returned. That of a file has to be [closed](billing_sink::Finished::close).
    pub output: O,
}
