//! The router: which route is answered by what.

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

use crate::config::Config;
use crate::error::Error;
use crate::exchange::exchange;
use crate::routes::{
    BALANCE, DOCS, HEALTHZ, METRICS, OPENAPI, READYZ, ROOT, Routes, USAGE, USAGE_ANALYTICS, USAGE_HISTORY,
};
use crate::service::{Read, Service};
use crate::whole_body::{JSON, whole_body};
use crate::{docs_page, metrics, openapi};

/// The API over a ledger, as `/openapi.json` describes it.
///
/// It must run inside tokio: the ledger is read on its threads for blocking work. The parts of [`Config`] that concern
/// connections have an effect only in [`serve`](crate::serve).
pub fn router(ledger: Arc<dyn Ledger>, config: Config) -> Router {
    router_for(Arc::new(Service::new(ledger, config)), Routes::Api)
}

pub(crate) fn router_for(service: Arc<Service>, routes: Routes) -> Router {
    let router = match routes {
        Routes::Api => api(),
        Routes::Metrics => Router::new().route(METRICS, get(counts_of_all)),
    };
    // The fastest levels. Better compression would cost the server more than it saves most clients.
    let compression = CompressionLayer::new().quality(CompressionLevel::Fastest);
    router
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .layer(compression)
        .layer(from_fn_with_state((Arc::clone(&service), routes), exchange))
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
        .route(HEALTHZ, get(async || health(StatusCode::OK, "ok")))
        .route(READYZ, get(ready))
        .route(OPENAPI, get(async || text("application/json", openapi::json())))
        .route(METRICS, get(counts))
        .route(DOCS, get(async || page()))
        // A person who opens the server's address in a browser wants to know what is there.
        .route(ROOT, get(async || Redirect::temporary(DOCS)))
}

async fn ingest(State(service): State<Arc<Service>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    service.ingest(parts, body).await
}

async fn ready(State(service): State<Arc<Service>>) -> Response {
    match service.impediment().await {
        None => health(StatusCode::OK, "ok"),
        Some(what) => health(StatusCode::SERVICE_UNAVAILABLE, what),
    }
}

async fn counts(State(service): State<Arc<Service>>, request: Parts) -> Response {
    service.counts(request.headers).await
}

async fn counts_of_all(State(service): State<Arc<Service>>) -> Response {
    metrics::answer(service.metrics.text()).unwrap_or_else(IntoResponse::into_response)
}

/// The document for people. Its headers tell the browser to load nothing from elsewhere, whatever may get into its
/// text.
fn page() -> Response {
    let mut response = text("text/html; charset=utf-8", docs_page::html());
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, docs_page::policy());
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn health(code: StatusCode, status: &str) -> Response {
    whole_body(code, JSON, format!(r#"{{"status":"{status}"}}"#).into_bytes())
}

fn text(content_type: &'static str, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
