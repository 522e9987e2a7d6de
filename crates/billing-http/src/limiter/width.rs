//! How many requests of a client may be under way at the same time.

/// The most requests of one client at the same time.
pub(crate) const MAX_CONCURRENCY: u32 = 16;

/// Requests served without a refusal after which one more may be under way. Each time that this was one too many, the number
/// becomes four times as large, up to `MOST_CLEAN`.
const CLEAN: u32 = 10;
const MOST_CLEAN: u32 = 640;

/// How many requests may be under way. After a pause it begins with one and doubles with every round trip, up to `full`. An
/// unexpected refusal halves `full`, or takes one off it when one more than before had just been tried.
#[derive(Debug)]
pub(super) struct Width {
    /// Requests that may be under way now, and the number up to which it grows with each served request.
    now: u32,
    full: u32,
    /// Requests served since the last failure or raise, and the number after which `full` is raised.
    clean: u32,
    to_raise: u32,
    /// Whether `full` was raised since the last unexpected refusal.
    is_raised: bool,
}

impl Width {
    pub(super) fn new() -> Self {
        Self { now: MAX_CONCURRENCY, full: MAX_CONCURRENCY, clean: 0, to_raise: CLEAN, is_raised: false }
    }

    pub(super) fn now(&self) -> u32 {
        self.now
    }

    pub(super) fn served(&mut self) {
        self.clean += 1;
        if self.now < self.full {
            self.now += 1;
        } else if self.clean >= self.to_raise && self.now < MAX_CONCURRENCY {
            self.clean = 0;
            self.now += 1;
            self.full = self.now;
            self.is_raised = true;
        }
    }

    pub(super) fn failure(&mut self) {
        self.clean = 0;
    }

    /// Notes an unexpected refusal, with so many requests under way.
    pub(super) fn surprise(&mut self, under_way: u32) {
        let too_many = self.now.min(under_way);
        if self.is_raised && too_many == self.full {
            // The last raise was one too many.
            self.full = (too_many - 1).max(1);
            self.to_raise = (self.to_raise * 4).min(MOST_CLEAN);
        } else {
            self.full = too_many.div_ceil(2);
        }
        self.is_raised = false;
    }

    /// Begins with one request again.
    pub(super) fn narrow(&mut self) {
        self.now = 1;
    }

    /// Brings `now` down to `full` after an expected pause.
    pub(super) fn settle(&mut self) {
        self.now = self.now.min(self.full);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requests have to be served until so many may be under way.
    fn served_to(width: &mut Width, wide: u32) -> u32 {
        let mut served = 0;
        while width.now() < wide {
            width.served();
            served += 1;
        }
        served
    }

    #[test]
    fn half_of_those_that_were_too_many_and_one_less_when_it_was_the_last() {
        let mut width = Width::new();
        width.surprise(9);
        width.narrow();
        assert_eq!(served_to(&mut width, 5), 4);
        // Six are one too many each time, so six are tried less and less often.
        for served in [10, 40, 160, 640, 640] {
            width.failure();
            assert_eq!(served_to(&mut width, 6), served);
            width.surprise(6);
            width.settle();
            assert_eq!(width.now(), 5);
        }
        for _ in 0..5 {
            width.surprise(1);
            width.settle();
            assert_eq!(width.now(), 1, "the least");
        }
    }
}
