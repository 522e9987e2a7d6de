//! The error of calls and walks, and its kinds.

use std::fmt;
use std::time::Duration;

use billing_model::{RefusedBatch, ServerMessage};
use reqwest::Method;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// A call or a walk that failed: the request, the answer, and the number of tries.
///
/// # What to do
/// The kind says where the fault has to be looked for:
///
/// - the caller: [`ErrorKind::InvalidUrl`], [`ErrorKind::InsecureUrl`], [`ErrorKind::InvalidKey`],
///   [`ErrorKind::InvalidIdempotencyKey`], [`ErrorKind::Unauthorized`], [`ErrorKind::Unsupported`], [`ErrorKind::Protocol`],
///   [`ErrorKind::BatchRefused`], [`ErrorKind::IdempotencyConflict`], [`ErrorKind::AccountSynced`],
///   [`ErrorKind::BatchTooLarge`];
/// - the network: [`ErrorKind::Unreachable`], [`ErrorKind::Proxy`], [`ErrorKind::NotTheApi`];
/// - the service's certificate: [`ErrorKind::Tls`], unless the caller has to trust another authority
///   ([`Error::certificate_fault`]);
/// - faults that pass with time: [`ErrorKind::RateLimited`], [`ErrorKind::NoAnswer`], [`ErrorKind::Unavailable`];
/// - the service: all others.
///
/// After [`ErrorKind::Moved`] the same walk is likely to succeed when it is begun anew. After
/// [`ErrorKind::OutcomeUnknown`] send the same batch again with the same key.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: Option<String>,
    method: Method,
    /// The URL of the request, without its query.
    request: Option<String>,
    page: Option<u64>,
    status: Option<u16>,
    tries: u32,
    elapsed: Duration,
    timed_out: bool,
    certificate_fault: Option<CertificateFault>,
    slow: bool,
    asks_for_patience: bool,
    refused_batch: Option<RefusedBatch>,
    cause: Option<Cause>,
}

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The base URL is not valid.
    InvalidUrl,
    /// The base URL would send the key unencrypted: http to another machine.
    InsecureUrl,
    /// The text cannot be an API key.
    InvalidKey,
    /// The client could not be set up.
    Setup,
    /// The idempotency key is not 1 to 255 visible ASCII characters.
    InvalidIdempotencyKey,
    /// The window is empty, as it turned out when the service's clock was known.
    EmptyWindow,
    /// The service refused the key: 401, 402, 403.
    Unauthorized,
    /// The service has no such endpoint: 404.
    NotFound,
    /// The service has ended the endpoint, and names no successor that can be followed: 410.
    Gone,
    /// The service refused the request: any other 4xx.
    Rejected,
    /// The endpoint is not there, and the other one cannot answer the request: it does not filter by this currency.
    Unsupported,
    /// The service refused a cursor. The walk has to go back.
    CursorLost,
    /// The service asks for a longer wait than the policy allows, or refused for too long.
    RateLimited,
    /// The service failed at every try: 5xx.
    Unavailable,
    /// No connection.
    Unreachable,
    /// The proxy cannot be reached, wants a password, or does not connect to the service.
    Proxy,
    /// The TLS handshake failed; [`Error::certificate_fault`] says more when it was the certificate.
    Tls,
    /// The other side speaks another protocol: https was sent to an http port, http to an https port, or it is neither.
    Protocol,
    /// There was a connection but no answer: it never came, or the connection ended first.
    NoAnswer,
    /// The connection broke within the answer at every try, or the answer was not complete in time.
    Interrupted,
    /// The service redirects elsewhere. A redirect is not followed, because the key would be sent there.
    Redirected,
    /// The answer is not the API's, such as the HTML of a proxy.
    NotTheApi,
    /// The answer cannot be read exactly, for example because of one entry of a page.
    Malformed,
    /// The answer contradicts the request, or a page contradicts an earlier one.
    Inconsistent,
    /// The ledger changed behind the walk. What was read so far is not the whole window.
    Moved,
    /// The walk had more pages than a walk may have.
    TooManyPages,
    /// The batch has rows that the server cannot record, and nothing of it is stored: 422. [`Error::refused_batch`]
    /// says which rows.
    BatchRefused,
    /// Another batch was sent with this idempotency key before, and this one is not stored: 409 with
    /// a body that names the key.
    IdempotencyConflict,
    /// The account is kept in step with a service and takes no batches, so this one is not stored: 409 with a body that
    /// names the key and that service.
    AccountSynced,
    /// The batch is larger than the server takes. Nothing of it is stored: 413.
    BatchTooLarge,
    /// It is not known whether the batch was stored: the connection was lost or the server failed after a try had sent
    /// it, and no try had an answer that settles it. It is safe to send it again with the same idempotency key. The
    /// source is the error of the last try.
    OutcomeUnknown,
}

/// What is wrong with a service's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateFault {
    /// No authority that is trusted here has signed it.
    UnknownIssuer,
    /// It is not for the name in the base URL.
    OtherName,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is an authority's (CA), which signs certificates, and not a service's.
    Authority,
    /// Anything else, such as a revoked certificate.
    Other,
}

impl Error {
    pub(crate) fn of(kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            kind,
            message: None,
            method: Method::GET,
            request: None,
            page: None,
            status: None,
            tries: 0,
            elapsed: Duration::ZERO,
            timed_out: false,
            certificate_fault: None,
            slow: false,
            asks_for_patience: false,
            refused_batch: None,
            cause: None,
        }))
    }

    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = Some(message.into());
        self
    }

    pub(crate) fn timed_out(mut self, message: impl Into<String>) -> Self {
        self.0.timed_out = true;
        self.with_message(message)
    }

    pub(crate) fn with_certificate_fault(mut self, fault: CertificateFault) -> Self {
        self.0.certificate_fault = Some(fault);
        self
    }

    /// Notes whether the last try took long.
    pub(crate) fn slow(mut self, slow: bool) -> Self {
        self.0.slow = slow;
        self
    }

    /// True when the last try took long. Then the service has worked at it, and the request is more likely the reason
    /// than an outage.
    pub(crate) fn is_slow(&self) -> bool {
        self.0.slow || self.0.timed_out
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.status = Some(status);
        self
    }

    pub(crate) fn because(mut self, cause: impl Into<Cause>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    pub(crate) fn at(mut self, request: impl Into<String>, tries: u32, elapsed: Duration) -> Self {
        self.0.request = Some(request.into());
        self.0.tries = tries;
        self.0.elapsed = elapsed;
        self
    }

    /// Notes the method of the request; without it the method is GET.
    pub(crate) fn by(mut self, method: &Method) -> Self {
        self.0.method = method.clone();
        self
    }

    pub(crate) fn asking_for_patience(mut self, asks: bool) -> Self {
        self.0.asks_for_patience = asks;
        self
    }

    pub(crate) fn with_refused_batch(mut self, refused: RefusedBatch) -> Self {
        self.0.refused_batch = Some(refused);
        self
    }

    /// True when it has no message of its own yet.
    pub(crate) fn says_nothing(&self) -> bool {
        self.0.message.is_none()
    }

    /// Makes an [`ErrorKind::OutcomeUnknown`] with this error as its source.
    pub(crate) fn into_unknown_outcome(mut self) -> Self {
        let unknown = Self::of(ErrorKind::OutcomeUnknown);
        let request = self.0.request.take();
        let unknown = match request {
            Some(request) => unknown.at(request, self.0.tries, self.0.elapsed).by(&self.0.method),
            None => unknown,
        };
        // The new error says how often the request was tried, so its source does not.
        self.0.tries = 0;
        unknown.because(self)
    }

    /// Replaces the message by one that is made from it.
    pub(crate) fn map_message(mut self, map: impl FnOnce(&str) -> String) -> Self {
        self.0.message = self.0.message.as_deref().map(map);
        self
    }

    pub(crate) fn on_page(mut self, page: u64) -> Self {
        self.0.page = Some(page);
        self
    }

    /// Adds the pages that the walk had before the window to which the page number belongs.
    pub(crate) fn after_pages(mut self, pages: u64) -> Self {
        self.0.page = self.0.page.map(|page| page + pages);
        self
    }

    /// The page of the walk, from 1, when the failure belongs to a page.
    pub fn page(&self) -> Option<u64> {
        self.0.page
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The HTTP status, when there was an answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// True when the last try was ended by a time limit.
    pub fn is_timeout(&self) -> bool {
        self.0.timed_out
    }

    /// What is wrong with the service's certificate, when that is the reason.
    pub fn certificate_fault(&self) -> Option<CertificateFault> {
        self.0.certificate_fault
    }

    /// Which rows of a batch the server cannot record, and why. Only [`ErrorKind::BatchRefused`] has it.
    pub fn refused_batch(&self) -> Option<&RefusedBatch> {
        self.0.refused_batch.as_ref()
    }

    /// True when the service asked to come back later: 429, or 503 with a time to come back. A longer
    /// [`RetryPolicy::max_wait`](crate::RetryPolicy::max_wait) may help, and patience does.
    pub fn asks_for_patience(&self) -> bool {
        self.0.asks_for_patience
    }

    /// How often the request was sent.
    pub fn tries(&self) -> u32 {
        self.0.tries
    }
}

/// The most characters of a service's message that are shown.
const SHOWN: usize = 300;

/// The message in the body of an error answer, fit for one line of a terminal.
pub(crate) fn server_message(body: &str) -> Option<String> {
    ServerMessage::from_json(body).map(|message| one_line(&message.to_string()))
}

/// A text of the service, fit for one line of a terminal.
pub(crate) fn one_line(text: &str) -> String {
    billing_model::one_line(text.trim(), SHOWN)
}

impl Error {
    /// What happened, in a few words and without the URL: for a line of progress.
    pub fn brief(&self) -> String {
        let Inner { kind, message, status, .. } = &*self.0;
        let words = message.as_deref().unwrap_or(kind.text());
        status.map_or_else(|| words.to_owned(), |status| format!("{status} {words}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, message, method, request, page, status, tries, elapsed, .. } = &*self.0;
        if let Some(request) = request {
            write!(f, "{method} {request}: ")?;
        }
        if let Some(page) = page.filter(|page| *page > 1 || *kind == ErrorKind::Malformed) {
            write!(f, "page {page} of the walk: ")?;
        }
        if let Some(status) = status {
            write!(f, "{status} ")?;
        }
        match message {
            Some(message) => f.write_str(message)?,
            None => f.write_str(kind.text())?,
        }
        if *tries > 1 {
            write!(f, " (tried {tries} times in {:.1?})", elapsed)?;
        }
        Ok(())
    }
}

impl ErrorKind {
    /// The message of an error that has none of its own.
    fn text(self) -> &'static str {
        match self {
            Self::InvalidUrl => "the base URL is not valid",
            Self::InsecureUrl => "the base URL is not https",
            Self::InvalidKey => "the API key is not valid",
            Self::Setup => "the HTTP client cannot be set up",
            Self::InvalidIdempotencyKey => {
                "the idempotency key is not valid: give 1 to 255 visible ASCII characters"
            }
            Self::EmptyWindow => "the window is empty",
            Self::Unauthorized => "the key was refused",
            Self::NotFound => "the service has no such endpoint",
            Self::Gone => "the endpoint is gone",
            Self::Rejected => "the request was refused",
            Self::Unsupported => "the service has no endpoint that takes the request",
            Self::CursorLost => "the cursor was refused",
            Self::RateLimited => "too many requests",
            Self::Unavailable => "the service failed",
            Self::Unreachable => "cannot connect",
            Self::Proxy => "the proxy failed",
            Self::Tls => "the TLS handshake failed",
            Self::Protocol => "the answer is not HTTP",
            Self::NoAnswer => "the connection ended before an answer",
            Self::Interrupted => "the connection broke within the answer",
            Self::Redirected => "the service redirects elsewhere",
            Self::NotTheApi => "the answer is not the API's",
            Self::Malformed => "the page cannot be read",
            Self::Inconsistent => "the page does not fit the walk",
            Self::Moved => "the ledger changed behind the walk",
            Self::TooManyPages => "the walk has too many pages",
            Self::BatchRefused => "the batch has rows that cannot be recorded",
            Self::IdempotencyConflict => "another batch was sent with this idempotency key before",
            Self::AccountSynced => "the account is kept in step with a service and takes no batches",
            Self::BatchTooLarge => "the batch is too large",
            Self::OutcomeUnknown => {
                "it is not known whether the batch was stored; send it again with the same idempotency key, which stores it once"
            }
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("text", &self.to_string())
            .field("cause", &self.0.cause)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_deref().map(|cause| cause as _)
    }
}
