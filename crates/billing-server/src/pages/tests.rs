//! Pages that were made ahead, compared with those of a server that has made none.

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use billing_ledger::{Change, KeyKind, Ledger, PackedEntries};
use billing_sqlite::SqliteLedger;
use billing_testkit::{OwnedLedger as _, entry_at};
use tempfile::TempDir;

use super::*;
use crate::config::Config;

fn now() -> Timestamp {
    "2026-07-08T00:00:00Z".parse().unwrap()
}

/// A ledger with two accounts, and an admin key of each.
struct House {
    ledger: Arc<dyn Ledger>,
    accounts: [(AccountId, String); 2],
    service: Arc<Service>,
    _directory: TempDir,
}

impl House {
    fn of(entries: u64) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap();
        let ledger: Arc<dyn Ledger> = Arc::new(ledger);
        let accounts = ["ours", "theirs"].map(|name| {
            let account = ledger.create_account(name).unwrap();
            let key = ledger.create_key(account, KeyKind::Admin, "", now()).unwrap().1;
            (account, key.expose().to_owned())
        });
        let house = Self { service: service(&ledger), accounts, ledger, _directory: directory };
        house.import(0, entries);
        house.import(1, entries);
        house
    }

    fn import(&self, account: usize, entries: u64) {
        let mut import = self.ledger.import(self.accounts[account].0).unwrap();
        let at = |n: u64| Timestamp::from_unix_ns(i64::try_from(n % 7).unwrap());
        let entries: Vec<_> = (0..entries).map(|n| entry_at(at(n), &format!("-{n}"))).collect();
        import.write(&entries).unwrap();
        import.finish().unwrap();
    }

    /// Asks for a page, in JSON.
    async fn ask(&self, service: &Arc<Service>, account: usize, query: &str) -> (StatusCode, String) {
        let request = Request::get(format!("/api/v1/billing/usage-history?{query}"));
        let key = format!("Bearer {}", self.accounts[account].1);
        let request = request.header("authorization", key).body(Body::empty()).unwrap();
        let answer = Arc::clone(service).read(Read::UsageHistory, request.into_parts().0).await;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// The cursors of the first two pages of ten entries. The second request makes the third page ahead.
    async fn two_pages(&self) -> [String; 2] {
        let first = self.ask(&self.service, 0, "pageSize=10").await.1;
        assert_eq!(self.service.ahead.waiting(), 0, "whoever looks at one page may want no other");
        let one = next(&first).unwrap();
        let second = self.ask(&self.service, 0, &one).await.1;
        assert_eq!(self.service.ahead.waiting(), 1);
        [one, next(&second).unwrap()]
    }
}

fn service(ledger: &Arc<dyn Ledger>) -> Arc<Service> {
    Arc::new(Service::new(Arc::clone(ledger), Config::new(now)))
}

/// The query of the page that follows.
fn next(page: &str) -> Option<String> {
    let (_, cursor) = page.split_once(r#""nextCursor":""#)?;
    Some(format!("cursor={}", cursor.split('"').next()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_made_ahead_is_the_page() {
    let house = House::of(95);
    let mut queries = ["pageSize=10".to_owned(), "pageSize=13".to_owned()].map(Some);
    let mut pages = [0, 0];
    while queries.iter().any(Option::is_some) {
        for account in 0..2 {
            let Some(query) = queries[account].take() else { continue };
            // A server that answers a single request makes nothing ahead.
            let plain = house.ask(&service(&house.ledger), account, &query).await;
            assert_eq!(house.ask(&house.service, account, &query).await, plain, "{query}");
            queries[account] = next(&plain.1);
            pages[account] += 1;
            // Entries that come in between are not part of the walk.
            house.import(account, 5);
        }
    }
    assert_eq!((pages, house.service.ahead.waiting()), ([10, 8], 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_made_ahead_is_nobody_elses_and_not_of_a_key_that_was_revoked() {
    let house = House::of(40);
    let [_, third] = house.two_pages().await;
    assert_eq!(house.ask(&house.service, 1, &third).await.0, StatusCode::BAD_REQUEST);
    for key in house.ledger.keys().unwrap() {
        house.ledger.revoke_key(&key.id, now()).unwrap();
    }
    assert_eq!(house.ask(&house.service, 0, &third).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(house.service.ahead.waiting(), 1, "it waits for somebody who may have it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_was_made_before_a_removal_is_refused_as_if_it_had_not_been() {
    let house = House::of(40);
    let [second, third] = house.two_pages().await;
    let account = house.accounts[0].0;
    let (last, _) = house.ledger.placed_entries(account).unwrap().pop().unwrap();
    let (remove, amend, add) = (vec![last], Vec::new(), PackedEntries::default());
    house.ledger.change(&Change { remove, amend, add, ..Change::of(account, now()) }).unwrap();
    for query in [third, second] {
        let plain = house.ask(&service(&house.ledger), 0, &query).await;
        assert_eq!(plain.0, StatusCode::BAD_REQUEST);
        assert_eq!(house.ask(&house.service, 0, &query).await, plain);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_made_ahead_without_a_reader_or_memory() {
    let house = House::of(40);
    let first = house.ask(&house.service, 0, "pageSize=10").await.1;
    let second = next(&first).unwrap();
    // One reader is left, for the request itself.
    let others = u32::try_from(house.ledger.concurrent_reads()).unwrap() - 1;
    let held = Arc::clone(&house.service.reads).acquire_many_owned(others).await;
    assert_eq!(house.ask(&house.service, 0, &second).await.0, StatusCode::OK);
    assert_eq!(house.service.ahead.waiting(), 0);
    drop(held);
    let memory = house.service.budget.answers.try_take(usize::MAX).unwrap();
    assert_eq!(house.ask(&house.service, 0, &second).await.0, StatusCode::OK, "small pages need no room");
    assert_eq!(house.service.ahead.waiting(), 0);
    drop(memory);
}
