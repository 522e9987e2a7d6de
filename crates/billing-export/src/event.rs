//! The events of an export, for progress.

use billing_model::{Summary, TimeWindow, Timestamp, UsageEntry};
use billing_sink::Begun;

/// Something that happened in an export. Waits and retries of the client are told to its own
/// [observer](billing_http::ClientBuilder::observer).
///
/// The order is: `Settled` once, if the export is new; `Begun` before the entries of each walk, and `Came` for each
/// stretch of them; `Again` between two walks; `Finished` last. `Stopping` may come once within a walk.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The window of a new export is settled. Runs that continue the export keep this window.
    Settled {
        /// The window.
        window: TimeWindow,
        /// The service's own clock. `None` when it did not tell the time, or when the window does not depend on it.
        service_time: Option<Timestamp>,
    },
    /// A walk begins, and the place is ready for its entries.
    Begun {
        /// The whole window.
        window: TimeWindow,
        /// What an earlier run left, if there was one. This run continues at its `complete_until`.
        left: Option<&'a Begun>,
    },
    /// Entries came, and are about to be written.
    Came {
        /// The entries of this stretch.
        entries: &'a [UsageEntry],
        /// How many entries came so far, including these and those of earlier runs.
        so_far: u64,
        /// All entries before this instant have come. `None` when more entries of the same time may follow.
        complete_until: Option<Timestamp>,
    },
    /// Entries arrived in the ledger behind the walk, so the walk is not whole. Its entries are dropped, and the window
    /// is walked once more.
    Again {
        /// The number of the walk that begins: 2 for the second one.
        walk: u32,
    },
    /// The export was told to stop. It first goes on to a place where another run can continue.
    Stopping,
    /// The export is complete.
    Finished {
        /// Number, time range and sums of all entries, including those of earlier runs.
        summary: &'a Summary,
    },
}
