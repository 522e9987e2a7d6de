//! The headers of answers, described once.

use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::schema::{ComponentsBuilder, Type};
use utoipa::openapi::{Object, Ref, ResponseBuilder};

use super::values::plain;

/// On every answer, the second where the request's `Accept-Encoding` makes it so.
const ALWAYS: &[&str] = &["x-request-id", "Content-Encoding"];

/// On every answer that counts against a rate.
const RATE: &[&str] =
    &["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"];

/// On the answers of a route that is going to end, or has ended.
pub(super) const ENDING: &[&str] = &["Deprecation", "Sunset", "Link"];

/// On pages by number in CSV.
pub(super) const PAGINATION: &[&str] =
    &["x-pagination-limit", "x-pagination-page", "x-pagination-total", "x-pagination-total-pages"];

/// On every page in CSV.
pub(super) const CSV: &[&str] = &["Content-Disposition", "Preference-Applied"];

/// On the page for people.
pub(super) const PAGE: &[&str] = &["Content-Security-Policy", "X-Content-Type-Options"];

/// An answer of any route.
pub(super) fn answer(description: &str) -> ResponseBuilder {
    with(ALWAYS, ResponseBuilder::new().description(description))
}

/// An answer of a route that has a rate.
pub(super) fn rated_answer(description: &str) -> ResponseBuilder {
    with(RATE, answer(description))
}

/// The answer with some of the headers that are described here.
pub(super) fn with(names: &[&str], response: ResponseBuilder) -> ResponseBuilder {
    names.iter().fold(response, |response, name| {
        response.header_ref(*name, Ref::new(format!("#/components/headers/{name}")))
    })
}

/// Adds the description of every header.
pub(super) fn add(components: ComponentsBuilder) -> ComponentsBuilder {
    let whole = || plain(Type::Integer);
    let words = || plain(Type::String);
    let described: [(&str, Object, &str); 23] = [
        ("x-request-id", words(), "Names this request, also in the server's log."),
        (
            "Content-Encoding",
            words(),
            "`zstd` or `gzip` when `Accept-Encoding` takes it and the body is not tiny; absent on one that is sent as it is.",
        ),
        ("x-ratelimit-limit-requests", whole(), "Requests that the rate allows."),
        ("x-ratelimit-remaining-requests", whole(), "Requests that are left of them."),
        ("x-ratelimit-reset-requests", whole(), "When all are left again, in seconds of Unix time."),
        ("Retry-After", whole(), "Seconds to wait before the next try."),
        ("WWW-Authenticate", words(), "`Bearer`: how to authenticate, RFC 6750."),
        ("Deprecation", words(), "Since when the route is deprecated, `@1783555200`; RFC 9745."),
        ("Sunset", words(), "When the route ends or has ended, as an HTTP date; RFC 8594."),
        ("Link", words(), "The route that succeeds it, `rel=\"successor-version\"`."),
        ("x-pagination-limit", whole(), "Entries on a page."),
        ("x-pagination-page", whole(), "The number of this page."),
        ("x-pagination-total", whole(), "Entries in the whole."),
        ("x-pagination-total-pages", whole(), "Pages in the whole."),
        ("x-next-cursor", words(), "Where the next page begins; absent on the last one."),
        ("Content-Disposition", words(), "A name for the file."),
        ("Preference-Applied", words(), "`include=apiKeyId` when the column is there."),
        ("Cache-Control", words(), "How long the answer is good for."),
        ("Accept-Encoding", words(), "The content codings that a batch may have."),
        ("Age", whole(), "How many seconds ago the sums were made."),
        (
            "Content-Security-Policy",
            words(),
            "What a browser may do with the page: apply its own style, and nothing else.",
        ),
        ("X-Content-Type-Options", words(), "`nosniff`: the page is what its `Content-Type` says."),
        (
            "Idempotency-Replayed",
            words(),
            "`true` when the batch was recorded before and this is its receipt again.",
        ),
    ];
    described.into_iter().fold(components, |components, (name, schema, description)| {
        let header = HeaderBuilder::new().schema(Some(schema)).description(Some(description));
        components.header(name, header.build())
    })
}
