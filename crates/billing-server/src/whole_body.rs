//! Answers with a whole body, and the headers that they all have.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, VARY};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use http_body::Body as _;

pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An answer with a whole body. So it has a `Content-Length`, and a client notices when it is cut.
pub(crate) fn whole_body(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    // A ledger is private and changes, so no cache on the way may keep an answer.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding, Authorization, Prefer"));
    response
}

/// Bytes of an answer that is there as a whole.
pub(crate) fn body_bytes(response: &Response) -> usize {
    let bytes = response.body().size_hint().exact();
    bytes.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(usize::MAX))
}
