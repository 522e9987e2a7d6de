//! The house: a ledger with an account that is a copy, and a service whose clock stands.

use std::sync::{Arc, Mutex};

use billing_http::{ApiKey, Client};
use billing_ledger::{AccountId, Ledger};
use billing_model::{Timestamp, UsageEntry};
use billing_sqlite::SqliteLedger;
use billing_sync::{Error, Event, SyncJob, Synced, VerifyJob};
use billing_testkit::{Book, MemoryLedger, OwnedLedger as _, Request, Upstream, entry_at};
use tempfile::TempDir;

/// The first second of these tests, which is midnight of 2026-06-01.
const FIRST_S: i64 = 1_780_272_000;

pub(crate) const HOUR: i64 = 3600;
pub(crate) const DAY: i64 = 24 * HOUR;

/// So many seconds after the first one.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_ns((FIRST_S + seconds) * 1_000_000_000)
}

/// The same in seconds since 1970.
pub(crate) fn unix_s(seconds: i64) -> u64 {
    u64::try_from(FIRST_S + seconds).unwrap()
}

/// So many entries, the last of which ends before the present: one every ten minutes, each seventh of them twice.
pub(crate) fn history(count: i64, now: i64) -> Vec<UsageEntry> {
    let first = now - (count - count / 7) * 600;
    let time = |number: i64| first + (number - (number + 1) / 7) * 600;
    (0..count).map(|number| entry_at(at(time(number)), "-0.0023")).collect()
}

pub(crate) struct House {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) account: AccountId,
    _directory: Option<TempDir>,
}

impl House {
    pub(crate) fn of(ledger: Arc<dyn Ledger>, account: &str) -> Self {
        let account = ledger.create_account(account).unwrap();
        Self { ledger, account, _directory: None }
    }

    pub(crate) fn in_memory() -> Self {
        Self::of(Arc::new(MemoryLedger::new().unwrap()), "copy")
    }

    pub(crate) fn in_a_file() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap();
        Self { _directory: Some(directory), ..Self::of(Arc::new(ledger), "copy") }
    }

    /// One of each kind.
    pub(crate) fn both() -> [Self; 2] {
        [Self::in_memory(), Self::in_a_file()]
    }

    pub(crate) fn sync(&self) -> SyncJob {
        SyncJob::of(Arc::clone(&self.ledger), self.account).concurrency(1)
    }

    pub(crate) fn proof(&self) -> VerifyJob {
        VerifyJob::of(Arc::clone(&self.ledger), self.account).concurrency(1)
    }

    pub(crate) fn entries(&self) -> Vec<UsageEntry> {
        self.ledger.placed_entries(self.account).unwrap().into_iter().map(|(_, entry)| entry).collect()
    }

    pub(crate) fn removed(&self) -> usize {
        self.ledger.removed_entries(self.account).unwrap().len()
    }
}

/// A client whose waits take no time.
pub(crate) fn client(upstream: &Upstream) -> Client {
    Client::builder(upstream.base_url(), ApiKey::new("key").unwrap())
        .sleep(|_| Box::pin(std::future::ready(())))
        .build()
        .unwrap()
}

/// A service of a book, whose clock is so many seconds behind the first one.
pub(crate) async fn serve(book: Book, now: i64) -> (Upstream, Arc<Mutex<(Book, i64)>>) {
    let service = Arc::new(Mutex::new((book, now)));
    let shared = Arc::clone(&service);
    let answer = move |request: &Request| {
        let (book, now) = &mut *shared.lock().unwrap();
        book.answer(request).dated(unix_s(*now))
    };
    (Upstream::start(answer).await, service)
}

/// The events of a run, as far as a test looks at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) walked: u64,
    pub(crate) asked_again: u64,
    pub(crate) again: u64,
    pub(crate) in_line: u64,
}

/// Runs a sync at a local present, and tells what it told.
pub(crate) async fn run(sync: &SyncJob, client: &Client, now: i64) -> (Result<Synced, Error>, Told) {
    let told = Mutex::new(Told::default());
    let synced = sync.run(client, || at(now), |event| note(&told, event)).await;
    (synced, told.into_inner().unwrap())
}

pub(crate) fn note(told: &Mutex<Told>, event: &Event<'_>) {
    let mut told = told.lock().unwrap();
    match event {
        Event::Walking { .. } => told.walked += 1,
        Event::AskingAgain { .. } => told.asked_again += 1,
        Event::Again { .. } => told.again += 1,
        Event::InLine(_) => told.in_line += 1,
        _ => {}
    }
}
