//! How far the service is trusted to answer questions that a plain walk would not ask: pure.

/// Pages that go by after a part was given up, before another one is tried. They double with each that fails.
const FIRST_PAUSE: u64 = 16;
const MAX_PAUSE: u64 = 1024;

/// Whether parts are worth a try. A service may hang on every request but a cursor; then parts cost it work and the walk
/// a wait, so they are tried ever less often, and one at a time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trust {
    /// Pages that came so far.
    pages: u64,
    /// When a part may be tried again; `None` as long as none failed.
    retry_at: Option<u64>,
    pause: u64,
}

impl Trust {
    /// True when one part more may be tried beside so many that have not come to a page yet.
    pub(crate) fn allows(&self, unproven: usize) -> bool {
        self.retry_at.is_none_or(|retry_at| unproven == 0 && self.pages >= retry_at)
    }

    /// Notes a page; `first` is one of a part that was tried.
    pub(crate) fn page(&mut self, first: bool) {
        self.pages += 1;
        if first {
            (self.retry_at, self.pause) = (None, 0);
        }
    }

    /// Notes a part that was given up. Those that were tried together fail together, and count once.
    pub(crate) fn lose(&mut self) {
        if self.retry_at.is_some_and(|retry_at| self.pages < retry_at) {
            return;
        }
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
        self.retry_at = Some(self.pages + self.pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_tried_ever_less_often_until_it_works() {
        let mut trust = Trust::default();
        assert!(trust.allows(3));
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
        assert!(trust.allows(3));
    }
}
