//! A ledger in PostgreSQL: what its clients hear while the database is away, and that several servers of it are as one.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Method;
use billing_ledger::{KeyKind, Ledger};
use billing_model::{Paging, UsageEntry};
use billing_postgres::{PostgresLedger, Settings};
use billing_server::{Config, router};
use billing_testkit::{Postgres, Stop};
use tokio::time::timeout;

use crate::house::{ANALYTICS, Answer, BALANCE, HISTORY, USAGE, entries, exchange, now, send, send_get};

/// So soon everybody hears that the database is away.
const SOON: Duration = Duration::from_secs(5);

/// So soon after the database is back everything goes on.
const BACK: Duration = Duration::from_secs(10);

const AWAY: &str = "the database of the ledger is away";

/// A ledger in a database, with an account of some entries, and keys to it.
struct Shared {
    url: String,
    ledger: Arc<PostgresLedger>,
    key: String,
    ingest_key: String,
}

impl Shared {
    fn with(postgres: &Postgres, entries: &[UsageEntry]) -> Self {
        let url = postgres.database();
        let ledger =
            Arc::new(PostgresLedger::open_or_create(url.parse().unwrap(), Settings::SERVER).unwrap());
        let account = ledger.create_account("ours").unwrap();
        let key = |kind| ledger.create_key(account, kind, "", now()).unwrap().1.expose().to_owned();
        let (key, ingest_key) = (key(KeyKind::Admin), key(KeyKind::Ingest));
        let mut import = ledger.import(account).unwrap();
        import.write(entries).unwrap();
        import.finish().unwrap();
        Self { url, ledger, key, ingest_key }
    }

    fn router(&self) -> Router {
        router(Arc::clone(&self.ledger) as _, Config::new(now))
    }

    /// Another server's router, over connections of its own.
    fn other_router(&self) -> Router {
        let ledger = PostgresLedger::open(self.url.parse().unwrap(), Settings::SERVER).unwrap();
        router(Arc::new(ledger), Config::new(now))
    }

    /// Sends a batch of these entries.
    async fn post(&self, router: &Router, idempotency_key: &str, entries: &[UsageEntry]) -> Answer {
        Self::post_as(&self.ingest_key, router, idempotency_key, entries).await
    }

    async fn post_as(
        ingest_key: &str,
        router: &Router,
        idempotency_key: &str,
        entries: &[UsageEntry],
    ) -> Answer {
        let bearer = format!("Bearer {ingest_key}");
        let headers = [
            ("authorization", &*bearer),
            ("content-type", "application/x-ndjson"),
            ("idempotency-key", idempotency_key),
        ];
        let mut rows = Vec::new();
        for entry in entries {
            entry.write_json(&mut rows);
            rows.push(b'\n');
        }
        let (parts, body) = exchange(router.clone(), Method::POST, USAGE, &headers, Body::from(rows)).await;
        Answer { status: parts.status, headers: parts.headers, body: String::from_utf8(body).unwrap() }
    }
}

async fn ready(router: &Router) -> (u16, String) {
    let answer = send(router.clone(), Method::GET, "/readyz", &[]).await;
    (answer.status.as_u16(), answer.body)
}

async fn until_ready_is(router: &Router, status: u16) {
    while ready(router).await.0 != status {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_told_of_until_it_is_back() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let shared = Shared::with(&postgres, &entries(30));
    let server = shared.router();
    assert_eq!(shared.post(&server, "before", &entries(1)).await.status, 201);
    for (times, how) in [Stop::Fast, Stop::Immediate, Stop::Kill].into_iter().enumerate() {
        postgres.stop(how);
        // After SIGKILL of the first process, the others answer until they notice.
        timeout(SOON, until_ready_is(&server, 503)).await.expect("it is noticed");
        for path in [USAGE, HISTORY, ANALYTICS, BALANCE] {
            let answer = timeout(SOON, send_get(server.clone(), path, &shared.key)).await.unwrap();
            assert_eq!(answer.status, 503, "{path}: {}", answer.body);
            assert_eq!(answer.header("retry-after"), Some("5"), "{path}");
            assert_eq!(answer.body, format!(r#"{{"error":"Not answered: {AWAY}; ask again later"}}"#));
        }
        // Nobody is told that a key is wrong that nobody can look up.
        assert_eq!(send_get(server.clone(), USAGE, "nobody's").await.status, 503);
        let waiting = format!("away-{times}");
        let refused = timeout(SOON, shared.post(&server, &waiting, &entries(2))).await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("5")));
        let unready = timeout(SOON, ready(&server)).await.unwrap();
        assert_eq!(unready, (503, format!(r#"{{"status":"{AWAY}"}}"#)));
        assert_eq!(send(server.clone(), Method::GET, "/healthz", &[]).await.status, 200);

        postgres.start();
        timeout(BACK, until_ready_is(&server, 200)).await.expect("it comes back by itself");
        for path in [USAGE, HISTORY, ANALYTICS, BALANCE] {
            let answer = send_get(server.clone(), path, &shared.key).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        }
        // Nothing of what was refused is there, and it is stored once.
        for _ in 0..2 {
            let stored = shared.post(&server, &waiting, &entries(2)).await;
            assert_eq!(stored.status, 201, "{}", stored.body);
        }
        let page = send_get(server.clone(), USAGE, &shared.key).await.usage_page();
        assert_eq!(page.entries.len(), 31 + 2 * (times + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_servers_of_a_database_are_as_one() {
    let Some(postgres) = Postgres::need() else { return };
    let shared = Shared::with(postgres, &entries(600));
    let servers = [shared.router(), shared.other_router()];

    // Each page comes from the other server than the one before, while both record.
    let (mut walked, mut next) = (Vec::new(), Some(format!("{HISTORY}?pageSize=100")));
    let mut turn = 0;
    while let Some(uri) = next.take() {
        let page = send_get(servers[turn % 2].clone(), &uri, &shared.key).await.history_page();
        walked.extend(page.entries);
        let Paging::ByCursor(cursor) = page.paging else { panic!("no page of a walk") };
        next = cursor.map(|cursor| format!("{HISTORY}?cursor={}", cursor.as_str()));
        let key = format!("batch-{turn}");
        let (first, second) = (&servers[turn % 2], &servers[(turn + 1) % 2]);
        let batch = entries(3);
        let (one, other) = tokio::join!(shared.post(first, &key, &batch), shared.post(second, &key, &batch));
        assert_eq!((one.status, &one.body), (other.status, &other.body), "both have its receipt");
        assert_eq!(one.status, 201, "{}", one.body);
        assert_eq!(shared.post(second, &key, &entries(4)).await.status, 409);
        turn += 1;
    }
    assert_eq!(turn, 6);
    assert_eq!(walked, entries(600));
    let all = send_get(servers[0].clone(), &format!("{USAGE}?limit=1"), &shared.key).await.usage_page();
    assert!(
        matches!(all.paging, Paging::ByNumber(numbers) if numbers.total == 600 + 3 * 6),
        "each batch is stored once"
    );

    let id = shared.ledger.keys().unwrap().into_iter().find(|key| key.kind == KeyKind::Admin).unwrap().id;
    for server in &servers {
        assert_eq!(send_get(server.clone(), USAGE, &shared.key).await.status, 200);
    }
    assert!(shared.ledger.revoke_key(&id, now()).unwrap());
    for server in &servers {
        for path in [USAGE, HISTORY, ANALYTICS, BALANCE] {
            assert_eq!(send_get(server.clone(), path, &shared.key).await.status, 401, "at the next request");
        }
    }
}

/// While somebody writes to one account for long, batches for others are stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_somebody_has_keeps_no_other_waiting() {
    let Some(postgres) = Postgres::need() else { return };
    let shared = Shared::with(postgres, &[]);
    let account = shared.ledger.create_account("theirs").unwrap();
    let theirs = shared.ledger.create_key(account, KeyKind::Ingest, "", now()).unwrap().1;
    let (theirs, server, batch) = (theirs.expose(), shared.router(), entries(2));
    let has_account = "SELECT FROM billing.accounts WHERE name = 'theirs' FOR NO KEY UPDATE";
    let held = postgres.hold(&shared.url, has_account);
    let until_one_waits = async {
        while postgres.sql(&shared.url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == "0" {
            tokio::task::yield_now().await;
        }
        let ours = async {
            // The account is held for longer than this, and a batch for it waits longer than this.
            let stored = timeout(Duration::from_secs(2), shared.post(&server, "ours", &batch)).await;
            stored.expect("it waits for nobody")
        };
        // What comes while the first one waits is stored together.
        tokio::join!(Shared::post_as(theirs, &server, "second", &batch), ours)
    };
    let first = Shared::post_as(theirs, &server, "first", &batch);
    let (first, (second, ours)) = tokio::join!(first, until_one_waits);
    assert_eq!(ours.status, 201, "{}", ours.body);
    for refused in [first, second] {
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("1")));
    }
    drop(held);
    for key in ["first", "second"] {
        assert_eq!(Shared::post_as(theirs, &server, key, &batch).await.status, 201);
    }
    assert!(shared.post(&server, "ours", &batch).await.header("idempotency-replayed").is_some());
}
