//! Events of a client, for progress and logs.

use std::time::Duration;

use billing_model::{Timestamp, UsageEntry};

use crate::endpoint::Route;
use crate::error::Error;

/// Something that happened in a client, as its observer hears it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A page was handed out.
    Page {
        /// Entries on it that belong to the window.
        entries: u64,
        /// The latest timestamp so far.
        reached: Option<Timestamp>,
        /// Entries in the window, where the endpoint says how many there are.
        total: Option<u64>,
    },
    /// One try of a call has ended.
    Tried {
        /// `GET`, or `POST` of a batch.
        method: &'a str,
        /// What was asked for, such as `billing/usage-history`.
        path: &'a str,
        /// Its query, which has no key in it.
        query: &'a str,
        /// From sending it to the end of the answer.
        took: Duration,
        /// The number of entries of the page or the batch, `None` for a call without entries; or what went wrong.
        result: Result<Option<usize>, &'a Error>,
    },
    /// A try failed, and there will be another one.
    Retrying {
        /// What went wrong.
        error: &'a Error,
        /// The wait before the next try.
        wait: Duration,
    },
    /// Nothing is sent for a while: the service takes no more requests for now, or too many have failed.
    Waiting {
        /// How long.
        wait: Duration,
    },
    /// A try has lasted for a while without a whole answer. It goes on.
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
    /// Paging broke off, or pages shifted. The walk goes back to the last entry of which it is sure.
    Reanchored {
        /// The timestamp from which the walk goes on.
        at: Timestamp,
    },
    /// The service refused a cursor that it gave. The walk goes on from its last entry and sees the ledger as it is by then.
    /// Changes before that entry are not seen: what was handed out stays as it was.
    CursorRefused,
    /// The service fails to give a page. The walk asks for a shorter window.
    Narrowed {
        /// Why.
        error: &'a Error,
        /// The end of the shorter window.
        until: Timestamp,
    },
    /// The walk has ended, and it is whole.
    Complete {
        /// The endpoint that it ended on.
        endpoint: Route,
        /// Entries in the window by the service's count, which is the number of the walk. `None` where there is no count:
        /// `usage-history` has no total.
        total: Option<u64>,
    },
    /// A page had texts with half a character, which became U+FFFD. The same page may be read and told again, and entries of
    /// it that lie outside the window are not handed out.
    Mended {
        /// The entries of the page with such texts, and how many each has.
        entries: &'a [(&'a UsageEntry, u64)],
    },
    /// A warning of the service to its users, on one line of bounded length. Each text is told once.
    Warning(&'a str),
}
