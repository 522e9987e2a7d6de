//! Sends a request once, and reads what comes of it.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use billing_model::{Page, PageRequest};
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use reqwest::{StatusCode, Version};

use crate::client::Client;
use crate::clocks::{reply_date, wait_after_page};
use crate::coding::{self, CodingError};
use crate::error::{Error, ErrorKind, one_line};
use crate::event::Event;
use crate::reply::{self, Failure};
use crate::retry::Class;
use crate::timer::Timer;
use crate::unanswered::{Circumstances, Innermost, unanswered};
use crate::wire::Wire;

/// More than any page needs: 1,000 entries are 300 KB. What is larger is not a page.
const MAX_BODY_BYTES: usize = 16 << 20;

/// An error answer is a sentence; a page of HTML is not read to its end.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

impl Client {
    /// Sends the request once, and has the answer within the limit. With the page comes the time until the service takes
    /// another request, when it is to be left alone until then.
    pub(crate) async fn attempt(
        &self,
        request: &PageRequest,
        limit: Duration,
        timer: &mut Timer,
    ) -> Result<(Page, Option<Duration>), Failure> {
        let mut trying = pin!(self.send(request, limit));
        let mut waited = Duration::ZERO;
        let mut step = self.0.silence_worth_telling.max(Duration::from_millis(1));
        loop {
            if let Some(done) = timer.within(step, &mut trying).await {
                return done;
            }
            waited += step;
            // Told again when it has lasted twice as long.
            step = waited;
            self.notify(&Event::Silent { path: request.path(), waited, limit });
        }
    }

    async fn send(
        &self,
        request: &PageRequest,
        limit: Duration,
    ) -> Result<(Page, Option<Duration>), Failure> {
        let url = self.0.base.with(request.path(), &request.query_string());
        let mut http = self
            .0
            .http
            .get(url)
            // From connecting to the last byte, whatever comes meanwhile.
            .timeout(limit)
            .header(AUTHORIZATION, self.0.key.header())
            .header(ACCEPT, self.0.wire.media_type());
        if let Wire::Csv(_) = self.0.wire {
            // Uncompressed, so that the length of the body is known: a cut CSV can look whole.
            http = http.header(ACCEPT_ENCODING, "identity").header("prefer", "include=apiKeyId");
        } else if self.0.compression {
            http = http.header(ACCEPT_ENCODING, coding::ASKED_FOR);
        }
        let response = http.send().await.map_err(|cause| unanswered(cause, &self.circumstances(limit)))?;
        self.0.answered.store(true, Ordering::Relaxed);
        let (status, version) = (response.status(), response.version());
        let headers = response.headers().clone();
        if let Some(date) = reply_date(&headers).and_then(|date| date.duration_since(UNIX_EPOCH).ok()) {
            self.note_date(date.as_secs());
        }
        let body = read_body(response, status).await?;
        if status == StatusCode::OK && matches!(self.0.wire, Wire::Csv(_)) && reply::is_csv(&headers) {
            check_delimited(version, &headers)?;
        }
        let mut body = decoded(&headers, body, status)?;
        if status != StatusCode::OK {
            // Before its words are cut to a line: a key that is cut is one that is not recognised.
            body = self.black_out(&String::from_utf8_lossy(&body)).into_bytes();
        }
        if !self.0.base.is_https() && reply::asks_for_https(status, &body) {
            let error = Error::of(ErrorKind::Protocol).with_status(status.as_u16());
            let error = error.with_message("what answers there speaks https");
            return Err(Failure::new(Class::Fatal, error));
        }
        let (page, halves) = reply::read(&self.0.wire, request, status, &headers, &body)?;
        if !halves.is_empty() {
            let entry = |(row, texts): &(usize, u64)| Some((page.entries.get(*row)?, *texts));
            let mended: Vec<_> = halves.iter().filter_map(entry).collect();
            self.notify(&Event::Mended { entries: &mended });
        }
        tracing::debug!(status = status.as_u16(), entries = page.entries.len(), "page");
        Ok((page, wait_after_page(&headers)))
    }

    fn circumstances(&self, limit: Duration) -> Circumstances<'_> {
        Circumstances {
            answered: self.has_answered(),
            proxy: self.0.proxy.as_ref(),
            service: self.0.base.authority(),
            connect_timeout: self.0.connect_timeout,
            limit,
        }
    }
}

/// Reads a body to its end, up to a limit.
async fn read_body(mut response: reqwest::Response, status: StatusCode) -> Result<Vec<u8>, Failure> {
    let (limit, is_page) = match status {
        StatusCode::OK => (MAX_BODY_BYTES, true),
        _ => (MAX_ERROR_BODY_BYTES, false),
    };
    // A length that is promised and does not come costs nothing.
    let promised =
        response.content_length().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
    let mut body = Vec::with_capacity(promised.min(limit));
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) if is_page => return Err(too_large()),
            Ok(None) => return Ok(body),
            Err(cause) if is_page => return Err(broken(cause)),
            // The status says enough, even when its explanation is cut.
            Ok(Some(_)) | Err(_) => return Ok(body),
        }
    }
}

/// The body as it was before it was compressed.
fn decoded(headers: &HeaderMap, body: Vec<u8>, status: StatusCode) -> Result<Vec<u8>, Failure> {
    if status != StatusCode::OK {
        // The status says enough, also when its explanation cannot be read.
        return Ok(coding::decode(headers, body, MAX_ERROR_BODY_BYTES).unwrap_or_default());
    }
    coding::decode(headers, body, MAX_BODY_BYTES).map_err(|error| match error {
        CodingError::TooLarge => too_large(),
        CodingError::Damaged(_) => {
            Failure::new(Class::Transient, Error::of(ErrorKind::Interrupted).because(error))
        }
        CodingError::Unknown(_) => {
            let message = format!("{}: not the API; is there a proxy between?", one_line(&error.to_string()));
            Failure::new(Class::NotTheApi, Error::of(ErrorKind::NotTheApi).with_message(message))
        }
    })
}

fn too_large() -> Failure {
    let message = format!(
        "the body is larger than {} MiB: not a page, or one of very long texts and then a smaller one helps",
        MAX_BODY_BYTES >> 20
    );
    Failure::new(Class::Fatal, Error::of(ErrorKind::NotTheApi).with_message(message))
}

/// A body that ends with the connection cannot be told from one that was cut, and CSV cut at a row looks whole.
fn check_delimited(version: Version, headers: &HeaderMap) -> Result<(), Failure> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter().filter_map(|value| value.to_str().ok());
    // Of the transfer codings only a last `chunked` has an end of its own (RFC 9112, 6.3).
    let chunked = codings.next_back().and_then(|codings| codings.rsplit(',').next());
    let chunked = chunked.is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"));
    let delimited = chunked || headers.contains_key(CONTENT_LENGTH);
    if delimited || version >= Version::HTTP_2 {
        return Ok(());
    }
    let message = "a text/csv answer without its length cannot be told from a cut one; ask for JSON";
    Err(Failure::new(Class::Fatal, Error::of(ErrorKind::NotTheApi).with_message(message)))
}

/// A body that broke off.
fn broken(cause: reqwest::Error) -> Failure {
    let error = Error::of(ErrorKind::Interrupted);
    let error = match cause.is_timeout() {
        true => error.timed_out("timed out within the answer"),
        false => error.because(Innermost::of(cause)),
    };
    Failure::new(Class::Transient, error)
}
