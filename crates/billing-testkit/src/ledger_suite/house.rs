//! A ledger to be tested, and the list in memory that it is compared with.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};

use billing_ledger::{AccountId, Change, Filter, Ledger, Position, Snapshot};
use billing_model::{Currency, SortOrder, TimeWindow, Timestamp, UsageEntry, parse_decimal};
use proptest::prelude::*;

use crate::{OwnedLedger as _, PositionedPage, any_entries, entry_at};

/// Makes an empty ledger of an engine, and what must live as long as it does: its directory, say.
pub type Make = fn() -> (Box<dyn Ledger>, Box<dyn Any>);

const NS_PER_DAY: i64 = 86_400_000_000_000;

/// So many cases. Failed ones are not kept in a file, which would stand beside this suite and not beside the engine.
pub(super) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// A ledger with one account.
pub(super) struct House {
    pub(super) ledger: Box<dyn Ledger>,
    pub(super) account: AccountId,
    others: AtomicU64,
    _place: Box<dyn Any>,
}

impl House {
    pub(super) fn of(make: Make) -> Self {
        let (ledger, place) = make();
        let account = ledger.create_account("ours").unwrap();
        Self { ledger, account, others: AtomicU64::new(0), _place: place }
    }

    pub(super) fn both(&self) -> (&dyn Ledger, &AccountId) {
        (&*self.ledger, &self.account)
    }

    /// Another account of the same ledger: a new ledger for each case would take too long.
    pub(super) fn another(&self) -> (&dyn Ledger, AccountId) {
        let number = self.others.fetch_add(1, Ordering::Relaxed);
        (&*self.ledger, self.ledger.create_account(&format!("account {number}")).unwrap())
    }
}

pub fn import(ledger: &dyn Ledger, account: AccountId, entries: &[UsageEntry]) {
    let mut import = ledger.import(account).unwrap();
    entries.chunks(7).for_each(|chunk| import.write(chunk).unwrap());
    assert_eq!(import.finish().unwrap(), u64::try_from(entries.len()).unwrap());
}

/// All entries of a walk, page by page.
pub fn walk(ledger: &dyn Ledger, account: AccountId, filter: &Filter, limit: u32) -> Vec<UsageEntry> {
    walk_beside(ledger, account, filter, limit, |_| ())
}

/// The same, with something that happens between the pages.
pub fn walk_beside(
    ledger: &dyn Ledger,
    account: AccountId,
    filter: &Filter,
    limit: u32,
    mut between: impl FnMut(&PositionedPage),
) -> Vec<UsageEntry> {
    let mut entries = Vec::new();
    let (mut snapshot, mut after): (Option<Snapshot>, _) = (None, None);
    loop {
        let page = ledger.positioned_page(account, filter, snapshot, after, limit).unwrap();
        assert!(page.entries.len() <= usize::try_from(limit).unwrap());
        assert!(snapshot.is_none_or(|snapshot| snapshot == page.snapshot));
        between(&page);
        snapshot = Some(page.snapshot);
        entries.extend(page.entries);
        match page.next {
            Some(next) => assert!(after.replace(next) < Some(next), "a walk goes forward"),
            None => return entries,
        }
    }
}

/// True for an entry that a filter lets through.
pub fn passes(filter: &Filter, entry: &UsageEntry) -> bool {
    filter.window.contains(entry.timestamp)
        && filter.currency.as_ref().is_none_or(|currency| *currency == entry.currency)
}

/// A change that takes entries out and nothing else.
pub fn taking(account: AccountId, positions: impl IntoIterator<Item = Position>) -> Change {
    let at = "2026-07-01T00:00:00Z".parse().unwrap();
    let remove = positions.into_iter().collect();
    Change { remove, ..Change::of(account, at) }
}

/// What a ledger should answer, from a list in the order of storing.
pub fn expected(stored: &[UsageEntry], filter: &Filter, order: SortOrder) -> Vec<UsageEntry> {
    let mut entries: Vec<_> = stored.iter().filter(|entry| passes(filter, entry)).cloned().collect();
    // A stable sort: entries of one instant stay in the order of storing.
    entries.sort_by_key(|entry| entry.timestamp);
    if order == SortOrder::Desc {
        entries.reverse();
    }
    entries
}

/// An instant on one of a few days or at one of their borders, so that many entries share one.
pub fn any_near_timestamp() -> impl Strategy<Value = Timestamp> {
    let within =
        prop_oneof![Just(0), Just(1), Just(NS_PER_DAY - 1), (0..24i64).prop_map(|h| h * 3_600_000_000_000)];
    (-1..4i64, within).prop_map(|(day, ns)| Timestamp::from_unix_ns(day * NS_PER_DAY + ns))
}

/// Entries that stand close together in time, in any order, in few currencies, all of them different.
pub fn any_near_entries(most: usize) -> impl Strategy<Value = Vec<UsageEntry>> {
    let currency = prop::sample::select(vec!["DIEM", "USD", "USD", "VCU"]);
    prop::collection::vec((any_near_timestamp(), currency), 0..=most).prop_map(|places| {
        let number = |(n, (timestamp, currency)): (usize, (Timestamp, &str))| UsageEntry {
            currency: Currency::from(currency),
            amount: parse_decimal(&format!("-{n}e-7")).unwrap(),
            ..entry_at(timestamp, "0")
        };
        places.into_iter().enumerate().map(number).collect()
    })
}

/// Entries near and far, odd and plain.
pub fn any_mixed_entries(most: usize) -> impl Strategy<Value = Vec<UsageEntry>> {
    prop_oneof![any_near_entries(most), any_entries(most)]
}

pub fn any_filter() -> impl Strategy<Value = Filter> {
    let end = || {
        prop::option::of(prop_oneof![
            4 => any_near_timestamp(),
            1 => prop::sample::select(vec!["0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z"])
                .prop_map(|text| text.parse().unwrap()),
        ])
    };
    let currency = prop::option::of(prop::sample::select(vec!["DIEM", "USD", "VCU", "NEVER_SEEN"]));
    (end(), end(), currency).prop_map(|(one, other, currency)| {
        let window = TimeWindow::new(one, other).or_else(|_| TimeWindow::new(other, one)).unwrap_or_default();
        Filter { window, currency: currency.map(Currency::from) }
    })
}
