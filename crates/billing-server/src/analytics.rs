//! `GET /billing/usage-analytics`: sums from the ledger, kept for some minutes.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::header::{AGE, CACHE_CONTROL};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use billing_ledger::{AccountId, Ledger};
use billing_model::{AnalyticsQuery, DayRange, Timestamp};
use billing_report::AnalyticsBuilder;

use crate::budget::{Growing, NoRoom};
use crate::error::Error;
use crate::whole_body::{JSON, whole_body};

/// Bytes of answers that are kept, at most: hundreds of usual ones.
const KEPT_BYTES: usize = 32 << 20;

/// Sums between two looks at the clock: some ten microseconds of work.
const STEP: usize = 64;

/// The question of an answer. A lookback depends on the day on which it is asked.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    account: AccountId,
    query: AnalyticsQuery,
    days: DayRange,
}

/// Answers that were given in the last minutes.
pub(crate) struct AnalyticsCache {
    ttl: Duration,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    answers: HashMap<Question, (Instant, Bytes)>,
    bytes: usize,
}

impl AnalyticsCache {
    pub(crate) fn new(ttl: Duration) -> Self {
        Self { ttl, kept: Mutex::default() }
    }

    /// The answer: one that was given lately, or a new one.
    pub(crate) fn answer(
        &self,
        ledger: &dyn Ledger,
        account: AccountId,
        query: AnalyticsQuery,
        now: Timestamp,
        (limit, memory): (Duration, Growing<'_>),
    ) -> Result<Response, Error> {
        let days = query.days(now);
        let question = Question { account, query, days };
        let start = Instant::now();
        if let Some((age, body)) = self.find(&question, start) {
            return Ok(self.response(body, age));
        }
        let body = Bytes::from(compute(ledger, &question, now, (start + limit, memory))?);
        self.keep(question, body.clone(), start);
        Ok(self.response(body, Duration::ZERO))
    }

    fn response(&self, body: Bytes, age: Duration) -> Response {
        let mut response = whole_body(StatusCode::OK, JSON, body);
        let headers = response.headers_mut();
        let control = format!("private, max-age={}", self.ttl.as_secs());
        if let Ok(control) = HeaderValue::try_from(control) {
            headers.insert(CACHE_CONTROL, control);
        }
        headers.insert(AGE, age.as_secs().into());
        response
    }

    fn find(&self, question: &Question, now: Instant) -> Option<(Duration, Bytes)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let (given, body) = kept.answers.get(question)?;
        let age = now.saturating_duration_since(*given);
        (age < self.ttl).then(|| (age, body.clone()))
    }

    fn keep(&self, question: Question, body: Bytes, now: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.answers.retain(|_, (given, _)| now.saturating_duration_since(*given) < self.ttl);
        kept.bytes = kept.answers.values().map(|(_, body)| body.len()).sum();
        // Requests for ever new spans must not fill the memory. When there is no room left, all kept answers are
        // dropped.
        if kept.bytes + body.len() > KEPT_BYTES {
            kept.answers.clear();
        }
        kept.answers.insert(question, (now, body));
    }
}

fn compute(
    ledger: &dyn Ledger,
    question: &Question,
    now: Timestamp,
    (deadline, mut memory): (Instant, Growing<'_>),
) -> Result<Vec<u8>, Error> {
    let Question { account, query, days } = question;
    let mut builder = AnalyticsBuilder::new(query, now);
    let mut seen = 0usize;
    let mut refusal = None;
    let lent = ledger.charges(*account, (days.first, days.last), &mut |charges| {
        builder.add(
            charges.day,
            charges.sku,
            charges.currency,
            charges.api_key_id,
            charges.spend,
            charges.units,
        );
        seen += 1;
        if !seen.is_multiple_of(STEP) {
            return ControlFlow::Continue(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        refusal = match memory.grow_to(builder.bytes(), left) {
            Ok(()) if !left.is_zero() => return ControlFlow::Continue(()),
            Err(NoRoom::TooMuch) => Some(Error::TooManyNames),
            Ok(()) | Err(NoRoom::TooLate) => Some(Error::TimedOut),
            Err(NoRoom::LongLine) => Some(Error::Busy),
        };
        ControlFlow::Break(())
    });
    lent.map_err(Error::of_ledger)?;
    if let Some(refusal) = refusal {
        return Err(refusal);
    }
    let descriptions = ledger.key_descriptions(*account).map_err(Error::of_ledger)?;
    let mut body = Vec::new();
    builder.finish(|id| descriptions.get(id).cloned()).write_json(&mut body);
    Ok(body)
}
