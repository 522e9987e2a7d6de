//! What a service sends from before a window, and counts: it is left out of the walk, and needed for its total.

use billing_model::{TimeWindow, Timestamp, UsageEntry};

use crate::endpoint::Route;
use crate::planner::wider;

use super::{Walker, WindowPage};

/// Entries from before a window, which a service sent because it was asked for more than the window.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Before {
    /// From where on it was asked.
    pub(crate) since: Option<Timestamp>,
    /// How many lie between there and the window.
    pub(crate) entries: u64,
}

impl Walker {
    /// Takes over the window of the walk, now that the service has told the time. The walker has fetched the first page of a
    /// wider window, which was guessed. What of that page lies outside is left out, and counted.
    pub(crate) fn settle(&mut self, window: TimeWindow, page: &mut WindowPage) {
        let since = wider(window.since(), window.until());
        let before = |entry: &UsageEntry| window.since().is_some_and(|since| entry.timestamp < since);
        let beyond = |entry: &UsageEntry| window.until().is_some_and(|until| until <= entry.timestamp);
        let is_counted = |entry: &&UsageEntry| Some(entry.timestamp) >= since.map(Timestamp::floor_ms);
        let early = || page.entries.iter().filter(|entry| before(entry));
        let count = |entries: usize| u64::try_from(entries).unwrap_or(u64::MAX);
        // The service may have sent entries from before the guess, out of the millisecond in which that begins. The page does not
        // have them any more. They belong to the total only when the window is asked for from that very instant.
        let earlier = self.pass.before * u64::from(self.pass.asked.since == since);
        self.before = Before { since, entries: earlier + count(early().filter(is_counted).count()) };
        self.pass.before += count(early().count());
        self.pass.beyond += count(page.entries.iter().filter(|entry| beyond(entry)).count());
        page.entries.retain(|entry| window.contains(entry.timestamp));
        self.handed_out = count(page.entries.len());
        (self.walk.window, self.window) = (window, window);
        self.anchor.go_to(window.since());
        // Now the pass. Is it over, does it go on, or does it have to begin anew?
        let verified = self.end.is_some_and(|end| end.verified);
        if self.end.is_some() || self.pass.beyond > 0 {
            (self.pass.since, self.pass.until) = (window.since(), window.until());
            self.finish_at(verified);
        } else if self.route == Route::Usage || self.ending.is_making_sure {
            // The total of a window without an end moves with every entry that arrives.
            self.restart(window.until());
        } else {
            (self.pass.since, self.pass.until) = (window.since(), window.until());
        }
        page.end = self.end;
    }

    /// True for a pass over all of the window, whose total is that of the window.
    pub(super) fn is_whole(&self) -> bool {
        self.pass.is_from(self.window.since()) && self.pass.until == self.window.until()
    }

    /// Notes what came from before the window, when all of it has come. A pass that begins later knows nothing of it.
    pub(super) fn note_before(&mut self) {
        if self.pass.is_from(self.window.since()) {
            self.before = Before { since: self.pass.asked.since, entries: self.pass.before };
        }
    }
}
