//! How many walkers and parts the service is trusted with, by what became of the last ones: pure.

/// Parts that may be on their way to their first entry at the same time: half as many as may fail within half a minute
/// (`limiter/failures.rs`), so that all of them can fail and the first walker goes on.
const MOST_TRIES: usize = 8;

/// Pages that come before a part is tried again after one was given up. They double each time.
const FIRST_PAUSE: u64 = 16;

/// Pages that come before walkers are sent side by side again after a cursor was lost. They double each time. It is more,
/// because a service that keeps few cursors refuses several at once, and each refusal is a failure that it counts.
const FIRST_PAUSE_ALONE: u64 = 64;

/// Neither pause is longer.
const MAX_PAUSE: u64 = 1024;

/// Whether one more part is worth a try, and how many walkers are. Two things go wrong, each in its own way:
///
/// - The service hangs on every request but a cursor. Then each part costs it work and the walk a wait. So after a part was
///   given up, one at a time is tried, ever less often (`tries`, `retry_at`, `pause`).
/// - The service keeps few cursors for a key. Then walkers take them from each other. So after a cursor was lost one walker
///   goes on alone for a while, then two, then four (`alone_until`, `walkers`).
///
/// Time is counted in pages that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust {
    /// Pages that came so far.
    pages: u64,
    /// Parts that may be on their way to their first entry at the same time.
    tries: usize,
    /// When a part may be tried again; `None` as long as none failed.
    retry_at: Option<u64>,
    /// Pages from the last failure to the next try.
    pause: u64,
    /// Up to when one walker walks alone.
    alone_until: u64,
    /// Pages for which it did so the last time.
    alone_pause: u64,
    /// Walkers that may ask side by side after that.
    walkers: usize,
    /// Up to when there are so many; then there are twice as many.
    walkers_until: u64,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            pages: 0,
            tries: MOST_TRIES,
            retry_at: None,
            pause: 0,
            alone_until: 0,
            alone_pause: 0,
            walkers: usize::MAX,
            walkers_until: 0,
        }
    }
}

impl Trust {
    /// True when one part more may be tried beside so many that have not come to an entry yet.
    pub(crate) fn allows(&self, unproven: usize) -> bool {
        self.retry_at.is_none_or(|retry_at| unproven == 0 && self.pages >= retry_at)
            && unproven < self.tries
            && !self.is_alone()
    }

    /// True when only the first walker may ask.
    pub(crate) fn is_alone(&self) -> bool {
        self.pages < self.alone_until
    }

    /// How many may ask side by side, of as many as are wanted.
    pub(crate) fn walkers(&self, wanted: usize) -> usize {
        if self.is_alone() { 1 } else { wanted.min(self.walkers) }
    }

    /// Notes a page. With `first` it is the first one with entries of a part that was tried: parts work again.
    pub(crate) fn page(&mut self, first: bool) {
        self.pages += 1;
        if self.pages >= self.walkers_until {
            self.walkers = self.walkers.saturating_mul(2);
            self.walkers_until = self.pages + self.alone_pause;
        }
        if first {
            self.tries = (self.tries * 2).min(MOST_TRIES);
            (self.retry_at, self.pause) = (None, 0);
        }
    }

    /// Notes a part that was given up.
    pub(crate) fn lose(&mut self) {
        // Parts that were tried together fail together, and count once.
        if self.retry_at.is_some_and(|retry_at| self.pages < retry_at) {
            return;
        }
        self.tries = 1;
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
        self.retry_at = Some(self.pages + self.pause);
    }

    /// Notes that cursors were lost while several walkers had one.
    pub(crate) fn lose_cursor(&mut self) {
        if self.is_alone() {
            return;
        }
        self.alone_pause = (self.alone_pause * 2).clamp(FIRST_PAUSE_ALONE, MAX_PAUSE);
        self.alone_until = self.pages + self.alone_pause;
        self.walkers = 2;
        self.walkers_until = self.alone_until + self.alone_pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_ever_less_often_until_it_works() {
        let mut trust = Trust::default();
        assert!(trust.allows(7) && !trust.allows(8));
        // Three that were tried together.
        (0..3).for_each(|_| trust.lose());
        let mut tries = Vec::new();
        for page in 1..=3000 {
            trust.page(false);
            assert!(!trust.allows(1), "one at a time");
            if trust.allows(0) {
                tries.push(page);
                trust.lose();
            }
        }
        assert_eq!(tries, [16, 48, 112, 240, 496, 1008, 2032]);
        trust.page(true);
        assert!(trust.allows(1) && !trust.allows(2));
        trust.page(true);
        assert!(trust.allows(3));
        (0..10).for_each(|_| trust.page(true));
        assert!(
            trust.allows(7) && !trust.allows(8),
            "never so many that their failures stop the first walker"
        );
    }

    #[test]
    fn walkers_that_take_cursors_from_each_other_walk_one_by_one() {
        let mut trust = Trust::default();
        let mut alone = 0;
        for _ in 0..1000 {
            if !trust.is_alone() {
                trust.lose_cursor();
            }
            assert!(!trust.allows(0));
            alone += 1;
            trust.page(false);
        }
        assert_eq!(alone, 1000);
        (0..1024).for_each(|_| trust.page(false));
        assert!(!trust.is_alone() && trust.allows(0));
        assert_eq!(trust.walkers(16), 2, "not all at once");
        let mut walkers = Vec::new();
        for _ in 0..4 {
            (0..1024).for_each(|_| trust.page(false));
            walkers.push(trust.walkers(16));
        }
        assert_eq!(walkers, [4, 8, 16, 16]);
    }
}
