//! Several servers write to one database: each batch is there once, numbers come in the order of commits, and nobody waits for ever.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};

use billing_ledger::{AccountId, Batch, Change, FileContent, Filter, Import, Ledger, PackedEntries, Receipt};
use billing_model::{Timestamp, Total, UsageEntry, parse_decimal};
use billing_postgres::PostgresLedger;
use billing_testkit::{OwnedLedger as _, entry_at};

use crate::house::{empty, open};

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_780_000_000_000_000_000 + second * 1_000_000_000)
}

pub(crate) fn batch(account: AccountId, key: &str, entries: &[UsageEntry]) -> Batch {
    Batch {
        account,
        idempotency_key: key.to_owned(),
        digest: [1; 32],
        received_at: at(0),
        entries: PackedEntries::from(entries),
    }
}

/// Entries at any times, earlier ones behind later ones.
fn entries(count: i64) -> Vec<UsageEntry> {
    (0..count).map(|n| entry_at(at(n * 7919 % 100_000), "-0.1")).collect()
}

/// True until all writers have ended, well or not.
fn are_under_way(writers: &[ScopedJoinHandle<'_, ()>]) -> bool {
    !writers.iter().all(ScopedJoinHandle::is_finished)
}

/// In an account of which nothing was taken out, a walk sees as many entries as its snapshot has numbers. If a transaction with higher
/// numbers were seen before one with lower ones, they would be fewer.
fn walk(ledger: &PostgresLedger, account: AccountId) -> u64 {
    let (mut snapshot, mut after, mut seen) = (None, None, 0);
    loop {
        let page = ledger.positioned_page(account, &Filter::default(), snapshot, after, 200).unwrap();
        seen += page.entries.len() as u64;
        (snapshot, after) = (Some(page.snapshot), page.next);
        if after.is_none() {
            assert_eq!(page.snapshot.end, seen, "a walk sees what was committed before it, and nothing else");
            return seen;
        }
    }
}

/// The blocks have the numbers from 1 on, and those of each account follow one another.
fn blocks_follow_one_another(ledger: &PostgresLedger) -> usize {
    let mut ends: HashMap<AccountId, u64> = HashMap::new();
    let blocks = ledger.owned_blocks(0).unwrap();
    for (expected, (block, _)) in (1..).zip(&blocks) {
        assert_eq!(block.number, expected);
        let end = ends.entry(block.account).or_default();
        assert_eq!(block.first_sequence, *end, "{:?}", block.account);
        *end += block.entries();
    }
    blocks.len()
}

/// Batches of two servers into the same accounts in opposite orders. All of them send one batch in each round, and one of their own.
#[test]
fn batches_of_two_servers_come_once_and_in_order() {
    const ROUNDS: u64 = 12;
    let Some((one, _, url)) = empty() else { return };
    let ledgers = [one, open(&url)];
    let accounts = ["a", "b", "c"].map(|name| ledgers[0].create_account(name).unwrap());
    let entries = &entries(40);
    let shared = &AtomicU64::new(0);
    let write = move |ledger: &PostgresLedger, writer: usize| {
        for round in 0..ROUNDS {
            let mut batches: Vec<_> = accounts
                .iter()
                .flat_map(|account| {
                    let own = format!("{writer} {round}");
                    [
                        batch(*account, &format!("shared {round}"), entries),
                        batch(*account, &own, &entries[..7]),
                    ]
                })
                .collect();
            if writer % 2 == 1 {
                batches.reverse();
            }
            for (batch, receipt) in batches.iter().zip(ledger.store_batches(&batches).unwrap()) {
                match (receipt, batch.idempotency_key.starts_with("shared")) {
                    (Receipt::Stored(40), true) => drop(shared.fetch_add(1, Ordering::Relaxed)),
                    (Receipt::Repeated(40), true) | (Receipt::Stored(7), false) => {}
                    other => panic!("{other:?}"),
                }
            }
        }
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| (writer, &ledgers[writer % 2]))
            .map(|(writer, ledger)| scope.spawn(move || write(ledger, writer)))
            .collect();
        while are_under_way(&writers) {
            for (ledger, account) in ledgers.iter().zip(accounts) {
                walk(ledger, account);
                blocks_follow_one_another(ledger);
            }
        }
    });
    assert_eq!(shared.load(Ordering::Relaxed), ROUNDS * 3, "each shared batch was stored once");
    let expected = ROUNDS * (40 + 4 * 7);
    for account in accounts {
        assert_eq!(walk(&ledgers[1], account), expected);
        let rollups = ledgers[0].owned_rollups(account, None).unwrap();
        assert_eq!(rollups.iter().map(|rollup| rollup.entries).sum::<u64>(), expected);
    }
    blocks_follow_one_another(&ledgers[0]);
}

/// Who sends a batch again that is stored hears so at once, though others hold its account for long.
#[test]
fn a_batch_that_is_there_needs_no_turn_at_writing() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let sent = batch(account, "key", &entries(3));
    ledger.store_batches(std::slice::from_ref(&sent)).unwrap();
    let holder = postgres.hold(&url, "SELECT FROM billing.accounts FOR UPDATE");
    let twice = [sent.clone(), sent.clone()];
    assert_eq!(ledger.store_batches(&twice).unwrap(), [Receipt::Repeated(3), Receipt::Repeated(3)]);
    let other = Batch { digest: [2; 32], ..sent };
    assert_eq!(ledger.store_batches(&[other]).unwrap(), [Receipt::Conflict]);
    drop(holder);
}

fn file(digest: u8) -> FileContent {
    FileContent { name: format!("{digest}.csv"), sha256: [digest; 32], imported_at: at(0), again: false }
}

/// An import of many entries is not seen before its end, and others write and read meanwhile, other imports among them.
#[test]
fn imports_come_in_beside_batches_and_one_another() {
    let Some((one, _, url)) = empty() else { return };
    let ledgers = &[one, open(&url)];
    let account = ledgers[0].create_account("ours").unwrap();
    let sent = &entries(12_345);
    let mut imports: Vec<_> = (0..3)
        .map(|n| {
            let mut import = ledgers[n % 2].import(account).unwrap();
            sent.chunks(5000).for_each(|chunk| import.write(chunk).unwrap());
            import.end_file(file(u8::try_from(n).unwrap()));
            import
        })
        .collect();
    let stored = ledgers[0].store_batches(&[batch(account, "meanwhile", &sent[..10])]).unwrap();
    assert_eq!(stored, [Receipt::Stored(10)]);
    assert_eq!(walk(&ledgers[1], account), 10);
    assert!(!ledgers[1].has_imported_files(account).unwrap());
    drop(imports.pop());
    thread::scope(|scope| {
        let write = move |writer: usize| {
            for n in 0..10 {
                let batch = batch(account, &format!("{writer} {n}"), &sent[..100]);
                assert_eq!(ledgers[writer].store_batches(&[batch]).unwrap(), [Receipt::Stored(100)]);
            }
        };
        let ends = imports
            .into_iter()
            .map(|import| scope.spawn(move || assert_eq!(Import::finish(import).unwrap(), 12_345)));
        let mut writers: Vec<_> = ends.collect();
        writers.extend((0..2).map(|writer| scope.spawn(move || write(writer))));
        while are_under_way(&writers) {
            walk(&ledgers[0], account);
            blocks_follow_one_another(&ledgers[1]);
        }
    });
    let expected = 2 * 12_345 + 10 + 2 * 10 * 100;
    assert_eq!(walk(&ledgers[0], account), expected);
    let blocks = blocks_follow_one_another(&ledgers[0]);
    assert_eq!(blocks, 1 + 2 * 10 + 2);
    let found = ledgers[1].imported_file(account, &[0; 32]).unwrap().unwrap();
    assert_eq!((found.entries, found.name.as_str()), (12_345, "0.csv"));
    assert_eq!(ledgers[1].imported_file(account, &[2; 32]).unwrap(), None);
    let rollups = ledgers[0].owned_rollups(account, None).unwrap();
    assert_eq!(rollups.iter().map(|rollup| rollup.entries).sum::<u64>(), expected);
}

/// The tables of an import that is dropped go with its connection.
#[test]
fn an_import_that_is_dropped_leaves_nothing_in_the_database() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let tables = || postgres.sql(&url, "SELECT count(*) FROM pg_class WHERE relname LIKE 'gathered%'");
    let mut import = ledger.import(account).unwrap();
    import.write(&entries(10_000)).unwrap();
    assert_ne!(tables(), "0");
    drop(import);
    // The connection ends by itself, soon: to ask takes some hundredths of a second.
    assert!((0..1000).any(|_| tables() == "0"));
    assert_eq!(walk(&ledger, account), 0);
}

/// Texts that are too many for memory are stored with their sums, and the entries that come then begin new blocks.
#[test]
fn texts_without_end_are_summed_and_counted() {
    let Some((ledger, ..)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let long = "k".repeat(1000);
    let entry = |n: i64| UsageEntry {
        api_key_id: Some(format!("{long}{}", n % 2500)),
        ..entry_at(at(n % 90), "-0.1")
    };
    let all: Vec<_> = (0..12_500).map(entry).collect();
    ledger.store_batches(&[batch(account, "key", &all[..2500])]).unwrap();
    let mut import = ledger.import(account).unwrap();
    all.chunks(1000).skip(2).for_each(|chunk| import.write(chunk).unwrap());
    Import::finish(import).unwrap();
    let expected = 2500 + 12_500 - 2000;
    assert_eq!(walk(&ledger, account), expected);
    let rollups = ledger.owned_rollups(account, None).unwrap();
    assert_eq!(rollups.len(), 2500);
    assert_eq!(rollups.iter().map(|rollup| rollup.entries).sum::<u64>(), expected);
    let blocks = blocks_follow_one_another(&ledger);
    assert!(blocks > 8, "{blocks}");
    for (block, lent) in ledger.owned_blocks(0).unwrap() {
        assert_eq!(block.entries(), lent.len() as u64);
    }
}

/// The greatest and the smallest numbers that there are, in one sum: the database adds all their digits.
#[test]
fn numbers_of_any_size_are_added_exactly() {
    let Some((ledger, ..)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let largest = "79228162514264337593543950335";
    let amounts = [
        format!("-{largest}e350"),
        format!("-{largest}e-350"),
        "-1e-350".to_owned(),
        "-1e350".to_owned(),
        "-0".to_owned(),
        "-123456789.123456789".to_owned(),
    ];
    let entry = |amount: &String| UsageEntry {
        units: parse_decimal(&amount[1..]).unwrap(),
        ..entry_at(at(0), amount)
    };
    let all: Vec<_> = amounts.iter().map(entry).collect();
    for (n, entry) in all.iter().enumerate() {
        ledger.store_batches(&[batch(account, &n.to_string(), &[entry.clone(), entry.clone()])]).unwrap();
    }
    let sum = |from: usize| {
        let mut sum = Total::default();
        all[from..].iter().flat_map(|entry| [entry.amount; 2]).for_each(|amount| sum.add(amount));
        sum.to_string()
    };
    let held = || {
        let rollups = ledger.owned_rollups(account, None).unwrap();
        let net = ledger.funds(account, billing_model::Day(0)).unwrap().nets.remove(0).1;
        assert_eq!(rollups.len(), 1);
        assert_eq!(rollups[0].amount.to_string(), net.to_string());
        assert_eq!(rollups[0].amount.to_string().trim_start_matches('-'), rollups[0].units.to_string());
        net.to_string()
    };
    assert_eq!(held(), sum(0));
    // And they go out again without a trace.
    for from in 1..all.len() {
        let places = ledger.placed_entries(account).unwrap();
        let remove = places[..2].iter().map(|(place, _)| *place).collect();
        ledger.change(&Change { remove, ..Change::of(account, at(0)) }).unwrap();
        assert_eq!(held(), sum(from));
    }
}
