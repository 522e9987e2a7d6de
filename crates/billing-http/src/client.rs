//! Fetches one page, and does not give up at the first fault.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing_model::{HistoryRequest, Page, PageRequest, Timestamp};
use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::Instrument;

use crate::api_key::ApiKey;
use crate::base_url::BaseUrl;
use crate::endpoint::Route;
use crate::error::Error;
use crate::event::Event;
use crate::limiter::{Limiter, Outcome, Permit};
use crate::proxy::Proxy;
use crate::reply::Failure;
use crate::retry::{Class, Decision, RetryPolicy};
use crate::timer::Timer;
use crate::wire::Wire;

pub(crate) type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;
pub(crate) type Sleep = Arc<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// A request that a plain walk would not send is waited for at least so long.
const LEAST_PATIENCE: Duration = Duration::from_secs(2);

/// A try that takes so long and then fails has been worked at. Ledgers are known to answer 500 after 30 s.
const SLOW_TRY: Duration = Duration::from_secs(10);

/// How long a page is tried for.
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

/// Tries of [`Persistence::Briefly`].
const BRIEF_TRIES: u32 = 4;

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
    /// That of the first answer that had one.
    pub(crate) first_date_unix_s: watch::Sender<Option<u64>>,
    /// The longest time of the latest pages, in milliseconds.
    pub(crate) page_time_ms: AtomicU64,
    /// Endpoints in whose place the other one is used, and whether the service ended them.
    pub(crate) replaced: Mutex<Vec<(Route, bool)>>,
}

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

    /// What this client and its clones have sent so far.
    pub fn traffic(&self) -> Traffic {
        Traffic {
            requests: self.0.requests.load(Ordering::Relaxed),
            retries: self.0.retries.load(Ordering::Relaxed),
        }
    }

    /// As [`Client::page`], keeping what a walk wants to know of the failure.
    pub(crate) async fn page_or_failure(
        &self,
        request: &PageRequest,
        persistence: Persistence,
        timer: &mut Timer,
    ) -> Result<Page, Failure> {
        let mut start = None;
        // What this page has cost so far. Its turn is waited for without losing patience with it.
        let mut spent = Duration::ZERO;
        let mut tries = 0;
        let (mut strange_answers, mut refusals) = (0, 0);
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
            let limit = match persistence {
                Persistence::Once | Persistence::Briefly => limit.min(self.patience()),
                _ => limit,
            };
            let failure = match self.attempt(request, limit, timer).instrument(span).await {
                Ok((page, wait)) => {
                    let took = sent.elapsed();
                    self.note_page_time(took);
                    self.notify_tried(request, took, Ok(page.entries.len()));
                    permit.end(Outcome::Page(wait.filter(|wait| self.is_believed(*wait))));
                    self.0.served.store(true, Ordering::Relaxed);
                    return Ok(page);
                }
                Err(failure) => failure,
            };
            let took = sent.elapsed();
            spent += took;
            let Failure { class, error, requested_wait, successor } = failure;
            let error = error.map_message(|text| self.0.key.black_out(text));
            let error = error.at(self.url(request.path()), tries, start.elapsed()).slow(took >= SLOW_TRY);
            self.notify_tried(request, took, Err(&error));
            // The few tries for a strange answer are its own: a proxy's page after an outage is no last straw. Refusals are no
            // tries at all: what fails after many of them fails for the first time.
            refusals += u32::from(class == Class::Throttled);
            let counted = match class {
                Class::NotTheApi => {
                    strange_answers += 1;
                    strange_answers
                }
                _ => (tries - refusals).max(1),
            };
            let clock = requested_wait.filter(|wait| self.is_believed(*wait));
            let refusal = permit.end(outcome(class, &error, clock));
            let (elapsed, random) = (spent.max(refusal.lasting), fastrand::u32(..));
            let is_outage = class == Class::Transient
                && elapsed < self.0.policy.outage
                && self.0.served.load(Ordering::Relaxed)
                && matches!(error.status(), None | Some(503))
                && !error.is_timeout();
            let is_enough = match persistence {
                Persistence::Full => false,
                Persistence::WhileLikely => self.is_for_narrowing(&error),
                Persistence::AtCursor => {
                    let costs_time = error.is_slow() || matches!(error.status(), Some(504 | 524));
                    costs_time && self.is_for_narrowing(&error)
                }
                // Who comes too often has not been answered.
                Persistence::Once => class != Class::Throttled,
                Persistence::Briefly => {
                    let costs_time = took >= limit / 2 || matches!(error.status(), Some(504 | 524));
                    class != Class::Throttled && !is_outage && (costs_time || tries >= BRIEF_TRIES)
                }
            };
            // Who wants one try only gets no more.
            let not_the_last = self.0.policy.max_tries.saturating_sub(1).max(1);
            let counted = if is_outage { counted.min(not_the_last) } else { counted };
            let decision = match is_enough {
                true => Decision::GiveUp,
                false => self.0.policy.decide(class, counted, elapsed, requested_wait, random),
            };
            let Decision::RetryAfter(wait) = decision else {
                let error = match requested_wait {
                    Some(wait) if !self.is_believed(wait) => error.with_message(self.later(wait)),
                    _ => error,
                };
                return Err(Failure { class, error, requested_wait, successor });
            };
            let wait = wait.max(refusal.wait);
            spent += wait;
            tracing::debug!(%error, ?wait, "trying again");
            // After a refusal the limiter waits, and with it every other request of this client.
            if class != Class::Throttled {
                self.notify(&Event::Retrying { error: &error, wait });
                (self.0.sleep)(wait).await;
            } else if refusal.is_news {
                self.notify(&Event::Retrying { error: &error, wait });
            }
        }
    }

    /// Waits, as between two tries.
    pub(crate) async fn pause(&self, wait: Duration) {
        (self.0.sleep)(wait).await;
    }

    fn notify_tried(&self, request: &PageRequest, took: Duration, result: Result<usize, &Error>) {
        // What is in a cursor is the service's secret.
        let query = match request {
            PageRequest::ByCursor(HistoryRequest::Next(_)) => "cursor=…".to_owned(),
            request => self.black_out(&request.query_string()),
        };
        self.notify(&Event::Tried { path: request.path(), query: &query, took, result });
    }

    /// True for a wait that there is patience for.
    fn is_believed(&self, wait: Duration) -> bool {
        wait <= self.0.policy.max_wait
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
            // One that has never answered is not there, whatever it is asked for.
            _ if error.is_slow() => self.has_answered() && error.tries() >= policy.timeouts_before_narrowing,
            // Says itself that the window is too much.
            Some(504 | 524) => error.tries() >= policy.tries_before_narrowing,
            // A service that has not given a single page is just not there.
            Some(500 | 502 | 520..=530) if self.0.served.load(Ordering::Relaxed) => {
                error.tries() >= policy.tries_before_narrowing
            }
            _ => false,
        }
    }

    /// When to come back to a service that wants to be left alone for longer than there is patience.
    fn later(&self, wait: Duration) -> String {
        let seconds = wait.as_secs();
        let now = self.0.date_unix_s.load(Ordering::Relaxed);
        let at = match now {
            0 => String::new(),
            now => format!(", at {}", at_unix_s(now.saturating_add(seconds))),
        };
        format!("the service asks to come back in {seconds} s{at}, which is longer than this client waits")
    }

    /// True when the service has answered, whatever it was.
    pub(crate) fn has_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }

    /// The present by the service's clock, as its latest answer has it.
    pub(crate) fn present(&self) -> Option<Timestamp> {
        let unix_s = self.0.date_unix_s.load(Ordering::Relaxed);
        (unix_s > 0).then(|| at_unix_s(unix_s))
    }

    /// The service's clock at the first answer that had one.
    pub(crate) fn first_time(&self) -> Option<Timestamp> {
        self.0.first_date_unix_s.borrow().map(at_unix_s)
    }

    /// The same, as soon as it is known.
    pub(crate) async fn first_told(&self) -> Timestamp {
        let mut told = self.0.first_date_unix_s.subscribe();
        match told.wait_for(Option::is_some).await.ok().and_then(|unix_s| *unix_s) {
            Some(unix_s) => at_unix_s(unix_s),
            // The sender is this client's own.
            None => std::future::pending().await,
        }
    }

    /// Notes the `Date` of an answer.
    pub(crate) fn note_date(&self, unix_s: u64) {
        self.0.date_unix_s.store(unix_s, Ordering::Relaxed);
        self.0.first_date_unix_s.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(unix_s);
            is_first
        });
    }

    /// How long a request is waited for that a plain walk would not send: a few times what pages take.
    fn patience(&self) -> Duration {
        let page = Duration::from_millis(self.0.page_time_ms.load(Ordering::Relaxed));
        (page * 5).max(LEAST_PATIENCE)
    }

    /// Keeps the longest time of the latest pages.
    fn note_page_time(&self, elapsed: Duration) {
        let elapsed_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let longest = |known_ms: u64| Some(elapsed_ms.max(known_ms - known_ms / 8));
        // Always some, so it is always set.
        let _ = self.0.page_time_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, longest);
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

fn at_unix_s(unix_s: u64) -> Timestamp {
    let unix_ns = unix_s.saturating_mul(1_000_000_000);
    Timestamp::from_unix_ns(i64::try_from(unix_ns).unwrap_or(i64::MAX))
}

/// What a failed try means to the limiter. `clock` is when the service says to come back.
fn outcome(class: Class, error: &Error, clock: Option<Duration>) -> Outcome {
    let is_counted =
        error.is_timeout() || error.status().is_some_and(|status| status >= 400 && status != 429);
    match class {
        Class::Throttled => Outcome::Refused { clock, is_counted },
        _ if is_counted => Outcome::Failed,
        _ => Outcome::Broken,
    }
}
