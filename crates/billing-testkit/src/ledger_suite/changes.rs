//! Changes: entries are taken out, amended and put in at once, and everything that is kept about them changes with
//! them.

use std::collections::BTreeMap;

use billing_ledger::{AccountId, Amendment, Block, Change, ErrorKind, Ledger, Position, Removed};
use billing_model::{Currency, EntrySet, OtherFields, Total, UsageEntry, WholeSet};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{MemoryLedger, OwnedLedger as _, entry_at};

use super::house::{House, Make, any_near_entries, cases, import, taking};

type Placed = BTreeMap<Position, UsageEntry>;

/// The new key and other fields of an entry.
type Rest = (Option<String>, Option<OtherFields>);

/// The steps of a change: which entry, and its new key and other fields, or `None` when it is taken out.
fn any_steps() -> impl Strategy<Value = Vec<(Index, Option<Rest>)>> {
    let key = prop::option::of(prop::sample::select(vec!["k1", "k2"]).prop_map(str::to_owned));
    let other =
        prop::sample::select(vec!["{}", r#"{"region":"eu"}"#, r#"{"inferenceDetails":{"cached":1.50}}"#]);
    let other = other.prop_map(|text| OtherFields::from_json(text).unwrap());
    prop::collection::vec((any::<Index>(), prop::option::of((key, other))), 0..8)
}

pub fn a_change_is_seen_whole(make: Make) {
    let house = House::of(make);
    proptest!(cases(48), |(before in any_near_entries(40), changes in prop::collection::vec((any_steps(), any_near_entries(8)), 1..4))| {
        let (ledger, account) = house.another();
        import(ledger, account, &before);
        let mut expect: Placed = ledger.placed_entries(account).unwrap().into_iter().collect();
        let mut gone: Vec<(Removed, UsageEntry)> = Vec::new();
        for (steps, add) in &changes {
            let mut change = taking(account, []);
            let places: Vec<_> = expect.keys().copied().collect();
            let steps: BTreeMap<_, _> =
                steps.iter().filter(|_| !places.is_empty()).map(|(at, step)| (*at.get(&places), step)).collect();
            for (position, step) in steps {
                match step {
                    None => {
                        change.remove.push(position);
                        let removed = Removed { position, removed_at: change.at };
                        gone.push((removed, expect.remove(&position).unwrap()));
                    }
                    Some((api_key_id, other_fields)) => {
                        let (api_key_id, other_fields) = (api_key_id.clone(), other_fields.clone());
                        let entry = expect.get_mut(&position).unwrap();
                        entry.api_key_id.clone_from(&api_key_id);
                        entry.other_fields.clone_from(&other_fields);
                        change.amend.push(Amendment { position, api_key_id, other_fields });
                    }
                }
            }
            change.add = add.clone().into();
            ledger.change(&change).unwrap();
            let after: Placed = ledger.placed_entries(account).unwrap().into_iter().collect();
            // The places of new entries are known only from the ledger.
            let added: Placed = after.iter().filter(|(place, _)| !expect.contains_key(place)).map(|(place, entry)| (*place, entry.clone())).collect();
            let mut in_order: Vec<_> = added.iter().collect();
            in_order.sort_by_key(|(place, _)| place.sequence);
            prop_assert_eq!(in_order.into_iter().map(|(_, entry)| entry).collect::<Vec<_>>(), add.iter().collect::<Vec<_>>());
            expect.extend(added);
            prop_assert_eq!(&after, &expect);
            prop_assert_eq!(ledger.removed_entries(account).unwrap(), gone.clone());
            is_what_its_entries_come_to(ledger, account, &expect, &gone)?;
        }
    });
}

/// Compares sums, funds, totals and blocks with those of a plain ledger that never had anything else.
fn is_what_its_entries_come_to(
    ledger: &dyn Ledger,
    account: AccountId,
    entries: &Placed,
    gone: &[(Removed, UsageEntry)],
) -> Result<(), TestCaseError> {
    let plain = MemoryLedger::new().unwrap();
    let twin = plain.create_account("twin").unwrap();
    import(&plain, twin, &entries.values().cloned().collect::<Vec<_>>());
    prop_assert_eq!(ledger.owned_rollups(account, None).unwrap(), plain.owned_rollups(twin, None).unwrap());
    let nets = |ledger: &dyn Ledger, account| {
        let mut nets = ledger.funds(account, billing_model::Day(0)).unwrap().nets;
        nets.sort_by(|(one, _), (other, _)| one.cmp(other));
        nets
    };
    prop_assert_eq!(nets(ledger, account), nets(&plain, twin));
    let total = ledger.numbered_page(account, &Default::default(), Default::default(), 1, 1).unwrap().total;
    prop_assert_eq!(total, entries.len() as u64);

    let (mut entry_set, mut whole_set, mut sums) = (EntrySet::EMPTY, WholeSet::EMPTY, BTreeMap::new());
    let mut recorded = Placed::new();
    for (block, of_block) in ledger.owned_blocks(0).unwrap() {
        if block.account != account {
            continue;
        }
        let of_block: Placed = of_block.into_iter().collect();
        is_its_entries(&block, &of_block)?;
        let is_removal = block.removed_at.is_some();
        match is_removal {
            true => {
                entry_set.subtract(block.entry_set);
                whole_set.subtract(block.whole_set);
            }
            false => {
                entry_set.merge(block.entry_set);
                whole_set.merge(block.whole_set);
                recorded.extend(of_block);
            }
        }
        for (currency, sum) in block.sums {
            let total: &mut Total = sums.entry(currency).or_default();
            total.merge(&if is_removal { -sum } else { sum });
        }
    }
    prop_assert_eq!(entry_set, entries.values().collect::<EntrySet>());
    prop_assert_eq!(whole_set, entries.values().collect::<WholeSet>());
    sums.retain(|currency, _| entries.values().any(|entry| entry.currency == *currency));
    prop_assert_eq!(sums.into_iter().collect::<Vec<_>>(), nets(&plain, twin));
    let all = entries
        .clone()
        .into_iter()
        .chain(gone.iter().map(|(removed, entry)| (removed.position, entry.clone())));
    prop_assert_eq!(recorded, all.collect::<Placed>());
    Ok(())
}

/// What a block says is what its entries come to.
pub(super) fn is_its_entries(block: &Block, entries: &Placed) -> Result<(), TestCaseError> {
    prop_assert!((1..=Block::MOST_ENTRIES).contains(&block.entries()));
    prop_assert_eq!(block.entry_set, entries.values().collect::<EntrySet>());
    prop_assert_eq!(block.whole_set, entries.values().collect::<WholeSet>());
    let mut sums: BTreeMap<Currency, Total> = BTreeMap::new();
    entries.values().for_each(|entry| sums.entry(entry.currency.clone()).or_default().add(entry.amount));
    prop_assert_eq!(&block.sums, &sums.into_iter().collect::<Vec<_>>());
    if block.removed_at.is_none() {
        let mut numbers: Vec<_> = entries.keys().map(|place| place.sequence).collect();
        numbers.sort_unstable();
        prop_assert_eq!(
            numbers,
            (block.first_sequence..block.first_sequence + block.entries()).collect::<Vec<_>>()
        );
    }
    Ok(())
}

/// The places of three entries of an account that has them.
fn three(ledger: &dyn Ledger, account: AccountId) -> [Position; 3] {
    let at = |second| format!("2026-06-14T00:00:0{second}Z").parse().unwrap();
    import(ledger, account, &[entry_at(at(1), "-1"), entry_at(at(2), "-2"), entry_at(at(3), "0")]);
    let places: Vec<_> =
        ledger.placed_entries(account).unwrap().into_iter().map(|(place, _)| place).collect();
    places.try_into().unwrap()
}

pub fn a_change_that_names_no_entry_changes_nothing(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.another();
    let (_, other) = house.another();
    let [one, two, three] = three(ledger, account);
    let late = entry_at("2026-06-15T00:00:00Z".parse().unwrap(), "-9");
    let amending = |position| Amendment { position, api_key_id: Some("k".to_owned()), other_fields: None };
    let change = |account, remove: &[Position], amend: &[Position]| Change {
        amend: amend.iter().map(|position| amending(*position)).collect(),
        add: vec![late.clone()].into(),
        ..taking(account, remove.iter().copied())
    };
    ledger.change(&taking(account, [three])).unwrap();
    let see = || {
        let blocks = ledger.owned_blocks(0).unwrap();
        (ledger.placed_entries(account).unwrap(), ledger.owned_rollups(account, None).unwrap(), blocks)
    };
    let before = see();
    let nowhere = Position { sequence: 77, ..one };
    for wrong in [
        change(account, &[one, nowhere], &[]),
        change(account, &[one, one], &[]),
        change(account, &[one, three], &[]),
        change(account, &[], &[two, nowhere]),
        change(account, &[two], &[two]),
        change(account, &[], &[three]),
        change(other, &[one], &[]),
    ] {
        assert_eq!(ledger.change(&wrong).unwrap_err().kind(), ErrorKind::UnknownEntry, "{wrong:?}");
        assert_eq!(see(), before, "{wrong:?}");
    }
    let nobody = AccountId(i64::MAX);
    assert_eq!(ledger.change(&taking(nobody, [])).unwrap_err().kind(), ErrorKind::UnknownAccount);
    assert_eq!(ledger.removed_entries(nobody).unwrap_err().kind(), ErrorKind::UnknownAccount);
    ledger.change(&taking(account, [])).unwrap();
    assert_eq!(see(), before, "a change of nothing");
}

pub fn a_time_that_a_ledger_cannot_hold_changes_nothing(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.another();
    let [one, ..] = three(ledger, account);
    let far = "2500-01-01T00:00:00Z".parse().unwrap();
    let before = (ledger.placed_entries(account).unwrap(), ledger.owned_blocks(0).unwrap());
    for wrong in [
        Change { at: far, ..taking(account, [one]) },
        Change { add: vec![entry_at(far, "-1")].into(), ..taking(account, [one]) },
    ] {
        assert_eq!(ledger.change(&wrong).unwrap_err().kind(), ErrorKind::TimestampOutOfRange);
        assert_eq!((ledger.placed_entries(account).unwrap(), ledger.owned_blocks(0).unwrap()), before);
    }
}

/// What was taken out is kept, so its account stays.
pub fn an_account_of_which_all_was_taken_out_is_in_use(make: Make) {
    let house = House::of(make);
    let (ledger, account) = house.another();
    let places = three(ledger, account);
    ledger.change(&taking(account, places)).unwrap();
    assert!(ledger.placed_entries(account).unwrap().is_empty());
    assert!(ledger.owned_rollups(account, None).unwrap().is_empty());
    assert_eq!(ledger.remove_account(account).unwrap_err().kind(), ErrorKind::AccountInUse);
    assert_eq!(ledger.removed_entries(account).unwrap().len(), 3);
}
