//! Files that hold the same entries: what is found is compared with a count of the entries one by one.

use std::collections::BTreeMap;

use billing_model::{Timestamp, UsageEntry};
use billing_sample::History;
use billing_sqlite::{Overlap, Overlaps};
use billing_testkit::entry_at;
use proptest::prelude::*;

fn found(files: &[&[UsageEntry]]) -> Vec<Overlap> {
    let mut overlaps = Overlaps::new().unwrap();
    for (file, entries) in files.iter().enumerate() {
        entries.chunks(3).for_each(|chunk| overlaps.add(file, chunk).unwrap());
    }
    overlaps.find().unwrap()
}

/// The rule itself, in the simplest code.
fn expected(files: &[Vec<UsageEntry>]) -> Vec<Overlap> {
    let span = |file: &[UsageEntry]| {
        let times = || file.iter().map(|entry| entry.timestamp);
        Some((times().min()?, times().max()?))
    };
    let mut found = Vec::new();
    for (i, one) in files.iter().enumerate() {
        for (j, other) in files.iter().enumerate().skip(i + 1) {
            let (Some(first), Some(second)) = (span(one), span(other)) else { continue };
            let shared = first.0.max(second.0)..=first.1.min(second.1);
            let have_keys =
                [one, other].iter().all(|file| file.iter().any(|entry| entry.api_key_id.is_some()));
            let count = |file: &[UsageEntry]| {
                let mut counts = BTreeMap::<(Timestamp, String), u64>::new();
                for entry in file.iter().filter(|entry| shared.contains(&entry.timestamp)) {
                    let api_key_id = entry.api_key_id.clone().filter(|_| have_keys);
                    let text = format!("{:?}", UsageEntry { api_key_id, ..entry.clone() });
                    *counts.entry((entry.timestamp, text)).or_default() += 1;
                }
                counts
            };
            let (ours, theirs) = (count(one), count(other));
            let both: Vec<_> = ours
                .iter()
                .filter_map(|(entry, count)| Some((entry.0, *count.min(theirs.get(entry)?))))
                .collect();
            if let (Some(earliest), Some(latest)) = (both.first(), both.last()) {
                found.push(Overlap {
                    files: (i, j),
                    entries: both.iter().map(|both| both.1).sum(),
                    first: earliest.0,
                    last: latest.0,
                    is_border: first.1 == second.0 || second.1 == first.0,
                });
            }
        }
    }
    found
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_unix_ns(second * 1_000_000_000)
}

/// An entry of so few kinds that many are equal.
fn any_alike_entry() -> impl Strategy<Value = UsageEntry> {
    let key = prop::sample::select(vec![None, None, None, Some("one"), Some("other")]);
    (0..8i64, prop::sample::select(vec!["-1", "-1", "-1.0", "-2"]), key).prop_map(|(at, amount, key)| {
        UsageEntry { api_key_id: key.map(str::to_owned), ..entry_at(second(at), amount) }
    })
}

/// A ledger in the order of time, with batches of equal entries at one instant.
fn any_ledger() -> impl Strategy<Value = Vec<UsageEntry>> {
    prop::collection::vec((0..60i64, 1..5usize, 0..3u8), 0..40).prop_map(|batches| {
        let batch =
            |(at, count, kind): (i64, usize, u8)| vec![entry_at(second(at), &format!("-{kind}.5")); count];
        let mut ledger: Vec<_> = batches.into_iter().flat_map(batch).collect();
        ledger.sort_by_key(|entry| entry.timestamp);
        ledger
    })
}

/// The entries of an export from one second up to another.
fn window(ledger: &[UsageEntry], since: i64, until: i64) -> Vec<UsageEntry> {
    ledger.iter().filter(|entry| (second(since)..second(until)).contains(&entry.timestamp)).cloned().collect()
}

proptest! {
    #[test]
    fn what_is_found_is_what_the_rule_says(
        files in prop::collection::vec(prop::collection::vec(any_alike_entry(), 0..12), 0..5),
    ) {
        let slices: Vec<_> = files.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(found(&slices), expected(&files));
    }

    #[test]
    fn windows_that_follow_one_another_share_nothing(
        ledger in any_ledger(), mut cuts in prop::collection::vec(0..60i64, 0..6),
    ) {
        cuts.extend([0, 60]);
        cuts.sort_unstable();
        let files: Vec<_> = cuts.windows(2).map(|ends| window(&ledger, ends[0], ends[1])).collect();
        prop_assert_eq!(files.concat().len(), ledger.len());
        let slices: Vec<_> = files.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(found(&slices), []);
    }

    /// Pages may end anywhere, also within a batch of equal entries.
    #[test]
    fn pages_that_follow_one_another_share_borders_at_the_most(
        ledger in any_ledger(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(ledger.len() + 1)).collect();
        cuts.extend([0, ledger.len()]);
        cuts.sort_unstable();
        let pages: Vec<_> = cuts.windows(2).map(|ends| &ledger[ends[0]..ends[1]]).collect();
        let found = found(&pages);
        prop_assert!(found.iter().all(|overlap| overlap.is_border), "{:?}", found);
        prop_assert!(found.iter().all(|overlap| overlap.first == overlap.last), "{:?}", found);
    }

    /// Two exports whose windows overlap.
    #[test]
    fn every_entry_of_a_time_that_two_windows_share_is_found(
        ledger in any_ledger(), mut ends in prop::array::uniform4(0..60i64), is_nested: bool,
    ) {
        ends.sort_unstable();
        let [since, from, to, until] = ends;
        let (one, other) = match is_nested {
            false => (window(&ledger, since, to), window(&ledger, from, until)),
            true => (window(&ledger, since, until), window(&ledger, from, to)),
        };
        let shared = window(&ledger, from, to);
        let found = found(&[&one, &other]);
        match (shared.first(), shared.last()) {
            (Some(first), Some(last)) => {
                prop_assert_eq!(found.len(), 1);
                prop_assert_eq!(found[0].entries, shared.len() as u64);
                prop_assert_eq!((found[0].first, found[0].last), (first.timestamp, last.timestamp));
                let is_one_instant = first.timestamp == last.timestamp;
                prop_assert!(is_one_instant || !found[0].is_border, "more than an instant is no border");
            }
            _ => prop_assert_eq!(found, []),
        }
    }
}

#[test]
fn the_ledgers_of_two_accounts_share_nothing() {
    let [one, other] = [1, 2].map(|seed| History::new(seed, 20_000).collect::<Vec<_>>());
    assert_eq!(found(&[&one, &other]), []);
    // A file of another account between them changes nothing about what is found.
    let found = found(&[&one[..12_000], &other, &one[10_000..]]);
    let places: Vec<_> = found.iter().map(|overlap| (overlap.files, overlap.entries)).collect();
    assert_eq!(places, [((0, 2), 2_000)]);
    assert_eq!((found[0].first, found[0].last), (one[10_000].timestamp, one[11_999].timestamp));
}

#[test]
fn an_export_without_api_keys_is_known_by_the_rest() {
    let with: Vec<_> = (0..5)
        .map(|at| UsageEntry { api_key_id: Some("key-1".to_owned()), ..entry_at(second(at), "-1") })
        .collect();
    let without: Vec<_> = with.iter().map(|entry| UsageEntry { api_key_id: None, ..entry.clone() }).collect();
    let others: Vec<_> = with
        .iter()
        .map(|entry| UsageEntry { api_key_id: Some("key-2".to_owned()), ..entry.clone() })
        .collect();
    assert_eq!(found(&[&with, &without])[0].entries, 5);
    assert_eq!(found(&[&with, &others]), [], "two keys");
}

#[test]
fn of_very_many_pairs_the_first_are_told() {
    let entries: Vec<_> = (0..3).map(|at| entry_at(second(at), "-1")).collect();
    let found = found(&vec![entries.as_slice(); 40]);
    assert_eq!(found.len(), 100);
    assert!(found.iter().all(|overlap| overlap.entries == 3 && !overlap.is_border));
}
