//! What an export came to.

use billing_http::{Route, Traffic};
use billing_model::{Currency, Summary, TimeWindow, Timestamp};

/// An export that came to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exported<O> {
    /// The window, which the present no longer moves.
    pub window: TimeWindow,
    /// The service's base URL, as it was named.
    pub service: String,
    /// The currency, when only entries of one were asked for.
    pub currency: Option<Currency>,
    /// When the first run began it, by the caller's clock.
    pub started: Timestamp,
    /// When this run ended, by the same.
    pub finished: Timestamp,
    /// What all of it comes to.
    pub summary: Summary,
    /// What this run added.
    pub added: Summary,
    /// True when this run went on with the entries of an earlier one.
    pub is_resumed: bool,
    /// True when an earlier run wrote everything, so that only the last step was left and nothing was fetched.
    pub was_written: bool,
    /// The endpoint on which the walk ended; `None` when nothing was fetched, or without [`Notes`](crate::Notes).
    pub endpoint: Option<Route>,
    /// Entries in the window, as the service counts them. `None` where it does not, or without [`Notes`](crate::Notes):
    /// `usage-history` has no total.
    pub service_total: Option<u64>,
    /// Texts of what this run added that had half a character; zero without [`Notes`](crate::Notes).
    pub half_characters: u64,
    /// What the client sent in this run. Jobs that run at once on one client, or on clones of it, share it: each counts what was
    /// sent for the others meanwhile.
    pub traffic: Traffic,
    /// What the sink gave back; of a file it is to be [closed](billing_sink::Finished::close).
    pub output: O,
}
