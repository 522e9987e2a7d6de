//! The pace: how often the service is believed to take a request, and how this is tested and corrected.

use std::time::Duration;

/// Served requests from a refused test to the next test. A refused test is one refusal, so tests cause at most one refusal
/// in thirty requests.
const REST: u32 = 30;

/// The same after tests that were refused one after the other. It is small enough to notice soon that a limit was lifted.
const LONGEST_REST: u32 = 60;

/// When a pace is doubted: after [`MOST_DOUBTS`] refusals in a row that are soon and short. A refusal is soon when fewer than
/// [`SOON`] requests were served since the one before. It is short when the wait that the service asks for is at most the time
/// of the round divided by [`SHORT`].
const SOON: u32 = 16;
const SHORT: u32 = 4;
const MOST_DOUBTS: u32 = 5;

/// Served requests, at least, from a trial that confirmed the pace to the next trial.
const TRUSTED: u32 = 200;

/// How slowly the pace quickens. After `n` requests without a refusal it is faster by about `n² / (2 × HASTE)`: little at
/// first, and more the longer there is no refusal. A refusal makes it slower by a sixteenth, which 45 requests make up for.
const HASTE: u32 = 1 << 14;

/// A hypothesis about the service's limit: a burst of `burst` requests at once, and in the long run one request in `each`.
///
/// It describes a fixed window (60 a minute: `burst` 60, `each` one second), a token bucket (`burst` 1, `each` one second)
/// and one request a minute. It stays a hypothesis: it is *tested* by one request beyond the burst, and between the tests it
/// quickens by itself until a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// The mean time for one request.
    pub(super) each: Duration,
    /// Requests of a round. They are sent without a wait; then nothing is sent until `each` times `burst` is over.
    pub(super) burst: u32,
    /// A request beyond the burst was refused once. Before that, an outage may look like a pace.
    pub(super) is_confirmed: bool,
    /// Served requests until the next test, and what this becomes when that test is refused.
    rest: u32,
    next_rest: u32,
    /// Served requests since the pace was last too fast.
    calm: u32,
    /// Whether the latest round was served in full, in its time; and whether any round ever was.
    held: bool,
    has_held: bool,
    /// Whether the latest refusal came before the burst was complete.
    cut: bool,
    /// Refusals in a row that came soon, and after which the service asked for a much shorter wait than the pace.
    doubts: u32,
    /// Served requests until the pace can be doubted again, and what this becomes at the next trial that confirms it.
    trusted: u32,
    next_trusted: u32,
}

/// How a round went that ended with a refusal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    /// Requests that the service took in the round.
    pub(super) served: u32,
    /// Whether requests beyond the burst had been served in the round, because a test had passed.
    pub(super) is_beyond_burst: bool,
    /// Whether a request was refused after the time of the round was over.
    pub(super) is_late: bool,
    /// The time for each request that the service really took, up to the next served one.
    pub(super) took: Duration,
    /// Whether the service named the time to come back, and refused again at that time: then another client was faster.
    pub(super) is_contested: bool,
    /// The longest wait that the service asked for.
    pub(super) asked: Option<Duration>,
}

impl Pace {
    /// A pace from a first refusal. It is not tested yet.
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

    /// Notes that a trial has confirmed that there is a pace. `each` is the mean time for a request in the trial.
    pub(super) fn is_right_after_all(&mut self, each: Duration) {
        self.doubts = 0;
        if each * 2 <= self.each {
            self.each = each;
        } else {
            self.trusted = self.next_trusted;
            self.next_trusted = self.next_trusted.saturating_mul(2);
        }
    }

    /// True when one request beyond the burst should be tried.
    pub(super) fn is_test_due(&self) -> bool {
        self.rest == 0
    }

    pub(super) fn served(&mut self) {
        self.rest = self.rest.saturating_sub(1);
        self.trusted = self.trusted.saturating_sub(1);
    }

    /// True when the time is between half and twice that of this pace.
    pub(super) fn is_like(&self, each: Duration) -> bool {
        (self.each / 2..self.each * 2).contains(&each)
    }

    /// Notes that a request beyond the burst was refused.
    pub(super) fn confirm(&mut self) {
        self.is_confirmed = true;
        self.rest = self.next_rest;
        self.next_rest = (self.next_rest * 2).min(LONGEST_REST);
    }

    /// Notes that a round of `served` requests was served, and the next request too when the time of the round was over.
    pub(super) fn quicken(&mut self, served: u32) {
        self.calm = self.calm.saturating_add(served);
        let faster = self.each / HASTE * self.calm.saturating_mul(served);
        self.each -= faster.min(self.each / 8);
        (self.held, self.has_held, self.cut) = (true, true, false);
    }

    /// Makes the pace faster, because the service named an earlier time itself and kept to it. With another client beside
    /// this one that may be luck, so the time for each request is at most halved at once.
    pub(super) fn approach(&mut self, each: Duration) {
        self.each = self.each.min(each.max(self.each / 2));
    }

    /// Corrects the pace after a round that ended with a refusal.
    pub(super) fn correct(&mut self, round: Refused) {
        let is_cut = round.served < self.burst && !round.is_beyond_burst;
        // A burst that is cut short once was too long. When the next one is cut short too, the pace is too fast: it uses more
        // than the service's limit gives back.
        if round.is_late || (is_cut && self.cut) {
            let missing = round.took.saturating_sub(self.each);
            // A pace that held in the round before is nearly right, and the long wait may be bad luck: it becomes slower
            // by a quarter of what is missing. Where another client was faster the wait says nothing, if any round ever
            // held. If none did, the pace is probably only the time that was left of a window when it was guessed, and
            // far too fast.
            let believed = match (round.is_contested, self.held) {
                (true, _) if self.has_held => Duration::ZERO,
                (true, _) | (false, true) => missing / 4,
                (false, false) => missing,
            };
            // It becomes slower by at least a sixteenth. A pace that held until now and is too fast by less becomes
            // slower by what is missing and a 128th.
            let least = self.each / 16;
            let least = if self.held { least.min(missing + self.each / 128) } else { least };
            self.each += believed.max(least);
            self.rest = self.rest.max(REST);
            let is_short = round.asked.is_some_and(|asked| asked * SHORT <= self.each * round.served);
            self.doubts = if self.calm < SOON && is_short { self.doubts + 1 } else { 0 };
            (self.calm, self.held) = (0, false);
        }
        if is_cut {
            // The service took less than the burst, so there is no reason to test for more.
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
