//! A batch that is sent again while the same one is still on its way into the ledger.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use billing_ledger::{KeyKind, Ledger};
use billing_model::Timestamp;
use billing_server::{Config, router};
use billing_testkit::entry_at;

use crate::held::Held;
use crate::house::{USAGE, exchange, now};

const MAX_AGE: Duration = Duration::from_secs(60);

static IS_LATER: AtomicBool = AtomicBool::new(false);

/// The time on the server's clock, by which the row of the batch is new at first and too old later.
fn clock() -> Timestamp {
    let later = now().unix_ns().unwrap() + 1_000_000_000 * 3600;
    if IS_LATER.load(Ordering::Relaxed) { Timestamp::from_unix_ns(later) } else { now() }
}

#[tokio::test]
async fn a_batch_that_became_too_old_on_its_way_is_not_refused_when_it_is_sent_again() {
    let ledger = Held::new();
    let account = ledger.create_account("ours").unwrap();
    let key = ledger.create_key(account, KeyKind::Ingest, "", now()).unwrap().1;
    let config = Config { max_age: Some(MAX_AGE), ..Config::new(clock) };
    let router = router(Arc::new(ledger.clone()), config);
    let authorization = format!("Bearer {}", key.expose());
    let send = |name: &'static str| {
        let (router, authorization) = (router.clone(), authorization.clone());
        let mut row = Vec::new();
        entry_at(now(), "-0.1").write_json(&mut row);
        tokio::spawn(async move {
            let headers = [
                ("authorization", authorization.as_str()),
                ("content-type", "application/x-ndjson"),
                ("idempotency-key", name),
            ];
            let (parts, body) = exchange(router, Method::POST, USAGE, &headers, Body::from(row)).await;
            let header = |name| parts.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
            let said = header("idempotency-replayed").or_else(|| header("retry-after"));
            (parts.status.as_u16(), said, String::from_utf8(body).unwrap())
        })
    };

    let first = send("batch-1");
    ledger.begun().await;
    // Its client has gone.
    first.abort();
    IS_LATER.store(true, Ordering::Relaxed);

    // From here on time passes only when there is nothing else to do.
    tokio::time::pause();
    let (status, retry_after, body) = send("batch-1").await.unwrap();
    assert_eq!((status, retry_after.as_deref()), (503, Some("1")), "not known as long as it waits: {body}");
    let (status, _, body) = send("batch-2").await.unwrap();
    assert_eq!(status, 422, "another batch does not wait for it: {body}");
    let mut again = send("batch-1");
    let soon = tokio::time::sleep(Duration::from_millis(1));
    tokio::select! {
        biased;
        early = &mut again => panic!("{early:?}"),
        () = soon => tokio::time::resume(),
    }
    ledger.release();
    let (status, replayed, body) = again.await.unwrap();
    assert_eq!((status, replayed.as_deref()), (201, Some("true")), "{body}");
}
