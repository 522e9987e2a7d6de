//! What whoever runs the server sees of it.

use std::io::Read;

use axum::http::Method;
use billing_server::{Config, router};
use billing_store::KeyKind;

use crate::house::{HISTORY, House, USAGE, entries, now, send};

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
}

#[tokio::test]
async fn counts_have_labels_that_are_known_beforehand() {
    let house = House::with(&entries(3));
    let router = house.router();
    let authorization = format!("Bearer {}", house.key);
    let bearer: &[(&str, &str)] = &[("authorization", &authorization), ("x-request-id", "our-request")];
    for (method, path) in [
        (Method::GET, USAGE),
        (Method::GET, &format!("{HISTORY}?cursor=secret-cursor")),
        (Method::PATCH, USAGE),
        (Method::GET, &format!("/{}", house.key)),
    ] {
        send(router.clone(), method, path, bearer).await;
    }
    let answer = send(router, Method::GET, "/metrics", &[]).await;
    let head = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some(head)));
    for line in [
        r#"billing_http_requests_total{route="/api/v1/billing/usage",method="GET",status="200"} 1"#,
        r#"billing_http_requests_total{route="/api/v1/billing/usage-history",method="GET",status="400"} 1"#,
        r#"billing_http_requests_total{route="/api/v1/billing/usage",method="other",status="405"} 1"#,
        r#"billing_http_requests_total{route="unmatched",method="GET",status="404"} 1"#,
        "billing_http_requests_in_progress 1",
        "billing_ingest_spend_usd_total 0",
    ] {
        assert!(answer.body.lines().any(|other| other == line), "{line}\n{}", answer.body);
    }
    let ids: Vec<_> = house.ledger.keys().unwrap().into_iter().map(|key| key.id).collect();
    for secret in
        ids.iter().map(String::as_str).chain([house.key.as_str(), "our-request", "secret-cursor", "ours"])
    {
        assert!(!answer.body.contains(secret), "{secret}");
    }
    assert!(answer.body.ends_with("# EOF\n"));
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
    // What was noted is stored when the server ends, if not before.
    drop(server);
    let keys = house.ledger.keys().unwrap();
    let used: Vec<_> = keys.iter().filter(|key| key.last_used_at.is_some()).collect();
    assert!(used.iter().all(|key| key.id != unused.id && key.last_used_at == Some(now())));
    assert_eq!(used.len(), 1);
}
