//! A request becomes an answer: who asks, what for, in which form, from which part of the ledger.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use billing_model::{HistoryRequest, Page, Pagination, Paging, Timestamp, UsageQuery};
use billing_store::{AccountId, Filter, KeyKind, Ledger};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::accept::Form;
use crate::answer;
use crate::authorization::bearer_key;
use crate::config::Config;
use crate::cursor::{Continuation, Cursors};
use crate::error::Error;

/// The two ways through the ledger.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    /// By page number.
    Usage,
    /// By cursor.
    UsageHistory,
}

/// A ledger that answers.
pub(crate) struct Service {
    ledger: Ledger,
    config: Config,
    cursors: Cursors,
    reads: Arc<Semaphore>,
}

impl Service {
    pub(crate) fn new(ledger: Ledger, config: Config) -> Self {
        let cursors = Cursors::new(&ledger.secret(), config.cursor_ttl);
        // With none at all no request would ever be answered.
        let reads = Arc::new(Semaphore::new(config.concurrent_reads.clamp(1, Semaphore::MAX_PERMITS)));
        Self { ledger, config, cursors, reads }
    }

    /// Answers one request, whatever happens on the way.
    pub(crate) async fn respond(self: Arc<Self>, route: Route, request: Parts) -> Response {
        let permit = Arc::clone(&self.reads).acquire_owned().await;
        blocking(move || {
            // Kept to the end of the work, also when the client has gone meanwhile.
            let _permit = permit.map_err(Error::internal)?;
            self.answer(route, &request)
        })
        .await
        .unwrap_or_else(IntoResponse::into_response)
    }

    /// The checks come in the order of what they give away: nothing of a query is judged for a stranger.
    fn answer(&self, route: Route, request: &Parts) -> Result<Response, Error> {
        let account = self.authenticate(&request.headers)?;
        let form = Form::negotiate(&request.headers).ok_or(Error::NotAcceptable)?;
        let query = request.uri.query().unwrap_or_default();
        let now = (self.config.now)();
        let page = match route {
            Route::Usage => self.page_by_number(account, query)?,
            Route::UsageHistory => self.page_by_cursor(account, query, now)?,
        };
        answer::page(&page, form, &request.headers, now)
    }

    fn authenticate(&self, headers: &HeaderMap) -> Result<AccountId, Error> {
        let key = bearer_key(headers).ok_or(Error::Unauthenticated)?;
        let principal = self.ledger.authenticate(key).map_err(Error::internal)?;
        let principal = principal.ok_or(Error::Unauthenticated)?;
        match principal.kind {
            KeyKind::Admin => Ok(principal.account),
            KeyKind::Inference => Err(Error::AdminKeyRequired),
        }
    }

    fn page_by_number(&self, account: AccountId, query: &str) -> Result<Page, Error> {
        let (query, page) = UsageQuery::parse(query)?;
        let filter = Filter { window: query.window(), currency: query.currency().cloned() };
        let found = self
            .ledger
            .page_by_number(account, &filter, query.sort_order(), query.limit(), page.get())
            .map_err(Error::internal)?;
        let paging = Paging::ByNumber(Pagination::new(query.limit(), page.get(), found.total));
        Ok(Page { entries: found.entries, paging, warning: None })
    }

    fn page_by_cursor(&self, account: AccountId, query: &str, now: Timestamp) -> Result<Page, Error> {
        let (query, snapshot, after) = match HistoryRequest::parse(query)? {
            HistoryRequest::First(query) => (query, None, None),
            HistoryRequest::Next(cursor) => {
                let Continuation { query, snapshot, position } = self.cursors.read(account, now, &cursor)?;
                (query, Some(snapshot), Some(position))
            }
        };
        let filter = Filter { window: query.window(), currency: query.currency().cloned() };
        let found = self
            .ledger
            .page_by_position(account, &filter, snapshot, after, query.page_size())
            .map_err(Error::internal)?;
        let next = found.next.map(|position| {
            let continuation = Continuation { query, snapshot: found.snapshot, position };
            self.cursors.issue(account, now, &continuation)
        });
        Ok(Page { entries: found.entries, paging: Paging::ByCursor(next.transpose()?), warning: None })
    }
}

/// Runs what waits for the disk beside the requests. A panic in it is an error like another.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    spawn_blocking(work).await.map_err(Error::internal)?
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
