//! Requests that are refused: the status, the message, and never an entry.

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use billing_ledger::{Change, KeyKind, Source};
use billing_model::Timestamp;
use billing_server::{Config, router};
use billing_sqlite::SqliteLedger;
use billing_testkit::OwnedLedger as _;

use crate::house::{Answer, HISTORY, House, START, USAGE, entries, exchange, now, send};

/// The body of an error without details.
fn error(text: &str) -> String {
    format!(r#"{{"error":"{text}"}}"#)
}

#[track_caller]
fn check(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (status, body));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let challenge = (status == 401).then_some("Bearer");
    assert_eq!(answer.header("www-authenticate"), challenge);
}

#[tokio::test]
async fn only_an_admin_key_in_force_is_let_in() {
    let house = House::with(&entries(3));
    let account = house.ledger.create_account("ours").unwrap();
    let (_, inference) = house.ledger.create_key(account, KeyKind::Inference, "", now()).unwrap();
    let (revoked_key, revoked) = house.ledger.create_key(account, KeyKind::Admin, "", now()).unwrap();
    assert!(house.ledger.revoke_key(&revoked_key.id, now()).unwrap());

    let good = &house.key;
    let shorter = &good[..good.len() - 1];
    // Without a valid key the rest of the request is not checked.
    for path in [USAGE, HISTORY, &format!("{USAGE}?limit=0"), &format!("{HISTORY}?cursor=x")] {
        for (authorization, expect) in [
            (None, "Authentication failed"),
            (Some(String::new()), "Authentication failed"),
            (Some("Bearer".to_owned()), "Authentication failed"),
            (Some(format!("Basic {good}")), "Authentication failed"),
            (Some(good.clone()), "Authentication failed"),
            (Some("Bearer unknown".to_owned()), "Authentication failed"),
            (Some(format!("Bearer {shorter}")), "Authentication failed"),
            (Some(format!("Bearer {good}x")), "Authentication failed"),
            (Some(format!("Bearer {good} {good}")), "Authentication failed"),
            (Some(format!("Bearer {}", revoked.expose())), "Authentication failed"),
            (Some(format!("Bearer {}", inference.expose())), "Admin API key required"),
        ] {
            let headers: Vec<_> =
                authorization.iter().map(|value| ("authorization", value.as_str())).collect();
            let headers = [headers.as_slice(), &[("accept", "text/html")]].concat();
            let answer = send(house.router(), Method::GET, path, &headers).await;
            check(&answer, 401, &error(expect));
        }
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let authorization = format!("{scheme} {good}");
        let answer = send(house.router(), Method::GET, USAGE, &[("authorization", &authorization)]).await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_need_no_key() {
    let house = House::with(&[]);
    for path in [
        "/nowhere",
        "/billing/usage",
        "/api/v1/billing",
        "/api/v1/billing/usage/",
        "/api/v1/billing/%ff",
        "//",
    ] {
        check(&send(house.router(), Method::GET, path, &[]).await, 404, &error("Not found"));
    }
    for (path, methods) in [(USAGE, &["GET", "HEAD", "POST"][..]), (HISTORY, &["GET", "HEAD"])] {
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
            let answer = send(house.router(), method, path, &[]).await;
            check(&answer, 405, &error("Method not allowed"));
            let allowed: Vec<_> = answer.header("allow").unwrap().split(',').map(str::trim).collect();
            assert_eq!(allowed, methods);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_refused_as_json() {
    let house = House::with(&[]);
    for path in [USAGE, HISTORY] {
        for accept in ["text/html", "application/json;q=0", "csv"] {
            let answer = house.ask(path, &[("accept", accept)]).await;
            let expect = error("Not acceptable: this endpoint serves application/json and text/csv");
            check(&answer, 406, &expect);
        }
    }
}

#[tokio::test]
async fn every_fault_of_a_query_is_told_per_field() {
    let house = House::with(&entries(3));
    for accept in ["application/json", "text/csv"] {
        let answer = house.ask(&format!("{USAGE}?limit=501&currency=EUR"), &[("accept", accept)]).await;
        check(
            &answer,
            400,
            r#"{"error":"Invalid request parameters","details":{"_errors":[],"currency":{"_errors":["`EUR` is not one of USD, VCU, DIEM, BUNDLED_CREDITS"]},"limit":{"_errors":["`501` is out of range: this endpoint takes 1 to 500"]}},"issues":[{"code":"invalid_enum_value","path":["currency"],"message":"`EUR` is not one of USD, VCU, DIEM, BUNDLED_CREDITS"},{"code":"too_big","path":["limit"],"message":"`501` is out of range: this endpoint takes 1 to 500"}]}"#,
        );
    }
    let answer = house.ask(&format!("{HISTORY}?page=1"), &[]).await;
    check(
        &answer,
        400,
        r#"{"error":"Invalid request parameters","details":{"_errors":["unrecognized parameter(s): 'page'"]},"issues":[{"code":"unrecognized_keys","path":[],"message":"unrecognized parameter(s): 'page'"}]}"#,
    );
}

#[tokio::test]
async fn strange_queries_are_refused_or_served() {
    let house = House::with(&entries(3));
    for (uri, status) in [
        (format!("{USAGE}?"), 200),
        (format!("{USAGE}?&&="), 200),
        (format!("{USAGE}?page=4294967295&limit=500"), 200),
        (format!("{USAGE}?page=4294967296"), 400),
        (format!("{USAGE}?page=0"), 400),
        (format!("{USAGE}?limit=%ff"), 400),
        (format!("{USAGE}?limit=%"), 400),
        (format!("{USAGE}?startDate=0001-01-01T00:00:00Z&endDate=9999-12-31T23:59:59.999Z"), 200),
        (format!("{USAGE}?startDate=9999-12-31T23:59:59-23:59"), 200),
        (format!("{USAGE}?startDate=2026-13-01T00:00:00Z"), 400),
        (format!("{HISTORY}?startTimestamp=0001-01-01T00:00:00Z&endTimestamp=9999-12-31T23:59:59Z"), 200),
        (format!("{HISTORY}?currency=VCU"), 400),
        (format!("{HISTORY}?pageSize=9"), 400),
        (format!("{HISTORY}?cursor="), 400),
        (format!("{HISTORY}?cursor=%00"), 400),
        (format!("{HISTORY}?cursor={}", "x".repeat(513)), 400),
    ] {
        assert_eq!(house.ask(&uri, &[]).await.status, status, "{uri}");
    }
}

/// The cursor of the first page of ten.
async fn first_cursor(house: &House) -> String {
    let answer =
        house.ask(&format!("{HISTORY}?pageSize=10&startTimestamp={START}"), &[("accept", "text/csv")]).await;
    answer.header("x-next-cursor").expect("more than one page").to_owned()
}

#[tokio::test]
async fn a_cursor_of_somebody_or_somewhere_else_opens_nothing() {
    let refused = error("Invalid or expired cursor; restart from the first page");
    let house = House::with(&entries(30));
    house.import("theirs", &entries(30));
    let cursor = first_cursor(&house).await;
    let uri = format!("{HISTORY}?cursor={cursor}");
    assert_eq!(house.ask(&uri, &[]).await.status, 200);
    check(&house.ask_as(&house.other_key, &uri).await, 400, &refused);

    let other_house = House::with(&entries(30));
    check(&other_house.ask(&uri, &[]).await, 400, &refused);

    let other_first = if cursor.starts_with('B') { 'C' } else { 'B' };
    for wrong in ["x", "AAAA", &cursor[1..], &format!("{other_first}{}", &cursor[1..])] {
        check(&house.ask(&format!("{HISTORY}?cursor={wrong}"), &[]).await, 400, &refused);
    }
    let beside = house.ask(&format!("{uri}&pageSize=10"), &[]).await;
    assert_eq!(beside.status, 400);
    assert!(beside.body.contains("goes alone, without `pageSize`"), "{}", beside.body);
}

/// The message is that of a cursor which is too old: the client begins anew.
#[tokio::test]
async fn a_cursor_from_before_a_removal_that_it_could_touch_is_refused() {
    let house = House::with(&entries(30));
    let (account, cursor) = (house.account("ours"), first_cursor(&house).await);
    let places = house.ledger.placed_entries(account).unwrap();
    let take = |range: std::ops::Range<usize>| Change {
        remove: places[range].iter().map(|(position, _)| *position).collect(),
        ..Change::of(account, now())
    };
    let uri = format!("{HISTORY}?cursor={cursor}");
    let before = house.ask(&uri, &[]).await;
    assert_eq!(before.status, 200);
    // Removed from the first page, which the walk has seen.
    house.ledger.change(&take(0..10)).unwrap();
    let after = house.ask(&uri, &[]).await;
    assert_eq!((after.status, after.history_page().entries), (before.status, before.history_page().entries));
    house.ledger.change(&take(29..30)).unwrap();
    let refused = error("Invalid or expired cursor; restart from the first page");
    for form in ["application/json", "text/csv"] {
        check(&house.ask(&uri, &[("accept", form)]).await, 400, &refused);
    }
    assert_eq!(house.ask(&format!("{HISTORY}?pageSize=1000"), &[]).await.history_page().entries.len(), 19);
}

#[tokio::test]
async fn a_cursor_outlives_the_server_and_ends_with_its_time() {
    fn a_day_later() -> Timestamp {
        "2026-07-09T09:15:30.123Z".parse().unwrap()
    }
    let house = House::with(&entries(30));
    let uri = format!("{HISTORY}?cursor={}", first_cursor(&house).await);
    let authorization = format!("Bearer {}", house.key);
    let House { ledger, directory, .. } = house;
    drop(ledger);

    let day = Duration::from_secs(24 * 60 * 60);
    for (cursor_ttl, status) in [(day, 200), (day - Duration::from_nanos(1), 400)] {
        let ledger = Arc::new(SqliteLedger::open(&directory.path().join("ledger.db")).unwrap());
        let restarted = router(ledger, Config { cursor_ttl, ..Config::new(a_day_later) });
        let answer = send(restarted, Method::GET, &uri, &[("authorization", &authorization)]).await;
        assert_eq!(answer.status, status, "{cursor_ttl:?}");
    }
}

/// The answer names the key, as that of a conflict does: who gives it has looked, and nothing is stored.
#[tokio::test]
async fn a_copy_of_a_service_takes_no_batch_and_says_of_what_it_is_one() {
    let house = House::with(&[]);
    let account = house.ledger.create_account("copy").unwrap();
    let base_url = "https://api.venice.ai/api/v1".to_owned();
    let source =
        Source { base_url, key_fingerprint: "f".to_owned(), settle: Source::SETTLE, synced_at: None };
    house.ledger.set_source(account, &source).unwrap();
    let key = house.ledger.create_key(account, KeyKind::Ingest, "", now()).unwrap().1;
    let authorization = format!("Bearer {}", key.expose());
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/x-ndjson"),
        ("idempotency-key", "batch-1"),
    ];
    // An empty batch has no row to refuse, and a bad row is not worth mending.
    for rows in ["", "{}"] {
        let (parts, body) = exchange(house.router(), Method::POST, USAGE, &headers, rows.into()).await;
        let body = String::from_utf8(body).unwrap();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        check(
            &answer,
            409,
            r#"{"error":"This account is kept in step with https://api.venice.ai/api/v1 and takes no batches; nothing was stored. Record into another account","idempotencyKey":"batch-1","syncedWith":"https://api.venice.ai/api/v1"}"#,
        );
    }
}
