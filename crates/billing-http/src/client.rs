//! A client: its parts, and what it has learned about its service.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing_model::Timestamp;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::api_key::ApiKey;
use crate::base_url::BaseUrl;
use crate::endpoint::Route;
use crate::error::Error;
use crate::event::Event;
use crate::limiter::Limiter;
use crate::proxy::Proxy;
use crate::retry::RetryPolicy;
use crate::wire::Wire;

pub(crate) type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;
pub(crate) type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// The shortest time limit of a request that a plain walk would not send.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// How long a request is tried before it is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// As long as the retry policy allows.
    Full,
    /// Until it has failed so often that another window is worth asking for ([`Client::is_for_narrowing`]).
    WhileLikely,
    /// Like `WhileLikely`, for a page that a cursor leads to. The cursor knows its place, and a request without it may be
    /// answered by a copy that lags behind. So only failures that cost time are a reason to leave the cursor.
    AtCursor,
    /// Once, with a short time limit: a plain walk would not send this request.
    Once,
    /// Like `Once`, but a few tries more when a try fails fast: a wrong end of the walk may follow from this answer.
    Briefly,
}

/// What a client has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// All requests, repeated ones included.
    pub requests: u64,
    /// Of these, the requests that repeated a failed one.
    pub retries: u64,
}

/// A client of one service with one key. Cheap to clone; clones share connections, and one limiter: a service that asks
/// one of them to wait is waited for by all.
///
/// A client and its clones belong to one tokio runtime, which drives their connections. Make one for each runtime: a
/// connection that another one has left behind is driven by nobody, and a request on it waits for its whole
/// [`try_timeout`](crate::ClientBuilder::try_timeout).
#[derive(Clone)]
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) base: BaseUrl,
    pub(crate) key: ApiKey,
    pub(crate) wire: Wire,
    /// Whether compressed answers are asked for.
    pub(crate) compression: bool,
    pub(crate) policy: RetryPolicy,
    pub(crate) connect_timeout: Duration,
    pub(crate) try_timeout: Duration,
    pub(crate) silence_worth_telling: Duration,
    /// The proxy through which requests go; `None` when they go straight to the service.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) observer: Observer,
    pub(crate) sleep: Sleep,
    pub(crate) limiter: Arc<Limiter>,
    /// Set by the first answer of the service, whatever its status.
    pub(crate) answered: AtomicBool,
    /// Set by the first success.
    pub(crate) served: AtomicBool,
    pub(crate) requests: AtomicU64,
    pub(crate) retries: AtomicU64,
    /// The `Date` of the latest answer that had one, in unix seconds.
    pub(crate) date_unix_s: watch::Sender<Option<u64>>,
    /// The longest time of the latest pages, in milliseconds.
    pub(crate) page_time_ms: AtomicU64,
    /// Endpoints that were replaced by the other one, and whether the service ended them (410) or never had them (404).
    pub(crate) replaced: Mutex<Vec<(Route, bool)>>,
}

impl Client {
    /// The URL below which its service is, as it is used: in one spelling, with a `/` at its end.
    pub fn base_url(&self) -> &str {
        self.0.base.as_str()
    }

    /// True when its service is the one below this URL, in whatever spelling.
    pub fn is_of(&self, base_url: &str) -> bool {
        BaseUrl::parse(base_url).is_ok_and(|base| base.as_str() == self.base_url())
    }

    /// The [fingerprint](ApiKey::fingerprint) of its key.
    pub fn key_fingerprint(&self) -> String {
        self.0.key.fingerprint()
    }

    /// What this client and its clones have sent so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.0.requests.load(Ordering::Relaxed),
            retries: self.0.retries.load(Ordering::Relaxed),
        }
    }

    /// Waits, as between two tries.
    pub(crate) async fn pause(&self, wait: Duration) {
        (self.0.sleep)(wait).await;
    }

    /// True for a failure that has come so often that the window itself may be the reason.
    pub(crate) fn is_for_narrowing(&self, error: &Error) -> bool {
        let policy = &self.0.policy;
        match error.status() {
            // A service that has never answered is not there: no other window helps.
            _ if error.is_slow() => self.has_answered() && error.tries() >= policy.timeouts_before_narrowing,
            // A gateway's time was over: the window may be too much work.
            Some(504 | 524) => error.tries() >= policy.tries_before_narrowing,
            // A service that has served no request yet is down: no other window helps.
            Some(500 | 502 | 520..=530) if self.0.served.load(Ordering::Relaxed) => {
                error.tries() >= policy.tries_before_narrowing
            }
            _ => false,
        }
    }

    /// True when the service has answered at least once, whatever the status.
    pub(crate) fn has_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }

    /// The service's clock at its latest answer that had a `Date`.
    pub fn present(&self) -> Option<Timestamp> {
        self.0.date_unix_s.borrow().map(at_unix_s)
    }

    /// The `Date` of each answer that comes from now on, whoever asked.
    pub(crate) fn dates(&self) -> watch::Receiver<Option<u64>> {
        self.0.date_unix_s.subscribe()
    }

    /// Notes the `Date` of an answer. A clock that stands at zero tells no time.
    pub(crate) fn note_date(&self, unix_s: u64) {
        if unix_s > 0 {
            self.0.date_unix_s.send_replace(Some(unix_s));
        }
    }

    /// The time limit of a request that a plain walk would not send: five times what a page takes, two seconds at least.
    pub(crate) fn patience(&self) -> Duration {
        let page = Duration::from_millis(self.0.page_time_ms.load(Ordering::Relaxed));
        (page * 5).max(LEAST_PATIENCE)
    }

    /// True when the body says whether a page is the last one. In text/csv a header says it, which a proxy may drop.
    pub(crate) fn ends_in_the_body(&self) -> bool {
        matches!(self.0.wire, Wire::Json)
    }

    /// A text of the service, with the key blacked out.
    pub(crate) fn black_out(&self, text: &str) -> String {
        self.0.key.black_out(text)
    }

    /// The URL of a path as errors show it: without the query, because a cursor in it is not for other eyes.
    pub(crate) fn url(&self, path: &str) -> String {
        self.0.base.with(path, "").into()
    }

    /// True when the other endpoint has replaced this one. Replacements after a 404 count only with `by_404_too`.
    pub(crate) fn is_replaced(&self, endpoint: Route, by_404_too: bool) -> bool {
        let replaced = self.0.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.iter().any(|(found, gone)| *found == endpoint && (*gone || by_404_too))
    }

    /// Notes that the other endpoint replaces this one. Returns false when that was known already.
    pub(crate) fn replace(&self, endpoint: Route, gone: bool) -> bool {
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

    /// True when a link in an answer leads to the same origin as the base URL.
    pub(crate) fn is_own(&self, link: &str) -> bool {
        self.0.base.same_origin(link)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.0.base).field("key", &self.0.key).finish_non_exhaustive()
    }
}

pub(crate) fn at_unix_s(unix_s: u64) -> Timestamp {
    let unix_ns = unix_s.saturating_mul(1_000_000_000);
    Timestamp::from_unix_ns(i64::try_from(unix_ns).unwrap_or(i64::MAX))
}
