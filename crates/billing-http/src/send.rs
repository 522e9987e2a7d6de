//! Sends a described call, and does not give up at the first fault.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument;

use crate::call::{Call, Repeat, Request};
use crate::client::{Client, Persistence, at_unix_s};
use crate::error::Error;
use crate::event::Event;
use crate::limiter::{Outcome, Permit, Refusal};
use crate::reply::Failure;
use crate::retry::{Class, Decision};
use crate::timer::Timer;

/// A try that takes so long and then fails has been worked at. Ledgers are known to answer 500 after 30 s.
const SLOW_TRY: Duration = Duration::from_secs(10);

/// Tries of [`Persistence::Briefly`].
const BRIEF_TRIES: u32 = 4;

/// An answer, and how long the try took that got it.
#[derive(Debug)]
pub(crate) struct Sent<T> {
    pub(crate) answer: T,
    pub(crate) took: Duration,
}

/// What a call has cost so far.
#[derive(Debug, Default)]
struct Spent {
    /// Tries and waits together. Its turn is waited for without losing patience with it.
    time: Duration,
    tries: u32,
    strange_answers: u32,
    refusals: u32,
}

/// A try that failed, beside its failure.
struct Try {
    took: Duration,
    limit: Duration,
    refusal: Refusal,
}

impl Client {
    /// Sends a call until it is answered, or until the policy or the caller's persistence is at its end.
    pub(crate) async fn send<C: Call>(
        &self,
        call: &C,
        persistence: Persistence,
        timer: &mut Timer,
    ) -> Result<Sent<C::Answer>, Failure> {
        let request = call.request();
        let (method, path) = (&request.method, request.path);
        let mut start = None;
        let mut spent = Spent::default();
        let mut in_doubt = false;
        loop {
            let permit = self.admit().await;
            let sent = Instant::now();
            let start = *start.get_or_insert(sent);
            spent.tries += 1;
            self.0.requests.fetch_add(1, Ordering::Relaxed);
            self.0.retries.fetch_add(u64::from(spent.tries > 1), Ordering::Relaxed);
            let span =
                tracing::debug_span!("request", method = method.as_str(), path, try_number = spent.tries);
            let limit = self.time_for_a_try(persistence, spent.time);
            let mut failure = match self.attempt(call, &request, limit, timer).instrument(span).await {
                Ok((answer, wait)) => {
                    let took = sent.elapsed();
                    self.notify_tried(&request, took, Ok(call.entries(&answer)));
                    permit.end(Outcome::Served(wait.filter(|wait| self.is_believed(*wait))));
                    self.0.served.store(true, Ordering::Relaxed);
                    return Ok(Sent { answer, took });
                }
                Err(failure) => failure,
            };
            let took = sent.elapsed();
            spent.time += took;
            in_doubt |= matches!(request.repeat, Repeat::UnderKey(_)) && failure.may_have_arrived();
            failure.in_doubt = in_doubt;
            let error = failure.error.map_message(|text| self.black_out(text)).by(method);
            failure.error = error.at(self.url(path), spent.tries, start.elapsed()).slow(took >= SLOW_TRY);
            self.notify_tried(&request, took, Err(&failure.error));
            let clock = failure.requested_wait.filter(|wait| self.is_believed(*wait));
            let refusal = permit.end(outcome(failure.class, &failure.error, clock));
            let tried = Try { took, limit, refusal };
            let Decision::RetryAfter(wait) = self.decide(&failure, persistence, &tried, &mut spent) else {
                return Err(self.given_up(failure));
            };
            let Failure { class, error, .. } = failure;
            let wait = wait.max(tried.refusal.wait);
            spent.time += wait;
            tracing::debug!(%error, ?wait, "trying again");
            // After a refusal the limiter waits, and with it every other request of this client.
            if class != Class::Throttled {
                self.notify(&Event::Retrying { error: &error, wait });
                (self.0.sleep)(wait).await;
            } else if tried.refusal.is_news {
                self.notify(&Event::Retrying { error: &error, wait });
            }
        }
    }

    /// Whether to try once more, and after which wait.
    fn decide(
        &self,
        failure: &Failure,
        persistence: Persistence,
        tried: &Try,
        spent: &mut Spent,
    ) -> Decision {
        let Failure { class, ref error, requested_wait, .. } = *failure;
        // The few tries for a strange answer are its own: a proxy's page after an outage is no last straw. Refusals are no
        // tries at all: what fails after many of them fails for the first time.
        spent.refusals += u32::from(class == Class::Throttled);
        let counted = match class {
            Class::NotTheApi => {
                spent.strange_answers += 1;
                spent.strange_answers
            }
            _ => (spent.tries - spent.refusals).max(1),
        };
        let elapsed = spent.time.max(tried.refusal.lasting);
        let is_outage = class == Class::Transient
            && elapsed < self.0.policy.outage
            && self.0.served.load(Ordering::Relaxed)
            && matches!(error.status(), None | Some(503))
            && !error.is_timeout();
        let is_enough = match persistence {
            Persistence::Full => false,
            Persistence::WhileLikely => self.is_for_narrowing(error),
            Persistence::AtCursor => {
                let costs_time = error.is_slow() || matches!(error.status(), Some(504 | 524));
                costs_time && self.is_for_narrowing(error)
            }
            // A refusal for coming too often is no answer to the question, so it does not use up the one try.
            Persistence::Once => class != Class::Throttled,
            Persistence::Briefly => {
                let costs_time = tried.took >= tried.limit / 2 || matches!(error.status(), Some(504 | 524));
                class != Class::Throttled && !is_outage && (costs_time || spent.tries >= BRIEF_TRIES)
            }
        };
        if is_enough {
            return Decision::GiveUp;
        }
        // With a policy of one try there is no second one.
        let not_the_last = self.0.policy.max_tries.saturating_sub(1).max(1);
        let counted = if is_outage { counted.min(not_the_last) } else { counted };
        // The limiter may wait for longer than the service asks.
        if elapsed.saturating_add(tried.refusal.wait) > self.0.policy.budget {
            return Decision::GiveUp;
        }
        self.0.policy.decide(class, counted, elapsed, requested_wait, fastrand::u32(..))
    }

    /// The failure of the last try, which says when to come back where the service wants more patience than there is.
    fn given_up(&self, failure: Failure) -> Failure {
        match failure.requested_wait {
            Some(wait) if !self.is_believed(wait) => {
                let error = failure.error.with_message(self.later(wait));
                Failure { error, ..failure }
            }
            _ => failure,
        }
    }

    fn notify_tried(&self, request: &Request<'_>, took: Duration, result: Result<Option<usize>, &Error>) {
        let query = match request.shown_query {
            Some(shown) => shown.to_owned(),
            None => self.black_out(&request.query),
        };
        let method = request.method.as_str();
        self.notify(&Event::Tried { method, path: request.path, query: &query, took, result });
    }

    /// True for a wait that there is patience for.
    fn is_believed(&self, wait: Duration) -> bool {
        wait <= self.0.policy.max_wait
    }

    /// The time for a try, after what was spent before. Until there is any answer all tries of a call share theirs.
    fn time_for_a_try(&self, persistence: Persistence, spent: Duration) -> Duration {
        let limit = match self.has_answered() {
            true => self.0.try_timeout,
            false => self.0.try_timeout.min(self.0.policy.first_answer_budget.saturating_sub(spent)),
        };
        match persistence {
            Persistence::Once | Persistence::Briefly => limit.min(self.patience()),
            _ => limit,
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

    /// When to come back to a service that wants to be left alone for longer than there is patience.
    fn later(&self, wait: Duration) -> String {
        let seconds = wait.as_secs();
        let now = self.0.date_unix_s.borrow().unwrap_or_default();
        let at = match now {
            0 => String::new(),
            now => format!(", at {}", at_unix_s(now.saturating_add(seconds))),
        };
        format!("the service asks to come back in {seconds} s{at}, which is longer than this client waits")
    }
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
