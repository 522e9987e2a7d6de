//! Requests to the servers of both ledgers. Their secrets are not the same, so cursors are followed and not compared.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{self, HeaderMap};
use billing_ledger::Ledger;
use billing_model::{Page, Paging, Timestamp, UsageEntry};
use billing_server::{Config, router};
use proptest::prelude::*;
use proptest::sample::select;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::said::Said;

const BASE: &str = "/api/v1/billing";

/// Headers that are not the same: the id of the request, and a cursor.
const OWN_HEADERS: [&str; 2] = ["x-request-id", NEXT_CURSOR];
const NEXT_CURSOR: &str = "x-next-cursor";

/// The most bytes of an answer.
const MOST_BYTES: usize = 64 << 20;

/// What is asked of both.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The route and the query.
    target: String,
    /// The form of the answer.
    accept: &'static str,
    prefer: &'static str,
}

pub(crate) fn any_request() -> impl Strategy<Value = Request> {
    let date =
        select(vec!["1969-12-31", "1970-01-01", "1970-01-04", "2026-01-10", "2026-04-01", "2026-06-30"]);
    let dates = (date.clone(), date).prop_map(|(one, other)| (one.min(other), one.max(other)));
    let currency = select(vec!["", "currency=USD&", "currency=DIEM&", "currency=BUNDLED_CREDITS&"]);
    let order = select(vec!["", "sortOrder=asc&", "sortOrder=desc&"]);
    let filter = (currency, prop::option::weighted(0.6, dates.clone()));
    let by_number =
        (filter.clone(), order, 1..30u32, 1..6u32).prop_map(|((currency, dates), order, limit, page)| {
            let dates = dates.map_or(String::new(), |(since, until)| {
                format!("startDate={since}T00:00:00Z&endDate={until}T23:59:59.999Z&")
            });
            format!("usage?{currency}{dates}{order}limit={limit}&page={page}")
        });
    let by_cursor = (filter, 10..40u32).prop_map(|((currency, dates), size)| {
        let dates = dates.map_or(String::new(), |(since, until)| {
            format!("startTimestamp={since}T00:00:00Z&endTimestamp={until}T00:00:00.001Z&")
        });
        format!("usage-history?{currency}{dates}pageSize={size}")
    });
    let analytics = (dates, prop::option::of(1..20u32)).prop_map(|((since, until), top)| {
        let top = top.map_or(String::new(), |top| format!("&topN={top}"));
        format!("usage-analytics?startDate={since}&endDate={until}{top}")
    });
    let target = prop_oneof![
        4 => by_number,
        4 => by_cursor,
        3 => analytics,
        1 => (1..91u32).prop_map(|days| format!("usage-analytics?lookback={days}d")),
        2 => Just("balance".to_owned()),
    ];
    let accept = select(vec!["application/json", "application/json", "text/csv"]);
    (target, accept, select(vec!["", "include=apiKeyId"])).prop_map(|(target, accept, prefer)| Request {
        target,
        accept,
        prefer,
    })
}

/// The requests that a story ends with.
pub(crate) fn last_requests() -> impl Iterator<Item = Request> {
    const TARGETS: [&str; 5] = [
        "usage?limit=500&sortOrder=asc",
        "usage-history?pageSize=1000",
        "usage-analytics?startDate=2026-01-01&endDate=2026-12-31&topN=50",
        "usage-analytics?startDate=1969-12-01&endDate=1970-02-01",
        "balance",
    ];
    TARGETS.into_iter().flat_map(|target| {
        ["application/json", "text/csv"].map(|accept| Request {
            target: target.to_owned(),
            accept,
            prefer: "include=apiKeyId",
        })
    })
}

/// The time on both servers' clocks.
pub(crate) fn now() -> Timestamp {
    "2026-07-08T09:15:30.123Z".parse().unwrap()
}

/// A server of a ledger.
pub(crate) struct Server {
    router: Router,
    runtime: Runtime,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Server {
    pub(crate) fn over(ledger: Arc<dyn Ledger>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Nobody is blocked for asking wrongly, and no answer is an earlier one.
        let config = Config { failed_request_limit: None, analytics_ttl: Duration::ZERO, ..Config::new(now) };
        let router = runtime.block_on(async { router(ledger, config) });
        Self { router, runtime }
    }

    /// Asks, follows cursors to the end, and notes all answers.
    pub(crate) fn ask(&self, key: &str, request: &Request, said: &mut Said) {
        let mut target = request.target.clone();
        loop {
            let get = http::Request::get(format!("{BASE}/{target}"))
                .header("authorization", format!("Bearer {key}"))
                .header("accept", request.accept)
                .header("prefer", request.prefer);
            let answer = self.exchange(get.body(Body::empty()).unwrap());
            let next = answer.next_cursor();
            answer.note(&request.target, next.as_deref(), said);
            match next {
                Some(cursor) => target = format!("usage-history?cursor={cursor}"),
                None => return,
            }
        }
    }

    /// Sends a batch, and notes the answer.
    pub(crate) fn post(&self, key: &str, batch: &str, entries: &[UsageEntry], said: &mut Said) {
        let mut body = Vec::new();
        for entry in entries {
            entry.write_json(&mut body);
            body.push(b'\n');
        }
        let post = http::Request::post(format!("{BASE}/usage"))
            .header("authorization", format!("Bearer {key}"))
            .header("content-type", "application/x-ndjson")
            .header("idempotency-key", batch);
        self.exchange(post.body(Body::from(body)).unwrap()).note("a batch", None, said);
    }

    fn exchange(&self, request: http::Request<Body>) -> Answer {
        self.runtime.block_on(async {
            let (parts, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
            let body = to_bytes(body, MOST_BYTES).await.unwrap().to_vec();
            let body = String::from_utf8(body).unwrap();
            Answer { status: parts.status.as_u16(), headers: parts.headers, body }
        })
    }
}

impl Answer {
    /// The cursor of the next page: in a header, or in the body.
    fn next_cursor(&self) -> Option<String> {
        if let Some(cursor) = self.headers.get(NEXT_CURSOR) {
            return Some(cursor.to_str().unwrap().to_owned());
        }
        match Page::from_history_json(&self.body).ok()?.paging {
            Paging::ByCursor(cursor) => cursor.map(|cursor| cursor.to_string()),
            Paging::ByNumber(_) => None,
        }
    }

    fn note(&self, what: &str, cursor: Option<&str>, said: &mut Said) {
        let mut headers: Vec<_> =
            self.headers.iter().filter(|(name, _)| !OWN_HEADERS.contains(&name.as_str())).collect();
        headers.sort_by_key(|(name, _)| name.as_str());
        // The texts of an entry are made up, and none is a cursor.
        let body = cursor.map_or(self.body.clone(), |cursor| self.body.replacen(cursor, "…", 1));
        said.note(what, (self.status, headers, body));
    }
}
