//! Runs the gate against simulated services that refuse, in simulated time, and compares the time with the best possible.
//!
//! `cargo test -p billing-http --lib pace_table -- --nocapture --test-threads=1` prints the table of `docs/performance.md`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::failures::{FAILURE_SPAN, MAX_FAILURES};
use super::gate::{Admission, Gate, Outcome, Probing, Ticket, Time};
use super::services::{Answer, Clock, Kind, Limit, Service, part_of};
use super::width::MAX_CONCURRENCY;
use crate::clocks::{requested_wait, wait_after_success};

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// The default of a client.
const PROBING: Probing = Probing { first: Duration::from_millis(500), longest: Duration::from_secs(20) };

/// Requests at the same time.
const CONCURRENCIES: [u32; 3] = [1, 4, MAX_CONCURRENCY];

/// Each run is made so many times, with another place of its begin in the minute, or of the outage in the run. The worst
/// one counts.
const PHASES: u32 = 12;

/// The mean time of a request to the service, or of an answer back.
const WAY: Duration = Duration::from_millis(50);

/// How a run went.
#[derive(Debug, Default)]
struct Run {
    total: Time,
    served: u32,
    /// Requests, and refusals among them, after the first fifth of those served: the steady state.
    steady_requests: u32,
    steady_refusals: u32,
    failures: Vec<Time>,
}

enum Event {
    /// The wait of the head of the queue is over.
    HeadWakes,
    /// A worker has its next request.
    Wants(u32),
    Arrives(u32, Ticket),
    Answered(u32, Ticket, Answer),
}

/// Runs until so many requests are served.
///
/// The simulation jumps from event to event. In each round the head of the queue asks the gate: its request is sent, or it
/// waits for an instant, or for another request to end. Then the next event is taken: a request arrives at the service, its
/// answer arrives here, or a wait is over.
fn run(kind: Kind, served: u32, concurrency: u32, phase: u32) -> Run {
    let mut service = service(kind, concurrency, phase);
    let mut gate = Gate::new(PROBING);
    let mut random = fastrand::Rng::with_seed(u64::from(phase));
    let mut run = Run::default();
    let mut events: BTreeMap<(Time, u64), Event> = BTreeMap::new();
    let mut numbers = 0..;
    let mut later = |events: &mut BTreeMap<_, _>, at: Time, event| {
        events.insert((at, numbers.next().unwrap()), event);
    };
    let mut queue: VecDeque<u32> = (0..concurrency.min(served)).collect();
    let mut to_begin = served - concurrency.min(served);
    let mut head_sleeps = false;
    let mut now = Time::ZERO;
    while run.served < served {
        // Send what the gate admits now.
        while let Some(worker) = queue.front().filter(|_| !head_sleeps) {
            match gate.admission(now) {
                Admission::Now => {
                    let arrival = now + WAY / 2 + part_of(WAY, &mut random);
                    later(&mut events, arrival, Event::Arrives(*worker, gate.begin(now)));
                    queue.pop_front();
                }
                Admission::At(at) => {
                    head_sleeps = true;
                    later(&mut events, at, Event::HeadWakes);
                }
                Admission::AfterAnother => break,
            }
        }
        // Go on to the next event.
        let ((at, _), event) = events.pop_first().expect("somebody waits for something");
        now = at;
        match event {
            Event::HeadWakes => head_sleeps = false,
            Event::Wants(worker) => queue.push_back(worker),
            Event::Arrives(worker, ticket) => {
                let answer = service.answer(now);
                let back = now + WAY / 2 + part_of(WAY, &mut random);
                later(&mut events, back, Event::Answered(worker, ticket, answer));
            }
            Event::Answered(worker, ticket, answer) => {
                service.sent();
                let is_steady = run.served >= served / 5;
                run.steady_requests += u32::from(is_steady);
                match answer {
                    Answer::Served(headers) => {
                        gate.end(&ticket, Outcome::Served(wait_after_success(&headers)), now);
                        run.served += 1;
                        if to_begin > 0 {
                            to_begin -= 1;
                            queue.push_back(worker);
                        }
                    }
                    Answer::Refused(headers) => {
                        let clock = requested_wait(&headers);
                        gate.end(&ticket, Outcome::Refused { clock, is_counted: false }, now);
                        run.steady_refusals += u32::from(is_steady);
                        queue.push_back(worker);
                    }
                    Answer::Failed => {
                        gate.end(&ticket, Outcome::Failed, now);
                        run.failures.push(now);
                        later(&mut events, now + part_of(MS(400), &mut random), Event::Wants(worker));
                    }
                }
            }
        }
    }
    run.total = now;
    run
}

/// A service at one of the phases. An outage begins within the first four fifths of the work.
fn service(kind: Kind, concurrency: u32, phase: u32) -> Service {
    let block_start = MS(100) + S(16) / concurrency.min(4) * phase / PHASES;
    let seed = u64::from(phase) + 1000;
    Service::new(kind, S(60) * phase / PHASES + MS(37) * phase, block_start, seed)
}

/// The best possible time: that of a client that knows the service and is never refused.
fn best(kind: Kind, served: u32, concurrency: u32, phase: u32) -> Time {
    let mut service = service(kind, concurrency, phase);
    let mut free = vec![Time::ZERO; concurrency as usize];
    let mut latest = Time::ZERO;
    if let Limit::AtOnce(most) = kind.limit {
        free.truncate(most);
    }
    for _ in 0..served {
        let next = free.iter_mut().min().unwrap();
        latest = service.take_first((*next + WAY).max(latest));
        *next = latest + WAY;
    }
    latest + WAY
}

/// The worst of all phases.
#[derive(Clone, Copy, Debug, Default)]
struct Worst {
    best: Time,
    /// The time in percent of the best possible.
    percent: u128,
    /// Refusals of a thousand requests in the steady state.
    refused: u32,
}

impl Worst {
    fn of(kind: Kind, concurrency: u32) -> Self {
        let served = kind.served(concurrency);
        let mut worst = Self::default();
        for phase in 0..PHASES {
            let (run, best) = (run(kind, served, concurrency, phase), best(kind, served, concurrency, phase));
            let percent = run.total.as_millis() * 100 / best.as_millis();
            if percent > worst.percent {
                (worst.best, worst.percent) = (best, percent);
            }
        }
        // The steady state takes more requests to judge: five times as many, of which the first fifth is for learning.
        if kind.a_minute().is_some() {
            for phase in 0..PHASES {
                let run = run(kind, served * 5, concurrency, phase);
                worst.refused = worst.refused.max(run.steady_refusals * 1000 / run.steady_requests);
            }
        }
        worst
    }

    fn and(self, other: Self) -> Self {
        let refused = self.refused.max(other.refused);
        if other.percent > self.percent { Self { refused, ..other } } else { Self { refused, ..self } }
    }
}

impl Kind {
    fn of(limit: Limit, clock: Clock) -> Self {
        Self { limit, clock, counts_down: false, is_shared: false, lifted_at: None, fails: 0, refuses: 0 }
    }

    fn a_minute(&self) -> Option<u32> {
        match self.limit {
            Limit::Block(_) | Limit::AtOnce(_) => None,
            Limit::Windows(a_minute) | Limit::Bucket { a_minute, .. } => Some(a_minute),
        }
    }

    /// Two hundred requests at least, ten at one a minute; more where the outage would be most of the run.
    fn served(&self, concurrency: u32) -> u32 {
        match self.a_minute() {
            None => 200 * (concurrency / 4).max(1),
            Some(1) => 10,
            Some(_) => 200,
        }
    }
}

/// A row of the table, with its limits: the worst of its services may take so many percent of the best possible time, and
/// refuse so many of a thousand requests.
fn check(service: &str, clock: &str, kinds: &[Kind], most_percent: u128, most_refused: u32) {
    let all = kinds.iter().flat_map(|kind| CONCURRENCIES.map(|concurrency| Worst::of(*kind, concurrency)));
    let Worst { best, percent, refused } = all.reduce(Worst::and).unwrap();
    let best_s = best.as_secs();
    println!("| {service} | {clock} | {best_s} s | {}.{:02} | {refused} |", percent / 100, percent % 100);
    assert!(percent <= most_percent, "{service}, {clock}: {percent} % of the best possible time");
    assert!(refused <= most_refused, "{service}, {clock}: {refused} of 1000 are refused");
}

const ALL_CLOCKS: [Clock; 5] =
    [Clock::RetryAfter, Clock::HttpDate, Clock::UnixSeconds, Clock::UnixMilliseconds, Clock::FromNow];

#[test]
fn pace_table_of_blocks() {
    for length_s in [2, 8, 20, 60] {
        let block = Limit::Block(S(length_s));
        let service = format!("block of {length_s} s");
        check(&service, "none", &[Kind::of(block, Clock::None)], 160, 0);
        check(&service, "each kind", &ALL_CLOCKS.map(|clock| Kind::of(block, clock)), 130, 0);
    }
}

/// Limits of so many requests a minute, and their names.
fn limits(a_minute: u32) -> Vec<(String, Limit)> {
    let bucket =
        |burst| (format!("{a_minute} a minute, bucket of {burst}"), Limit::Bucket { a_minute, burst });
    let mut limits = vec![
        (format!("{a_minute} a minute, windows"), Limit::Windows(a_minute)),
        bucket(a_minute),
        bucket(a_minute.div_ceil(6)),
    ];
    limits.dedup();
    limits
}

/// The services with each way of saying when to come back: never, on refusals, and also on the last success for now.
fn check_limit(service: &str, kind: Kind, [silent, told]: [u128; 2], most_refused: u32) {
    check(service, "none", &[kind], silent, most_refused);
    check(service, "Retry-After", &[Kind { clock: Clock::RetryAfter, ..kind }], told, most_refused);
    let headers = [Clock::UnixSeconds, Clock::UnixMilliseconds];
    let headers = headers.map(|clock| Kind { clock, counts_down: true, ..kind });
    check(service, "on every reply", &headers, told, most_refused);
}

#[test]
fn pace_table_of_limits() {
    for (service, limit) in [60, 10, 1].into_iter().flat_map(limits) {
        check_limit(&service, Kind::of(limit, Clock::None), [160, 130], 100);
    }
}

#[test]
fn pace_table_beside_another_client() {
    for (service, limit) in [60, 10].into_iter().flat_map(limits) {
        let kind = Kind { is_shared: true, ..Kind::of(limit, Clock::None) };
        check_limit(&format!("half of {service}"), kind, [200, 160], 100);
    }
}

/// With half of one request a minute it is chance which client comes first, so more requests are refused than elsewhere.
#[test]
fn pace_table_of_one_in_two_minutes() {
    for (service, limit) in limits(1) {
        let kind = Kind { is_shared: true, ..Kind::of(limit, Clock::None) };
        check_limit(&format!("half of {service}"), kind, [200, 160], 600);
    }
}

#[test]
fn as_many_at_once_as_the_service_takes() {
    for most in [2, 4, 8] {
        for clock in [Clock::None, Clock::RetryAfter] {
            check(&format!("{most} at once, {clock:?}"), "", &[Kind::of(Limit::AtOnce(most), clock)], 250, 0);
        }
    }
}

#[test]
fn a_limit_that_is_lifted_is_noticed() {
    for (service, limit) in limits(60) {
        for concurrency in CONCURRENCIES {
            for phase in 0..PHASES {
                let lifted_at = S(300);
                let kind = Kind { lifted_at: Some(lifted_at), ..Kind::of(limit, Clock::None) };
                let run = run(kind, 2000, concurrency, phase);
                // Some 300 requests until the limit is lifted, and the others without a wait.
                let free = MS(100) * 1700 / concurrency;
                let lost = run.total.saturating_sub(lifted_at + free);
                // The rest between two tests and one round: sixty requests each, one a second.
                assert!(lost < S(125), "{service}, {concurrency} at once: {lost:?}");
            }
        }
    }
}

/// Named after what broke: random refusals have no pace. A client that waits as long as the service asks gets through
/// in a time that can be calculated. But every refusal made the pace slower, up to two hundred times that time.
#[test]
fn refusals_by_chance_cost_a_few_times_what_the_service_asks_for() {
    for refuses in [100, 200, 300, 400, 500] {
        let kind = Kind { refuses, ..Kind::of(Limit::AtOnce(usize::MAX), Clock::RetryAfter) };
        for concurrency in CONCURRENCIES {
            let served = 200;
            let refusals = served * refuses / (1000 - refuses);
            let plain = WAY * 2 * (served + refusals) + S(1) * refusals;
            let total = |phase| run(kind, served, concurrency, phase).total;
            let totals: Vec<_> = (0..PHASES).map(total).collect();
            let (worst, mean) = (totals.iter().max().unwrap(), totals.iter().sum::<Time>() / PHASES);
            assert!(*worst < plain * 15, "{refuses} of 1000, {concurrency} at once: {worst:?} of {plain:?}");
            assert!(mean < plain * 6, "{refuses} of 1000, {concurrency} at once: {mean:?} of {plain:?}");
        }
    }
}

#[test]
fn failures_are_never_too_many() {
    for fails in [20, 200, 900] {
        for limit in [Limit::Block(S(20)), Limit::Windows(60), Limit::Bucket { a_minute: 60, burst: 10 }] {
            for concurrency in CONCURRENCIES {
                let Run { failures, .. } =
                    run(Kind { fails, ..Kind::of(limit, Clock::RetryAfter) }, 200, concurrency, 1);
                for (index, first) in failures.iter().enumerate() {
                    let within = failures[index..].iter().take_while(|at| **at < *first + FAILURE_SPAN);
                    assert!(within.count() <= MAX_FAILURES, "{fails} ‰, {limit:?}, {concurrency} at once");
                }
            }
        }
    }
}

/// Whatever the answers are, no 31 seconds have more than 16 failures that the service counts. It does not count a 429.
#[test]
fn failures_are_never_too_many_however_they_come() {
    let mut random = fastrand::Rng::with_seed(7);
    for most in 1..=MAX_CONCURRENCY as usize {
        let mut gate = Gate::new(PROBING);
        let mut now = S(0);
        let mut under_way = Vec::new();
        let mut failed: Vec<Time> = Vec::new();
        while failed.len() < 500 {
            match gate.admission(now) {
                Admission::Now if under_way.len() < most && random.u32(0..3) > 0 => {
                    under_way.push(gate.begin(now))
                }
                Admission::At(at) => now = at,
                _ => {
                    now += MS(random.u64(0..50));
                    if let Some(ticket) = under_way.pop() {
                        failed.push(now);
                        gate.end(&ticket, Outcome::Failed, now);
                    }
                }
            }
        }
        for (index, at) in failed.iter().enumerate() {
            let within = failed[index..].iter().take_while(|later| **later < *at + FAILURE_SPAN).count();
            assert!(within <= MAX_FAILURES, "{most} at once: {within}");
        }
    }
}
