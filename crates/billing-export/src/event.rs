//! What happens to an export, for whoever shows its progress.

use billing_model::{Summary, TimeWindow, Timestamp, UsageEntry};
use billing_sink::Begun;

/// Something that happened to an export. What the client does on the way, waits and retries, its own
/// [observer](billing_http::ClientBuilder::observer) is told.
///
/// In order: `Settled` once, of an export that is new; `Begun` before the entries of each walk, with `Came` for each stretch
/// of them; `Again` between two walks; `Finished` last. `Stopping` may come once amid a walk.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The window of a new export is settled. Runs that go on with it keep it.
    Settled {
        /// The window.
        window: TimeWindow,
        /// The service's own clock. `None` when it did not tell the time, or the window does not depend on it.
        service_time: Option<Timestamp>,
    },
    /// The place takes entries from here on.
    Begun {
        /// The window, all of it.
        window: TimeWindow,
        /// What an earlier run left, when there is any; its `complete_until` is where this run goes on.
        left: Option<&'a Begun>,
    },
    /// Entries came, and are about to be written.
    Came {
        /// Those of this stretch.
        entries: &'a [UsageEntry],
        /// How many came, these and those of earlier runs among them.
        so_far: u64,
        /// Everything before this instant came. `None` amid entries of the same instants.
        complete_until: Option<Timestamp>,
    },
    /// Entries arrived in the ledger behind the walk, so what came is not the window: it is thrown away, and the window walked
    /// once more.
    Again {
        /// Which walk begins: 2 is the second.
        walk: u32,
    },
    /// The export was told to stop, and first goes on to a place from which another run can go on.
    Stopping,
    /// Everything is in its place.
    Finished {
        /// What it comes to, the entries of earlier runs among it.
        summary: &'a Summary,
    },
}
