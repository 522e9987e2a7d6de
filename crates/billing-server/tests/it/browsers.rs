//! Tests of what pages in a browser may read (CORS).

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method};
use billing_server::{Config, Origin, router};

use crate::house::{BALANCE, HISTORY, House, USAGE, entries, exchange, now};

const APP: &str = "https://app.example";

fn opened(house: &House, origins: &[&str]) -> Router {
    let allow_origins = origins.iter().map(|origin| origin.parse::<Origin>().unwrap()).collect();
    router(house.ledger.clone(), Config { allow_origins, ..Config::new(now) })
}

/// The status, the headers without those that differ each time, and the body.
async fn ask(
    router: &Router,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
) -> (u16, HeaderMap, Vec<u8>) {
    let (parts, body) = exchange(router.clone(), method, uri, headers, Body::empty()).await;
    let mut headers = parts.headers;
    headers.remove("x-request-id").unwrap();
    (parts.status.as_u16(), headers, body)
}

fn all<'a>(headers: &'a HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_read_every_answer() {
    let house = House::with(&entries(30));
    let router = opened(&house, &[APP, "http://localhost:3000"]);
    let authorization = format!("Bearer {}", house.key);
    for (uri, accept, key, status) in [
        (USAGE, "application/json", &*authorization, 200),
        (&*format!("{HISTORY}?pageSize=10"), "text/csv", &authorization, 200),
        (&format!("{USAGE}?limit=0"), "*/*", &authorization, 400),
        (BALANCE, "*/*", "Bearer nonsense", 401),
        ("/nowhere", "*/*", &authorization, 404),
        (BALANCE, "text/csv", &authorization, 406),
        ("/healthz", "*/*", "", 200),
    ] {
        for (origin, allowed) in [
            (APP, vec![APP]),
            ("http://localhost:3000", vec!["http://localhost:3000"]),
            ("http://localhost", vec![]),
            ("https://app.example.evil.example", vec![]),
            ("null", vec![]),
        ] {
            let headers = [("origin", origin), ("accept", accept), ("authorization", key)];
            let (answered, headers, _) = ask(&router, Method::GET, uri, &headers).await;
            assert_eq!(answered, status, "{uri}");
            assert_eq!(all(&headers, "access-control-allow-origin"), allowed, "{uri} {origin}");
            assert!(all(&headers, "vary").contains(&"origin"), "{uri}");
            let exposed = all(&headers, "access-control-expose-headers")[0];
            for name in ["x-next-cursor", "x-pagination-total", "retry-after", "x-request-id"] {
                assert!(exposed.split(',').any(|other| other == name), "{name}: {exposed}");
            }
            assert_eq!(headers.get("access-control-allow-credentials"), None);
        }
    }
}

/// Without the CORS headers the answer is the one that every client gets.
#[tokio::test]
async fn beside_its_own_headers_it_changes_nothing() {
    let house = House::with(&entries(30));
    let (closed, open) = (house.router(), opened(&house, &[APP]));
    let authorization = format!("Bearer {}", house.key);
    for uri in [USAGE, HISTORY, BALANCE, "/nowhere", "/docs"] {
        for headers in [&[("authorization", &*authorization)][..], &[]] {
            let asked = [headers, &[("origin", APP)]].concat();
            let without = ask(&closed, Method::GET, uri, headers).await;
            assert_eq!(ask(&closed, Method::GET, uri, &asked).await, without, "{uri}");
            let (status, mut headers, body) = ask(&open, Method::GET, uri, &asked).await;
            let vary: Vec<_> =
                headers.get_all("vary").iter().filter(|value| *value != "origin").cloned().collect();
            headers.remove("vary");
            for value in vary {
                headers.append("vary", value);
            }
            headers.remove("access-control-allow-origin").unwrap();
            headers.remove("access-control-expose-headers").unwrap();
            assert_eq!((status, headers, body), without, "{uri}");
        }
    }
}

#[tokio::test]
async fn a_preflight_is_answered_and_another_options_is_not() {
    let house = House::with(&[]);
    let (closed, open) = (house.router(), opened(&house, &[APP]));
    let preflight = [
        ("origin", APP),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,idempotency-key,x-of-a-library"),
    ];
    for uri in [USAGE, HISTORY, BALANCE, "/metrics", "/nowhere"] {
        let (status, headers, body) = ask(&open, Method::OPTIONS, uri, &preflight).await;
        assert_eq!((status, body.len()), (200, 0), "{uri}");
        for (name, value) in [
            ("access-control-allow-origin", APP),
            ("access-control-allow-methods", "GET,HEAD,POST"),
            ("access-control-allow-headers", "authorization,idempotency-key,x-of-a-library"),
            ("access-control-max-age", "7200"),
        ] {
            assert_eq!(all(&headers, name), [value], "{uri}");
        }
        let refused = ask(&closed, Method::OPTIONS, uri, &preflight).await;
        assert_eq!(refused.0, if uri == "/nowhere" { 404 } else { 405 }, "{uri}");
        assert!(!refused.1.keys().any(|name| name.as_str().starts_with("access-control")), "{uri}");
    }
    for no_preflight in [&preflight[..1], &preflight[1..], &[]] {
        assert_eq!(ask(&open, Method::OPTIONS, USAGE, no_preflight).await.0, 405);
    }
    let other = [("origin", "https://other.example"), preflight[1]];
    let (status, headers, _) = ask(&open, Method::OPTIONS, USAGE, &other).await;
    assert_eq!((status, all(&headers, "access-control-allow-origin").len()), (200, 0));
}

#[tokio::test]
async fn a_star_is_for_every_page() {
    let house = House::with(&[]);
    let router = opened(&house, &["*"]);
    for origin in [APP, "null", "chrome-extension://abc"] {
        let (status, headers, _) = ask(&router, Method::GET, BALANCE, &[("origin", origin)]).await;
        assert_eq!((status, all(&headers, "access-control-allow-origin")), (401, vec!["*"]));
        assert!(!all(&headers, "vary").contains(&"origin"), "it is the same for all");
    }
}
