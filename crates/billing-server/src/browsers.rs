//! Pages in a browser. Those of the configured origins may read the server's answers, by CORS as the Fetch standard has
//! it. Without a configured origin, no answer has any of these headers.
//!
//! tower-http makes the headers. This file puts them on every answer, so that a page sees a 429 and its `Retry-After`
//! too. A preflight, by which a browser asks before it sends a page's request, is answered by the same rules and
//! reaches no route. No answer ever allows credentials: a page that has no key gets nothing.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use axum::extract::Request;
use axum::http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use axum::http::{HeaderName, Method};
use axum::response::Response;
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::origin::Origin;

/// How long a browser may remember the answer to a preflight: the most that Chromium allows. Browsers ask for each URL
/// separately, and so for each page of a walk.
const MAX_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// The headers of our answers that a page may read, beside those that Fetch 2.2.2 always allows.
const EXPOSED: [&str; 20] = [
    "accept-encoding",
    "age",
    "content-disposition",
    "date",
    "deprecation",
    "idempotency-replayed",
    "link",
    "preference-applied",
    "retry-after",
    "sunset",
    "www-authenticate",
    "x-next-cursor",
    "x-pagination-limit",
    "x-pagination-page",
    "x-pagination-total",
    "x-pagination-total-pages",
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
    "x-request-id",
];

/// The rules for pages.
#[derive(Clone, Debug)]
pub(crate) struct Browsers(CorsLayer);

/// What a request says of the page that makes it.
#[derive(Debug)]
pub(crate) struct Asked {
    head: Request<()>,
    is_preflight: bool,
}

impl Browsers {
    /// The rules for pages of these origins; `None` when there are none.
    pub(crate) fn new(origins: &[Origin]) -> Option<Self> {
        if origins.is_empty() {
            return None;
        }
        let rules = CorsLayer::new()
            .allow_methods([Method::GET, Method::HEAD, Method::POST])
            // The server ignores headers that it does not know, so a page may send whatever its client library adds.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers(EXPOSED.map(HeaderName::from_static))
            .max_age(MAX_AGE);
        Some(Self(match origins.iter().any(Origin::is_any) {
            true => rules.allow_origin(AllowOrigin::any()).vary([]),
            // An answer that a cache has for one origin must not be used for another.
            false => rules.allow_origin(AllowOrigin::list(origins.iter().map(Origin::header))).vary([ORIGIN]),
        }))
    }

    /// Adds the headers that let the page read the answer. For a preflight, they are the whole answer.
    pub(crate) async fn open(&self, asked: Asked, mut answer: Response) -> Response {
        let answered = service_fn(|_| ready(Ok::<_, Infallible>(std::mem::take(&mut answer))));
        let Ok(opened) = self.0.layer(answered).oneshot(asked.head).await;
        opened
    }
}

impl Asked {
    pub(crate) fn by(request: &Request) -> Self {
        let sent = request.headers();
        // Any other OPTIONS is refused, because no route has that method.
        let is_preflight = request.method() == Method::OPTIONS
            && sent.contains_key(ORIGIN)
            && sent.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        let mut head = Request::new(());
        if is_preflight {
            *head.method_mut() = Method::OPTIONS;
        }
        for name in [ORIGIN, ACCESS_CONTROL_REQUEST_METHOD, ACCESS_CONTROL_REQUEST_HEADERS] {
            if let Some(value) = sent.get(&name) {
                head.headers_mut().insert(name, value.clone());
            }
        }
        Self { head, is_preflight }
    }

    /// True when the browser only asks what a page may send.
    pub(crate) fn is_preflight(&self) -> bool {
        self.is_preflight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openapi;

    /// The headers of Fetch 2.2.2, and those that are for the browser itself.
    const NOT_EXPOSED: [&str; 4] =
        ["cache-control", "content-encoding", "content-security-policy", "x-content-type-options"];

    #[test]
    fn a_page_may_read_every_header_that_is_for_clients() {
        let described = openapi::document().components.unwrap().headers;
        assert!(described.len() > 15);
        for name in described.keys().map(|name| name.to_ascii_lowercase()) {
            assert!(EXPOSED.contains(&&*name) != NOT_EXPOSED.contains(&&*name), "{name}");
        }
    }
}
