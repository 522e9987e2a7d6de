//! The routes, and a server that runs them.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::request::Parts;
use axum::routing::get;
use axum::serve::ListenerExt;
use billing_store::Ledger;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::error::Error;
use crate::service::{Route, Service};

/// The API over a ledger: `GET /api/v1/billing/usage` and `GET /api/v1/billing/usage-history`.
///
/// It must run inside tokio: the ledger is read on its threads for blocking work.
pub fn router(ledger: Ledger, config: Config) -> Router {
    let route = |route| {
        get(move |State(service): State<Arc<Service>>, request: Parts| service.respond(route, request))
    };
    Router::new()
        .route("/api/v1/billing/usage", route(Route::Usage))
        .route("/api/v1/billing/usage-history", route(Route::UsageHistory))
        .fallback(async || Error::NotFound)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed)
        .with_state(Arc::new(Service::new(ledger, config)))
}

/// Serves the API on a listener until `shutdown` is ready; then takes no more connections, and returns when the
/// requests that run are answered. A client that does not read its answer can hold that up: whoever must end by a
/// time drops this future.
///
/// # Errors
/// None in the life of a listener today; what axum may report later is passed on.
pub async fn serve(
    listener: TcpListener,
    ledger: Ledger,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = listener.tap_io(|connection| {
        // The last piece of a page must not wait for the acknowledgement of the one before.
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY was refused");
        }
    });
    axum::serve(listener, router(ledger, config)).with_graceful_shutdown(shutdown).await
}
