//! Fetches one page of the ledger.

use std::sync::atomic::Ordering;
use std::time::Duration;

use billing_model::{HalfCharacters, HistoryRequest, Page, PageRequest};
use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use crate::call::{Accept, Call, Request};
use crate::client::{Client, Persistence};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::reply::Failure;
use crate::send::Sent;
use crate::timer::Timer;
use crate::wire::Wire;

impl Client {
    /// Fetches one page, trying again as the policy has it.
    ///
    /// # Errors
    /// [`Error`] with the last try's failure and the number of tries. Nothing of a page is returned unless all of it is.
    pub async fn page(&self, request: &PageRequest) -> Result<Page, Error> {
        self.page_or_failure(request, Persistence::Full, &mut Timer::default())
            .await
            .map_err(|failure| failure.error)
    }

    /// As [`Client::page`], keeping what a walk wants to know of the failure.
    pub(crate) async fn page_or_failure(
        &self,
        request: &PageRequest,
        persistence: Persistence,
        timer: &mut Timer,
    ) -> Result<Page, Failure> {
        let call = PageCall { wire: &self.0.wire, request };
        let Sent { answer: (page, halves), took } = self.send(&call, persistence, timer).await?;
        self.note_page_time(took);
        if !halves.is_empty() {
            let entry = |(row, texts): &(usize, u64)| Some((page.entries.get(*row)?, *texts));
            let mended: Vec<_> = halves.iter().filter_map(entry).collect();
            self.notify(&Event::Mended { entries: &mended });
        }
        Ok(page)
    }

    /// Keeps the longest time of the latest pages.
    fn note_page_time(&self, elapsed: Duration) {
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let longest = |known_ms: u64| Some(elapsed_ms.max(known_ms - known_ms / 8));
        // Always some, so it is always set.
        let _ = self.0.page_time_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, longest);
    }
}

/// A request for a page, in the form in which pages travel.
struct PageCall<'a> {
    wire: &'a Wire,
    request: &'a PageRequest,
}

impl PageCall<'_> {
    fn carries_cursor(&self) -> bool {
        matches!(self.request, PageRequest::ByCursor(HistoryRequest::Next(_)))
    }
}

impl Call for PageCall<'_> {
    type Answer = (Page, HalfCharacters);

    fn request(&self) -> Request<'_> {
        let accept = match self.wire {
            Wire::Json => Accept::Json,
            Wire::Csv(_) => Accept::Csv,
        };
        // What is in a cursor is the service's secret.
        let shown_query = self.carries_cursor().then_some("cursor=…");
        let request = Request::reading(self.request.path(), self.request.query_string());
        Request { accept, shown_query, ..request }
    }

    fn read(&self, headers: &HeaderMap, body: Vec<u8>) -> Result<(Page, HalfCharacters), Failure> {
        self.wire.decode(self.request, headers, &body).map_err(|(class, error)| Failure::new(class, error))
    }

    fn refused(&self, status: StatusCode, _body: &[u8]) -> Option<Error> {
        let is_lost = status == StatusCode::BAD_REQUEST && self.carries_cursor();
        is_lost.then(|| Error::of(ErrorKind::CursorLost))
    }

    fn entries(&self, (page, _): &(Page, HalfCharacters)) -> Option<usize> {
        Some(page.entries.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::answer_to;
    use crate::reply::tests::headers;
    use crate::retry::Class;
    use billing_model::{HistoryQuery, UsageQuery};
    use reqwest::header::{CONTENT_TYPE, HeaderValue};
    use std::num::NonZeroU32;

    fn first() -> PageRequest {
        PageRequest::ByCursor(HistoryRequest::First(HistoryQuery::builder().build().unwrap()))
    }

    fn read(
        wire: &Wire,
        request: &PageRequest,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(Page, HalfCharacters), Failure> {
        let call = PageCall { wire, request };
        answer_to(&call, &call.request(), status, headers, body.to_vec())
    }

    #[test]
    fn a_cursor_that_is_refused_is_lost_and_a_filter_is_rejected() {
        let next = PageRequest::ByCursor(HistoryRequest::Next("abc".parse().unwrap()));
        let kind = |request: &PageRequest, status: StatusCode| {
            let body = br#"{"error":"Invalid or expired cursor"}"#;
            let error = read(&Wire::Json, request, status, &HeaderMap::new(), body).unwrap_err().error;
            assert!(error.to_string().ends_with("Invalid or expired cursor"), "{error}");
            error.kind()
        };
        assert_eq!(kind(&next, StatusCode::BAD_REQUEST), ErrorKind::CursorLost);
        assert_eq!(kind(&next, StatusCode::UNPROCESSABLE_ENTITY), ErrorKind::Rejected);
        assert_eq!(kind(&first(), StatusCode::BAD_REQUEST), ErrorKind::Rejected);
    }

    #[test]
    fn a_success_has_to_be_the_api() {
        let good = r#"{"data":[],"nextCursor":null}"#;
        for (content_type, body, class) in [
            ("text/html", "<!doctype html>", Class::NotTheApi),
            ("application/json", "<!doctype html>", Class::NotTheApi),
            ("application/json", "", Class::NotTheApi),
            ("text/csv", good, Class::NotTheApi),
            ("application/json", r#"{"data":[]"#, Class::Transient),
            ("application/json", r#"{"rows":[]}"#, Class::Fatal),
            ("application/json", "{\"data\":[],\"x\":\"\u{0}\"}", Class::Fatal),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            let failure = read(&Wire::Json, &first(), StatusCode::OK, &headers, body.as_bytes()).unwrap_err();
            assert_eq!(failure.class, class, "{content_type} {body}");
        }
        for content_type in ["application/json", "Application/JSON; charset=utf-8"] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            assert!(read(&Wire::Json, &first(), StatusCode::OK, &headers, good.as_bytes()).is_ok());
        }
        assert!(read(&Wire::Json, &first(), StatusCode::OK, &HeaderMap::new(), good.as_bytes()).is_ok());
    }

    #[test]
    fn a_csv_page_is_placed_by_its_headers() {
        let wire = Wire::Csv(|_| Ok(Vec::new()));
        let query = UsageQuery::builder().limit(2).build().unwrap();
        let by_number = PageRequest::ByNumber { query, page: NonZeroU32::MIN };
        let numbers = [
            ("content-type", "text/csv"),
            ("x-pagination-limit", "2"),
            ("x-pagination-page", "1"),
            ("x-pagination-total", "0"),
            ("x-pagination-total-pages", "0"),
        ];
        assert!(read(&wire, &by_number, StatusCode::OK, &headers(&numbers), b"x").is_ok());
        for missing in 1..numbers.len() {
            let mut some = numbers.to_vec();
            some.remove(missing);
            let failure = read(&wire, &by_number, StatusCode::OK, &headers(&some), b"x").unwrap_err();
            assert_eq!(failure.error.kind(), ErrorKind::Inconsistent);
        }
        let next = headers(&[("x-next-cursor", "a.b")]);
        assert!(read(&wire, &first(), StatusCode::OK, &next, b"x").is_err());
    }
}
