//! Fetches one page, and does not give up at the first fault.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use billing_model::{Page, PageRequest, TimeWindow, Timestamp};
use futures::future::BoxFuture;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use reqwest::{StatusCode, Version};
use tokio::time::Instant;
use tracing::Instrument;

use crate::api_key::ApiKey;
use crate::base_url::BaseUrl;
use crate::clocks::{reply_date, wait_after_page};
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::limiter::{Limiter, Outcome, Permit};
use crate::reply::{self, Failure};
use crate::retry::{Class, Decision, RetryPolicy};
use crate::walk::{Endpoint, Walk};
use crate::walker::Walker;
use crate::wire::Wire;

/// More than any page needs: 1,000 entries are 300 KB. What is larger is not a page.
const MAX_BODY_BYTES: usize = 16 << 20;

/// An error answer is a sentence; a page of HTML is not read to its end.
const MAX_ERROR_BODY_BYTES: usize = 64 << 10;

type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;
type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// What a client has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Requests, the first tries and the others.
    pub requests: u64,
    /// Those that tried again what had failed.
    pub retries: u64,
}

/// A client of one service with one key. Cheap to clone; clones share connections, and one limiter: a service that asks
/// one of them to wait is waited for by all.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    base: BaseUrl,
    key: ApiKey,
    wire: Wire,
    policy: RetryPolicy,
    observer: Observer,
    sleep: Sleep,
    limiter: Arc<Limiter>,
    /// Set by the first answer of the service, whatever it was.
    answered: AtomicBool,
    /// Set by the first page.
    served: AtomicBool,
    requests: AtomicU64,
    retries: AtomicU64,
    /// The `Date` of the latest answer that had one, in unix seconds; zero before it.
    date_unix_s: AtomicU64,
    /// Endpoints in whose place the other one is used, and whether the service ended them.
    replaced: Mutex<Vec<(Endpoint, bool)>>,
}

impl Client {
    /// A client of the service below `base_url`, such as `https://api.venice.ai/api/v1`.
    pub fn builder(base_url: impl Into<String>, key: ApiKey) -> ClientBuilder {
        ClientBuilder {
            base_url: base_url.into(),
            key,
            wire: Wire::default(),
            policy: RetryPolicy::default(),
            connect_timeout: Duration::from_secs(10),
            page_timeout: Duration::from_secs(120),
            user_agent: concat!("billing/", env!("CARGO_PKG_VERSION")).to_owned(),
            compression: None,
            observer: Arc::new(|_| ()),
            sleep: Arc::new(|wait| Box::pin(tokio::time::sleep(wait))),
        }
    }

    /// Fetches one page, trying again as the policy has it.
    ///
    /// # Errors
    /// [`Error`] with the last try's failure and the number of tries. Nothing of a page is returned unless all of it is.
    pub async fn page(&self, request: &PageRequest) -> Result<Page, Error> {
        self.page_or_failure(request, false).await.map_err(|failure| failure.error)
    }

    /// The service's own clock, to the second; `None` when it does not tell the time.
    ///
    /// For windows that end now, or begin some time ago: a local clock may be wrong, and then the window is. Asks for the
    /// entries of a millisecond in which there was no service.
    ///
    /// # Errors
    /// As [`Client::page`].
    pub async fn service_time(&self, endpoint: Endpoint) -> Result<Option<Timestamp>, Error> {
        let epoch = Timestamp::from_unix_ns(0);
        let impossible =
            |fault: Box<dyn std::error::Error + Send + Sync>| Error::of(ErrorKind::Setup).because(fault);
        let window = TimeWindow::new(Some(epoch), Some(epoch.next().ceil_ms()));
        let window = window.map_err(|fault| impossible(fault.into()))?;
        let walk = Walk::over(window).endpoint(endpoint).page_size(10).build();
        let walk = walk.map_err(|fault| impossible(fault.into()))?;
        let mut walker = Walker::new(self.clone(), &walk, window, Arc::default());
        while walker.next_page().await?.end.is_none() {}
        let unix_s = i64::try_from(self.0.date_unix_s.load(Ordering::Relaxed)).unwrap_or_default();
        Ok((unix_s > 0).then(|| Timestamp::from_unix_ns(unix_s.saturating_mul(1_000_000_000))))
    }

    /// What this client and its clones have sent so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.0.requests.load(Ordering::Relaxed),
            retries: self.0.retries.load(Ordering::Relaxed),
        }
    }

    /// As [`Client::page`], keeping what a walk wants to know of the failure. With `may_narrow`, a failure that a smaller
    /// window may avoid is given back early.
    pub(crate) async fn page_or_failure(
        &self,
        request: &PageRequest,
        may_narrow: bool,
    ) -> Result<Page, Failure> {
        let mut start = None;
        // What this page has cost so far. Its turn is waited for without losing patience with it.
        let mut spent = Duration::ZERO;
        let mut tries = 0;
        let mut strange_answers = 0;
        loop {
            let permit = self.admit().await;
            let sent = Instant::now();
            let start = *start.get_or_insert(sent);
            tries += 1;
            self.0.requests.fetch_add(1, Ordering::Relaxed);
            self.0.retries.fetch_add(u64::from(tries > 1), Ordering::Relaxed);
            let span =
                tracing::debug_span!("request", method = "GET", path = request.path(), try_number = tries);
            let failure = match self.attempt(request).instrument(span).await {
                Ok((page, wait)) => {
                    permit.end(Outcome::Page(wait.filter(|wait| *wait <= self.0.policy.max_wait)));
                    self.0.served.store(true, Ordering::Relaxed);
                    return Ok(page);
                }
                Err(failure) => failure,
            };
            spent += sent.elapsed();
            let Failure { class, error, requested_wait, successor } = failure;
            let error = error.map_message(|text| self.0.key.black_out(text));
            let error = error.at(self.url(request.path()), tries, start.elapsed());
            // The few tries for a strange answer are its own: a proxy's page after an outage is no last straw.
            let counted = match class {
                Class::NotTheApi => {
                    strange_answers += 1;
                    strange_answers
                }
                _ => tries,
            };
            let decision = match may_narrow && self.is_for_narrowing(&error) {
                true => Decision::GiveUp,
                false => self.0.policy.decide(class, counted, spent, requested_wait, fastrand::u32(..)),
            };
            let Decision::RetryAfter(wait) = decision else {
                permit.end(outcome(&error));
                let error = match requested_wait {
                    Some(wait) => error.with_message(self.later(wait)),
                    _ => error,
                };
                return Err(Failure { class, error, requested_wait, successor });
            };
            spent += wait;
            tracing::debug!(%error, ?wait, "trying again");
            if class == Class::Throttled {
                // The limiter waits, and with it every other request of this client.
                if permit.end(Outcome::Throttled(wait)) {
                    self.notify(&Event::Retrying { error: &error, wait });
                }
            } else {
                permit.end(outcome(&error));
                self.notify(&Event::Retrying { error: &error, wait });
                (self.0.sleep)(wait).await;
            }
        }
    }

    /// Waits for the turn of one more request.
    async fn admit(&self) -> Permit {
        let sleep = |wait, is_news| {
            if is_news {
                self.notify(&Event::Waiting { wait });
            }
            (self.0.sleep)(wait)
        };
        self.0.limiter.admit(sleep).await
    }

    /// True for a failure that has come often enough to suspect what was asked for.
    pub(crate) fn is_for_narrowing(&self, error: &Error) -> bool {
        let policy = &self.0.policy;
        match error.status() {
            // Says itself that the window is too much.
            Some(504) => error.tries() >= policy.tries_before_narrowing,
            // A service that has not given a single page is just not there.
            Some(500 | 502) if self.0.served.load(Ordering::Relaxed) => {
                error.tries() >= policy.tries_before_narrowing
            }
            _ => error.is_timeout() && error.tries() >= policy.timeouts_before_narrowing,
        }
    }

    /// When to come back to a service that wants to be left alone for longer than there is patience.
    fn later(&self, wait: Duration) -> String {
        let seconds = wait.as_secs();
        let at = self.0.date_unix_s.load(Ordering::Relaxed);
        let at = match i64::try_from(at.saturating_add(seconds)) {
            Ok(unix_s) if at > 0 => {
                format!(", at {}", Timestamp::from_unix_ns(unix_s.saturating_mul(1_000_000_000)))
            }
            _ => String::new(),
        };
        format!("the service asks to come back in {seconds} s{at}, which is longer than this client waits")
    }

    /// Sends the request once. With the page comes the time until the service takes another request, when it is to be
    /// left alone until then.
    async fn attempt(&self, request: &PageRequest) -> Result<(Page, Option<Duration>), Failure> {
        let url = self.0.base.with(request.path(), &request.query_string());
        let mut http = self
            .0
            .http
            .get(url)
            .header(AUTHORIZATION, self.0.key.header())
            .header(ACCEPT, self.0.wire.media_type());
        if let Wire::Csv(_) = self.0.wire {
            // Uncompressed, so that the length of the body is known: a cut CSV can look whole.
            http = http.header(ACCEPT_ENCODING, "identity").header("prefer", "include=apiKeyId");
        }
        let response = http.send().await.map_err(|cause| self.not_sent(cause))?;
        self.0.answered.store(true, Ordering::Relaxed);
        let (status, version) = (response.status(), response.version());
        let headers = response.headers().clone();
        if let Some(date) = reply_date(&headers).and_then(|date| date.duration_since(UNIX_EPOCH).ok()) {
            self.0.date_unix_s.store(date.as_secs(), Ordering::Relaxed);
        }
        let body = read_body(response, status).await?;
        if status == StatusCode::OK && matches!(self.0.wire, Wire::Csv(_)) {
            check_delimited(version, &headers)?;
        }
        let page = reply::read(&self.0.wire, request, status, &headers, &body)?;
        tracing::debug!(status = status.as_u16(), entries = page.entries.len(), "page");
        Ok((page, wait_after_page(&headers)))
    }

    fn not_sent(&self, cause: reqwest::Error) -> Failure {
        let (class, kind) = match (cause.is_connect(), self.0.answered.load(Ordering::Relaxed)) {
            (true, false) => (Class::NoFirstContact, ErrorKind::Unreachable),
            (true, true) => (Class::Transient, ErrorKind::Unreachable),
            (false, _) => (Class::Transient, ErrorKind::Interrupted),
        };
        broken(class, kind, cause)
    }

    /// True when the service has answered, whatever it was.
    pub(crate) fn has_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }

    /// A service's words without the key.
    pub(crate) fn black_out(&self, text: &str) -> String {
        self.0.key.black_out(text)
    }

    /// The URL of a path, as errors show it: without a query, whose cursor is nobody's business.
    pub(crate) fn url(&self, path: &str) -> String {
        self.0.base.with(path, "").into()
    }

    /// True when the other endpoint is used in the place of this one.
    pub(crate) fn is_replaced(&self, endpoint: Endpoint, by_404_too: bool) -> bool {
        let replaced = self.0.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.iter().any(|(found, gone)| *found == endpoint && (*gone || by_404_too))
    }

    /// Notes that the other endpoint is to be used in the place of this one. False when that is known already.
    pub(crate) fn replace(&self, endpoint: Endpoint, gone: bool) -> bool {
        let mut replaced = self.0.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = !replaced.contains(&(endpoint, gone));
        if is_news {
            replaced.push((endpoint, gone));
        }
        is_news
    }

    pub(crate) fn notify(&self, event: &Event<'_>) {
        (self.0.observer)(event);
    }

    /// True when a link of the service stays with the service.
    pub(crate) fn is_own(&self, link: &str) -> bool {
        self.0.base.same_origin(link)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.0.base).field("key", &self.0.key).finish_non_exhaustive()
    }
}

/// Reads a body to its end, up to a limit.
async fn read_body(mut response: reqwest::Response, status: StatusCode) -> Result<Vec<u8>, Failure> {
    let (limit, is_page) = match status {
        StatusCode::OK => (MAX_BODY_BYTES, true),
        _ => (MAX_ERROR_BODY_BYTES, false),
    };
    // Of a compressed body the length is not known; one that is promised and does not come costs nothing.
    let promised =
        response.content_length().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or_default();
    let mut body = Vec::with_capacity(promised.min(limit));
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= limit => body.extend_from_slice(&chunk),
            Ok(Some(_)) if is_page => {
                let message = format!(
                    "the body is larger than {} MiB: not a page, or one of very long texts and then a smaller one helps",
                    MAX_BODY_BYTES >> 20
                );
                return Err(Failure::new(
                    Class::Fatal,
                    Error::of(ErrorKind::NotTheApi).with_message(message),
                ));
            }
            Ok(None) => return Ok(body),
            Err(cause) if is_page => return Err(broken(Class::Transient, ErrorKind::Interrupted, cause)),
            // The status says enough, even when its explanation is cut.
            Ok(Some(_)) | Err(_) => return Ok(body),
        }
    }
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

/// What a failed try means to the limiter.
fn outcome(error: &Error) -> Outcome {
    let is_counted = error.is_timeout() || error.status().is_some_and(|status| status >= 400);
    if is_counted { Outcome::Failed } else { Outcome::Broken }
}

fn broken(class: Class, kind: ErrorKind, cause: reqwest::Error) -> Failure {
    let error = match cause.is_timeout() {
        true => Error::of(kind).timed_out(),
        false => Error::of(kind),
    };
    // The URL is in the error already, and a cursor in it is nobody's business.
    Failure::new(class, error.because(cause.without_url()))
}

/// Builds a [`Client`].
#[must_use]
pub struct ClientBuilder {
    base_url: String,
    key: ApiKey,
    wire: Wire,
    policy: RetryPolicy,
    connect_timeout: Duration,
    page_timeout: Duration,
    user_agent: String,
    compression: Option<bool>,
    observer: Observer,
    sleep: Sleep,
}

impl ClientBuilder {
    /// How pages travel; JSON unless said otherwise.
    pub fn wire(mut self, wire: Wire) -> Self {
        self.wire = wire;
        self
    }

    /// How patient the client is.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Time to connect; 10 s unless said otherwise.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Time for one try of one page, from connecting to the last byte; 120 s unless said otherwise.
    pub fn page_timeout(mut self, timeout: Duration) -> Self {
        self.page_timeout = timeout;
        self
    }

    /// The `User-Agent`; `billing/` and the version unless said otherwise.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Whether to ask for compressed pages; yes unless the service is on this machine, where it costs more than it saves.
    /// Never with [`Wire::Csv`].
    pub fn compression(mut self, compression: bool) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Is told of pages, retries and changes of endpoint as they happen. Called in the middle of the work: be quick.
    pub fn observer(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// Waits between tries; tokio's timer unless said otherwise.
    pub fn sleep(
        mut self,
        sleep: impl Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync + 'static,
    ) -> Self {
        self.sleep = Arc::new(sleep);
        self
    }

    /// The client. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUrl`], [`ErrorKind::InsecureUrl`] for http to another machine, [`ErrorKind::Setup`].
    pub fn build(self) -> Result<Client, Error> {
        let base = BaseUrl::parse(&self.base_url)?;
        // A process may have chosen its provider before; then ours is not needed.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut http = reqwest::Client::builder()
            .connect_timeout(self.connect_timeout)
            .timeout(self.page_timeout)
            .user_agent(self.user_agent)
            .redirect(reqwest::redirect::Policy::none())
            // Tries are counted in one place.
            .retry(reqwest::retry::never())
            .no_proxy()
            .gzip(self.compression.unwrap_or(!base.is_loopback()));
        if !base.is_https() {
            // No TLS, so no certificates to load: that costs time, and fails on a machine that has none.
            http = http.tls_certs_only([]);
        }
        let http = http.build().map_err(|cause| Error::of(ErrorKind::Setup).because(cause))?;
        Ok(Client(Arc::new(Inner {
            http,
            base,
            key: self.key,
            wire: self.wire,
            policy: self.policy,
            observer: self.observer,
            sleep: self.sleep,
            limiter: Arc::new(Limiter::new()),
            answered: AtomicBool::new(false),
            served: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            date_unix_s: AtomicU64::new(0),
            replaced: Mutex::default(),
        })))
    }
}
