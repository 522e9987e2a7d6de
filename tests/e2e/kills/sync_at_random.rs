//! Killed at any moment of large syncs, again and again, while a server records batches in the same ledger.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use billing_sample::History;

use crate::billing::{finish, ndjson};
use crate::check;
use crate::host::Host;
use crate::ingest::{Batch, Found};
use crate::ledger::{AFTER_REAL, Ledger};
use crate::place::Place;

use super::random_moments::killed_after;
use super::small_sync::{is_long, service_command};

const KILLS: u32 = 50;

/// Batches by name, each with the number of its entries.
type Acknowledged = BTreeMap<String, usize>;

/// Sends batches until it is told to end.
fn send(host: &Host, key: &str, is_over: &AtomicBool) -> Acknowledged {
    let mut random = fastrand::Rng::with_seed(7);
    let mut acknowledged = Acknowledged::new();
    while !is_over.load(Relaxed) {
        let batch = Batch::random(&format!("batch-{}", acknowledged.len()), &mut random, 20);
        let answer = host.ask(&batch.request(key, false));
        assert_eq!(answer.status, 201, "{}", answer.text());
        acknowledged.insert(batch.name.clone(), batch.entries.len());
    }
    acknowledged
}

#[test]
fn syncs_are_killed_at_fifty_random_moments_beside_a_server() {
    let entries: Vec<_> = History::new(3, if is_long() { 200_000 } else { 20_000 }).collect();
    let place = Place::new();
    let source = Ledger::from_file(&place.write("source.ndjson", ndjson(&entries))).serve();
    let export = ["--until", AFTER_REAL, "--format", "csv", "--with-api-key-id"];
    let whole = source.export(&export).done().stdout;

    let target = Ledger::of(&[]);
    let (ingest, admin) = (target.key("batches", "ingest"), target.key("batches", "admin"));
    let host = Host::start(&target.path(), &[]);
    let command = |account: u32| -> Command {
        let account = format!("copy-{account}");
        service_command(&source, &target.path(), &["sync", "--account", &account, "--until", "2026-07-01"])
    };
    let start = Instant::now();
    finish(command(0), b"").done();
    let undisturbed = start.elapsed();

    let is_over = AtomicBool::new(false);
    // Each sync that comes to its end is one account; the next one is of another account.
    let (mut kills, mut copies) = (0, 1);
    let acknowledged = thread::scope(|scope| {
        let sender = scope.spawn(|| send(&host, &ingest, &is_over));
        let mut random = fastrand::Rng::with_seed(5);
        let longest_us = u64::try_from(undisturbed.as_micros() / 2).unwrap();
        while kills < KILLS && !sender.is_finished() {
            match killed_after(command(copies), Duration::from_micros(random.u64(..longest_us))) {
                true => kills += 1,
                false => copies += 1,
            }
        }
        is_over.store(true, Relaxed);
        sender.join().unwrap()
    });
    finish(command(copies), b"").done();
    println!("{kills} kills of {copies} syncs beside {} batches", acknowledged.len());

    for copy in 0..=copies {
        let key = target.key(&format!("copy-{copy}"), "admin");
        assert!(host.export(&key, &export).done().stdout == whole, "copy {copy} is not whole");
    }
    let found = Found::by_walk(&host, &admin);
    found.is_of_whole_batches(|name| acknowledged[name]);
    assert!(found.names().eq(acknowledged.keys()), "what was acknowledged is there, and nothing else");
    assert!(acknowledged.len() > 50);
    check::is_clean(&target.path());
    host.stop();
}
