//! Says what a failed answer means, from its status, headers and body. All functions are pure.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, LINK, LOCATION, RETRY_AFTER};

use crate::clocks::requested_wait;
use crate::error::{Error, ErrorKind, one_line, server_message};
use crate::retry::Class;

/// A failed try.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) error: Error,
    /// How long the service asks to wait.
    pub(crate) requested_wait: Option<Duration>,
    /// The endpoint that the service names as the successor of one that is gone.
    pub(crate) successor: Option<String>,
    /// True when the request was not sent: there was no connection for it.
    pub(crate) is_unsent: bool,
    /// True for a call that stores, when this try or an earlier one may have been stored.
    pub(crate) in_doubt: bool,
}

impl Failure {
    pub(crate) fn new(class: Class, error: Error) -> Self {
        Self { class, error, requested_wait: None, successor: None, is_unsent: false, in_doubt: false }
    }

    /// True unless it is known that the service has done nothing: the request was not sent, or was refused. A success that is
    /// none, and a failure of the service or of what stands before it, can come after the work was done. So can what a
    /// proxy says that has passed the request on: 408 and 499 when the answer took too long, 409 when a request with the
    /// same key is under way.
    pub(crate) fn may_have_arrived(&self) -> bool {
        match self.error.status() {
            Some(408 | 409 | 499) => true,
            // 507: there is no room to store it.
            Some(300..=499 | 501 | 505 | 507 | 511) => false,
            Some(_) => true,
            None => !self.is_unsent,
        }
    }
}

/// The failure for an answer that is not a success. `own` is the call's own error for this refusal, if it has one.
pub(crate) fn failure(status: StatusCode, headers: &HeaderMap, body: &[u8], own: Option<Error>) -> Failure {
    let (class, kind) = classify(status, headers);
    // Only final refusals depend on the call. Faults that pass, and 429, mean the same for every call.
    let own = own.filter(|_| class == Class::Fatal);
    let error = own.unwrap_or_else(|| Error::of(kind));
    let error = match message(kind, status, headers, body) {
        Some(message) if error.says_nothing() => error.with_message(message),
        _ => error,
    };
    Failure {
        // In the answers of other faults the rate-limit headers say when the limit resets, not when to come back.
        requested_wait: requested_wait(headers).filter(|_| class == Class::Throttled),
        successor: successor(headers).filter(|_| status == StatusCode::GONE),
        ..Failure::new(
            class,
            error.with_status(status.as_u16()).asking_for_patience(class == Class::Throttled),
        )
    }
}

/// True for the answers that web servers give to plain http on an https port: nginx, Go and Apache, in this order.
pub(crate) fn asks_for_https(status: StatusCode, body: &[u8]) -> bool {
    if status != StatusCode::BAD_REQUEST {
        return false;
    }
    let text = String::from_utf8_lossy(body);
    let words = ["sent to HTTPS port", "HTTP request to an HTTPS server", "to an SSL-enabled server port"];
    words.iter().any(|words| text.contains(words))
}

fn classify(status: StatusCode, headers: &HeaderMap) -> (Class, ErrorKind) {
    match status.as_u16() {
        429 => (Class::Throttled, ErrorKind::RateLimited),
        503 if headers.contains_key(RETRY_AFTER) => (Class::Throttled, ErrorKind::Unavailable),
        // The service cannot do this, and another try does not change that.
        501 | 505 | 511 => (Class::Fatal, ErrorKind::Unavailable),
        408 | 425 | 500..=599 => (Class::Transient, ErrorKind::Unavailable),
        401..=403 => (Class::Fatal, ErrorKind::Unauthorized),
        404 => (Class::Fatal, ErrorKind::NotFound),
        410 => (Class::Fatal, ErrorKind::Gone),
        400..=499 => (Class::Fatal, ErrorKind::Rejected),
        300..=399 => (Class::Fatal, ErrorKind::Redirected),
        200..=299 => (Class::NotTheApi, ErrorKind::NotTheApi),
        _ => (Class::Fatal, ErrorKind::Unavailable),
    }
}

fn message(kind: ErrorKind, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    if kind == ErrorKind::Redirected {
        let target = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
        let target = one_line(target);
        return Some(format!(
            "redirects to {target}; the key does not follow, so give that base URL if it is right"
        ));
    }
    if kind == ErrorKind::NotTheApi {
        return Some("is no answer of this API; is there a proxy between?".to_owned());
    }
    std::str::from_utf8(body)
        .ok()
        .and_then(server_message)
        .or_else(|| status.canonical_reason().map(str::to_owned))
}

/// True for an answer whose `Content-Type` is text/csv or missing.
pub(crate) fn is_csv(headers: &HeaderMap) -> bool {
    let found = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    found.is_none_or(|found| found.trim_start().to_ascii_lowercase().starts_with("text/csv"))
}

/// Checks that a success is what was asked for. HTML, an empty body or another type comes from something else than the
/// API.
pub(crate) fn check_media_type(
    asked: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<(), Failure> {
    let found = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("unreadable"));
    let essence = |text: &str| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let as_asked = found.is_none_or(|found| essence(found) == asked);
    let is_markup = body.starts_with(b"<");
    if as_asked && !is_markup && !body.is_empty() {
        return Ok(());
    }
    let what = match (body.is_empty(), found) {
        (true, _) => format!("an empty body instead of {asked}"),
        (false, Some(_)) if as_asked => format!("a body that begins with `<` and is not {asked}"),
        (false, Some(found)) => format!("`{}` instead of {asked}", one_line(&essence(found))),
        (false, None) => format!("something else instead of {asked}"),
    };
    let status = status.as_u16();
    let message = format!("{status} with {what}: not the API; is there a proxy between?");
    Err(Failure::new(Class::NotTheApi, Error::of(ErrorKind::NotTheApi).with_message(message)))
}

/// The target of `Link: <…>; rel="successor-version"` (RFC 8288, RFC 5829). A comma or semicolon inside quotes or
/// brackets is not handled: no endpoint has one.
fn successor(headers: &HeaderMap) -> Option<String> {
    let links = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    links.flat_map(|links| links.split(',')).find_map(|link| {
        let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
        let is_successor = parameters.split(';').any(|parameter| {
            let (name, value) = parameter.split_once('=').unwrap_or_default();
            let relations = value.trim().trim_matches('"');
            name.trim().eq_ignore_ascii_case("rel")
                && relations.split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("successor-version"))
        });
        is_successor.then(|| target.to_owned())
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    pub(crate) fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    fn failure(status: u16, pairs: &[(&'static str, &'static str)], body: &str) -> Failure {
        let status = StatusCode::from_u16(status).unwrap();
        super::failure(status, &headers(pairs), body.as_bytes(), None)
    }

    #[test]
    fn each_status_has_its_class() {
        for (status, class, kind) in [
            (408, Class::Transient, ErrorKind::Unavailable),
            (425, Class::Transient, ErrorKind::Unavailable),
            (500, Class::Transient, ErrorKind::Unavailable),
            (502, Class::Transient, ErrorKind::Unavailable),
            (503, Class::Transient, ErrorKind::Unavailable),
            (504, Class::Transient, ErrorKind::Unavailable),
            (507, Class::Transient, ErrorKind::Unavailable),
            (520, Class::Transient, ErrorKind::Unavailable),
            (525, Class::Transient, ErrorKind::Unavailable),
            (530, Class::Transient, ErrorKind::Unavailable),
            (599, Class::Transient, ErrorKind::Unavailable),
            (429, Class::Throttled, ErrorKind::RateLimited),
            (400, Class::Fatal, ErrorKind::Rejected),
            (401, Class::Fatal, ErrorKind::Unauthorized),
            (402, Class::Fatal, ErrorKind::Unauthorized),
            (403, Class::Fatal, ErrorKind::Unauthorized),
            (404, Class::Fatal, ErrorKind::NotFound),
            (405, Class::Fatal, ErrorKind::Rejected),
            (410, Class::Fatal, ErrorKind::Gone),
            (422, Class::Fatal, ErrorKind::Rejected),
            (501, Class::Fatal, ErrorKind::Unavailable),
            (505, Class::Fatal, ErrorKind::Unavailable),
            (511, Class::Fatal, ErrorKind::Unavailable),
            (600, Class::Fatal, ErrorKind::Unavailable),
            (302, Class::Fatal, ErrorKind::Redirected),
            (204, Class::NotTheApi, ErrorKind::NotTheApi),
        ] {
            let failure = failure(status, &[], "");
            assert_eq!((failure.class, failure.error.kind()), (class, kind), "{status}");
            assert_eq!(failure.error.asks_for_patience(), status == 429, "{status}");
        }
        let throttled = failure(503, &[("retry-after", "7")], "");
        assert_eq!(
            (throttled.class, throttled.requested_wait),
            (Class::Throttled, Some(Duration::from_secs(7)))
        );
        assert!(throttled.error.asks_for_patience());
    }

    /// A proxy says 502, 503 and 504 also when it has passed the request on.
    #[test]
    fn only_a_refusal_says_that_nothing_was_done() {
        for status in [302, 400, 401, 404, 413, 422, 425, 429, 501, 505, 507, 511] {
            assert!(!failure(status, &[], "").may_have_arrived(), "{status}");
        }
        for status in [200, 202, 204, 408, 409, 499, 500, 502, 503, 504, 508, 520, 524, 530, 599] {
            assert!(failure(status, &[], "").may_have_arrived(), "{status}");
        }
        let lost = Failure::new(Class::Transient, Error::of(ErrorKind::NoAnswer));
        assert!(lost.may_have_arrived());
        assert!(!Failure { is_unsent: true, ..lost }.may_have_arrived());
    }

    #[test]
    fn an_answer_that_asks_for_https_is_known() {
        let check = |status, body: &str, expect| {
            assert_eq!(asks_for_https(status, body.as_bytes()), expect, "{body}");
        };
        let bad = StatusCode::BAD_REQUEST;
        check(bad, "<center>The plain HTTP request was sent to HTTPS port</center>", true);
        check(bad, "Client sent an HTTP request to an HTTPS server.\n", true);
        check(bad, "You're speaking plain HTTP to an SSL-enabled server port.<br />", true);
        check(bad, r#"{"error":"HTTPS is not a currency"}"#, false);
        check(StatusCode::OK, "The plain HTTP request was sent to HTTPS port", false);
    }

    #[test]
    fn what_the_server_says_is_kept_on_one_line() {
        let body = "{\"error\":\"first\\u001b[31m\\nsecond\"}";
        assert_eq!(failure(401, &[], body).error.to_string(), "401 first [31m second");
        assert_eq!(failure(502, &[], "<html>").error.to_string(), "502 Bad Gateway");
        let moved = failure(301, &[("location", "https://elsewhere/")], "").error.to_string();
        assert!(moved.contains("https://elsewhere/"), "{moved}");
    }

    #[test]
    fn the_successor_is_found_among_links() {
        let gone = |link| failure(410, &[("link", link)], "").successor;
        let target = Some("/api/v1/billing/usage-history".to_owned());
        assert_eq!(gone("</api/v1/billing/usage-history>; rel=\"successor-version\""), target);
        assert_eq!(gone("</a>; rel=next, </api/v1/billing/usage-history>;Rel=successor-version"), target);
        assert_eq!(gone("</api/v1/billing/usage-history>; rel=\"latest successor-version\""), target);
        for none in ["", "</a>; rel=next", "</a>", "successor-version", "<>; title=\"rel=successor-version"] {
            assert_eq!(gone(none).filter(|_| !none.contains("title")), None, "{none}");
        }
    }
}
