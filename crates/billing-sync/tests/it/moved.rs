//! Entries that arrive behind a walk by page number: the walk cannot say what it has missed, so it is walked again.

use std::sync::{Arc, Mutex};

use billing_http::Endpoint;
use billing_model::UsageEntry;
use billing_sync::SyncJob;
use billing_testkit::{Book, Reply, Request, Upstream, entry_at};

use crate::house::{House, Told, at, client, history, note, run, unix_s};

/// A service by page number, to which an entry comes before the n-th request from now on, before all others in time.
struct Moving {
    book: Book,
    /// Before which of the next requests.
    arrivals: Vec<usize>,
    requests: usize,
}

impl Moving {
    fn answer(&mut self, request: &Request) -> Reply {
        if !request.path.ends_with("/usage") {
            return Reply::error(404, "Not found");
        }
        self.requests += 1;
        let requests = self.requests;
        if self.arrivals.extract_if(.., |at| *at == requests).count() > 0 {
            self.book.record(vec![early()]);
        }
        self.book.answer(request).dated(unix_s(0))
    }
}

/// An entry that is earlier than those of the history.
fn early() -> UsageEntry {
    entry_at(at(-400 * 24 * 3600), "-1")
}

async fn serve(all: Vec<UsageEntry>) -> (Upstream, Arc<Mutex<Moving>>) {
    let moving = Moving { book: Book::new(all), arrivals: Vec::new(), requests: 0 };
    let moving = Arc::new(Mutex::new(moving));
    let shared = Arc::clone(&moving);
    (Upstream::start(move |request| shared.lock().unwrap().answer(request)).await, moving)
}

fn begin(service: &Mutex<Moving>, arrivals: &[usize]) {
    let mut service = service.lock().unwrap();
    (service.requests, service.arrivals) = (0, arrivals.to_vec());
}

fn by_number(house: &House) -> SyncJob {
    house.sync().endpoint(Endpoint::Usage).page_size(500)
}

#[tokio::test]
async fn by_page_number_a_copy_is_the_same() {
    let all = history(9_000, 0);
    for house in House::both() {
        let (upstream, _) = serve(all.clone()).await;
        let client = client(&upstream);
        let synced = run(&by_number(&house), &client, 0).await.0.unwrap();
        assert_eq!((synced.done.added, house.entries()), (9_000, all.clone()));
        let synced = run(&by_number(&house).full(true), &client, 0).await.0.unwrap();
        assert_eq!((synced.done.added, synced.done.walked), (0, 9_000));
    }
}

#[tokio::test]
async fn what_arrives_behind_the_walk_is_not_missed() {
    let all = history(9_000, 0);
    for house in House::both() {
        let (upstream, service) = serve(all.clone()).await;
        begin(&service, &[12]);
        let (synced, told) = run(&by_number(&house), &client(&upstream), 0).await;
        assert_eq!(synced.unwrap().done.added, 9_001, "{told:?}");
        assert!(told.walked > 1, "{told:?}");
        assert_eq!(house.entries(), [&[early()], &all[..]].concat());
    }
}

/// A window that was walked twice was counted twice, and its days had twice the spend.
#[tokio::test]
async fn a_proof_that_walks_again_counts_everything_once() {
    let all = history(9_000, 0);
    let house = House::in_memory();
    let (upstream, service) = serve(all).await;
    let client = client(&upstream);
    run(&by_number(&house), &client, 0).await.0.unwrap();
    begin(&service, &[12]);
    let told = Mutex::new(Told::default());
    let proof = house.proof().endpoint(Endpoint::Usage).page_size(500);
    let verified = proof.run(&client, || at(0), |event| note(&told, event)).await.unwrap();
    assert_eq!(told.lock().unwrap().again, 1);
    let of_proof = house.entries().iter().filter(|entry| entry.timestamp < at(-15 * 60)).count() as u64;
    assert_eq!((verified.done.walked, verified.done.added), (of_proof + 1, 1));
    assert_eq!((verified.different_windows, verified.different.len()), (1, 1));
    begin(&service, &[12]);
    let synced = run(&by_number(&house).full(true).dry_run(true), &client, 0).await.0.unwrap();
    assert_eq!((synced.done.walked, synced.done.added), (9_002, 2));
}
