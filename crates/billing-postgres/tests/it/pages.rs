//! Pages where the suite does not look: at both ends of time with a currency, with hidden numbers, and of rows that somebody else made.

use std::ops::ControlFlow;

use billing_ledger::{
    AccountId, Batch, Error, ErrorKind, Filter, Ledger, NumberedQuery, PackedEntries, Position, Sequences,
    Snapshot,
};
use billing_model::{Currency, Day, SortOrder, TimeWindow, Timestamp, UsageEntry};
use billing_postgres::PostgresLedger;
use billing_testkit::{OwnedLedger, entry_at};

use crate::house::empty;

fn at(ns: i64) -> Timestamp {
    Timestamp::from_unix_ns(ns)
}

fn store(ledger: &PostgresLedger, account: AccountId, key: &str, entries: &[UsageEntry]) {
    let batch = Batch {
        account,
        idempotency_key: key.to_owned(),
        digest: [1; 32],
        received_at: at(0),
        entries: PackedEntries::from(entries),
    };
    ledger.store_batches(&[batch]).unwrap();
}

/// All entries of a filter by pages of both kinds, in pages of `limit`.
fn all_ways(
    ledger: &PostgresLedger,
    account: AccountId,
    filter: &Filter,
    limit: u32,
) -> [Vec<UsageEntry>; 3] {
    let numbered = |order| {
        let pages =
            (1..).map(|page| ledger.numbered_page(account, filter, order, limit, page).unwrap().entries);
        pages.take_while(|entries| !entries.is_empty()).flatten().collect::<Vec<_>>()
    };
    let mut backward = numbered(SortOrder::Desc);
    backward.reverse();
    let (mut walked, mut snapshot, mut after) = (Vec::new(), None, None);
    loop {
        let page = ledger.positioned_page(account, filter, snapshot, after, limit).unwrap();
        walked.extend(page.entries);
        (snapshot, after) = (Some(page.snapshot), page.next);
        if after.is_none() {
            return [numbered(SortOrder::Asc), backward, walked];
        }
    }
}

/// The first minute that a ledger holds begins before its first instant, and the last one ends behind its last.
#[test]
fn a_currency_is_found_at_both_ends_of_time() {
    let Some((ledger, ..)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let minute = 60_000_000_000;
    let times =
        [i64::MIN, i64::MIN + 1, i64::MIN + minute, -minute, -1, 0, minute, i64::MAX - minute, i64::MAX];
    let mut entries = Vec::new();
    for (number, time) in times.iter().flat_map(|time| [time; 3]).enumerate() {
        let currency = if number % 3 == 1 { Currency::Vcu } else { Currency::Usd };
        entries.push(UsageEntry { currency, ..entry_at(at(*time), &format!("-{number}")) });
    }
    store(&ledger, account, "1", &entries);
    let windows = [TimeWindow::ALL, TimeWindow::new(Some(at(i64::MIN + 1)), Some(at(i64::MAX))).unwrap()];
    for (currency, window) in [None, Some(Currency::Vcu), Some(Currency::Usd)]
        .iter()
        .flat_map(|c| windows.map(|window| (c, window)))
    {
        let filter = Filter { currency: currency.clone(), window };
        let expect: Vec<_> = entries
            .iter()
            .filter(|entry| window.contains(entry.timestamp))
            .filter(|entry| currency.as_ref().is_none_or(|currency| *currency == entry.currency))
            .cloned()
            .collect();
        for limit in [1, 2, 3, 100] {
            for found in all_ways(&ledger, account, &filter, limit) {
                assert_eq!(found, expect, "{filter:?} {limit}");
            }
        }
    }
}

/// A cursor from an engine that hides an import while it runs may come with a ledger that was copied from there.
#[test]
fn a_walk_without_some_numbers_does_not_see_them() {
    let Some((ledger, ..)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let entries: Vec<_> = (0..20).map(|n| entry_at(at(n), &format!("-{n}"))).collect();
    store(&ledger, account, "1", &entries);
    let snapshot = Snapshot { end: 15, without: Some(Sequences { first: 3, last: 8 }) };
    for currency in [None, Some(Currency::Usd)] {
        let filter = Filter { currency, ..Filter::default() };
        let after = Some(Position { timestamp_ns: 1, sequence: 1 });
        let page = ledger.positioned_page(account, &filter, Some(snapshot), after, 5).unwrap();
        assert_eq!(page.snapshot, snapshot);
        assert_eq!(page.entries, [2, 9, 10, 11, 12].map(|n| entries[n].clone()));
        let page = ledger.positioned_page(account, &filter, Some(snapshot), page.next, 5).unwrap();
        assert_eq!((page.entries, page.next), (entries[13..15].to_vec(), None));
    }
}

/// A number below zero is nobody's, and neither is one that was not given out yet.
#[test]
fn rows_with_numbers_of_nobody_end_no_walk() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let entries: Vec<_> = (0..4).map(|n| entry_at(at(n), "-1")).collect();
    store(&ledger, account, "1", &entries);
    for sequence in [-1, 4, i64::MAX] {
        postgres.sql(
            &url,
            &format!(
                "INSERT INTO billing.entries SELECT account, timestamp_ns, {sequence}, sku, price_per_unit_usd, units, amount, currency,
                 notes, request_id, execution_time_ms, prompt_tokens, completion_tokens, api_key_id, other_fields
                 FROM billing.entries WHERE sequence = 2"
            ),
        );
    }
    for currency in [None, Some(Currency::Usd)] {
        let filter = Filter { currency, ..Filter::default() };
        for found in all_ways(&ledger, account, &filter, 3) {
            assert_eq!(found, entries);
        }
    }
}

/// What is not in order is not lent as if it were.
#[test]
fn a_value_that_cannot_be_is_an_error_with_its_kind() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    store(&ledger, account, "1", &[entry_at(at(0), "-1")]);
    for column in ["amount", "units", "price_per_unit_usd", "execution_time_ms"] {
        let (now, kept) = ("0.1O", "0.1");
        let set =
            |value: &str| postgres.sql(&url, &format!("UPDATE billing.entries SET {column} = '{value}'"));
        set(now);
        let error = ledger.placed_entries(account).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{column}: {error}");
        set(kept);
    }
    ledger.placed_entries(account).unwrap();
}

/// Who has seen enough ends a reading, and its connection is used again.
#[test]
fn a_reading_that_is_ended_leaves_its_connection_as_it_was() {
    let Some((ledger, ..)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let entries: Vec<_> = (0..5_000)
        .map(|n| UsageEntry { sku: format!("sku {n}"), ..entry_at(at(n * 100_000_000_000), "-1") })
        .collect();
    store(&ledger, account, "1", &entries);
    for _ in 0..20 {
        let filter = Filter::default();
        let query = NumberedQuery { account, filter: &filter, order: SortOrder::Asc, limit: 5_000, page: 1 };
        let mut lent = 0;
        let error = ledger.page_by_number(&query, &mut |_, _| {
            lent += 1;
            if lent < 3 { Ok(()) } else { Err(Error::new(ErrorKind::Aborted, "enough")) }
        });
        let error = error.unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str(), lent), (ErrorKind::Aborted, "enough", 3));
        for days in [None, Some((Day(0), Day(3)))] {
            let mut lent = 0;
            ledger
                .rollups(account, days, &mut |_| {
                    lent += 1;
                    if lent < 900 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
                })
                .unwrap();
            assert_eq!(lent, 900);
        }
    }
    assert_eq!(ledger.pool().unwrap().open, 1);
    assert_eq!(ledger.placed_entries(account).unwrap().len(), 5_000);
}

/// A repair gave entries other numbers, from the one on that it noted. A walk that began before would not see them.
#[test]
fn a_walk_from_before_new_numbers_is_outdated() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    store(&ledger, account, "1", &(0..20).map(|n| entry_at(at(n), "-1")).collect::<Vec<_>>());
    postgres.sql(&url, "UPDATE billing.accounts SET renumbered_from = 10");
    for (end, is_outdated) in [(0, true), (10, true), (11, false), (20, false), (u64::MAX, false)] {
        let snapshot = Some(Snapshot { end, without: None });
        let page = ledger.positioned_page(account, &Filter::default(), snapshot, None, 100);
        match page {
            Err(error) => assert!(is_outdated && error.kind() == ErrorKind::WalkOutdated, "{end}: {error}"),
            Ok(page) => assert!(!is_outdated && page.entries.len() as u64 == end.min(20), "{end}"),
        }
    }
    let page = ledger.positioned_page(account, &Filter::default(), None, None, 100).unwrap();
    assert_eq!((page.entries.len(), page.snapshot.end), (20, 20));
}
