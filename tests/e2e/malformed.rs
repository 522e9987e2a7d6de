//! Ten thousand requests that are wrong in every way that we know of, on real sockets to the real server: each one is
//! answered with a JSON error of the right status, and nothing else happens.
//!
//! Every conversation follows from its number, so it can be repeated. Keys and cursors are new each time, but what is
//! done with them is the same.

// What the test stands on: requests with what is right for them, what is at stake, and how it is talked.
mod case;
mod stakes;
mod talk;

// What can be wrong.
mod kinds;

mod batches;
mod bodies;
mod framing;
mod headers;
mod lines;
mod targets;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;

use case::{Case, Then};
use kinds::KINDS;
use stakes::{House, OURS, Stakes, THEIRS};
use talk::Wrong;

const REQUESTS: usize = 10_000;

/// Connections at the same time: more than the server has threads for.
const CLIENTS: usize = 6;

/// Conversations before memory is looked at: by then every thread and every cache of the server is there, and its
/// allocator has what the largest requests take.
const WARM_UP: u64 = 3_000;

/// Bytes by which the server may have grown since it was warm, 2 KiB a request. If each request left something behind,
/// it would be more. What the allocator keeps for many threads is less than half of it.
const GROWTH: u64 = 20 << 20;

/// How many requests there were, of each kind.
type Counts = Mutex<BTreeMap<&'static str, usize>>;

#[test]
fn ten_thousand_malformed_requests_get_the_right_error_and_nothing_else() {
    let house = House::open();
    let before = house.entries();
    assert!(before[0].contains(OURS) && !before[0].contains(THEIRS), "our rows are ours");
    assert!(before[1].contains(THEIRS) && !before[1].contains(OURS), "and theirs are theirs");

    let (number, counts) = (AtomicU64::new(0), Counts::default());
    let hold_while = |is_wanted: &(dyn Fn(u64, usize) -> bool + Sync)| {
        if let Some(wrong) = hold_while(&house.stakes, &number, &counts, is_wanted) {
            panic!("{wrong}");
        }
    };
    hold_while(&|number, _| number < WARM_UP);
    #[cfg(target_os = "linux")]
    let warm = house.memory();
    counts.lock().unwrap().clear();
    hold_while(&|_, requests| requests < REQUESTS);

    let counts = counts.into_inner().unwrap();
    let missing: Vec<_> = KINDS.iter().filter(|(kind, ..)| !counts.contains_key(kind)).collect();
    assert!(missing.is_empty(), "{} kinds never came, such as {}", missing.len(), missing[0].0);
    #[cfg(target_os = "linux")]
    {
        let (now, most) = house.memory();
        assert!(
            now <= warm.0 + GROWTH && most <= warm.1 + GROWTH,
            "{warm:?} has grown to {now}, once {most}"
        );
    }
    assert!(house.entries() == before, "the ledger has changed");
    let keys = house.stakes.keys();
    let said = house.close();
    for word in ["panicked", "ERROR"].into_iter().chain(keys.iter().map(String::as_str)) {
        let wrong = said.lines().find(|line| line.contains(word));
        assert_eq!(wrong, None, "{word} is in the log");
    }
}

/// Holds conversations, several at once, while they are wanted and right. Returns what was wrong.
fn hold_while(
    stakes: &Stakes,
    number: &AtomicU64,
    counts: &Counts,
    is_wanted: &(dyn Fn(u64, usize) -> bool + Sync),
) -> Option<Wrong> {
    let wrong = Mutex::new(None);
    let client = || {
        loop {
            let number = number.fetch_add(1, Ordering::SeqCst);
            let requests = counts.lock().unwrap().values().sum();
            if wrong.lock().unwrap().is_some() || !is_wanted(number, requests) {
                break;
            }
            if let Err(what) = converse(stakes, number, counts) {
                wrong.lock().unwrap().get_or_insert(format!("conversation {number}, {what}"));
            }
        }
    };
    std::thread::scope(|scope| (0..CLIENTS).for_each(|_| drop(scope.spawn(client))));
    wrong.into_inner().unwrap()
}

/// Holds the conversation of a number.
fn converse(stakes: &Stakes, number: u64, counts: &Counts) -> Result<(), Wrong> {
    let mut rng = Rng::with_seed(number);
    let (mut cases, length) = (Vec::new(), rng.usize(1..8));
    while cases.len() < length {
        let case = match rng.u8(0..12) {
            0 => Case { kind: "strange, and right", ..headers::odd_but_right(&mut rng, stakes) },
            _ => kinds::malformed(&mut rng, stakes),
        };
        let is_last = case.then != Then::Next;
        if !case.statuses.contains(&200) {
            *counts.lock().unwrap().entry(case.kind).or_default() += 1;
        }
        cases.push(case);
        if is_last {
            break;
        }
        if rng.u8(0..3) == 0 {
            cases.push(Case { kind: "as it should be", ..Case::served(stakes.normal().bytes()) });
        }
    }
    talk::hold(stakes, &cases, &mut rng)
}
