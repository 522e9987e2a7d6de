//! How work in many transactions lets others write in between.

use std::time::{Duration, Instant};

use crate::connections::BUSY_PAUSE;

/// The part of its time that such work leaves to others, one in so many.
const SHARE: u32 = 8;

/// The time between two transactions of one who writes much.
///
/// Whoever waits for the ledger looks again every [`BUSY_PAUSE`], so a gap of two of them is not missed; the work between
/// two transactions counts.
#[derive(Default)]
pub(crate) struct Pace {
    last: Option<(Instant, Duration)>,
}

impl Pace {
    /// Notes that a transaction has just ended that took so long.
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
