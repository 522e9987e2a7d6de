//! The routes.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use billing_ledger::Ledger;
use tower_http::CompressionLevel;
use tower_http::compression::CompressionLayer;

use crate::answer::{JSON, whole_body};
use crate::config::Config;
use crate::error::Error;
use crate::exchange::exchange;
use crate::service::{Read, Service};
use crate::{docs_page, metrics, openapi};

const USAGE: &str = "/api/v1/billing/usage";
const USAGE_HISTORY: &str = "/api/v1/billing/usage-history";
const USAGE_ANALYTICS: &str = "/api/v1/billing/usage-analytics";
const BALANCE: &str = "/api/v1/billing/balance";
const HEALTHZ: &str = "/healthz";
const READYZ: &str = "/readyz";
const METRICS: &str = "/metrics";
const OPENAPI: &str = "/openapi.json";
const DOCS: &str = "/docs";
const ROOT: &str = "/";

/// Those that watch the server: no limit holds for them, and none of their failures counts.
pub(crate) const OPERATIONAL: [&str; 3] = [HEALTHZ, READYZ, METRICS];

/// Documents and the way to them, which are the same for everybody and cost nothing.
pub(crate) const PUBLIC: [&str; 3] = [OPENAPI, DOCS, ROOT];

/// A path as it is declared here, for labels.
pub(crate) fn declared(path: &str) -> Option<&'static str> {
    [USAGE, USAGE_HISTORY, USAGE_ANALYTICS, BALANCE, HEALTHZ, READYZ, METRICS, OPENAPI, DOCS, ROOT]
        .into_iter()
        .find(|declared| *declared == path)
}

/// The API over a ledger, as `/openapi.json` describes it.
///
/// It must run inside tokio: the ledger is read on its threads for blocking work. Of the [`Config`], what concerns
/// connections is for [`serve`](crate::serve) alone.
pub fn router(ledger: Arc<dyn Ledger>, config: Config) -> Router {
    routes(Arc::new(Service::new(ledger, config)), Part::Api)
}

/// Which of the routes a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The API, where metrics are of the account that asks.
    Api,
    /// The metrics of all accounts, for whoever asks. No page in a browser may read them.
    Metrics,
}

pub(crate) fn routes(service: Arc<Service>, part: Part) -> Router {
    let router = match part {
        Part::Api => api(),
        Part::Metrics => Router::new().route(METRICS, get(counts_of_all)),
    };
    // The fastest levels: more would cost the server more than it saves most clients.
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    router
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(compression)
        .layer(from_fn_with_state((Arc::clone(&service), part), exchange))
        .with_state(service)
}

fn api() -> Router<Arc<Service>> {
    let read =
        |read| get(move |State(service): State<Arc<Service>>, request: Parts| service.read(read, request));
    Router::new()
        .route(USAGE, read(Read::Usage).post(ingest))
        .route(USAGE_HISTORY, read(Read::UsageHistory))
        .route(USAGE_ANALYTICS, read(Read::Analytics))
        .route(BALANCE, read(Read::Balance))
        .route(HEALTHZ, get(async || status(StatusCode::OK, "ok")))
        .route(READYZ, get(ready))
        .route(OPENAPI, get(async || text("application/json", openapi::json())))
        .route(METRICS, get(counts))
        .route(DOCS, get(async || page()))
        // Whoever opens the server's address in a browser wants to know what is there.
        .route(ROOT, get(async || Redirect::temporary(DOCS)))
}

async fn ingest(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    service.ingest(parts, body).await
}

async fn ready(State(service): State<Arc<Service>>) -> Response {
    match service.impediment().await {
        None => status(StatusCode::OK, "ok"),
        Some(what) => status(StatusCode::SERVICE_UNAVAILABLE, what),
    }
}

async fn counts(State(service): State<Arc<Service>>, request: Parts) -> Response {
    service.counts(request.headers).await
}

async fn counts_of_all(State(service): State<Arc<Service>>) -> Response {
    metrics::answer(service.metrics.text()).unwrap_or_else(IntoResponse::into_response)
}

/// The document for people: a browser is told to take nothing from elsewhere into it, whatever should get into its text.
fn page() -> Response {
    let mut response = text("text/html; charset=utf-8", docs_page::html());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, docs_page::policy());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn status(code: StatusCode, status: &str) -> Response {
    whole_body(code, JSON, format!(r#"{{"status":"{status}"}}"#).into_bytes())
}

fn text(content_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
