//! A ledger in a directory of its own, and the list in memory that it is held against.

use std::path::PathBuf;
use std::sync::LazyLock;

use billing_model::{Currency, SortOrder, TimeWindow, Timestamp, UsageEntry, parse_decimal};
use billing_store::{AccountId, Filter, Ledger, PositionedPage, Sink, Snapshot};
use billing_testkit::{any_documented_entries, entry_at};
use proptest::prelude::*;
use tempfile::TempDir;

const NS_PER_DAY: i64 = 86_400_000_000_000;

/// A ledger with one account.
pub(crate) struct House {
    pub(crate) ledger: Ledger,
    pub(crate) account: AccountId,
    directory: TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open_or_create(&directory.path().join("ledger.db")).unwrap();
        let account = ledger.create_account("ours").unwrap();
        Self { ledger, account, directory }
    }

    /// An account that nobody else has, in a ledger that property tests share: making a file a case would take the time.
    pub(crate) fn shared() -> (&'static Ledger, AccountId) {
        static SHARED: LazyLock<House> = LazyLock::new(House::new);
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let account = SHARED.ledger.create_account(&format!("account {number}")).unwrap();
        (&SHARED.ledger, account)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("ledger.db")
    }

    /// Closes the ledger and opens it again.
    pub(crate) fn reopened(self) -> Self {
        let Self { ledger, account, directory } = self;
        drop(ledger);
        Self { ledger: Ledger::open(&directory.path().join("ledger.db")).unwrap(), account, directory }
    }

    /// Closes the ledger, and leaves its directory.
    pub(crate) fn closed(self) -> TempDir {
        self.directory
    }

    /// All entries, the oldest first.
    pub(crate) fn entries(&self) -> Vec<UsageEntry> {
        walk(&self.ledger, self.account, &Filter::default(), 1000)
    }
}

pub(crate) fn import(ledger: &Ledger, account: AccountId, entries: &[UsageEntry]) {
    let mut import = ledger.import(account).unwrap();
    entries.chunks(7).for_each(|chunk| import.write(chunk).unwrap());
    assert_eq!(import.finish().unwrap(), u64::try_from(entries.len()).unwrap());
}

/// All entries of a walk, page by page.
pub(crate) fn walk(ledger: &Ledger, account: AccountId, filter: &Filter, limit: u32) -> Vec<UsageEntry> {
    walk_beside(ledger, account, filter, limit, |_| ())
}

/// The same, with something that happens between the pages.
pub(crate) fn walk_beside(
    ledger: &Ledger,
    account: AccountId,
    filter: &Filter,
    limit: u32,
    mut between: impl FnMut(&PositionedPage),
) -> Vec<UsageEntry> {
    let mut entries = Vec::new();
    let (mut snapshot, mut after): (Option<Snapshot>, _) = (None, None);
    loop {
        let page = ledger.page_by_position(account, filter, snapshot, after, limit).unwrap();
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

/// What a ledger should answer, from a list in the order of storing.
pub(crate) fn expected(stored: &[UsageEntry], filter: &Filter, order: SortOrder) -> Vec<UsageEntry> {
    let mut entries: Vec<_> = stored
        .iter()
        .filter(|entry| filter.window.contains(entry.timestamp))
        .filter(|entry| filter.currency.as_ref().is_none_or(|currency| *currency == entry.currency))
        .cloned()
        .collect();
    // A stable sort: entries of one instant stay in the order of storing.
    entries.sort_by_key(|entry| entry.timestamp);
    if order == SortOrder::Desc {
        entries.reverse();
    }
    entries
}

/// An instant on one of a few days or at one of their borders, so that many entries share one.
pub(crate) fn any_near_timestamp() -> impl Strategy<Value = Timestamp> {
    let within =
        prop_oneof![Just(0), Just(1), Just(NS_PER_DAY - 1), (0..24i64).prop_map(|h| h * 3_600_000_000_000)];
    (-1..4i64, within).prop_map(|(day, ns)| Timestamp::from_unix_ns(day * NS_PER_DAY + ns))
}

/// Entries that stand close together in time, in any order, in few currencies, all of them different.
pub(crate) fn any_near_entries(most: usize) -> impl Strategy<Value = Vec<UsageEntry>> {
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
pub(crate) fn any_mixed_entries(most: usize) -> impl Strategy<Value = Vec<UsageEntry>> {
    prop_oneof![any_near_entries(most), any_documented_entries(most)]
}

pub(crate) fn any_filter() -> impl Strategy<Value = Filter> {
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
