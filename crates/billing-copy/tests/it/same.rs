//! Whether two ledgers are one and the same, in everything that they tell.

use billing_ledger::{CopyFrom, Filter, Snapshot, check_timestamps};
use billing_model::{Day, SortOrder};
use billing_testkit::OwnedLedger as _;

use crate::house::names;

/// Asserts that a copy tells what its source tells.
#[track_caller]
pub(crate) fn assert_same(one: &dyn CopyFrom, other: &dyn CopyFrom) {
    let (ledger, copy) = (one.ledger(), other.ledger());
    assert_eq!(one.outline().unwrap(), other.outline().unwrap());
    assert_eq!(one.keys_to_copy().unwrap(), other.keys_to_copy().unwrap());
    assert_eq!(ledger.keys().unwrap(), copy.keys().unwrap());
    assert_eq!(receipts(one), receipts(other));
    assert_eq!(files(one), files(other));
    assert_eq!(ledger.owned_blocks(0).unwrap(), copy.owned_blocks(0).unwrap());
    assert_eq!(ledger.key_material().signing_key(), copy.key_material().signing_key());
    assert_eq!(names(ledger), names(copy));
    for account in one.outline().unwrap().accounts {
        let id = account.id;
        let (pages, copied) = (ledger.placed_entries(id).unwrap(), copy.placed_entries(id).unwrap());
        assert_eq!(pages, copied);
        check_timestamps(&pages.iter().map(|(_, entry)| entry.clone()).collect::<Vec<_>>()).unwrap();
        assert_eq!(ledger.removed_entries(id).unwrap(), copy.removed_entries(id).unwrap());
        assert_eq!(ledger.owned_rollups(id, None).unwrap(), copy.owned_rollups(id, None).unwrap());
        assert_eq!(ledger.source(id).unwrap(), copy.source(id).unwrap());
        assert_eq!(ledger.owned_coverage(id).unwrap(), copy.owned_coverage(id).unwrap());
        let funds = |ledger: &dyn CopyFrom| {
            let mut funds = ledger.ledger().funds(id, Day(20_000)).unwrap();
            // Their order is an engine's own.
            funds.nets.sort_by(|(one, _), (other, _)| one.cmp(other));
            funds
        };
        assert_eq!(funds(one), funds(other));
        // Walks that began before go on, or are refused, in both.
        for end in 0..account.next_sequence.min(20) {
            let snapshot = Some(Snapshot { end, without: None });
            let walk = |ledger: &dyn CopyFrom| {
                let page = ledger.ledger().positioned_page(id, &Filter::default(), snapshot, None, 3);
                page.map_err(|error| error.kind())
            };
            assert_eq!(walk(one), walk(other));
        }
        let numbered = |ledger: &dyn CopyFrom| {
            ledger.ledger().numbered_page(id, &Filter::default(), SortOrder::Desc, 2, 2).unwrap()
        };
        assert_eq!(numbered(one), numbered(other));
    }
}

fn receipts(ledger: &dyn CopyFrom) -> Vec<(i64, String, [u8; 32], u64, i64)> {
    let mut receipts = Vec::new();
    ledger
        .receipts_to_copy(i64::MIN, &mut |receipt| {
            let key = receipt.idempotency_key;
            receipts.push((receipt.account.0, key, receipt.digest, receipt.entries, receipt.received_ns));
            Ok(())
        })
        .unwrap();
    receipts.sort();
    receipts
}

fn files(ledger: &dyn CopyFrom) -> Vec<String> {
    let mut files = Vec::new();
    ledger
        .files_to_copy(&mut |file| {
            files.push(format!("{file:?}"));
            Ok(())
        })
        .unwrap();
    files
}
