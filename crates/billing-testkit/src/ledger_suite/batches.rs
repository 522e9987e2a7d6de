//! Batches with idempotency keys: once each, whole or not at all, whoever sends them and however often.

use std::collections::HashMap;

use crate::OwnedLedger;
use crate::entry_at;
use billing_ledger::{AccountId, Batch, Filter, Ledger, Receipt};
use billing_model::{Timestamp, UsageEntry};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::house::{House, Make, any_mixed_entries, cases, walk};

/// The time at which every batch here came.
pub fn now() -> Timestamp {
    "2026-06-15T00:00:00Z".parse().unwrap()
}

fn text(entry: &UsageEntry) -> Vec<u8> {
    let mut text = Vec::new();
    entry.write_json(&mut text);
    text
}

/// A batch whose digest stands for what is sent.
pub fn batch(account: AccountId, key: &str, entries: &[UsageEntry]) -> Batch {
    let digest = Sha256::digest(entries.iter().map(text).collect::<Vec<_>>().concat()).into();
    let idempotency_key = key.to_owned();
    Batch { account, idempotency_key, digest, received_at: now(), entries: entries.into() }
}

fn sorted(entries: &[UsageEntry]) -> Vec<Vec<u8>> {
    let mut texts: Vec<_> = entries.iter().map(text).collect();
    texts.sort();
    texts
}

/// Compared with a plain model: a map from key to what was first sent under it.
pub fn every_batch_is_there_once(make: Make) {
    let house = House::of(make);
    proptest!(cases(48), |(lots in prop::collection::vec(any_mixed_entries(12), 1..4),
        sent in prop::collection::vec((0..5usize, any::<prop::sample::Index>(), 0..2usize), 1..14),
        group in 1..5usize,)| {
    let (ledger, ours) = house.another();
    let (_, theirs) = house.another();
    let mut model: HashMap<(AccountId, String), usize> = HashMap::new();
    let batches: Vec<_> = sent
        .iter()
        .map(|(key, lot, account)| {
            let (lot, account) = (lot.index(lots.len()), [ours, theirs][*account]);
            (lot, batch(account, &format!("key {key}"), &lots[lot]))
        })
        .collect();
    for group in batches.chunks(group) {
        let alone: Vec<_> = group.iter().map(|(_, batch)| batch.clone()).collect();
        let receipts = ledger.store_batches(&alone).unwrap();
        prop_assert_eq!(receipts.len(), group.len());
        for ((lot, batch), receipt) in group.iter().zip(receipts) {
            let count = lots[*lot].len() as u64;
            let first = model.get(&(batch.account, batch.idempotency_key.clone())).copied();
            let expect = match first {
                None => Receipt::Stored(count),
                Some(same) if lots[same] == lots[*lot] => Receipt::Repeated(count),
                Some(_) => Receipt::Conflict,
            };
            prop_assert_eq!(receipt, expect);
            model.entry((batch.account, batch.idempotency_key.clone())).or_insert(*lot);
        }
    }
    for account in [ours, theirs] {
        let stored = model.iter().filter(|((whose, _), _)| *whose == account);
        let expect: Vec<_> = stored.flat_map(|(_, lot)| lots[*lot].clone()).collect();
        let found = walk(ledger, account, &Filter::default(), 1000);
        let counted: u64 = ledger.owned_rollups(account, None).unwrap().iter().map(|sum| sum.entries).sum();
        prop_assert_eq!(counted, found.len() as u64);
        prop_assert_eq!(sorted(&found), sorted(&expect));
    }
    });
}

pub fn a_batch_is_found_by_its_key_and_its_digest(make: Make) {
    let house = House::of(make);
    let entry = entry_at(now(), "-0.1");
    let two = [entry.clone(), entry.clone()];
    let stored = batch(house.account, "key", &two);
    let find = |batch: &Batch| {
        house.ledger.find_batch(batch.account, &batch.idempotency_key, &batch.digest).unwrap()
    };
    assert_eq!(find(&stored), None);
    house.ledger.store_batches(std::slice::from_ref(&stored)).unwrap();
    assert_eq!(find(&stored), Some(2));
    let other = house.ledger.create_account("theirs").unwrap();
    for another in [
        batch(house.account, "another", &two),
        batch(house.account, "key", &[entry]),
        batch(other, "key", &two),
    ] {
        assert_eq!(find(&another), None);
    }
}

/// Readers beside eight writers see whole batches, and the sums are those of a recount at the end.
pub fn batches_of_many_writers_come_whole(make: Make) {
    const WRITERS: usize = 8;
    const BATCHES: usize = 12;
    let house = House::of(make);
    let (ledger, account): (&dyn Ledger, _) = (&*house.ledger, house.account);
    let entries: Vec<_> = (0..50).map(|_| entry_at(now(), "-0.0000001")).collect();
    let write = &|writer: usize| {
        for n in 0..BATCHES {
            let sent = batch(account, &format!("{writer} {n}"), &entries);
            let twice = [sent.clone(), sent];
            let receipts = loop {
                match ledger.store_batches(&twice) {
                    Err(error) if error.is_busy() => {}
                    stored => break stored.unwrap(),
                }
            };
            assert_eq!(receipts, [Receipt::Stored(50), Receipt::Repeated(50)]);
        }
    };
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(move || write(writer))).collect();
        // Until the writers have ended, well or not. To wait for their entries could be to wait for ever.
        while !writers.iter().all(|writer| writer.is_finished()) {
            let page = ledger.numbered_page(account, &Filter::default(), Default::default(), 1, 1).unwrap();
            assert_eq!(page.total % 50, 0, "half a batch");
        }
    });
    let rollups = ledger.owned_rollups(account, None).unwrap();
    assert_eq!((rollups.len(), rollups[0].entries), (1, 4800));
    assert_eq!(rollups[0].amount.to_string(), "-0.00048");
}
