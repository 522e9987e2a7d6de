//! Tests of the gate: which requests it admits, and what a refusal changes.

use super::*;
use crate::limiter::width::MAX_CONCURRENCY;

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

const REFUSED: Outcome = Outcome::Refused { clock: None, is_counted: false };

fn gate() -> Gate {
    Gate::new(Probing { first: MS(500), longest: S(20) })
}

/// Sends as many requests as the gate admits at this instant.
fn fill(gate: &mut Gate, now: Time) -> Vec<Ticket> {
    let mut tickets = Vec::new();
    while gate.admission(now) == Admission::Now {
        tickets.push(gate.begin(now));
    }
    tickets
}

fn end_all(gate: &mut Gate, tickets: Vec<Ticket>, outcome: Outcome, now: Time) {
    for ticket in tickets {
        gate.end(&ticket, outcome, now);
    }
}

#[test]
fn after_a_refusal_one_at_a_time_finds_out() {
    let mut gate = gate();
    let tickets = fill(&mut gate, S(0));
    assert_eq!(tickets.len(), MAX_CONCURRENCY as usize);
    let news = |refusal: Refusal| (refusal.is_news, refusal.wait);
    let refusals: Vec<_> = tickets.iter().map(|ticket| news(gate.end(ticket, REFUSED, MS(100)))).collect();
    assert_eq!(refusals[0], (true, MS(500)));
    assert!(refusals[1..].iter().all(|refusal| *refusal == (false, MS(500))), "of the same burst");
    assert_eq!(gate.admission(MS(100)), Admission::At(MS(600)));
    let probe = gate.begin(MS(600));
    assert_eq!(gate.admission(MS(600)), Admission::AfterAnother, "the others wait");
    assert_eq!(news(gate.end(&probe, REFUSED, MS(700))), (true, MS(750)), "half as long again");
    let probe = gate.begin(MS(1450));
    gate.end(&probe, Outcome::Served(None), MS(1550));
    let mut now = MS(1550);
    // The width doubles with every round trip, up to half of the sixteen that were too many.
    for width in [1, 2, 4, 8] {
        let tickets = fill(&mut gate, now);
        assert_eq!(tickets.len(), width);
        now += MS(100);
        end_all(&mut gate, tickets, Outcome::Served(None), now);
    }
}

#[test]
fn a_clock_is_waited_for_to_the_instant() {
    let mut gate = gate();
    let ticket = gate.begin(S(1));
    let refused = Outcome::Refused { clock: Some(S(30)), is_counted: false };
    assert_eq!(gate.end(&ticket, refused, S(2)).wait, S(30));
    assert_eq!(gate.admission(S(31)), Admission::At(S(32)));
    let probe = gate.begin(S(32));
    gate.end(&probe, Outcome::Served(Some(S(60))), S(33));
    assert_eq!(gate.admission(S(34)), Admission::At(S(93)), "the service takes no more for now");
}

/// Named after what broke: refusals without a success between them were taken for a pace of one request in that time.
#[test]
fn an_outage_is_no_pace() {
    let mut gate = gate();
    let mut now = S(0);
    for _ in 0..8 {
        let Admission::At(at) = gate.admission(now) else {
            let probe = gate.begin(now);
            gate.end(&probe, REFUSED, now);
            continue;
        };
        now = at;
    }
    let probe = gate.begin(now);
    gate.end(&probe, Outcome::Served(None), now);
    assert_eq!(gate.pace, None);
    assert_eq!(gate.admission(now), Admission::Now);
}

#[test]
fn it_says_for_how_long_there_was_nothing_but_refusals() {
    let mut gate = gate();
    let mut lasting = |seconds, outcome| {
        let ticket = gate.begin(S(seconds));
        gate.end(&ticket, outcome, S(seconds)).lasting
    };
    assert_eq!(lasting(10, REFUSED), S(0));
    assert_eq!(lasting(100, REFUSED), S(90));
    assert_eq!(lasting(1000, REFUSED), S(990));
    assert_eq!(lasting(1005, Outcome::Failed), S(0));
    assert_eq!(lasting(1010, REFUSED), S(0), "something else came between");
    assert_eq!(lasting(1020, Outcome::Served(None)), S(0));
    assert_eq!(lasting(1030, REFUSED), S(0));
}

#[test]
fn a_request_that_was_given_up_frees_its_place_and_its_turn_to_probe() {
    let mut gate = gate();
    let first = gate.begin(S(0));
    gate.end(&first, REFUSED, S(0));
    let probe = gate.begin(S(1));
    assert_eq!(gate.admission(S(1)), Admission::AfterAnother);
    gate.end(&probe, Outcome::Broken, S(2));
    assert_eq!(gate.admission(S(2)), Admission::Now);
}
