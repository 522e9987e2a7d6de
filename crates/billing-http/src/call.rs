//! A call of the API, described: all that the transport knows of it.

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use crate::batch::IdempotencyKey;
use crate::error::Error;
use crate::reply::{self, Failure};

/// What is asked of a service, and how its answer is read.
pub(crate) trait Call {
    /// What the answer says.
    type Answer;

    /// What is sent.
    fn request(&self) -> Request<'_>;

    /// Reads the complete body of a success.
    fn read(&self, headers: &HeaderMap, body: Vec<u8>) -> Result<Self::Answer, Failure>;

    /// What a refusal (4xx) means, where that is something of this call's own.
    fn refused(&self, _status: StatusCode, _body: &[u8]) -> Option<Error> {
        None
    }

    /// Entries that came or were taken, where it is about entries.
    fn entries(&self, _answer: &Self::Answer) -> Option<usize> {
        None
    }
}

/// What is sent, and what a success looks like.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    /// Below the base URL.
    pub(crate) path: &'static str,
    pub(crate) query: String,
    /// What is shown in the place of a query that is the service's secret.
    pub(crate) shown_query: Option<&'static str>,
    pub(crate) accept: Accept,
    /// The status of a success.
    pub(crate) done: StatusCode,
    pub(crate) repeat: Repeat<'a>,
    pub(crate) body: Option<Body>,
}

/// The form in which the answer is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accept {
    /// Its end is a part of it.
    Json,
    /// Cut at a row it looks whole, so its length has to be known.
    Csv,
}

/// Why a request may be sent again after a try that may have arrived. There is none that may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat<'a> {
    /// It reads.
    Reading,
    /// It stores, and no more than once under this key.
    UnderKey(&'a IdempotencyKey),
}

/// A body that is sent, the same with every try.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Bytes,
}

impl Request<'_> {
    /// A GET that is answered with 200 and JSON.
    pub(crate) fn reading(path: &'static str, query: String) -> Self {
        Self {
            method: Method::GET,
            path,
            query,
            shown_query: None,
            accept: Accept::Json,
            done: StatusCode::OK,
            repeat: Repeat::Reading,
            body: None,
        }
    }
}

impl Accept {
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv",
        }
    }
}

/// What some services write before a text in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads a complete answer to a call.
pub(crate) fn answer_to<C: Call>(
    call: &C,
    request: &Request<'_>,
    status: StatusCode,
    headers: &HeaderMap,
    mut body: Vec<u8>,
) -> Result<C::Answer, Failure> {
    // It is no part of a text, and no JSON begins with it.
    if body.starts_with(BOM) {
        body.drain(..BOM.len());
    }
    if status == request.done {
        reply::check_media_type(request.accept.media_type(), status, headers, &body)?;
        return call.read(headers, body);
    }
    let own = if status.is_client_error() { call.refused(status, &body) } else { None };
    Err(reply::failure(status, headers, &body, own))
}
