//! Fetches one page, and does not give up at the first fault.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing_model::{Page, PageRequest, TimeWindow, Timestamp};
use futures::future::BoxFuture;
use tokio::time::Instant;
use tracing::Instrument;

use crate::api_key::ApiKey;
use crate::base_url::BaseUrl;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::limiter::{Limiter, Outcome, Permit};
use crate::proxy::Proxy;
use crate::reply::Failure;
use crate::retry::{Class, Decision, RetryPolicy};
use crate::walk::{Endpoint, Walk};
use crate::walker::Walker;
use crate::wire::Wire;

pub(crate) type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;
pub(crate) type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

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
pub struct Client(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) http: reqwest::Client,
    pub(crate) base: BaseUrl,
    pub(crate) key: ApiKey,
    pub(crate) wire: Wire,
    /// Whether compressed pages are asked for.
    pub(crate) compression: bool,
    pub(crate) policy: RetryPolicy,
    pub(crate) connect_timeout: Duration,
    pub(crate) page_timeout: Duration,
    pub(crate) silence_worth_telling: Duration,
    /// The proxy that the requests go by, if they do.
    pub(crate) proxy: Option<Proxy>,
    pub(crate) observer: Observer,
    pub(crate) sleep: Sleep,
    pub(crate) limiter: Arc<Limiter>,
    /// Set by the first answer of the service, whatever it was.
    pub(crate) answered: AtomicBool,
    /// Set by the first page.
    pub(crate) served: AtomicBool,
    pub(crate) requests: AtomicU64,
    pub(crate) retries: AtomicU64,
    /// The `Date` of the latest answer that had one, in unix seconds; zero before it.
    pub(crate) date_unix_s: AtomicU64,
    /// Endpoints in whose place the other one is used, and whether the service ended them.
    pub(crate) replaced: Mutex<Vec<(Endpoint, bool)>>,
}

impl Client {
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
            let limit = self.time_for_a_try(spent);
            let failure = match self.attempt(request, limit).instrument(span).await {
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

    /// The time for a try, after what was spent before. Until there is any answer all tries of a page share theirs.
    fn time_for_a_try(&self, spent: Duration) -> Duration {
        match self.has_answered() {
            true => self.0.page_timeout,
            false => self.0.page_timeout.min(self.0.policy.first_answer_budget.saturating_sub(spent)),
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
            // Nor is one that has never answered, whatever it is asked for.
            _ => {
                self.has_answered() && error.is_timeout() && error.tries() >= policy.timeouts_before_narrowing
            }
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

/// What a failed try means to the limiter.
fn outcome(error: &Error) -> Outcome {
    let is_counted = error.is_timeout() || error.status().is_some_and(|status| status >= 400);
    if is_counted { Outcome::Failed } else { Outcome::Broken }
}
