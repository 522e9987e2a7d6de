//! The events of a sync and a proof, for progress.

use billing_model::{TimeWindow, Timestamp};

use crate::window_difference::WindowDifference;

/// Something that happened. Waits and retries of the client are told to its own
/// [observer](billing_http::ClientBuilder::observer).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The key is another one than before. What it opens is compared with what is held.
    ComparingKey,
    /// A window is walked.
    Walking {
        /// The window.
        window: TimeWindow,
    },
    /// Entries came, and are still to be compared.
    Came {
        /// How many came so far, including these.
        so_far: u64,
        /// All entries of the window that is walked before this instant have come. `None` when more of the same time may follow.
        complete_until: Option<Timestamp>,
    },
    /// A window is in line, or compared where nothing is to be stored. What differed is told, if anything did.
    InLine(&'a WindowDifference),
    /// The source does not have entries that are held. The window is asked for once more before this is believed.
    AskingAgain {
        /// The window.
        window: TimeWindow,
    },
    /// Entries arrived behind the walk. The window is walked once more.
    Again {
        /// The window.
        window: TimeWindow,
    },
    /// The service's usage analytics differ while all entries agree, which may be its cache. They are asked for again then.
    WaitingForAnalytics {
        /// For so many seconds.
        seconds: u64,
    },
}
