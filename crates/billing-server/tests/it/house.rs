//! The house: a ledger with two accounts, and a client of its API.

use std::sync::Arc;

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::response::Parts;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use billing_ledger::{AccountId, KeyKind, Ledger};
use billing_model::{Currency, Page, Timestamp, UsageEntry};
use billing_server::{Config, router};
use billing_sqlite::SqliteLedger;
use billing_testkit::entry_at;
use tempfile::TempDir;
use tower::ServiceExt;

pub(crate) const USAGE: &str = "/api/v1/billing/usage";
pub(crate) const HISTORY: &str = "/api/v1/billing/usage-history";
pub(crate) const ANALYTICS: &str = "/api/v1/billing/usage-analytics";
pub(crate) const BALANCE: &str = "/api/v1/billing/balance";

/// The time on the server's clock.
pub(crate) const NOW: &str = "2026-07-08T09:15:30.123Z";

/// The first instant of [`entries`].
pub(crate) const START: &str = "2026-05-01T00:00:00Z";

pub(crate) struct House {
    pub(crate) ledger: Arc<dyn Ledger>,
    /// An admin key of the account `ours`.
    pub(crate) key: String,
    /// An admin key of the account `theirs`.
    pub(crate) other_key: String,
    pub(crate) directory: TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

impl House {
    /// A house whose account `ours` has these entries.
    pub(crate) fn with(entries: &[UsageEntry]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger: Arc<dyn Ledger> =
            Arc::new(SqliteLedger::open_or_create(&directory.path().join("ledger.db")).unwrap());
        let key = |account| {
            let account = ledger.create_account(account).unwrap();
            ledger.create_key(account, KeyKind::Admin, "", now()).unwrap().1.expose().to_owned()
        };
        let (key, other_key) = (key("ours"), key("theirs"));
        let house = Self { ledger, key, other_key, directory };
        house.import("ours", entries);
        house
    }

    pub(crate) fn account(&self, name: &str) -> AccountId {
        self.ledger.account(name).unwrap().unwrap()
    }

    pub(crate) fn import(&self, account: &str, entries: &[UsageEntry]) {
        let account = self.ledger.create_account(account).unwrap();
        let mut import = self.ledger.import(account).unwrap();
        import.write(entries).unwrap();
        import.finish().unwrap();
    }

    pub(crate) fn router(&self) -> Router {
        router(Arc::clone(&self.ledger), Config::new(now))
    }

    /// The answer to a GET with the key of `ours` and these headers.
    pub(crate) async fn ask(&self, uri: &str, headers: &[(&str, &str)]) -> Answer {
        let authorization = format!("Bearer {}", self.key);
        let headers = [&[("authorization", authorization.as_str())], headers].concat();
        send(self.router(), Method::GET, uri, &headers).await
    }

    /// The answer to a GET with any key.
    pub(crate) async fn ask_as(&self, key: &str, uri: &str) -> Answer {
        send_get(self.router(), uri, key).await
    }
}

/// The answer to a GET with a key.
pub(crate) async fn send_get(router: Router, uri: &str, key: &str) -> Answer {
    send(router, Method::GET, uri, &[("authorization", &format!("Bearer {key}"))]).await
}

pub(crate) async fn send(router: Router, method: Method, uri: &str, headers: &[(&str, &str)]) -> Answer {
    let (parts, body) = exchange(router, method, uri, headers, Body::empty()).await;
    let body = String::from_utf8(body).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// The content coding of the answer, and the body as it came.
pub(crate) async fn send_for_bytes(
    router: Router,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
) -> (Option<String>, Vec<u8>) {
    let (parts, body) = exchange(router, method, uri, headers, Body::empty()).await;
    let coding = parts.headers.get("content-encoding").map(|coding| coding.to_str().unwrap().to_owned());
    (coding, body)
}

pub(crate) async fn exchange(
    router: Router,
    method: Method,
    uri: &str,
    headers: &[(&str, &str)],
    body: Body,
) -> (Parts, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = router.oneshot(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = answer.into_parts();
    (parts, to_bytes(body, 16 << 20).await.unwrap().to_vec())
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?.to_str().unwrap();
        assert!(values.next().is_none(), "{name} is there twice");
        Some(value)
    }

    pub(crate) fn usage_page(&self) -> Page {
        assert_eq!(self.status, 200, "{}", self.body);
        Page::from_usage_json(&self.body).unwrap()
    }

    pub(crate) fn history_page(&self) -> Page {
        assert_eq!(self.status, 200, "{}", self.body);
        Page::from_history_json(&self.body).unwrap()
    }

    pub(crate) fn csv_entries(&self) -> Vec<UsageEntry> {
        assert_eq!(self.status, 200, "{}", self.body);
        billing_csv::decode(self.body.as_bytes()).unwrap()
    }
}

/// Entries in the order of time: three for each instant, two of them equal. The instants are an hour apart, and the
/// entries are in three currencies.
pub(crate) fn entries(count: usize) -> Vec<UsageEntry> {
    let start = START.parse::<Timestamp>().unwrap().unix_ns().unwrap();
    let hour = i64::try_from(Duration::from_secs(3600).as_nanos()).unwrap();
    (0..count)
        .map(|position| {
            let instant = position / 3;
            let at = Timestamp::from_unix_ns(start + i64::try_from(instant).unwrap() * hour);
            let amount = format!("-0.{:07}", 1 + instant * 2 + usize::from(position % 3 == 2));
            let currency = [Currency::Usd, Currency::Diem, Currency::Vcu][instant % 3].clone();
            let api_key_id = (instant % 2 == 0).then(|| format!("key-{}", instant % 5));
            UsageEntry { currency, api_key_id, ..entry_at(at, &amount) }
        })
        .collect()
}
