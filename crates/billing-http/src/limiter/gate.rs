//! How many requests at a time, and not before when: a pure state, with the time passed in.

use std::time::Duration;

use super::failures::Failures;
use super::pace::{Pace, Refused};
use super::width::Width;

/// Served requests by which it is found out whether those without a pace are faster, and those that follow when they are.
const SERVED_OF_A_TRIAL: u32 = 8;
const SERVED_WITHOUT_PACE: u32 = 100;

/// Since the limiter was made.
pub(super) type Time = Duration;

/// How a request ended, as far as the gate is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Answered with what was asked for. With the time until the service takes another, when this was the last that it takes
    /// for now.
    Served(Option<Duration>),
    /// Refused for coming too often, with the time to come back where the service names one. Only a 429 does not count
    /// against the caller.
    Refused { clock: Option<Duration>, is_counted: bool },
    /// Counts against the caller.
    Failed,
    /// Broke off on the way, which the service does not count.
    Broken,
}

/// Whether one more request may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Now,
    /// Not before this instant.
    At(Time),
    /// When one that is under way has ended.
    AfterAnother,
}

/// One request under way.
#[derive(Debug)]
pub(super) struct Ticket {
    sent: Time,
    round: u64,
    is_probe: bool,
}

/// What a refusal means for those who were refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Whether it is not one more of the same burst.
    pub(crate) is_news: bool,
    /// Until the next request.
    pub(crate) wait: Duration,
    /// For how long there was nothing but refusals.
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
    /// Requests until the next pause.
    allowed: u32,
    /// Those of them that were added because a test passed.
    added: u32,
}

/// Nothing is sent but one probe at a time. The first that is served ends the pause.
#[derive(Debug, Default)]
struct Pause {
    is_probing: bool,
    /// Made by the pace or by a clock of the service; otherwise a refusal came out of the blue.
    is_foreseen: bool,
    /// The service named the time itself, with a success.
    is_told: bool,
    is_refused: bool,
    /// How long it is refused, as the service's clocks have it: the longest.
    asked: Option<Duration>,
    /// Refused when the time of the round was over.
    is_late: bool,
    /// Refusals with a clock, which the next one disproved.
    clocks: u32,
    /// The latest wait between two probes.
    gap: Duration,
}

/// Requests as the service's clocks alone have them, beside the pace.
#[derive(Debug)]
struct Trial {
    pace: Pace,
    start: Time,
    served: u32,
    refusals: u32,
}

/// The state of the gate.
///
/// It is open, and a round of requests goes through; or there is a pause, and one probe at a time finds its end. A pause
/// begins with a refusal, or where the pace expects one: then the first probe is the *test* of the pace when one is due,
/// sent at once, and otherwise sent when the time of the round is over.
#[derive(Debug)]
pub(super) struct Gate {
    probing: Probing,
    under_way: u32,
    width: Width,
    not_before: Time,
    round: Round,
    pause: Option<Pause>,
    pace: Option<Pace>,
    /// Requests without the pace, which is in doubt.
    trial: Option<Trial>,
    /// Served requests from which no pace is learnt, because the service has none.
    served_without_pace: u32,
    /// When the last refusal was overcome, and how many were served since: together what the service really takes.
    streak: (Time, u32),
    /// The round that began then. Refusals of requests that were sent before it are old news.
    recovered: u64,
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

    pub(super) fn admission(&mut self, now: Time) -> Admission {
        if self.is_test_waiting(now) {
            // Those under way could take the last places that the test is about.
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

    /// When the time of the round is over, as the pace has it.
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
            // Nobody was held up: the requests themselves take longer than the pace.
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

    /// Sends a request that was admitted now.
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

    /// A probe that was sent at `sent` was served.
    fn reopen(&mut self, pause: &Pause, sent: Time) {
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
            // By a clock alone: it says when, not how many.
            None => self.width.narrow(),
            Some(pace) if pause.is_told => {
                pace.approach((sent - start) / served.max(1));
                pace.quicken(served);
            }
            Some(pace) if sent >= start + pace.each * requests => pace.quicken(served),
            Some(_) => return self.test_passed(),
        }
        self.begin_round(sent, 1);
    }

    /// The service took more than the pace has it. What looked like a pace was an outage, or it takes more by now: so the
    /// round goes on with twice as many again, and then there is another test.
    fn test_passed(&mut self) {
        let round = &mut self.round;
        (round.sent, round.served) = (round.sent + 1, round.served + 1);
        round.added = (round.added * 2).max(1);
        round.allowed = round.sent + round.added;
        // Four times as many is no such pace, and the sixteen are for small ones.
        if self.pace.as_ref().is_some_and(|pace| !pace.is_confirmed || round.served > pace.burst * 4 + 16) {
            self.pace = None;
            round.allowed = u32::MAX;
        }
    }

    /// Makes the pace that of the requests served since the last refusal. Without one between two refusals there is nothing to
    /// learn: that was one outage.
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
                // Two in a row that are alike are as good as a test: no two outages are. But what the first probe ended says
                // nothing of a pace: perhaps there were only too many at a time.
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

    /// Counts what is served in a trial, and judges at its end. Refusals by chance have no pace: whoever comes back when the service
    /// says so gets through, and every pace that is made of them is slower than that.
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
            // One more that was sent before the pause.
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
                // The service's clock is the truth about the service, and the pace about others who use the same key. A clock
                // that was wrong once is no reason to hurry.
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

    /// Begins the pause of a refusal that the pace did not foresee, and says when to probe.
    fn pause_by_surprise(&mut self, now: Time) -> Time {
        self.width.surprise(self.under_way + 1);
        let soon = now + self.probing.first;
        let pace = self.pace.as_ref().filter(|pace| pace.is_confirmed);
        let over = pace.map(|pace| self.round.start + pace.each * self.round.served.max(1));
        let is_foreseen = over.is_some();
        self.pause = Some(Pause { is_foreseen, gap: self.probing.first, ..Pause::default() });
        over.map_or(soon, |over| over.max(soon))
    }

    /// Says when to probe again.
    fn probe_refused(&mut self, sent: Time, now: Time) -> Time {
        let Probing { first, longest } = self.probing;
        let Some(pause) = &mut self.pause else { return now };
        let longer = pause.gap + pause.gap / 2;
        match &mut self.pace {
            Some(pace) if pause.is_foreseen => {
                let over = self.round.start + pace.each * self.round.served.max(1);
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
