//! Synced accounts: they have what their source says, and nothing else; and one at a time brings them in line.

use std::collections::BTreeMap;

use billing_ledger::{
    AccountId, Amendment, Change, Coverage, Error, ErrorKind, Filter, KeyKind, Ledger, Receipt, Source, Turn,
};
use billing_model::{Currency, Day, Timestamp, Total, UsageEntry, WholeSet};
use billing_sample::History;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{OwnedLedger as _, entry_at};

use super::batches::{batch, now};
use super::house::{House, Make, any_filter, any_near_entries, cases, import, taking, walk};

/// The service that every synced account here is a copy of.
fn venice() -> Source {
    let base_url = "https://api.venice.ai/api/v1".to_owned();
    Source { base_url, key_fingerprint: "f".to_owned(), settle: Source::SETTLE, synced_at: None }
}

/// An instant some minutes after midnight.
fn minute(minutes: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_780_272_000_000_000_000 + minutes * 60_000_000_000)
}

/// A record of the minutes from one to another, with these entries.
fn record(since: impl Into<Option<i64>>, until: i64, entries: &[UsageEntry]) -> Coverage {
    let mut sums = BTreeMap::<Currency, Total>::new();
    entries.iter().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
    Coverage {
        since: since.into().map(minute),
        until: minute(until),
        as_of: minute(until + 7),
        sums: sums.into_iter().collect(),
        whole_set: entries.iter().collect::<WholeSet>(),
    }
}

fn covering(account: AccountId, cover: Vec<Coverage>) -> Change {
    Change { cover, ..Change::of(account, now()) }
}

/// The state of an account, as a page gives it.
fn state(ledger: &dyn Ledger, account: AccountId) -> u64 {
    ledger.positioned_page(account, &Filter::default(), None, None, 1).unwrap().snapshot.end
}

fn entries(ledger: &dyn Ledger, account: AccountId) -> Vec<UsageEntry> {
    walk(ledger, account, &Filter::default(), 1000)
}

fn kind<T: std::fmt::Debug>(done: Result<T, Error>) -> ErrorKind {
    done.unwrap_err().kind()
}

pub fn an_account_becomes_a_copy_only_while_it_has_nothing(make: Make) {
    let house = House::of(make);
    let entry = [entry_at(minute(0), "-1")];
    let (ledger, bare) = house.another();
    ledger.create_key(bare, KeyKind::Admin, "", now()).unwrap();
    assert_eq!(ledger.source(bare).unwrap(), None);
    ledger.set_source(bare, &venice()).unwrap();
    assert_eq!(ledger.source(bare).unwrap(), Some(venice()));
    // What is kept of it is replaced, also when it has entries by then.
    ledger.change(&Change { add: entry.to_vec().into(), ..Change::of(bare, now()) }).unwrap();
    let later = Source {
        key_fingerprint: "g".to_owned(),
        synced_at: Some("2026-06-15T00:00:00Z".parse().unwrap()),
        ..venice()
    };
    ledger.set_source(bare, &later).unwrap();
    assert_eq!(ledger.source(bare).unwrap(), Some(later.clone()));
    let far = Source { synced_at: Some("2500-01-01T00:00:00Z".parse().unwrap()), ..venice() };
    assert_eq!(kind(ledger.set_source(bare, &far)), ErrorKind::TimestampOutOfRange);
    assert_eq!(ledger.source(bare).unwrap(), Some(later));

    let with_entries = house.another().1;
    import(ledger, with_entries, &entry);
    let with_removed = house.another().1;
    import(ledger, with_removed, &entry);
    let (place, _) = ledger.placed_entries(with_removed).unwrap().remove(0);
    ledger.change(&taking(with_removed, [place])).unwrap();
    let with_receipt = house.another().1;
    ledger.store_batches(&[batch(with_receipt, "empty", &[])]).unwrap();
    for account in [with_entries, with_removed, with_receipt] {
        let error = ledger.set_source(account, &venice()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AccountInUse);
        assert_eq!(ledger.source(account).unwrap(), None);
        ledger.store_batches(&[batch(account, "next", &entry)]).unwrap();
    }
    let nobody = AccountId(i64::MAX);
    assert_eq!(kind(ledger.source(nobody)), ErrorKind::UnknownAccount);
    assert_eq!(kind(ledger.set_source(nobody, &venice())), ErrorKind::UnknownAccount);
    assert_eq!(kind(ledger.owned_coverage(nobody)), ErrorKind::UnknownAccount);
    assert_eq!(kind(ledger.take_turn(nobody, "me")), ErrorKind::UnknownAccount);
}

/// Batches that come in the same call are stored.
pub fn a_synced_account_takes_nothing_from_elsewhere(make: Make) {
    let house = House::of(make);
    let (ledger, other) = house.another();
    let copy = house.another().1;
    let entry = [entry_at(minute(0), "-1")];
    let mut begun = ledger.import(copy).unwrap();
    begun.write(&entry).unwrap();
    ledger.set_source(copy, &venice()).unwrap();
    let sent = [batch(other, "1", &entry), batch(copy, "1", &entry), batch(other, "2", &entry)];
    let receipts = ledger.store_batches(&sent).unwrap();
    assert_eq!(receipts, [Receipt::Stored(1), Receipt::Synced, Receipt::Stored(1)]);
    let again = ledger.store_batches(&sent).unwrap();
    assert_eq!(again, [Receipt::Repeated(1), Receipt::Synced, Receipt::Repeated(1)]);
    assert_eq!(ledger.find_batch(copy, "1", &sent[1].digest).unwrap(), None);
    assert_eq!(kind(ledger.import(copy)), ErrorKind::SyncedAccount);
    assert_eq!(kind(begun.finish()), ErrorKind::SyncedAccount);
    assert_eq!(entries(ledger, copy), []);
    assert_eq!(entries(ledger, other).len(), 2);
    assert!(ledger.owned_blocks(0).unwrap().iter().all(|(block, _)| block.account == other));
}

/// Whichever comes first keeps the other one out: an account never has both.
pub fn a_long_import_and_a_source_exclude_each_other(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.another();
    let sent: Vec<_> = History::new(1, 12_000).collect();
    let mut import = ledger.import(account).unwrap();
    import.write(&sent).unwrap();
    match ledger.set_source(account, &venice()) {
        Ok(()) => {
            assert_eq!(kind(import.finish()), ErrorKind::SyncedAccount);
            assert_eq!(entries(ledger, account), []);
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::AccountInUse);
            assert_eq!(import.finish().unwrap(), 12_000);
            assert_eq!(kind(ledger.set_source(account, &venice())), ErrorKind::AccountInUse);
            assert_eq!(ledger.source(account).unwrap(), None);
        }
    }
    let (ledger, account) = house.another();
    let mut late = ledger.import(account).unwrap();
    ledger.set_source(account, &venice()).unwrap();
    let refused = late.write(&sent).and_then(|()| late.finish());
    assert_eq!(kind(refused), ErrorKind::SyncedAccount);
    assert_eq!(entries(ledger, account), []);
}

/// A change that is sent twice is stored once.
pub fn a_change_is_for_the_state_that_was_seen(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.another();
    ledger.set_source(account, &venice()).unwrap();
    let entry = [entry_at(minute(1), "-1")];
    let see = || {
        let kept = (entries(ledger, account), ledger.owned_coverage(account).unwrap());
        (kept, ledger.removed_entries(account).unwrap(), ledger.owned_blocks(0).unwrap())
    };
    let add = |seen| {
        let cover = vec![record(0, 60, &entry)];
        Change { add: entry.to_vec().into(), seen, ..covering(account, cover) }
    };
    let first = add(Some(state(ledger, account)));
    ledger.change(&first).unwrap();
    let before = see();
    for seen in [first.seen, Some(state(ledger, account) + 1), Some(u64::MAX)] {
        for outdated in [add(seen), Change { seen, ..Change::of(account, now()) }] {
            assert_eq!(kind(ledger.change(&outdated)), ErrorKind::Outdated, "{seen:?}");
            assert_eq!(kind(ledger.repair(&outdated, Default::default())), ErrorKind::Outdated, "{seen:?}");
        }
    }
    assert_eq!(see(), before);
    // A removal moves the state, and so does what is put in.
    let (place, _) = ledger.placed_entries(account).unwrap().remove(0);
    let seen = Some(state(ledger, account));
    let taken = Change { seen, ..taking(account, [place]) };
    ledger.change(&taken).unwrap();
    assert_eq!(kind(ledger.change(&add(seen))), ErrorKind::Outdated);
    ledger.change(&add(Some(state(ledger, account)))).unwrap();
    assert_eq!(kind(ledger.change(&taken)), ErrorKind::Outdated);
    // Where no state is asked for, any will do.
    ledger.change(&add(None)).unwrap();
    assert_eq!(entries(ledger, account).len(), 2);
}

/// Compared with a plain model: each minute has the latest record that was given for it, or none.
pub fn records_take_the_place_of_those_that_begin_in_their_time(make: Make) {
    let house = House::of(make);
    let any_record = || (0..12i64, prop::collection::vec(1..5i64, 1..4), any::<bool>());
    proptest!(cases(64), |(given in prop::collection::vec(any_record(), 1..12))| {
        let (ledger, account) = house.another();
        ledger.set_source(account, &venice()).unwrap();
        let mut model = BTreeMap::<Option<Timestamp>, Coverage>::new();
        for (n, (first, lengths, is_open)) in given.iter().enumerate() {
            let (mut at, mut cover) = (*first, Vec::new());
            for length in lengths {
                let since = (at > *first || !is_open).then_some(at);
                let entry = UsageEntry { notes: n.to_string(), ..entry_at(minute(at), "-0.1") };
                cover.push(record(since, at + length, &[entry]));
                at += length;
            }
            let (since, until) = (cover[0].since, minute(at));
            let is_cut = |record: &Coverage| {
                let begins_within = record.since >= since && record.since < Some(until);
                let begins_before = record.since < since && Some(record.until) > since;
                begins_before || (begins_within && record.until > until)
            };
            let expect = if model.values().any(is_cut) { Err(ErrorKind::InvalidCoverage) } else { Ok(()) };
            let done = ledger.change(&covering(account, cover.clone())).map_err(|error| error.kind());
            prop_assert_eq!(done, expect);
            if expect.is_ok() {
                model.retain(|begin, _| *begin < since || *begin >= Some(until));
                model.extend(cover.into_iter().map(|record| (record.since, record)));
            }
            prop_assert_eq!(ledger.owned_coverage(account).unwrap(), model.values().cloned().collect::<Vec<_>>());
        }
        prop_assert_eq!(state(ledger, account), 0);
    });
}

/// Nothing of a change is stored with a record that cannot be.
pub fn records_that_cannot_be_are_refused(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.another();
    let plain = house.another().1;
    ledger.set_source(account, &venice()).unwrap();
    let entry = vec![entry_at(minute(5), "-1")];
    ledger
        .change(&Change { add: entry.clone().into(), ..covering(account, vec![record(0, 60, &entry)]) })
        .unwrap();
    let (place, _) = ledger.placed_entries(account).unwrap().remove(0);
    let before = (entries(ledger, account), ledger.owned_coverage(account).unwrap(), state(ledger, account));
    for wrong in [
        vec![record(60, 60, &[])],
        vec![record(70, 60, &[])],
        vec![record(60, 70, &[]), record(80, 90, &[])],
        vec![record(60, 70, &[]), record(69, 90, &[])],
        vec![record(60, 70, &[]), record(None, 90, &[])],
        vec![record(30, 90, &[])],
        vec![record(-30, 30, &[])],
        vec![record(None, 59, &[])],
        vec![record(10, 20, &[])],
    ] {
        let change = Change { cover: wrong.clone(), add: entry.clone().into(), ..taking(account, [place]) };
        assert_eq!(kind(ledger.change(&change)), ErrorKind::InvalidCoverage, "{wrong:?}");
    }
    let far = Coverage { until: "2500-01-01T00:00:00Z".parse().unwrap(), ..record(60, 70, &[]) };
    assert_eq!(kind(ledger.change(&covering(account, vec![far]))), ErrorKind::TimestampOutOfRange);
    let after = (entries(ledger, account), ledger.owned_coverage(account).unwrap(), state(ledger, account));
    assert_eq!(after, before);
    // Of an account that is no copy nothing is walked.
    let change = Change { add: entry.into(), ..covering(plain, vec![record(0, 60, &[])]) };
    assert_eq!(kind(ledger.change(&change)), ErrorKind::InvalidCoverage);
    assert_eq!((entries(ledger, plain), ledger.owned_coverage(plain).unwrap()), (vec![], vec![]));
}

/// Where nothing is wrong, a repair of any window is its change and no more.
pub fn a_repair_of_what_is_right_is_its_change(make: Make) {
    let house = House::of(make);
    let any_step = || (any_near_entries(12), prop::collection::vec(any::<Index>(), 0..4), any_filter());
    proptest!(cases(32), |(before in any_near_entries(40), steps in prop::collection::vec(any_step(), 1..4))| {
        let (ledger, changed) = house.another();
        let repaired = house.another().1;
        let add = |account| Change { add: before.clone().into(), ..Change::of(account, now()) };
        [changed, repaired].iter().for_each(|account| ledger.change(&add(*account)).unwrap());
        for (add, taken, filter) in &steps {
            let places = ledger.placed_entries(changed).unwrap();
            let taken = taken.iter().filter(|_| !places.is_empty()).map(|at| at.get(&places).0);
            let mut taken: Vec<_> = taken.collect();
            taken.sort_unstable();
            taken.dedup();
            let amended = taken.pop();
            let change = |account| {
                let amend = amended.map(|position| Amendment { position, api_key_id: Some("k".to_owned()), other_fields: None });
                let seen = Some(state(ledger, account));
                let amend = amend.into_iter().collect();
                Change { add: add.clone().into(), seen, amend, ..taking(account, taken.clone()) }
            };
            ledger.change(&change(changed)).unwrap();
            ledger.repair(&change(repaired), filter.window).unwrap();
            prop_assert_eq!(all_of(ledger, repaired), all_of(ledger, changed));
        }
    });
}

/// What an account has, and what is kept about it. Blocks are without what they are of.
fn all_of(ledger: &dyn Ledger, account: AccountId) -> impl PartialEq + std::fmt::Debug {
    let mut blocks = ledger.owned_blocks(0).unwrap();
    blocks.retain(|(block, _)| block.account == account);
    for (block, _) in &mut blocks {
        (block.number, block.account) = (0, AccountId(0));
    }
    let total = ledger.numbered_page(account, &Filter::default(), Default::default(), 1, 1).unwrap().total;
    let sums = (ledger.owned_rollups(account, None).unwrap(), ledger.funds(account, Day(0)).unwrap(), total);
    let gone = ledger.removed_entries(account).unwrap();
    (ledger.placed_entries(account).unwrap(), gone, blocks, sums, state(ledger, account))
}

pub fn a_turn_is_one_holders_until_it_ends(make: Make) {
    let house = House::of(make);
    let (ledger, ours) = house.another();
    let theirs = house.another().1;
    let taken = |account, holder| match ledger.take_turn(account, holder).unwrap() {
        Turn::Taken(turn) => Ok(turn),
        Turn::HeldBy(holder) => Err(holder),
    };
    let turn = taken(ours, "the first one, a longer line").unwrap();
    assert_eq!(taken(ours, "the second one").unwrap_err(), "the first one, a longer line");
    let other = taken(theirs, "another account's").unwrap();
    drop(turn);
    let turn = taken(ours, "the third one").unwrap();
    assert_eq!(taken(ours, "the fourth one").unwrap_err(), "the third one");
    assert_eq!(taken(theirs, "the fourth one").unwrap_err(), "another account's");
    drop((turn, other));
    // Of many at once, one has it.
    let barrier = &std::sync::Barrier::new(8);
    let wins: usize = std::thread::scope(|scope| {
        let take = |_| {
            scope.spawn(move || {
                let turn = ledger.take_turn(ours, "one of eight");
                // All have asked before any lets go.
                barrier.wait();
                usize::from(matches!(turn.unwrap(), Turn::Taken(_)))
            })
        };
        let threads: Vec<_> = (0..8).map(take).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(wins, 1);
    taken(ours, "the last one").unwrap();
}

pub fn a_synced_account_without_entries_can_be_removed(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.another();
    ledger.set_source(account, &venice()).unwrap();
    ledger.change(&covering(account, vec![record(None, 60, &[])])).unwrap();
    let name = ledger.accounts().unwrap().into_iter().find(|kept| kept.id == account).unwrap().name;
    ledger.remove_account(account).unwrap();
    let new = ledger.create_account(&name).unwrap();
    assert_eq!((ledger.source(new).unwrap(), ledger.owned_coverage(new).unwrap()), (None, vec![]));
    import(ledger, new, &[entry_at(minute(0), "-1")]);
    assert_eq!(entries(ledger, new).len(), 1);

    let copy = house.another().1;
    ledger.set_source(copy, &venice()).unwrap();
    ledger
        .change(&Change { add: vec![entry_at(minute(0), "-1")].into(), ..Change::of(copy, now()) })
        .unwrap();
    assert_eq!(kind(ledger.remove_account(copy)), ErrorKind::AccountInUse);
    assert_eq!(ledger.source(copy).unwrap(), Some(venice()));
}
