//! Answers: a page in the form that was asked for, with the headers that its endpoint documents.

use axum::http::header::CONTENT_DISPOSITION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use billing_csv::Columns;
use billing_model::{Page, Pagination, Paging, Timestamp, UsageEntry};

use crate::accept::Form;
use crate::error::Error;
use crate::prefer;
use crate::whole_body::{JSON, whole_body};

/// The forms that a request is told when it wants another one.
pub(crate) const JSON_ONLY: &str = "application/json";

/// The charset is given, because clients read `text/*` without one as Latin-1.
const CSV: HeaderValue = HeaderValue::from_static("text/csv; charset=utf-8");

/// Bytes of room for an entry in either form. With so much, a body grows once at most.
const ENTRY_BYTES: usize = 384;

/// Entries of a usual page.
const USUAL_ENTRIES: usize = 1000;

/// The most bytes that an entry takes in memory and in an answer together, without its texts.
const PLAIN_BYTES: usize = 1024;

/// A piece of memory of this size goes back to the system as soon as it is freed. GNU's allocator keeps smaller pieces
/// for later, in each thread. Pages of memory that are not written to take none.
const GIVEN_BACK: usize = 33 << 20;

/// The buffer for a page in JSON. A usual page does not outgrow it.
pub(crate) fn json_body() -> Vec<u8> {
    Vec::with_capacity(USUAL_ENTRIES * ENTRY_BYTES)
}

/// Gives back the room that a short page did not need, because the page may wait long until it is fetched.
pub(crate) fn give_back_rest(body: &mut Vec<u8>) {
    if body.len() < body.capacity() / 2 {
        body.shrink_to_fit();
    }
}

/// The most bytes that the entries of a page and their answer take together.
pub(crate) fn most_bytes(entries: &[UsageEntry], form: Form) -> usize {
    entries.len() * PLAIN_BYTES + text_bytes(entries) * (1 + escaped_bytes(form))
}

fn text_bytes(entries: &[UsageEntry]) -> usize {
    entries.iter().map(UsageEntry::text_bytes).sum()
}

/// The most bytes that one byte of text becomes.
fn escaped_bytes(form: Form) -> usize {
    match form {
        Form::Json => "\\u0001".len(),
        Form::Csv => "\"\"".len(),
    }
}

/// The answer for a page.
pub(crate) fn page(page: &Page, form: Form, request: &HeaderMap, now: Timestamp) -> Result<Response, Error> {
    let usual = (page.entries.len() + 1) * ENTRY_BYTES;
    // With long texts, all room is taken at once: while a buffer grows, its content is there twice. Room that is not
    // needed is never touched.
    let texts = text_bytes(&page.entries);
    let most = if texts > usual { GIVEN_BACK.max(usual + texts * escaped_bytes(form)) } else { usual };
    let mut body = Vec::with_capacity(most);
    if form == Form::Json {
        page.write_json(&mut body);
        return Ok(whole_body(StatusCode::OK, JSON, body));
    }
    let columns = prefer::columns(request);
    billing_csv::encode(&page.entries, columns, &mut body);
    let mut response = whole_body(StatusCode::OK, CSV, body);
    let headers = response.headers_mut();
    if columns == Columns::WithApiKeyId {
        let applied = HeaderValue::from_static(prefer::INCLUDE_API_KEY_ID);
        headers.insert(prefer::PREFERENCE_APPLIED, applied);
    }
    write_paging(&page.paging, now, headers)?;
    Ok(response)
}

/// CSV has no place for paging, so that is in headers.
fn write_paging(paging: &Paging, now: Timestamp, headers: &mut HeaderMap) -> Result<(), Error> {
    let file_name = match paging {
        Paging::ByNumber(Pagination { limit, page, total, total_pages }) => {
            for (name, number) in [
                ("x-pagination-limit", u64::from(*limit)),
                ("x-pagination-page", u64::from(*page)),
                ("x-pagination-total", *total),
                ("x-pagination-total-pages", *total_pages),
            ] {
                headers.insert(HeaderName::from_static(name), number.into());
            }
            "billing_usage.csv".to_owned()
        }
        Paging::ByCursor(next) => {
            if let Some(cursor) = next {
                let token = HeaderValue::from_str(cursor.as_str()).map_err(Error::internal)?;
                headers.insert("x-next-cursor", token);
            }
            format!("billing-usage-history-{}.csv", compact(now))
        }
    };
    let disposition = format!("attachment; filename={file_name}");
    headers.insert(CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(Error::internal)?);
    Ok(())
}

/// An instant to the millisecond without marks, `20260708T091530123Z`.
fn compact(at: Timestamp) -> String {
    const NS_PER_MS: i64 = 1_000_000;
    // For years that a ledger does not reach, the digits below a millisecond stay.
    let at =
        at.unix_ns().map_or(at, |ns| Timestamp::from_unix_ns(ns.saturating_sub(ns.rem_euclid(NS_PER_MS))));
    at.to_string().chars().filter(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_after_the_millisecond() {
        for (at, name) in [
            ("2026-07-08T09:15:30.123Z", "20260708T091530123Z"),
            ("2026-07-08T09:15:30.123999999Z", "20260708T091530123Z"),
            ("1960-01-01T00:00:00.000000001Z", "19600101T000000000Z"),
            ("2500-01-01T00:00:00Z", "25000101T000000000Z"),
        ] {
            assert_eq!(compact(at.parse().unwrap()), name);
        }
    }
}
