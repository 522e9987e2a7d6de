//! Turns a request into an answer: who asks, what for, in which form, and from which part of the ledger.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use billing_ledger::{AccountId, Batch, KeyKind, Ledger, Principal, Receipt};
use billing_model::{AnalyticsQuery, Balance, BalanceParts, Currency, Day, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tracing::Span;

use crate::accept::Form;
use crate::ahead::Ahead;
use crate::analytics::AnalyticsCache;
use crate::answer;
use crate::authorization::bearer_key;
use crate::browsers::Browsers;
use crate::budget::{Budget, Growing};
use crate::config::{Config, UsageEndpoint};
use crate::cursor::Cursors;
use crate::error::Error;
use crate::ingest::{self, Announced, Checked};
use crate::life::write_life;
use crate::limits::{Caller, FailureLimit, RateLimit};
use crate::metrics::{self, Metrics};
use crate::recorder::Recorder;
use crate::row_rules::RowRules;
use crate::standing::Standing;
use crate::trouble::Trouble;
use crate::turns::Turns;
use crate::whole_body::{JSON, body_bytes, whole_body};

/// Up to so many bytes, an answer takes no room and no place while it is fetched, because it fits into the system's own
/// buffers.
pub(crate) const SMALL_ANSWER: usize = 64 << 10;

/// How long an answer that was read waits for room. Meanwhile others wait for its reader.
pub(crate) const ANSWER_PATIENCE: Duration = Duration::from_millis(250);

/// What is read from a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// By page number.
    Usage,
    /// By cursor.
    UsageHistory,
    Analytics,
    Balance,
}

/// A ledger that answers.
pub(crate) struct Service {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) config: Config,
    pub(crate) metrics: Arc<Metrics>,
    /// Requests that are answered at the same time.
    pub(crate) requests: Arc<Semaphore>,
    pub(crate) failures: Option<FailureLimit>,
    /// The rules for pages in a browser; `None` when no page may read answers.
    pub(crate) browsers: Option<Browsers>,
    rate: Option<RateLimit>,
    usage_rate: Option<RateLimit>,
    pub(crate) cursors: Cursors,
    pub(crate) reads: Arc<Semaphore>,
    /// Pages that walks are about to ask for.
    pub(crate) ahead: Ahead,
    /// One permit, for usage analytics, because its sums take memory for every name.
    summing: Arc<Semaphore>,
    analytics: AnalyticsCache,
    pub(crate) budget: Budget,
    turns: Turns,
    recorder: Recorder,
}

impl Service {
    pub(crate) fn new(ledger: Arc<dyn Ledger>, config: Config) -> Self {
        // Without a permit no request would ever be answered.
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)));
        let metrics = Arc::new(Metrics::of(&ledger));
        Self {
            requests: semaphore(config.concurrent_requests),
            failures: config.failed_request_limit.map(FailureLimit::new),
            browsers: Browsers::new(&config.allow_origins),
            rate: config.rate_limit.map(RateLimit::new),
            usage_rate: config.usage_rate_limit.map(RateLimit::new),
            cursors: Cursors::new(&ledger.key_material().signing_key(), config.cursor_ttl),
            reads: semaphore(config.concurrent_reads.min(ledger.concurrent_reads())),
            ahead: Ahead::default(),
            summing: semaphore(1),
            analytics: AnalyticsCache::new(config.analytics_ttl),
            budget: Budget::new(config.memory),
            turns: Turns::default(),
            recorder: Recorder::start(Arc::clone(&ledger), Arc::clone(&metrics)),
            ledger,
            config,
            metrics,
        }
    }

    /// Answers one request that reads, whatever happens on the way.
    pub(crate) async fn read(self: Arc<Self>, read: Read, request: Parts) -> Response {
        // The endpoint has ended for everybody, so the key is not asked for.
        let life = match read {
            Read::Usage => self.config.usage_endpoint,
            _ => UsageEndpoint::Live,
        };
        let mut response = if life == UsageEndpoint::Sunset {
            Error::Gone.into_response()
        } else {
            let (standing, answer) = match read {
                Read::Analytics => self.sum(request).await,
                _ => self.look_up(read, request).await,
            };
            with_standing(standing, answer)
        };
        write_life(life, response.headers_mut());
        response
    }

    /// Finds out who asks, and answers.
    async fn look_up(
        self: &Arc<Self>,
        read: Read,
        request: Parts,
    ) -> (Option<Standing>, Result<Response, Error>) {
        let (service, is_usage) = (Arc::clone(self), read == Read::Usage);
        let answered = self.reading(move || {
            let (standing, admitted) = service.admit(&request.headers, KeyKind::Admin, is_usage);
            (standing, admitted.and_then(|account| service.answer(read, account, &request)))
        });
        match answered.await {
            Ok((_permit, (standing, answer))) => (standing, answer),
            Err(error) => (None, Err(error)),
        }
    }

    /// Finds out who asks, and makes the sums when it is their turn. A caller that may not ask is refused without
    /// waiting.
    async fn sum(self: &Arc<Self>, request: Parts) -> (Option<Standing>, Result<Response, Error>) {
        let (service, headers) = (Arc::clone(self), request.headers.clone());
        let admitted = self.reading(move || service.admit(&headers, KeyKind::Admin, false)).await;
        // The permit goes back first: who waits for a turn with one in hand keeps it from whoever has the turn.
        let (standing, account) = match admitted.map(|(_permit, admitted)| admitted) {
            Ok((standing, Ok(account))) => (standing, account),
            Ok((standing, Err(error))) => return (standing, Err(error)),
            Err(error) => return (None, Err(error)),
        };
        let turn = Arc::clone(&self.summing).acquire_owned().await;
        let service = Arc::clone(self);
        let answered = self.reading(move || {
            let turn = turn.map_err(Error::internal);
            let answer =
                turn.and_then(|turn| Ok((turn, service.answer(Read::Analytics, account, &request)?)));
            answer.map(|(turn, answer)| (answer, turn))
        });
        let answer = match answered.await {
            // The permit and the turn are kept until there is room for the answer.
            Ok((_permit, Ok((answer, _turn)))) => self.within_memory(answer).await,
            Ok((_, Err(error))) | Err(error) => Err(error),
        };
        (standing, answer)
    }

    /// Runs work that reads the ledger. Only a few run at the same time. The permit comes back with the result. It is
    /// kept to the end of the work, even when the client has gone.
    async fn reading<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<(OwnedSemaphorePermit, T), Error> {
        let permit = Arc::clone(&self.reads).acquire_owned().await.map_err(Error::internal)?;
        blocking(move || Ok((permit, work()))).await
    }

    /// An answer with the memory that it takes until it is fetched.
    async fn within_memory(&self, mut response: Response) -> Result<Response, Error> {
        let bytes = body_bytes(&response);
        if bytes > SMALL_ANSWER {
            let share = self.budget.answers.take(bytes, ANSWER_PATIENCE).await;
            response.extensions_mut().insert(Arc::new(share.map_err(|_| Error::Busy)?));
        }
        Ok(response)
    }

    /// Takes a batch of entries: it is durable when this answers 201, or it is not stored.
    pub(crate) async fn ingest(self: Arc<Self>, request: Parts, body: Body) -> Response {
        let (service, headers) = (Arc::clone(&self), request.headers.clone());
        let admitted = blocking(move || Ok(service.admit(&headers, KeyKind::Ingest, false)));
        let (standing, admitted) = admitted.await.unwrap_or_else(|error| (None, Err(error)));
        let answer = match admitted {
            Ok(account) => self.store(account, &request.headers, body).await,
            Err(error) => Err(error),
        };
        with_standing(standing, answer)
    }

    async fn store(
        self: &Arc<Self>,
        account: AccountId,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Response, Error> {
        Form::negotiate(headers)
            .filter(|form| *form == Form::Json)
            .ok_or(Error::NotAcceptable(answer::JSON_ONLY))?;
        let announced = Announced::by(headers)?;
        let (limit, time) = (self.config.body_limit, self.config.request_timeout);
        let bytes = ingest::announced_bytes(headers, limit)?;
        let mut room =
            self.budget.bodies.take_for(account, bytes, time).await.map_err(|_| Error::IngestFull)?;
        let body = ingest::read_body(body, bytes, (limit, time)).await?;
        room.shrink_to(body.len());
        // Before the clock is read: what an earlier batch with this key came to has to be known by then.
        let turn = self.turns.take(account, &announced.idempotency_key, time).await;
        let turn = turn.ok_or(Error::LedgerBusy)?;
        let work = announced.work_bytes(body.len(), limit);
        let mut share = self.budget.work.take(work, time).await.map_err(|_| Error::IngestFull)?;
        let received_at = (self.config.now)();
        let (max_age, max_future) = (self.config.max_age, self.config.max_future);
        let rules = RowRules { now: received_at, max_age, max_future };
        let (checked, share) = {
            let (ledger, announced) = (Arc::clone(&self.ledger), announced.clone());
            blocking(move || {
                let checked = match announced.check(body, (limit, rules)) {
                    // The batch may have been good when it was stored and be too old by now. If it is stored, it gets
                    // its receipt.
                    Err(Error::Rows { digest, body }) => {
                        match ledger.find_batch(account, &announced.idempotency_key, &digest) {
                            Ok(Some(entries)) => Ok(Err(Receipt::Repeated(entries))),
                            // Nobody has to mend rows for an account that would not take them.
                            Ok(None) => match ledger.source(account) {
                                Ok(Some(_)) => Ok(Err(Receipt::Synced)),
                                Ok(None) => Err(Error::Rows { digest, body }),
                                Err(error) => Err(Error::of_ledger(error)),
                            },
                            Err(error) => Err(Error::of_ledger(error)),
                        }
                    }
                    checked => checked.map(Ok),
                };
                // The body is no longer in memory, only its rows or their faults.
                drop(room);
                share.shrink_to(match &checked {
                    Ok(Ok(checked)) => checked.entries.bytes(),
                    Err(Error::Rows { body, .. }) => body.len(),
                    Ok(Err(_)) | Err(_) => 0,
                });
                Ok((checked, share))
            })
            .await?
        };
        let receipt = match checked {
            Ok(Ok(Checked { digest, entries, amounts })) => {
                let idempotency_key = announced.idempotency_key.clone();
                let batch = Batch { account, idempotency_key, digest, received_at, entries };
                self.recorder.store((batch, amounts), (share, turn)).await?
            }
            Ok(Err(receipt)) => receipt,
            Err(error) => {
                let mut response = error.into_response();
                response.extensions_mut().insert(Arc::new(share));
                return Ok(response);
            }
        };
        let source = match receipt {
            Receipt::Synced => {
                let ledger = Arc::clone(&self.ledger);
                let source = blocking(move || ledger.source(account).map_err(Error::of_ledger)).await?;
                source.map(|source| source.base_url)
            }
            _ => None,
        };
        ingest::answer(&announced.idempotency_key, receipt, source)
    }

    /// The metrics of the account that asks. This needs a key, but has no rate and never blocks the caller.
    pub(crate) async fn counts(self: Arc<Self>, headers: HeaderMap) -> Response {
        let service = Arc::clone(&self);
        let principal = match blocking(move || service.authenticate(&headers)).await {
            Ok(principal) => principal,
            Err(error) => return error.into_response(),
        };
        self.recorder.note_use(&principal.key_id, (self.config.now)());
        let counts = match principal.kind {
            KeyKind::Admin => metrics::answer(self.metrics.text_of(principal.account)),
            _ => Err(Error::AdminKeyRequired),
        };
        with_standing(Some(Standing { key_id: principal.key_id, rate: None }), counts)
    }

    /// What keeps the service from doing its work, in words.
    pub(crate) async fn impediment(self: Arc<Self>) -> Option<&'static str> {
        let (is_recording, trouble) = (self.recorder.is_running(), self.recorder.trouble());
        // Any text will do as a key, because it is looked up in the ledger.
        let reads = blocking(move || self.ledger.authenticate("").map_err(Error::of_ledger)).await;
        match reads {
            Err(Error::Unreadable(trouble)) => Some(trouble.text()),
            Ok(_) if is_recording => trouble.map(Trouble::text),
            Ok(_) | Err(_) => Some("the ledger cannot be used"),
        }
    }

    /// Finds out who asks, and whether it may.
    fn admit(
        &self,
        headers: &HeaderMap,
        wanted: KeyKind,
        is_usage: bool,
    ) -> (Option<Standing>, Result<AccountId, Error>) {
        let principal = match self.authenticate(headers) {
            Ok(principal) => principal,
            Err(error) => return (None, Err(error)),
        };
        let now = Instant::now();
        let mut standing = Standing { key_id: principal.key_id.clone(), rate: None };
        let caller = Caller::Key(principal.key_id.clone());
        if let Some(retry_after) = self.failures.as_ref().and_then(|limit| limit.is_blocked(&caller, now)) {
            return (Some(standing), Err(Error::Blocked { retry_after }));
        }
        let usage_rate = self.usage_rate.as_ref().filter(|_| is_usage);
        for limit in [self.rate.as_ref(), usage_rate].into_iter().flatten() {
            let rate = limit.count(&principal.key_id, now);
            // The client is told the rate that has less left.
            standing.rate = match standing.rate {
                Some(other) if other.remaining < rate.remaining => Some(other),
                _ => Some(rate),
            };
            if !rate.is_within {
                return (Some(standing), Err(Error::RateLimited { retry_after: rate.resets_in }));
            }
        }
        self.recorder.note_use(&principal.key_id, (self.config.now)());
        let admitted = match (principal.kind, wanted) {
            (kind, wanted) if kind == wanted => Ok(principal.account),
            (_, KeyKind::Ingest) => Err(Error::IngestKeyRequired),
            _ => Err(Error::AdminKeyRequired),
        };
        (Some(standing), admitted)
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<Principal, Error> {
        let key = bearer_key(headers).ok_or(Error::Unauthenticated)?;
        self.ledger.authenticate(key).map_err(Error::of_ledger)?.ok_or(Error::Unauthenticated)
    }

    /// The checks come in an order that gives nothing away: a stranger's query is never looked at.
    fn answer(self: &Arc<Self>, read: Read, account: AccountId, request: &Parts) -> Result<Response, Error> {
        let form = Form::negotiate(&request.headers);
        let query = request.uri.query().unwrap_or_default();
        let now = (self.config.now)();
        match (read, form) {
            (Read::Usage | Read::UsageHistory, None) => {
                Err(Error::NotAcceptable("application/json and text/csv"))
            }
            (Read::Usage | Read::UsageHistory, Some(form)) => {
                let lent = (form == Form::Json).then(|| self.lent_page(read, account, query, now));
                match lent.transpose()?.flatten() {
                    Some(answer) => Ok(answer),
                    None => self.kept_page(read, account, request, (form, now)),
                }
            }
            (_, form) if form != Some(Form::Json) => Err(Error::NotAcceptable(answer::JSON_ONLY)),
            (Read::Analytics, _) => {
                let (query, limit) = (AnalyticsQuery::parse(query)?, self.config.analytics_timeout);
                let memory = Growing::new(&self.budget.work);
                self.analytics.answer(&*self.ledger, account, query, now, (limit, memory))
            }
            (Read::Balance, _) => self.balance(account, now),
        }
    }

    fn balance(&self, account: AccountId, now: Timestamp) -> Result<Response, Error> {
        // If the clock is beyond the years of a ledger, no DIEM was spent on its day.
        let day = Day::of(now).unwrap_or(Day(i64::MAX));
        let funds = self.ledger.funds(account, day).map_err(Error::of_ledger)?;
        let mut parts = BalanceParts {
            diem_allocation: funds.diem_allocation,
            diem_today: funds.diem_of_day,
            ..BalanceParts::default()
        };
        for (currency, net) in funds.nets {
            match currency {
                Currency::Usd => parts.usd = net,
                Currency::BundledCredits => parts.bundled_credits = net,
                Currency::EarnedCredits => parts.earned_credits = net,
                // The sum of all DIEM means nothing, because it does not roll over. Other currencies have no balance.
                _ => {}
            }
        }
        let mut body = Vec::new();
        Balance::of(&parts).write_json(&mut body);
        Ok(whole_body(StatusCode::OK, JSON, body))
    }
}

fn with_standing(standing: Option<Standing>, answer: Result<Response, Error>) -> Response {
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    if let Some(standing) = standing {
        response.extensions_mut().insert(standing);
    }
    response
}

/// Runs blocking work beside the requests. A panic in it becomes an error.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let span = Span::current();
    spawn_blocking(move || span.in_scope(work)).await.map_err(Error::internal)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_internal_error() {
        let error = blocking(|| -> Result<(), Error> { panic!("on purpose") }).await.unwrap_err();
        assert_eq!(error.into_response().status(), 500);
    }
}
