//! What the endpoint by page number says of its own end.

use axum::http::header::LINK;
use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::config::UsageEndpoint;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// When the provider deprecated the endpoint by page number, 8 July 2026.
const DEPRECATED_AT: HeaderValue = HeaderValue::from_static("@1783555200");
const SUNSET_AT: HeaderValue = HeaderValue::from_static("Wed, 16 Sep 2026 00:00:00 GMT");
const SUCCESSOR: HeaderValue =
    HeaderValue::from_static("</api/v1/billing/usage-history>; rel=\"successor-version\"");
/// Said with every page of an endpoint that is deprecated.
pub(crate) const WARNING: &str = "GET /billing/usage is deprecated and ends on 16 September 2026; use GET \
     /billing/usage-history instead";

/// Writes the headers by which every answer of the endpoint by page number announces its end.
pub(crate) fn write_life(life: UsageEndpoint, headers: &mut HeaderMap) {
    if life == UsageEndpoint::Live {
        return;
    }
    headers.insert(DEPRECATION, DEPRECATED_AT);
    headers.insert(LINK, SUCCESSOR);
    if life == UsageEndpoint::Sunset {
        headers.insert(SUNSET, SUNSET_AT);
    }
}
