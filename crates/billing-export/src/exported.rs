//! The result of an export.

use billing_http::{Route, Traffic};
use billing_model::{Currency, Summary, TimeWindow, Timestamp};

/// The result of an export that came to its end.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exported<O> {
    /// The settled window: it does not depend on the present any more.
    pub window: TimeWindow,
    /// The service's base URL, as the caller gave it; or the path of the ledger that the entries were read from.
    pub service: String,
    /// The account of that ledger; `None` when a service was asked, where the key says whose entries come.
    pub account: Option<String>,
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

impl<O> Exported<O> {
    /// The result of an export that read a ledger and asked no service: of `account` in the ledger at `path`. `started` is when
    /// it began, `finished` when it ended, and `summary` what all entries come to.
    pub fn of_ledger(
        (path, account): (&str, &str),
        window: TimeWindow,
        (started, finished): (Timestamp, Timestamp),
        summary: Summary,
        output: O,
    ) -> Self {
        Self {
            window,
            service: path.to_owned(),
            account: Some(account.to_owned()),
            currency: None,
            started,
            finished,
            added: summary.clone(),
            summary,
            is_resumed: false,
            was_written: false,
            endpoint: None,
            service_total: None,
            half_characters: 0,
            traffic: Traffic::default(),
            output,
        }
    }
}
