//! Paces work in many transactions, so that others can write in between.

use std::time::{Duration, Instant};

use crate::busy::BUSY_PAUSE;

/// Such work leaves one part in so many of its time to others.
const SHARE: u32 = 8;

/// The pauses between the transactions of a long write.
///
/// A waiting writer looks again every [`BUSY_PAUSE`], so it does not miss a gap of two of them. Work between two
/// transactions counts as a part of the gap.
#[derive(Default)]
pub(crate) struct Pace {
    last: Option<(Instant, Duration)>,
}

impl Pace {
    /// Notes that a transaction has just ended, and how long it took.
    pub(crate) fn held(&mut self, time: Duration) {
        self.last = Some((Instant::now(), time));
    }

    /// Waits until others have had their time.
    pub(crate) fn rest(&self) {
        if let Some((ended, time)) = self.last {
            let gap = (time / SHARE).max(2 * BUSY_PAUSE);
            std::thread::sleep(gap.saturating_sub(ended.elapsed()));
        }
    }
}
