//! A client: what it is made of, and what it has come to know of its service.

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

/// A request that a plain walk would not send is waited for at least so long.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// How long a request is tried for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// As long as the policy has it.
    Full,
    /// Until another window may be the better question.
    WhileLikely,
    /// The same of what a cursor leads to. It knows where it is, and another question may be answered by a copy that lags
    /// behind: so a failure that costs no time is no reason to leave it.
    AtCursor,
    /// Once, and not long: it is a request that a plain walk would not send.
    Once,
    /// The same, and some times more where a try costs no time: much hangs on the answer.
    Briefly,
}

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
    /// The proxy that the requests go by, if they do.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) observer: Observer,
    pub(crate) sleep: Sleep,
    pub(crate) limiter: Arc<Limiter>,
    /// Set by the first answer of the service, whatever it was.
    pub(crate) answered: AtomicBool,
    /// Set by the first success.
    pub(crate) served: AtomicBool,
    pub(crate) requests: AtomicU64,
    pub(crate) retries: AtomicU64,
    /// The `Date` of the latest answer that had one, in unix seconds.
    pub(crate) date_unix_s: watch::Sender<Option<u64>>,
    /// The longest time of the latest pages, in milliseconds.
    pub(crate) page_time_ms: AtomicU64,
    /// Endpoints in whose place the other one is used, and whether the service ended them.
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

    /// True for a failure that has come often enough to suspect what was asked for.
    pub(crate) fn is_for_narrowing(&self, error: &Error) -> bool {
        let policy = &self.0.policy;
        match error.status() {
            // One that has never answered is not there, whatever it is asked for.
            _ if error.is_slow() => self.has_answered() && error.tries() >= policy.timeouts_before_narrowing,
            // Says itself that the window is too much.
            Some(504 | 524) => error.tries() >= policy.tries_before_narrowing,
            // A service that has not served a single request is just not there.
            Some(500 | 502 | 520..=530) if self.0.served.load(Ordering::Relaxed) => {
                error.tries() >= policy.tries_before_narrowing
            }
            _ => false,
        }
    }

    /// True when the service has answered, whatever it was.
    pub(crate) fn has_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }

    /// The present by the service's clock, as its latest answer has it.
    pub(crate) fn present(&self) -> Option<Timestamp> {
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

    /// How long a request is waited for that a plain walk would not send: a few times what pages take.
    pub(crate) fn patience(&self) -> Duration {
        let page = Duration::from_millis(self.0.page_time_ms.load(Ordering::Relaxed));
        (page * 5).max(LEAST_PATIENCE)
    }

    /// True when a page says in its body that it is the last, and not by the lack of a header.
    pub(crate) fn ends_in_the_body(&self) -> bool {
        matches!(self.0.wire, Wire::Json)
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
    pub(crate) fn is_replaced(&self, endpoint: Route, by_404_too: bool) -> bool {
        let replaced = self.0.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.iter().any(|(found, gone)| *found == endpoint && (*gone || by_404_too))
    }

    /// Notes that the other endpoint is to be used in the place of this one. False when that is known already.
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

pub(crate) fn at_unix_s(unix_s: u64) -> Timestamp {
    let unix_ns = unix_s.saturating_mul(1_000_000_000);
    Timestamp::from_unix_ns(i64::try_from(unix_ns).unwrap_or(i64::MAX))
}
