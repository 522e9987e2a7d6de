//! What happens on the way, for progress and logs.

use std::time::Duration;

use billing_model::{Timestamp, UsageEntry};

use crate::endpoint::Route;
use crate::error::Error;

/// Something that a client did beside handing out entries.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A page was handed out.
    Page {
        /// Entries on it that belong to the window.
        entries: u64,
        /// The latest timestamp so far.
        reached: Option<Timestamp>,
        /// Entries in the window, where the endpoint says it.
        total: Option<u64>,
    },
    /// A request has ended: one of the tries of a call.
    Tried {
        /// `GET`, or `POST` of a batch.
        method: &'a str,
        /// What was asked for, such as `billing/usage-history`.
        path: &'a str,
        /// Its query, which has no key in it.
        query: &'a str,
        /// From sending it to the end of the answer.
        took: Duration,
        /// Entries of the page or the batch, `None` where it is about none, or what went wrong.
        result: Result<Option<usize>, &'a Error>,
    },
    /// A try failed, and there will be another.
    Retrying {
        /// What went wrong.
        error: &'a Error,
        /// The wait before the next try.
        wait: Duration,
    },
    /// The service is not asked again for a while: it said that it takes no more for now, or too much has failed.
    Waiting {
        /// How long.
        wait: Duration,
    },
    /// A try has lasted for a while, and nothing has come of it yet. It goes on.
    Silent {
        /// What was asked for, such as `billing/usage-history`.
        path: &'a str,
        /// How long it has lasted.
        waited: Duration,
        /// How long it may last.
        limit: Duration,
    },
    /// The walk goes on at the other endpoint.
    Switched {
        /// The endpoint that is not there.
        from: Route,
        /// The endpoint from here on.
        to: Route,
        /// True when the service says that the endpoint is gone and names its successor, false when it never had it.
        gone: bool,
    },
    /// The service's paging broke off or moved; the walk went back to the last entry it is sure of.
    Reanchored {
        /// The timestamp from which the walk goes on.
        at: Timestamp,
    },
    /// The service refused a cursor that it gave. The walk goes on from its last entry, with what the service has by then: what was
    /// taken out or put in behind it meanwhile is as it was before.
    CursorRefused,
    /// The service does not give a page; the walk asks for a shorter window.
    Narrowed {
        /// Why.
        error: &'a Error,
        /// The end of the shorter window.
        until: Timestamp,
    },
    /// The walk is at its end, and whole.
    Complete {
        /// The endpoint that it ended on.
        endpoint: Route,
        /// Entries in the window, as the service counts them, which are those of the walk. `None` where it does not
        /// count: `usage-history` has no total.
        total: Option<u64>,
    },
    /// A page came with texts that had half a character, which became U+FFFD. It may come again, and what of it lies outside
    /// the window is not handed out.
    Mended {
        /// The entries of the page with such texts, and how many each has.
        entries: &'a [(&'a UsageEntry, u64)],
    },
    /// What the service wants its users to know, on one line of bounded length. Sent once for each text.
    Warning(&'a str),
}
