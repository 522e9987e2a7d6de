//! Sends a call once and reads its answer.

use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::{Duration, UNIX_EPOCH};

use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, TRANSFER_ENCODING,
};
use reqwest::{StatusCode, Version};

use crate::call::{Accept, Call, Repeat, Request, answer_to};
use crate::client::Client;
use crate::clocks::{reply_date, wait_after_success};
use crate::coding::{self, CodingError};
use crate::error::{Error, ErrorKind, one_line};
use crate::event::Event;
use crate::reply::{self, Failure};
use crate::retry::Class;
use crate::timer::Timer;
use crate::unanswered::{Circumstances, Innermost, unanswered};

/// More than any answer needs: a page of 1,000 entries is 300 KB. A larger body is not read.
const MAX_BODY_BYTES: usize = 16 << 20;

/// An error answer is a sentence. A long page of HTML is not read to its end.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

impl Client {
    /// Sends a call once and returns its answer, within the limit. The second value is the time until the service takes another
    /// request, where its headers say that this was the last one for now.
    pub(crate) async fn attempt<C: Call>(
        &self,
        call: &C,
        request: &Request<'_>,
        limit: Duration,
        timer: &mut Timer,
    ) -> Result<(C::Answer, Option<Duration>), Failure> {
        let mut trying = pin!(self.exchange(call, request, limit));
        let mut waited = Duration::ZERO;
        let mut step = self.0.silence_worth_telling.max(Duration::from_millis(1));
        loop {
            if let Some(done) = timer.within(step, &mut trying).await {
                return done;
            }
            waited += step;
            // The next notice comes when the try has lasted twice as long.
            step = waited;
            self.notify(&Event::Silent { path: request.path, waited, limit });
        }
    }

    async fn exchange<C: Call>(
        &self,
        call: &C,
        request: &Request<'_>,
        limit: Duration,
    ) -> Result<(C::Answer, Option<Duration>), Failure> {
        let http = self.request_of(request, limit);
        let response = http.send().await.map_err(|cause| unanswered(cause, &self.circumstances(limit)))?;
        self.0.answered.store(true, Ordering::Relaxed);
        let (status, version) = (response.status(), response.version());
        let headers = response.headers().clone();
        if let Some(date) = reply_date(&headers).and_then(|date| date.duration_since(UNIX_EPOCH).ok()) {
            self.note_date(date.as_secs());
        }
        let room = Room::of(request, status);
        let body = read_body(response, &room).await?;
        if room.is_answer && request.accept == Accept::Csv && reply::is_csv(&headers) {
            check_delimited(version, &headers)?;
        }
        let mut body = decoded(&headers, body, &room)?;
        if !room.is_answer {
            // The key is blacked out before the text is cut to one line: half a key would not be recognised.
            body = self.black_out(&String::from_utf8_lossy(&body)).into_bytes();
            if !self.0.base.is_https() && reply::asks_for_https(status, &body) {
                let error = Error::of(ErrorKind::Protocol).with_status(status.as_u16());
                let error = error.with_message("what answers there speaks https");
                return Err(Failure::new(Class::Fatal, error));
            }
        }
        let answer = answer_to(call, request, status, &headers, body)?;
        tracing::debug!(status = status.as_u16(), entries = call.entries(&answer), "answered");
        Ok((answer, wait_after_success(&headers)))
    }

    fn request_of(&self, request: &Request<'_>, limit: Duration) -> reqwest::RequestBuilder {
        let url = self.0.base.with(request.path, &request.query);
        let mut http = self
            .0
            .http
            .request(request.method.clone(), url)
            // The whole try, from connecting to the last byte.
            .timeout(limit)
            .header(AUTHORIZATION, self.0.key.header())
            .header(ACCEPT, request.accept.media_type());
        if request.accept == Accept::Csv {
            // Uncompressed, so that the length of the body is known: a cut CSV can look whole.
            http = http.header(ACCEPT_ENCODING, "identity").header("prefer", "include=apiKeyId");
        } else if self.0.compression {
            http = http.header(ACCEPT_ENCODING, coding::ASKED_FOR);
        }
        if let Repeat::UnderKey(key) = request.repeat {
            http = http.header("idempotency-key", key.as_str());
        }
        match &request.body {
            // The bytes are shared, so each try sends the same ones.
            Some(body) => http.header(CONTENT_TYPE, body.media_type).body(body.bytes.clone()),
            None => http,
        }
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

/// How much of a body is read, and whether it has to be whole.
struct Room {
    /// Whether it is the answer that was asked for. Such a body has to be whole; an error's may be cut.
    is_answer: bool,
    bytes: usize,
}

impl Room {
    fn of(request: &Request<'_>, status: StatusCode) -> Self {
        let is_answer = status == request.done;
        // The list of refused rows may be as long as the body that was sent.
        let is_long = is_answer || request.body.is_some();
        Self { is_answer, bytes: if is_long { MAX_BODY_BYTES } else { MAX_ERROR_BODY_BYTES } }
    }
}

/// Reads a body to its end, up to a limit.
async fn read_body(mut response: reqwest::Response, room: &Room) -> Result<Vec<u8>, Failure> {
    let Room { is_answer, bytes: limit } = *room;
    // The length is the service's word, and reserves no more than the limit.
    let promised =
        response.content_length().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
    let mut body = Vec::with_capacity(promised.min(limit));
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) if is_answer => return Err(too_large()),
            Ok(None) => return Ok(body),
            Err(cause) if is_answer => return Err(broken(cause)),
            // The status says enough, even when the message is cut.
            Ok(Some(_)) | Err(_) => return Ok(body),
        }
    }
}

/// The decompressed body.
fn decoded(headers: &HeaderMap, body: Vec<u8>, room: &Room) -> Result<Vec<u8>, Failure> {
    let decoded = coding::decode(headers, body, room.bytes);
    if !room.is_answer {
        // The status says enough, even when the message cannot be read.
        return Ok(decoded.unwrap_or_default());
    }
    decoded.map_err(|error| match error {
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
        "the body is larger than {} MiB, more than any answer needs; of very long texts ask for smaller pages",
        MAX_BODY_BYTES >> 20
    );
    Failure::new(Class::Fatal, Error::of(ErrorKind::NotTheApi).with_message(message))
}

/// Refuses a body that ends with the connection. It cannot be told from a cut one, and CSV that is cut at the end of a row
/// looks whole.
fn check_delimited(version: Version, headers: &HeaderMap) -> Result<(), Failure> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter().filter_map(|value| value.to_str().ok());
    // Only `chunked` as the last transfer coding marks the end of the body (RFC 9112, 6.3).
    let chunked = codings.next_back().and_then(|codings| codings.rsplit(',').next());
    let chunked = chunked.is_some_and(|last| last.trim().eq_ignore_ascii_case("chunked"));
    let delimited = chunked || headers.contains_key(CONTENT_LENGTH);
    if delimited || version >= Version::HTTP_2 {
        return Ok(());
    }
    let message = "a text/csv answer without its length cannot be told from a cut one; ask for JSON";
    Err(Failure::new(Class::Fatal, Error::of(ErrorKind::NotTheApi).with_message(message)))
}

/// The failure for a body that broke off.
fn broken(cause: reqwest::Error) -> Failure {
    let error = Error::of(ErrorKind::Interrupted);
    let error = match cause.is_timeout() {
        true => error.timed_out("timed out within the answer"),
        false => error.because(Innermost::of(cause)),
    };
    Failure::new(Class::Transient, error)
}
