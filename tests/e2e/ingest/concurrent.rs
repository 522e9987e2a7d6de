//! The same batches from many clients at the same time, in any order: each is stored once.

use std::collections::BTreeMap;
use std::sync::{Barrier, Mutex};
use std::thread;

use billing_model::{UsageEntry, WholeSet};

use crate::check;
use crate::host::Host;
use crate::ledger::Ledger;

use super::batches::{Batch, Found};
use super::recount::{analytics_agree, rollups_agree};

const CLIENTS: usize = 8;
const BATCHES: usize = 40;

/// A name that is taken is a failed request, and these tests are about more of them than a key may have.
const NOBODY_BLOCKED: [&str; 2] = ["--failed-request-limit", "0"];

/// Batches with these names, of their own content for each seed.
fn batches(seed: u64) -> Vec<Batch> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..BATCHES).map(|n| Batch::random(&format!("batch-{n}"), &mut random, 60)).collect()
}

/// What one client heard: the status for each of the batches, and whether it was there already.
type Heard = Vec<(usize, u16, bool)>;

/// Each client sends what it is given, in an order of its own; all of them begin at the same moment.
fn send_at_once(host: &Host, clients: &[(&str, &[Batch])]) -> Vec<Heard> {
    let (start, heard) = (Barrier::new(clients.len()), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for (number, (key, batches)) in (0u64..).zip(clients) {
            let (start, heard) = (&start, &heard);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(number);
                let mut order: Vec<_> = (0..batches.len()).collect();
                random.shuffle(&mut order);
                let mut connection = host.connect();
                start.wait();
                let answers = order.into_iter().map(|at| {
                    let answer = connection.ask(&batches[at].request(key, random.bool())).unwrap();
                    let was_there = answer.header("idempotency-replayed");
                    assert!([None, Some("true")].contains(&was_there));
                    (at, answer.status, was_there.is_some())
                });
                let answers = answers.collect::<Heard>();
                heard.lock().unwrap().insert(number, answers);
            });
        }
    });
    heard.into_inner().unwrap().into_values().collect()
}

/// Every answer is 201, and of those for one batch exactly one says that it was stored now.
#[track_caller]
fn each_was_stored_once(heard: &[Heard]) {
    let mut stored = vec![0; BATCHES];
    for (at, status, was_there) in heard.iter().flatten() {
        assert_eq!(*status, 201);
        stored[*at] += u32::from(!was_there);
    }
    assert_eq!(stored, vec![1; BATCHES]);
}

fn entries(batches: &[Batch]) -> Vec<UsageEntry> {
    batches.iter().flat_map(|batch| batch.entries.clone()).collect()
}

#[track_caller]
fn holds_exactly(host: &Host, admin: &str, batches: &[Batch]) {
    let found = host.export(admin, &["--until", "2026-07", "--format", "ndjson"]).done().entries();
    let whole_set = |entries: &[UsageEntry]| entries.iter().collect::<WholeSet>();
    assert_eq!(whole_set(&found), whole_set(&entries(batches)));
}

#[test]
fn the_same_batches_from_eight_clients_are_stored_once() {
    let ledger = Ledger::of(&[]);
    let [ours, theirs] =
        ["ours", "theirs"].map(|name| (ledger.key(name, "ingest"), ledger.key(name, "admin")));
    // The names are the same in both accounts, and the entries are not.
    let (our_batches, their_batches) = (batches(1), batches(2));
    let mut clients = vec![(ours.0.as_str(), our_batches.as_slice()); CLIENTS];
    clients.extend([(theirs.0.as_str(), their_batches.as_slice()); 2]);
    let host = Host::start(&ledger.path(), &NOBODY_BLOCKED);
    let heard = send_at_once(&host, &clients);
    each_was_stored_once(&heard[..CLIENTS]);
    each_was_stored_once(&heard[CLIENTS..]);
    holds_exactly(&host, &ours.1, &our_batches);
    holds_exactly(&host, &theirs.1, &their_batches);

    // The same names with other entries: refused, and nothing of them is stored.
    for heard in send_at_once(&host, &[(&ours.0, &batches(3)), (&theirs.0, &batches(4))]) {
        assert!(
            heard.iter().all(|(_, status, was_there)| (*status, *was_there) == (409, false)),
            "{heard:?}"
        );
    }
    holds_exactly(&host, &ours.1, &our_batches);
    holds_exactly(&host, &theirs.1, &their_batches);
    for (admin, batches) in [(&ours.1, &our_batches), (&theirs.1, &their_batches)] {
        analytics_agree(&host, admin, &entries(batches));
    }
    host.stop();
    rollups_agree(&ledger.path(), "ours", &entries(&our_batches));
    rollups_agree(&ledger.path(), "theirs", &entries(&their_batches));
    check::is_clean(&ledger.path());
}

/// Two batches claim one name at the same moment. One gets it, and all clients that send this one hear so.
#[test]
fn of_two_batches_with_one_name_one_is_stored() {
    let ledger = Ledger::of(&[]);
    let (ingest, admin) = (ledger.key("default", "ingest"), ledger.key("default", "admin"));
    let rivals = [batches(5), batches(6)];
    let clients: Vec<_> =
        (0..8).map(|number: usize| (ingest.as_str(), rivals[number % 2].as_slice())).collect();
    let host = Host::start(&ledger.path(), &NOBODY_BLOCKED);
    let heard = send_at_once(&host, &clients);
    let mut winners = Vec::new();
    for (at, pair) in rivals[0].iter().zip(&rivals[1]).enumerate() {
        let answers: Vec<_> = heard
            .iter()
            .map(|heard| {
                heard.iter().find(|(other, ..)| *other == at).map(|(_, status, was)| (*status, *was)).unwrap()
            })
            .collect();
        let winner = answers.iter().position(|answer| *answer == (201, false)).expect("one was stored") % 2;
        for (number, answer) in answers.iter().enumerate() {
            let expect: &[_] =
                if number % 2 == winner { &[(201, false), (201, true)] } else { &[(409, false)] };
            assert!(expect.contains(answer), "batch {at}: {answers:?}");
        }
        assert_eq!(answers.iter().filter(|answer| **answer == (201, false)).count(), 1, "{answers:?}");
        winners.push([pair.0, pair.1][winner].clone());
    }
    holds_exactly(&host, &admin, &winners);
    Found::by_walk(&host, &admin)
        .is_of_whole_batches(|name| winners.iter().find(|batch| batch.name == name).unwrap().entries.len());
}
