//! What a service is believed to take, and how that belief is kept true.

use std::time::Duration;

/// Served requests after a refused test before the next one. A test that fails is one refusal, so not more than one request in thirty
/// is refused by tests.
const REST: u32 = 30;

/// After tests that keep failing. Still few enough for a limit that was lifted to be noticed soon.
const LONGEST_REST: u32 = 60;

/// Served requests after which a refusal is not soon any more; the part of the time of a round beside which a wait is short; and as many
/// soon and short refusals as a pace bears.
const SOON: u32 = 16;
const SHORT: u32 = 4;
const MOST_DOUBTS: u32 = 5;

/// Served requests from a trial that a pace has stood to the next one, at least.
const TRUSTED: u32 = 200;

/// How slowly the pace quickens: after `n` requests without a refusal by about `n² / (2 × HASTE)` in all, so little at first
/// and more the longer nothing speaks against it. A sixteenth, which a refusal costs, is made good in 45 requests.
const HASTE: u32 = 1 << 14;

/// A hypothesis of how often a service takes a request: in the long run one in so long, and so many of them one right
/// after the other.
///
/// It fits a fixed window (60 a minute: 60 requests, one second each), a bucket that fills drop by drop (1 request, one second
/// each) and one request a minute. It is never more than a hypothesis: it is *tested* by one request beyond it, and between
/// the tests it quickens by itself until it is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    pub(super) each: Duration,
    /// Requests of a round: they are sent as fast as they go, and then nothing until the time of all of them is over.
    pub(super) burst: u32,
    /// A request beyond it was refused once. Before that it may be an outage that looks like a pace.
    pub(super) is_confirmed: bool,
    /// Served requests until the next test, and after the next test that fails.
    rest: u32,
    next_rest: u32,
    /// Served requests since it was last too fast.
    calm: u32,
    /// The latest round was let through whole, in its time; and whether any ever was.
    held: bool,
    has_held: bool,
    /// The latest refusal cut a burst short.
    cut: bool,
    /// Refusals in a row that came soon, and that the service itself wanted waited for much less than the pace has it.
    doubts: u32,
    /// Served requests until it can be doubted again, and until after the next trial that it stands.
    trusted: u32,
    next_trusted: u32,
}

/// How a round went that ended with a refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    /// Requests that the service took in the round.
    pub(super) served: u32,
    /// Whether the refused request was none of the burst: a test, or the first of the next round.
    pub(super) is_beyond_burst: bool,
    /// Whether one was refused after the time of the round was over.
    pub(super) is_late: bool,
    /// The time for each that it really took, until the next one went through.
    pub(super) took: Duration,
    /// Whether the service named the time to come back, and refused again at that time: then somebody else comes first.
    pub(super) is_contested: bool,
    /// How long it said that it would refuse.
    pub(super) asked: Option<Duration>,
}

impl Pace {
    /// Of a first refusal, which is not tested yet.
    pub(super) fn new(each: Duration, burst: u32) -> Self {
        Self {
            each,
            burst,
            is_confirmed: false,
            rest: 0,
            next_rest: REST,
            calm: 0,
            held: false,
            has_held: false,
            cut: false,
            doubts: 0,
            trusted: 0,
            next_trusted: TRUSTED,
        }
    }

    /// True when requests without a pace are worth a trial.
    pub(super) fn is_doubtful(&self) -> bool {
        self.doubts >= MOST_DOUBTS && self.trusted == 0
    }

    /// Without it requests took so long each, and it is a pace that they were refused by.
    pub(super) fn is_right_after_all(&mut self, each: Duration) {
        self.doubts = 0;
        if each * 2 <= self.each {
            self.each = each;
        } else {
            self.trusted = self.next_trusted;
            self.next_trusted = self.next_trusted.saturating_mul(2);
        }
    }

    pub(super) fn is_test_due(&self) -> bool {
        self.rest == 0
    }

    pub(super) fn served(&mut self) {
        self.rest = self.rest.saturating_sub(1);
        self.trusted = self.trusted.saturating_sub(1);
    }

    pub(super) fn is_like(&self, each: Duration) -> bool {
        (self.each / 2..self.each * 2).contains(&each)
    }

    /// A request beyond the burst was refused.
    pub(super) fn confirm(&mut self) {
        self.is_confirmed = true;
        self.rest = self.next_rest;
        self.next_rest = (self.next_rest * 2).min(LONGEST_REST);
    }

    /// A round of so many requests was let through, and the next one too when its time was over.
    pub(super) fn quicken(&mut self, served: u32) {
        self.calm = self.calm.saturating_add(served);
        let faster = self.each / HASTE * self.calm.saturating_mul(served);
        self.each -= faster.min(self.each / 8);
        (self.held, self.has_held, self.cut) = (true, true, false);
    }

    /// The service said itself that it takes a request sooner, and did. Beside another client that is luck, so it is believed half
    /// at a time.
    pub(super) fn approach(&mut self, each: Duration) {
        self.each = self.each.min(each.max(self.each / 2));
    }

    pub(super) fn correct(&mut self, round: Refused) {
        let is_cut = round.served < self.burst && !round.is_beyond_burst;
        // A burst that is cut short once was too long; twice running, it is the pace that empties the service's budget.
        if round.is_late || (is_cut && self.cut) {
            let missing = round.took.saturating_sub(self.each);
            // A pace that has held before is not far off, and what took so long may be bad luck: a quarter of it is believed.
            // Where somebody else comes first it is luck, unless no round ever held: such a pace is the time that was left of a
            // window when it was guessed, and it would be refused with every request until it is slower by itself.
            let believed = match (round.is_contested, self.held) {
                (true, _) if self.has_held => Duration::ZERO,
                (true, _) | (false, true) => missing / 4,
                (false, false) => missing,
            };
            // A little slower at least; but a pace that held until now, and was hardly too fast, is so by little more than that.
            let least = self.each / 16;
            let least = if self.held { least.min(missing + self.each / 128) } else { least };
            self.each += believed.max(least);
            self.rest = self.rest.max(REST);
            let is_short = round.asked.is_some_and(|asked| asked * SHORT <= self.each * round.served);
            self.doubts = if self.calm < SOON && is_short { self.doubts + 1 } else { 0 };
            (self.calm, self.held) = (0, false);
        }
        if is_cut {
            // Refused as it is: no reason to test for more.
            self.rest = self.rest.max(REST);
        }
        self.cut = is_cut;
        self.burst = round.served.max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn late(served: u32, took: Duration) -> Refused {
        Refused { served, is_beyond_burst: false, is_late: true, took, is_contested: false, asked: None }
    }

    #[test]
    fn tests_that_fail_become_rarer() {
        let mut pace = Pace::new(MS(1000), 1);
        assert!(pace.is_test_due() && !pace.is_confirmed);
        for rest in [30, 60, 60] {
            pace.confirm();
            for _ in 0..rest {
                assert!(!pace.is_test_due() && pace.is_confirmed);
                pace.served();
            }
            assert!(pace.is_test_due());
        }
    }

    #[test]
    fn it_quickens_little_at_first_and_never_by_more_than_an_eighth_at_once() {
        let mut pace = Pace::new(MS(1000), 1);
        (0..45).for_each(|_| pace.quicken(1));
        assert!((MS(930)..MS(945)).contains(&pace.each), "{:?}", pace.each);
        let before = pace.each;
        pace.quicken(u32::MAX);
        assert_eq!(pace.each, before - before / 8);
    }

    #[test]
    fn a_pace_that_never_held_is_what_the_service_took_and_one_that_did_is_a_quarter_of_it() {
        let mut pace = Pace::new(MS(239), 10);
        pace.correct(late(10, MS(6000)));
        assert_eq!(pace.each, MS(6000));
        pace.quicken(1);
        let held = pace.each;
        pace.correct(late(10, MS(20_000)));
        assert_eq!(pace.each, held + (MS(20_000) - held) / 4);
        let before = pace.each;
        pace.correct(late(10, before));
        assert_eq!(pace.each, before + before / 16, "a little slower at least");
        let contested = Refused { is_contested: true, ..late(10, MS(20_000)) };
        let before = pace.each;
        pace.correct(contested);
        assert_eq!(pace.each, before + before / 16, "somebody else comes first");
    }

    /// Named after what broke: a pace of the five seconds that were left of a minute stayed, and two of three requests were
    /// refused.
    #[test]
    fn a_pace_that_never_held_gets_slower_though_somebody_else_comes_first() {
        let mut pace = Pace::new(MS(5000), 1);
        pace.correct(Refused { is_contested: true, ..late(1, MS(125_000)) });
        assert_eq!(pace.each, MS(35_000), "a quarter of what is missing");
    }

    #[test]
    fn a_pace_that_held_until_now_is_corrected_by_little_more_than_it_was_too_fast() {
        let mut pace = Pace::new(MS(128_000), 1);
        pace.quicken(0);
        pace.correct(late(1, MS(130_000)));
        assert_eq!(pace.each, MS(128_000 + 2000 + 1000));
        pace.correct(late(1, MS(132_000)));
        assert_eq!(pace.each, MS(131_000) + MS(131_000) / 16, "twice running it is wrong by more");
    }

    #[test]
    fn a_burst_cut_short_once_is_shorter_and_twice_running_the_pace_is_slower() {
        let mut pace = Pace::new(MS(1000), 10);
        let cut = |served| Refused { is_late: false, ..late(served, MS(1000)) };
        pace.correct(cut(9));
        assert_eq!((pace.burst, pace.each), (9, MS(1000)));
        pace.correct(cut(8));
        assert_eq!((pace.burst, pace.each), (8, MS(1000) + MS(1000) / 16));
        pace.correct(Refused { is_beyond_burst: true, ..cut(12) });
        assert_eq!(pace.burst, 12);
    }
}
