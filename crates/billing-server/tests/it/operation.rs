//! What the operator of a server sees.

use std::io::Read;

use axum::body::Body;
use axum::http::Method;
use billing_ledger::KeyKind;
use billing_server::{Config, router};
use billing_testkit::entry_at;

use crate::house::{House, USAGE, entries, exchange, now, send};

#[tokio::test]
async fn health_needs_no_key_and_readiness_needs_the_ledger() {
    let house = House::with(&[]);
    for path in ["/healthz", "/readyz"] {
        let answer = send(house.router(), Method::GET, path, &[]).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, r#"{"status":"ok"}"#), "{path}");
    }
    let router = house.router();
    std::fs::rename(house.directory.path().join("ledger.db"), house.directory.path().join("moved.db"))
        .unwrap();
    let answer = send(router.clone(), Method::GET, "/readyz", &[]).await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (503, r#"{"status":"the ledger cannot be used"}"#)
    );
    assert_eq!(send(router, Method::GET, "/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn the_document_and_its_page_are_served() {
    let house = House::with(&[]);
    let document = send(house.router(), Method::GET, "/openapi.json", &[]).await;
    assert_eq!((document.status.as_u16(), document.header("content-type")), (200, Some("application/json")));
    assert!(document.body.starts_with(r#"{"openapi":"3.1.0""#), "{}", &document.body[..60]);
    let page = send(house.router(), Method::GET, "/docs", &[]).await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.starts_with("<!doctype html>") && page.body.contains("/api/v1/billing/usage-history"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
}

/// Neither of two accounts learns anything about the other one, and a client without a key learns nothing.
#[tokio::test]
async fn counts_are_of_the_account_that_asks() {
    let house = House::with(&entries(3));
    let router = house.router();
    let key = |account: &str, kind| {
        let (_, key) = house.ledger.create_key(house.account(account), kind, "", now()).unwrap();
        format!("Bearer {}", key.expose())
    };
    for (account, name, amount) in [("ours", "1", "-0.1"), ("ours", "2", "0.25"), ("theirs", "1", "-7")] {
        let ingest = key(account, KeyKind::Ingest);
        let headers = [
            ("authorization", &*ingest),
            ("idempotency-key", name),
            ("content-type", "application/x-ndjson"),
        ];
        let mut batch = Vec::new();
        entry_at(now(), amount).write_json(&mut batch);
        let (parts, _) = exchange(router.clone(), Method::POST, USAGE, &headers, Body::from(batch)).await;
        assert_eq!(parts.status, 201);
    }
    let ask = async |authorization: &str| {
        send(router.clone(), Method::GET, "/metrics", &[("authorization", authorization)]).await
    };
    for (account, stored, spend, credit) in [("ours", 2, "0.1", "0.25"), ("theirs", 1, "7", "0")] {
        let answer = ask(&key(account, KeyKind::Admin)).await;
        let head = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(head)));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        for line in [
            format!("billing_ingest_batches_total{{outcome=\"stored\"}} {stored}"),
            format!("billing_ingest_entries_total {stored}"),
            format!("billing_ingest_spend_usd_total {spend}"),
            format!("billing_ingest_credit_usd_total {credit}"),
            "billing_ingest_spend_diem_total 0".to_owned(),
        ] {
            assert!(answer.body.lines().any(|other| other == line), "{line}\n{}", answer.body);
        }
        for of_all in ["http", "commit"] {
            assert!(!answer.body.contains(of_all), "{}", answer.body);
        }
    }
    for (authorization, error) in [
        ("", "Authentication failed"),
        ("Bearer nonsense", "Authentication failed"),
        (&*key("ours", KeyKind::Ingest), "Admin API key required"),
        (&*key("ours", KeyKind::Inference), "Admin API key required"),
    ] {
        let answer = ask(authorization).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, Some("Bearer")));
        assert_eq!(answer.body, format!(r#"{{"error":"{error}"}}"#));
    }
}

#[tokio::test]
async fn a_request_id_is_echoed_when_it_can_be_and_made_otherwise() {
    let house = House::with(&[]);
    let long = "x".repeat(129);
    for (brought, is_echoed) in [("abc-123", true), ("", false), ("a b", false), (long.as_str(), false)] {
        for path in ["/healthz", USAGE, "/nowhere"] {
            let answer = send(house.router(), Method::GET, path, &[("x-request-id", brought)]).await;
            let id = answer.header("x-request-id").unwrap();
            assert!(if is_echoed { id == brought } else { id.len() == 16 }, "{path}: {id}");
        }
    }
}

#[tokio::test]
async fn answers_are_compressed_when_that_is_wanted() {
    let house = House::with(&entries(200));
    let plain = house.ask(USAGE, &[]).await;
    assert_eq!(plain.header("content-encoding"), None);
    for (accepted, coding) in [("gzip", "gzip"), ("zstd", "zstd"), ("gzip;q=0.5, zstd", "zstd"), ("br", "")] {
        let authorization = format!("Bearer {}", house.key);
        let headers = [("authorization", authorization.as_str()), ("accept-encoding", accepted)];
        let answer = crate::house::send_for_bytes(house.router(), Method::GET, USAGE, &headers).await;
        let (encoding, bytes) = answer;
        assert_eq!(encoding.as_deref().unwrap_or_default(), coding, "{accepted}");
        let mut text = String::new();
        match coding {
            "gzip" => drop(flate2::read::GzDecoder::new(&*bytes).read_to_string(&mut text).unwrap()),
            "zstd" => {
                assert!(bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) && bytes.len() * 4 < plain.body.len())
            }
            _ => text = String::from_utf8(bytes).unwrap(),
        }
        assert!(coding == "zstd" || text == plain.body);
    }
}

#[tokio::test]
async fn the_last_use_of_a_key_gets_into_the_ledger() {
    let house = House::with(&[]);
    let (unused, _) = house.ledger.create_key(house.account("ours"), KeyKind::Admin, "", now()).unwrap();
    let server = router(house.ledger.clone(), Config::new(now));
    house.ask(USAGE, &[]).await;
    // The last use of keys is stored when the server ends, if not before.
    drop(server);
    let keys = house.ledger.keys().unwrap();
    let used: Vec<_> = keys.iter().filter(|key| key.last_used_at.is_some()).collect();
    assert!(used.iter().all(|key| key.id != unused.id && key.last_used_at == Some(now())));
    assert_eq!(used.len(), 1);
}
