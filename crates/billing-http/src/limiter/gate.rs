//! Decides when the next request may be sent: a pure state, with the time passed in.

use std::time::Duration;

use super::failures::Failures;
use super::pace::{Pace, Refused};
use super::width::Width;

/// Served requests of a trial, which finds out whether requests without the pace are faster; and the served requests after
/// it during which no new pace is learnt, when they were.
const SERVED_OF_A_TRIAL: u32 = 8;
const SERVED_WITHOUT_PACE: u32 = 100;

/// An instant, as the time since the limiter was made.
pub(super) type Time = Duration;

/// How a request ended, as far as it matters to the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered with what was asked for. When the service says that this was the last request for now, the value is the time
    /// until it takes another one.
    Served(Option<Duration>),
    /// Refused for too many requests. `clock` is the time to wait where the service names one. `is_counted` says whether the
    /// service counts it as a failure of the caller: a 503 is counted, a 429 is not.
    Refused { clock: Option<Duration>, is_counted: bool },
    /// Failed in a way that the service counts against the caller.
    Failed,
    /// Broke off, which the service does not count.
    Broken,
}

/// Whether one more request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Now,
    /// Not before this instant.
    At(Time),
    /// When a request that is under way has ended.
    AfterAnother,
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Ticket {
    sent: Time,
    round: u64,
    is_probe: bool,
}

/// What the gate makes of a refusal. The default is what any other outcome gives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// False for the further refusals of one burst.
    pub(crate) is_news: bool,
    /// The time until the next request may be sent.
    pub(crate) wait: Duration,
    /// How long every request has been refused.
    pub(crate) lasting: Duration,
}

/// The first wait after a refusal without a clock, and the longest between two probes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probing {
    pub(crate) first: Duration,
    pub(crate) longest: Duration,
}

/// The requests from one pause to the next.
#[derive(Debug, Default)]
struct Round {
    number: u64,
    start: Time,
    sent: u32,
    served: u32,
    /// Requests until the next pause: the burst of the pace, and those added by tests. Without a pace there is no limit.
    allowed: u32,
    /// Requests that were added because a test passed.
    added: u32,
}

/// A pause: only one probe at a time is sent. The first probe that is served ends the pause.
#[derive(Debug, Default)]
struct Pause {
    is_probing: bool,
    /// A confirmed pace or a clock of the service says when the pause ends. Otherwise the refusal was unexpected.
    is_foreseen: bool,
    /// A success said when the pause ends.
    is_told: bool,
    /// A request was refused in this pause, or began it by being refused.
    is_refused: bool,
    /// The longest wait that the service asked for.
    asked: Option<Duration>,
    /// A probe was refused although the time of the round was over.
    is_late: bool,
    /// Refusals with a clock. From the second one on the clock before was wrong.
    clocks: u32,
    /// The latest wait between two probes.
    gap: Duration,
}

/// A trial: the pace is set aside, and requests go by the service's clocks alone.
#[derive(Debug)]
struct Trial {
    pace: Pace,
    start: Time,
    served: u32,
    refusals: u32,
}

/// The state of the gate.
///
/// The gate is in one of two states:
///
/// - open: a round of requests goes through, until it is refused or as many were sent as the pace allows;
/// - a pause: one probe at a time is sent, until one is served.
///
/// A pause begins with a refusal, or where the pace expects one. In the second case its first probe is sent when the time of
/// the round is over. When a *test* of the pace is due, the first probe is this test, and is sent at once.
#[derive(Debug)]
pub(super) struct Gate {
    probing: Probing,
    under_way: u32,
    width: Width,
    not_before: Time,
    round: Round,
    pause: Option<Pause>,
    pace: Option<Pace>,
    /// A trial of requests without the pace, while the pace is in doubt. Then `pace` is `None`.
    trial: Option<Trial>,
    /// Served requests that are left until a pace is learnt again: a trial has shown that the service has none.
    served_without_pace: u32,
    /// When the last pause with a refusal ended, and the requests served since. Together they give the mean time for each
    /// request that the service really takes.
    streak: (Time, u32),
    /// The round that began when that pause ended. Refusals of requests that were sent before it say nothing new.
    recovered: u64,
    /// Since when every request has been refused.
    refused_since: Option<Time>,
    failures: Failures,
}

impl Gate {
    pub(super) fn new(probing: Probing) -> Self {
        Self {
            probing,
            under_way: 0,
            width: Width::new(),
            not_before: Time::ZERO,
            round: Round { allowed: u32::MAX, ..Round::default() },
            pause: None,
            pace: None,
            trial: None,
            served_without_pace: 0,
            streak: (Time::ZERO, 0),
            recovered: 0,
            refused_since: None,
            failures: Failures::default(),
        }
    }

    /// Whether one more request may be sent now. The caller sends it by `begin`.
    pub(super) fn admission(&mut self, now: Time) -> Admission {
        if self.is_test_waiting(now) {
            // The test has to arrive after the whole burst. Otherwise a request of the burst may be refused in its place.
            return Admission::AfterAnother;
        }
        self.pause_or_begin_anew(now);
        if self.not_before > now {
            return Admission::At(self.not_before);
        }
        if self.pause.as_ref().is_some_and(|pause| pause.is_probing) || self.under_way >= self.width.now() {
            return Admission::AfterAnother;
        }
        match self.failures.full_until(self.under_way, now) {
            None => Admission::Now,
            Some(at) if self.under_way == 0 => Admission::At(at),
            Some(_) => Admission::AfterAnother,
        }
    }

    /// When the time of the round is over, by the pace.
    fn over(&self, pace: &Pace) -> Time {
        self.round.start + pace.each * self.round.sent
    }

    fn is_test_waiting(&self, now: Time) -> bool {
        let Some(pace) = self.pace.as_ref().filter(|pace| pace.is_test_due()) else { return false };
        let is_sent = self.round.sent >= self.round.allowed && now < self.over(pace);
        is_sent && self.pause.is_none() && self.under_way > 0
    }

    /// Ends the round when its time is over, or when all of it is sent.
    fn pause_or_begin_anew(&mut self, now: Time) {
        let (None, Some(pace)) = (&self.pause, &self.pace) else { return };
        let over = self.over(pace);
        if now >= over {
            // The requests took longer than the pace allows for them, so no pause is needed.
            self.begin_round(now, 0);
        } else if self.round.sent >= self.round.allowed {
            let is_told = self.not_before > now;
            self.pause = Some(Pause { is_foreseen: true, is_told, ..Pause::default() });
            if !pace.is_test_due() {
                self.not_before = over.max(self.not_before);
            }
        }
    }

    fn begin_round(&mut self, start: Time, served: u32) {
        let allowed = self.pace.as_ref().map_or(u32::MAX, |pace| pace.burst);
        let number = self.round.number + 1;
        self.round = Round { number, start, sent: served, served, allowed, added: 0 };
    }

    /// Notes that an admitted request is sent now.
    pub(super) fn begin(&mut self, now: Time) -> Ticket {
        self.under_way += 1;
        match &mut self.pause {
            Some(pause) => pause.is_probing = true,
            None => {
                if self.round.sent == 0 {
                    self.round.start = now;
                }
                self.round.sent += 1;
            }
        }
        Ticket { sent: now, round: self.round.number, is_probe: self.pause.is_some() }
    }

    /// Notes how a request ended.
    pub(super) fn end(&mut self, ticket: &Ticket, outcome: Outcome, now: Time) -> Refusal {
        self.under_way -= 1;
        if let Some(pause) = self.pause.as_mut().filter(|_| ticket.is_probe) {
            pause.is_probing = false;
        }
        if let Outcome::Refused { clock, is_counted } = outcome {
            if is_counted {
                self.failures.push(now);
            }
            return self.refused(ticket, clock, now);
        }
        self.refused_since = None;
        match outcome {
            Outcome::Served(clock) => self.served(ticket, clock, now),
            Outcome::Failed => {
                self.failures.push(now);
                self.width.failure();
            }
            Outcome::Refused { .. } | Outcome::Broken => {}
        }
        Refusal::default()
    }

    fn served(&mut self, ticket: &Ticket, clock: Option<Duration>, now: Time) {
        self.width.served();
        if let Some(pace) = &mut self.pace {
            pace.served();
        }
        self.served_without_pace = self.served_without_pace.saturating_sub(1);
        self.try_without(now);
        match self.pause.take_if(|_| ticket.is_probe) {
            Some(pause) => self.reopen(&pause, ticket.sent),
            None => {
                self.streak.1 += 1;
                self.round.served += u32::from(ticket.round == self.round.number);
            }
        }
        if let Some(clock) = clock.filter(|clock| !clock.is_zero()) {
            self.not_before = self.not_before.max(now + clock);
            if self.pause.is_none() && self.pace.is_none() {
                self.pause = Some(Pause { is_foreseen: true, is_told: true, ..Pause::default() });
            }
        }
    }

    /// Ends a pause whose probe, sent at `sent`, was served.
    fn reopen(&mut self, pause: &Pause, sent: Time) {
        // After a refusal: what was served before it and the time until now say something about the pace.
        if pause.is_refused {
            self.learn(pause, sent);
            if pause.is_foreseen {
                self.width.settle()
            } else {
                self.width.narrow()
            }
            self.streak = (sent, 1);
            self.begin_round(sent, 1);
            self.recovered = self.round.number;
            return;
        }
        self.streak.1 += 1;
        let Round { start, sent: requests, served, .. } = self.round;
        match &mut self.pace {
            // Only a clock of the service made the pause. It says when requests are taken, but not how many at a time.
            None => self.width.narrow(),
            Some(pace) if pause.is_told => {
                pace.approach((sent - start) / served.max(1));
                pace.quicken(served);
            }
            // The probe waited for the time of the round, as the pace has it.
            Some(pace) if sent >= start + pace.each * requests => pace.quicken(served),
            Some(_) => return self.test_passed(),
        }
        self.begin_round(sent, 1);
    }

    /// The service took one request more than the pace allows. So the pace was a mere outage, or the service takes more by now.
    /// The round goes on with one request more, with twice as many after each further test, and there is a test after them.
    fn test_passed(&mut self) {
        let round = &mut self.round;
        (round.sent, round.served) = (round.sent + 1, round.served + 1);
        round.added = (round.added * 2).max(1);
        round.allowed = round.sent + round.added;
        // A service that took four times the burst has another pace. The sixteen keep a small burst from being dropped
        // too soon.
        if self.pace.as_ref().is_some_and(|pace| !pace.is_confirmed || round.served > pace.burst * 4 + 16) {
            self.pace = None;
            round.allowed = u32::MAX;
        }
    }

    /// Corrects the pace by the requests that were served between two refusals, or makes a first one. When none was served
    /// between them there is nothing to learn: both belong to one outage.
    fn learn(&mut self, pause: &Pause, sent: Time) {
        let (since, all) = self.streak;
        if all == 0 || self.trial.is_some() || self.served_without_pace > 0 {
            return;
        }
        let mean = (sent - since) / all;
        let served = self.round.served.max(1);
        match &mut self.pace {
            Some(pace) if pace.is_confirmed => pace.correct(Refused {
                served,
                is_beyond_burst: self.round.added > 0,
                is_late: pause.is_late,
                took: mean.min((sent - self.round.start) / served),
                is_contested: pause.clocks > 1,
                asked: pause.asked,
            }),
            untested => {
                // Two like ones in a row confirm each other as a test would, because two outages are not alike. A pause
                // that the first probe ended does not count: perhaps there were only too many requests at a time.
                let is_alike = untested.as_ref().is_some_and(|pace| pace.is_like(mean));
                let is_alike = is_alike && pause.gap > self.probing.first;
                let pace = untested.insert(Pace::new(mean, served));
                if is_alike {
                    pace.confirm();
                }
            }
        }
        if let Some(pace) = self.pace.take_if(|pace| pace.is_doubtful()) {
            self.trial = Some(Trial { pace, start: sent, served: 0, refusals: 0 });
        }
    }

    /// Counts the served requests of a trial, and decides at its end whether the pace comes back. Some services refuse at
    /// random. Then a client gets through when it comes back at the time that the service names, and any pace is slower
    /// than that.
    fn try_without(&mut self, now: Time) {
        let Some(trial) = &mut self.trial else { return };
        trial.served += 1;
        if trial.served < SERVED_OF_A_TRIAL {
            return;
        }
        let each = (now - trial.start) / trial.served;
        let is_each_refused = trial.refusals * 4 >= trial.served * 3;
        let Some(Trial { mut pace, .. }) = self.trial.take() else { return };
        if each * 2 <= pace.each && !is_each_refused {
            self.served_without_pace = SERVED_WITHOUT_PACE;
        } else {
            pace.is_right_after_all(each);
            self.pace = Some(pace);
        }
    }

    /// Notes a refusal: begins a pause, or makes the present one longer.
    fn refused(&mut self, ticket: &Ticket, clock: Option<Duration>, now: Time) -> Refusal {
        if ticket.round < self.recovered {
            return Refusal::default();
        }
        self.width.failure();
        let since = *self.refused_since.get_or_insert(now);
        let is_first = self.pause.is_none();
        let until = if is_first {
            self.pause_by_surprise(now)
        } else if ticket.is_probe {
            self.probe_refused(ticket.sent, now)
        } else {
            // It was sent before the pause, so it does not change when to probe.
            now
        };
        if let Some(trial) = self.trial.as_mut().filter(|_| is_first || ticket.is_probe) {
            trial.refusals += 1;
        }
        let pause = self.pause.get_or_insert_default();
        pause.is_refused = true;
        pause.asked = pause.asked.max(clock);
        let until = match clock {
            Some(clock) => {
                let is_by_clock = pause.is_late || !pause.is_foreseen;
                pause.clocks += u32::from(is_by_clock && (is_first || ticket.is_probe));
                // The clock knows the service's limit. The pace knows how much of it is left by others with the same key.
                // So the clock alone counts only where no pace foresaw the pause, or the pace was too fast; and not once
                // it was wrong.
                if is_by_clock && pause.clocks <= 1 { now + clock } else { until.max(now + clock) }
            }
            None => until,
        };
        self.not_before = self.not_before.max(until);
        Refusal {
            is_news: is_first || ticket.is_probe,
            wait: self.not_before.saturating_sub(now),
            lasting: now - since,
        }
    }

    /// Begins a pause with a refusal, and says when to probe: soon, or when the time of a confirmed pace is over.
    fn pause_by_surprise(&mut self, now: Time) -> Time {
        self.width.surprise(self.under_way + 1);
        let soon = now + self.probing.first;
        let pace = self.pace.as_ref().filter(|pace| pace.is_confirmed);
        let over = pace.map(|pace| self.round.start + pace.each * self.round.served.max(1));
        let is_foreseen = over.is_some();
        self.pause = Some(Pause { is_foreseen, gap: self.probing.first, ..Pause::default() });
        over.map_or(soon, |over| over.max(soon))
    }

    /// Says when to probe after a probe that was refused.
    fn probe_refused(&mut self, sent: Time, now: Time) -> Time {
        let Probing { first, longest } = self.probing;
        let Some(pause) = &mut self.pause else { return now };
        let longer = pause.gap + pause.gap / 2;
        match &mut self.pace {
            Some(pace) if pause.is_foreseen => {
                let over = self.round.start + pace.each * self.round.served.max(1);
                // It was the test of the pace, sent before the time of the round was over.
                if sent < over && !pause.is_refused {
                    pace.confirm();
                    return over.max(now + first);
                }
                pause.is_late = true;
                pause.gap = match pause.gap.is_zero() {
                    true => (pace.each / 8).min(longest).max(first),
                    false => longer.min(longest.max(pace.each / 2)),
                };
            }
            _ => pause.gap = longer.min(longest).max(first),
        }
        now + pause.gap
    }
}

#[cfg(test)]
mod tests;
