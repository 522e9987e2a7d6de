//! What every request goes through: a bound, a time limit, an id, a line in the log, a place in the counts.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{CONNECTION, HOST};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use billing_model::Timestamp;
use futures::FutureExt;
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::timeout;
use tracing::Instrument;

use crate::browsers::Asked;
use crate::error::{Error, whole_seconds};
use crate::holding::Holding;
use crate::limits::{Caller, Rate};
use crate::metrics::RequestLabels;
use crate::routes::{OPERATIONAL, PUBLIC, Routes, declared};
use crate::service::{SMALL_ANSWER, Service};
use crate::standing::Standing;
use crate::traffic::{Sending, Traffic};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Characters of a request id that is taken over.
const MAX_REQUEST_ID_LEN: usize = 128;

/// Statuses that do not count as failures of the caller. An endpoint that has ended is not the caller's fault, and a
/// client that tries both endpoints must not be blocked from the other one. A bad batch must not hold up the other
/// batches of a gateway.
const NO_FAILURES: [StatusCode; 4] =
    [StatusCode::TOO_MANY_REQUESTS, StatusCode::GONE, StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY];

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

pub(crate) async fn exchange(
    State((service, routes)): State<(Arc<Service>, Routes)>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let request_id = request_id(request.headers());
    let route = route(&request);
    let browsers = service.browsers.as_ref().filter(|_| routes == Routes::Api);
    let asked = browsers.map(|browsers| (browsers, Asked::by(&request)));
    let is_preflight = asked.as_ref().is_some_and(|(_, asked)| asked.is_preflight());
    let method = if is_preflight { "OPTIONS" } else { method_label(request.method()) };
    let (is_operational, is_post) = (OPERATIONAL.contains(&route), request.method() == Method::POST);
    let peer = request.extensions().get::<Peer>().copied();
    let traffic = request.extensions().get::<Arc<Traffic>>().cloned();
    // The span has the level of errors, so that an error names its request even when nothing else is logged.
    let span = tracing::error_span!("request", request_id = request_id.to_str().unwrap_or_default());

    // Requests that watch the server are answered even when it is busy, and take no place. The same is true of public
    // documents and of preflights.
    let needs_place = !is_operational && !PUBLIC.contains(&route) && !is_preflight;
    let permit = needs_place.then(|| Arc::clone(&service.requests).try_acquire_owned());
    let is_busy = permit.as_ref().is_some_and(Result::is_err);
    let mut holding = Holding::new(service.metrics.in_progress.clone(), permit.and_then(Result::ok));
    let mut response = if is_busy {
        Error::Busy.into_response()
    } else if traffic.is_some() && !names_its_host(&request) {
        Error::Host.into_response()
    } else if is_preflight {
        Response::default()
    } else {
        // A batch has extra time for its body.
        let limit = service.config.request_timeout * if is_post { 2 } else { 1 };
        let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
        match timeout(limit, answer).instrument(span.clone()).await {
            Ok(Ok(response)) => response,
            Ok(Err(_)) => span.in_scope(|| Error::internal("a panic").into_response()),
            Err(_) => Error::TimedOut.into_response(),
        }
    };
    let standing = response.extensions_mut().remove::<Standing>();
    holding.memory = response.extensions_mut().remove();
    let caller = match (&standing, peer) {
        (Some(standing), _) => Some(Caller::Key(standing.key_id.clone())),
        (None, Some(Peer(address))) => Some(Caller::Stranger(address)),
        (None, None) => None,
    };
    if !is_operational && let Some(blocked) = note_failure(&service, caller, response.status()) {
        response = blocked;
    }
    if let Some((browsers, asked)) = asked {
        response = browsers.open(asked, response).await;
    }
    let status = response.status();
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, request_id.clone());
    if let Some(rate) = standing.as_ref().and_then(|standing| standing.rate) {
        write_rate(rate, (service.config.now)(), headers);
    }
    // The unread rest of a request must not be read as the next request.
    if traffic.as_ref().is_some_and(|traffic| traffic.is_body_left()) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    // A small answer that is not fetched costs little, so it does not keep its place.
    let bytes = response.body().size_hint().exact().unwrap_or(u64::MAX);
    if bytes <= SMALL_ANSWER as u64 {
        holding.permit = None;
    }
    let took = start.elapsed();
    service.metrics.answered(RequestLabels { route, method, status: status.as_u16() }, took);
    span.in_scope(|| {
        tracing::info!(
            target: "billing_server::access",
            method,
            route,
            status = status.as_u16(),
            duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            key_id = standing.as_ref().map(|standing| standing.key_id.as_str()),
            peer = peer.map(|Peer(address)| tracing::field::display(address)),
            "answered"
        );
    });
    // A connection knows when an answer was sent. Without a connection, an answer counts as sent when its body was
    // read.
    let (holding, sending) = match traffic {
        Some(traffic) => (None, Some(traffic.begin(holding))),
        None => (Some(holding), None),
    };
    response.map(|body| Body::new(Answer { body, _holding: holding, _sending: sending }))
}

/// True when a request names its host exactly once, as RFC 9112, 3.2 demands of HTTP/1.1. With two host headers, a
/// request could get past a proxy in front.
fn names_its_host(request: &Request) -> bool {
    match request.headers().get_all(HOST).iter().count() {
        0 => request.version() < Version::HTTP_11,
        hosts => hosts == 1,
    }
}

/// The id that the request brings, or a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let brought = headers.get(REQUEST_ID).filter(|id| {
        (1..=MAX_REQUEST_ID_LEN).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    });
    brought.cloned().unwrap_or_else(|| {
        // Without random numbers ids are not unique, but the request can still be answered.
        let id = format!("{:016x}", getrandom::u64().unwrap_or_default());
        HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none"))
    })
}

/// The route as it was declared. The path that a client sent could be anything, even a key.
fn route(request: &Request) -> &'static str {
    let matched = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    matched.and_then(declared).unwrap_or("unmatched")
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        _ => "other",
    }
}

/// Counts a failure, and says so to a stranger who failed too often. A key that is blocked was refused before.
fn note_failure(service: &Service, caller: Option<Caller>, status: StatusCode) -> Option<Response> {
    let is_failure = status.is_client_error() && !NO_FAILURES.contains(&status);
    let (failures, caller) = (service.failures.as_ref()?, caller.filter(|_| is_failure)?);
    let now = Instant::now();
    let blocked = failures.is_blocked(&caller, now);
    failures.count(caller, now);
    blocked.map(|retry_after| Error::Blocked { retry_after }.into_response())
}

/// Headers with the provider's units: unix time in seconds.
fn write_rate(rate: Rate, now: Timestamp, headers: &mut HeaderMap) {
    let resets_in = whole_seconds(rate.resets_in);
    let now_s = now.unix_ns().map_or(0, |ns| ns.div_euclid(1_000_000_000));
    let reset = u64::try_from(now_s).unwrap_or_default() + resets_in;
    headers.insert("x-ratelimit-limit-requests", rate.limit.into());
    headers.insert("x-ratelimit-remaining-requests", rate.remaining.into());
    headers.insert("x-ratelimit-reset-requests", reset.into());
}

/// An answer's body, which carries what its request holds.
struct Answer {
    body: Body,
    _holding: Option<Holding>,
    _sending: Option<Sending>,
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
