//! Pages of the ledger. A usual page is written from the ledger's rows straight into the answer; a long one is read
//! first.

use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use billing_ledger::{
    AccountId, Error as LedgerError, ErrorKind, Filter, LendEntry, NumberedQuery, WalkPage, WalkQuery,
};
use billing_model::{
    Cursor, HistoryQuery, HistoryRequest, LentEntry, Page, PageWriter, Pagination, Paging, Timestamp,
    UsageQuery,
};
use tokio::task::{spawn, spawn_blocking};
use tokio::time::sleep;

use crate::accept::Form;
use crate::ahead::{KEPT, MadePage};
use crate::answer;
use crate::budget::Share;
use crate::config::UsageEndpoint;
use crate::cursor::Continuation;
use crate::error::Error;
use crate::life::WARNING;
use crate::service::{ANSWER_PATIENCE, Read, SMALL_ANSWER, Service};
use crate::whole_body::{JSON, body_bytes, whole_body};

/// Up to so many bytes a page is written while it is read. A usual page has 300 KB, and as many are written at once as
/// there may be readers.
const MOST_LENT: usize = 2 << 20;

impl Service {
    /// A page in JSON, from the ledger's rows into the answer without entries in between. `None` for a long page, which
    /// has to wait for room before it is made.
    pub(crate) fn lent_page(
        self: &Arc<Self>,
        read: Read,
        account: AccountId,
        query: &str,
        now: Timestamp,
    ) -> Result<Option<Response>, Error> {
        let cursor = match (read, HistoryRequest::parse(query)) {
            (Read::UsageHistory, Ok(HistoryRequest::Next(cursor))) => Some(cursor),
            _ => None,
        };
        if let Some(page) = cursor.as_ref().and_then(|cursor| self.ahead.take(account, cursor)) {
            if let Some(next) = &page.next {
                self.make_ahead(account, next);
            }
            self.may_go_on(account, query, now)?;
            return Ok(Some(with_room(whole_body(StatusCode::OK, JSON, page.body), Some(page.room))));
        }
        let Some((body, paging)) = self.lent_body(read, account, query, now)? else { return Ok(None) };
        let room = self.room_for(body.len())?;
        if let (Some(_), Paging::ByCursor(Some(next))) = (cursor, paging) {
            self.make_ahead(account, &next);
        }
        Ok(Some(with_room(whole_body(StatusCode::OK, JSON, body), room)))
    }

    /// The body of a page in JSON, and what follows it. `None` for a long page.
    fn lent_body(
        &self,
        read: Read,
        account: AccountId,
        query: &str,
        now: Timestamp,
    ) -> Result<Option<(Vec<u8>, Paging)>, Error> {
        let mut body = answer::json_body();
        let (mut page, mut is_long) = (PageWriter::begin(&mut body), false);
        let mut write = |_, entry: LentEntry<'_>| {
            let out = page.next();
            entry.write_json(out);
            is_long = out.len() > MOST_LENT;
            if is_long { Err(LedgerError::new(ErrorKind::Aborted, "the page is long")) } else { Ok(()) }
        };
        let found = self.page(read, account, query, now, &mut write);
        if is_long {
            return Ok(None);
        }
        let (paging, warning) = found?;
        page.finish(&paging, warning);
        answer::give_back_rest(&mut body);
        Ok(Some((body, paging)))
    }

    /// Makes the page that a cursor leads to, if there are a reader and memory that nobody waits for.
    fn make_ahead(self: &Arc<Self>, account: AccountId, cursor: &Cursor) {
        let Ok(reader) = Arc::clone(&self.reads).try_acquire_owned() else { return };
        let Some(mut room) = self.budget.answers.try_take(MOST_LENT) else { return };
        let Some(sender) = self.ahead.begin(account, cursor) else { return };
        let (service, query) = (Arc::clone(self), format!("cursor={cursor}"));
        let work = move || {
            let made = service.lent_body(Read::UsageHistory, account, &query, (service.config.now)());
            // Errors are ignored here: the client's own request will report them.
            if let Ok(Some((body, Paging::ByCursor(next)))) = made {
                room.shrink_to(body.capacity());
                let _ = sender.send(MadePage { body, next, room });
            }
            drop(reader);
        };
        drop(spawn_blocking(work));
        if self.ahead.begins_to_forget() {
            let service = Arc::clone(self);
            drop(spawn(async move {
                while service.ahead.forget_old() {
                    sleep(KEPT).await;
                }
            }));
        }
    }

    /// Asks the ledger, as a page would, whether a walk may go on.
    fn may_go_on(&self, account: AccountId, query: &str, now: Timestamp) -> Result<(), Error> {
        self.history_page(account, query, now, Some(1), &mut |_, _| Ok(())).map(drop)
    }

    /// A page that is read before it is written. It keeps its reader while it waits for room, so that few pages are in
    /// memory that have no room yet.
    pub(crate) fn kept_page(
        &self,
        read: Read,
        account: AccountId,
        request: &Parts,
        (form, now): (Form, Timestamp),
    ) -> Result<Response, Error> {
        let query = request.uri.query().unwrap_or_default();
        let mut entries = Vec::new();
        let mut keep = |_, entry: LentEntry<'_>| {
            entries.push(entry.to_entry()?);
            Ok(())
        };
        let (paging, warning) = self.page(read, account, query, now, &mut keep)?;
        let room = self.room_for(answer::most_bytes(&entries, form))?;
        let page = Page { entries, paging, warning: warning.map(str::to_owned) };
        Ok(with_room(answer::page(&page, form, &request.headers, now)?, room))
    }

    /// Room for an answer of so many bytes until it is fetched; a small one needs none.
    fn room_for(&self, bytes: usize) -> Result<Option<Share>, Error> {
        let room = (bytes > SMALL_ANSWER).then(|| self.budget.answers.take_blocking(bytes, ANSWER_PATIENCE));
        room.transpose().map_err(|_| Error::Busy)
    }

    /// Lends the entries of a page. Returns where it stands, and the warning for its readers.
    fn page(
        &self,
        read: Read,
        account: AccountId,
        query: &str,
        now: Timestamp,
        lend: &mut LendEntry<'_>,
    ) -> Result<(Paging, Option<&'static str>), Error> {
        match read {
            Read::Usage => self.page_by_number(account, query, lend),
            _ => Ok((self.page_by_cursor(account, query, now, lend)?, None)),
        }
    }

    fn page_by_number(
        &self,
        account: AccountId,
        query: &str,
        lend: &mut LendEntry<'_>,
    ) -> Result<(Paging, Option<&'static str>), Error> {
        let (query, page) = UsageQuery::parse(query)?;
        let filter = Filter { window: query.window(), currency: query.currency().cloned() };
        let (order, limit, page) = (query.sort_order(), query.limit(), page.get());
        let asked = NumberedQuery { account, filter: &filter, order, limit, page };
        let total = self.ledger.page_by_number(&asked, lend).map_err(Error::of_ledger)?;
        let is_deprecated = self.config.usage_endpoint == UsageEndpoint::Deprecated;
        let paging = Paging::ByNumber(Pagination::new(limit, page, total));
        Ok((paging, is_deprecated.then_some(WARNING)))
    }

    fn page_by_cursor(
        &self,
        account: AccountId,
        query: &str,
        now: Timestamp,
        lend: &mut LendEntry<'_>,
    ) -> Result<Paging, Error> {
        let (query, found) = self.history_page(account, query, now, None, lend)?;
        let next = found.next.map(|position| {
            let continuation = Continuation { query, snapshot: found.snapshot, position };
            self.cursors.issue(account, now, &continuation)
        });
        Ok(Paging::ByCursor(next.transpose()?))
    }

    /// Lends a page of a walk, with at most `limit` entries.
    fn history_page(
        &self,
        account: AccountId,
        query: &str,
        now: Timestamp,
        limit: Option<u32>,
        lend: &mut LendEntry<'_>,
    ) -> Result<(HistoryQuery, WalkPage), Error> {
        let (query, snapshot, after) = match HistoryRequest::parse(query)? {
            HistoryRequest::First(query) => (query, None, None),
            HistoryRequest::Next(cursor) => {
                let Continuation { query, snapshot, position } = self.cursors.read(account, now, &cursor)?;
                (query, Some(snapshot), Some(position))
            }
        };
        let filter = Filter { window: query.window(), currency: query.currency().cloned() };
        let limit = limit.unwrap_or(query.page_size());
        let asked = WalkQuery { account, filter: &filter, snapshot, after, limit };
        let found = self.ledger.page_by_position(&asked, lend).map_err(Error::of_ledger)?;
        Ok((query, found))
    }
}

/// An answer with the memory that it takes until it is fetched.
fn with_room(mut response: Response, room: Option<Share>) -> Response {
    let bytes = body_bytes(&response);
    if let Some(mut share) = room.filter(|_| bytes > SMALL_ANSWER) {
        share.shrink_to(bytes);
        response.extensions_mut().insert(Arc::new(share));
    }
    response
}

#[cfg(test)]
mod tests;
