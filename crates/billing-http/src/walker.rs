//! Takes a walk from page to page, and knows at every step which entries it has handed out.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use billing_model::{
    HistoryRequest, Page, PageRequest, Paging, QueryError, SequenceError, Timestamp, UsageEntry,
};

use crate::circles::Circles;
use crate::client::Client;
use crate::error::{Error, ErrorKind, one_line};
use crate::event::Event;
use crate::reply::Failure;
use crate::resume::{Anchor, Overlap};
use crate::retry::Class;
use crate::walk::{Endpoint, Walk};

/// Times that a walk may go back without handing out anything in between.
const MAX_RETURNS: u32 = 20;

/// Pages without an entry that may follow one another. Services search at most so much of time for a page.
const MAX_EMPTY_PAGES: u32 = 10_000;

/// Texts of the service that are remembered so as to be said once. More are noise.
const MAX_WARNINGS: usize = 16;

/// A walk on its way. A *pass* is a run of pages that follow one another; a walk is one pass, unless the paging
/// breaks and it has to go back.
pub(crate) struct Walker {
    client: Client,
    walk: Walk,
    route: Endpoint,
    /// The routes that the service does not have.
    missing: Vec<Endpoint>,
    pass: Pass,
    anchor: Anchor,
    handed_out: u64,
    /// Entries that the service sent from before the window: it reads the start to the millisecond.
    before: u64,
    pages: u64,
    returns: u32,
    warned: HashSet<String>,
    ended: bool,
}

/// One run of pages.
struct Pass {
    /// The next request; `None` before the first and after the last.
    request: Option<PageRequest>,
    since: Option<Timestamp>,
    overlap: Overlap,
    /// Limit and total, as the first page of the pass says them (by page number only).
    numbers: Option<(u32, u64)>,
    /// Entries that the service sent from beyond the window: the end of `usage` is inclusive.
    beyond: u64,
    circles: Circles,
    /// Pages in a row without an entry.
    empty_pages: u32,
    /// False for the pass from the start of the window, true for one that goes on at an anchor.
    resumed: bool,
}

impl Pass {
    fn new(since: Option<Timestamp>, overlap: Overlap, resumed: bool) -> Self {
        Self {
            request: None,
            since,
            overlap,
            numbers: None,
            beyond: 0,
            circles: Circles::default(),
            empty_pages: 0,
            resumed,
        }
    }
}

impl Walker {
    pub(crate) fn new(client: Client, walk: Walk) -> Self {
        let route = walk.first_route();
        let since = walk.window.since();
        Self {
            client,
            route,
            missing: Vec::new(),
            pass: Pass::new(since, Overlap::default(), false),
            anchor: Anchor::default(),
            handed_out: 0,
            before: 0,
            pages: 0,
            returns: 0,
            warned: HashSet::new(),
            ended: false,
            walk,
        }
    }

    /// The next page, `None` after the last. Not to be called again after an error.
    pub(crate) async fn next_page(&mut self) -> Result<Option<Page>, Error> {
        while !self.ended {
            let request = match &self.pass.request {
                Some(request) => request.clone(),
                None => self.first_request().map_err(|fault| self.inconsistent(fault))?,
            };
            self.pages += 1;
            if self.pages > self.walk.max_pages {
                let url = self.client.url(request.path());
                return Err(Error::of(ErrorKind::TooManyPages).at(url, 0, Duration::ZERO));
            }
            match self.client.page_or_failure(&request).await {
                Ok(page) => {
                    if let Some(page) = self.accept(&request, page).await? {
                        return Ok(Some(page));
                    }
                }
                Err(failure) => self.go_around(failure).map_err(|error| error.on_page(self.pages))?,
            }
        }
        Ok(None)
    }

    fn first_request(&self) -> Result<PageRequest, QueryError> {
        match self.route {
            Endpoint::Usage => {
                let query = self.walk.usage_query(self.pass.since)?;
                Ok(PageRequest::ByNumber { query, page: NonZeroU32::MIN })
            }
            _ => {
                self.walk.history_query(self.pass.since).map(HistoryRequest::First).map(PageRequest::ByCursor)
            }
        }
    }

    /// Takes a page in: what is new on it, or `None` when the walk went back instead.
    async fn accept(&mut self, request: &PageRequest, mut page: Page) -> Result<Option<Page>, Error> {
        let next = request.after(&page).map_err(|fault| self.inconsistent(fault))?;
        self.warn_once(page.warning.as_deref());
        self.check_progress(&page)?;
        if let Paging::ByNumber(numbers) = &page.paging {
            let (limit, total) = *self.pass.numbers.get_or_insert((numbers.limit, numbers.total));
            if numbers.limit != limit {
                // Page numbers count pages of one size.
                return Err(self.inconsistent(OtherLimit { first: limit, now: numbers.limit }));
            }
            if numbers.total != total {
                // Entries came or went while the pass was under way, so this page may begin anywhere.
                self.go_back(Error::of(ErrorKind::Moved).with_message("the total keeps moving"))?;
                return Ok(None);
            }
        }
        self.check_order(&page.entries)?;
        self.keep_window(&mut page.entries)?;
        self.pass.overlap.remove(&mut page.entries)?;
        self.anchor.advance(&page.entries);
        if !page.entries.is_empty() {
            self.returns = 0;
        }
        self.handed_out += page.entries.len() as u64;
        self.client.notify(&Event::Page {
            entries: page.entries.len() as u64,
            reached: self.anchor.timestamp(),
            total: self.pass.numbers.map(|(_, total)| total).filter(|_| !self.pass.resumed),
        });
        match next {
            Some(_) => self.pass.request = next,
            None => self.finish().await?,
        }
        Ok(Some(page))
    }

    /// Entries ascend within a page and from page to page.
    fn check_order(&self, entries: &[UsageEntry]) -> Result<(), Error> {
        let before = self.anchor.timestamp().filter(|_| self.pass.overlap.is_over());
        let mut last = before;
        for (position, entry) in entries.iter().enumerate() {
            if last.is_some_and(|last| entry.timestamp < last) {
                return Err(self.inconsistent(OutOfOrder { entry: position + 1, at: entry.timestamp }));
            }
            last = Some(entry.timestamp);
        }
        Ok(())
    }

    /// Leaves out what the service had to send from outside the window: the rest of the milliseconds in which it begins
    /// and ends and, on `usage`, what lies at its end. More than that is a fault on `usage-history`.
    fn keep_window(&mut self, entries: &mut Vec<UsageEntry>) -> Result<(), Error> {
        let (since, until) = (self.pass.since, self.walk.window.until());
        if self.route == Endpoint::UsageHistory {
            let asked = |at: Timestamp| {
                since.is_none_or(|since| since.floor_ms() <= at)
                    && until.is_none_or(|until| at < until.ceil_ms())
            };
            if let Some(position) = entries.iter().position(|entry| !asked(entry.timestamp)) {
                let at = entries[position].timestamp;
                return Err(self.inconsistent(OutsideWindow { entry: position + 1, at }));
            }
        }
        let resumed = self.pass.resumed;
        entries.retain(|entry| {
            let too_early = since.is_some_and(|since| entry.timestamp < since);
            let too_late = until.is_some_and(|until| until <= entry.timestamp);
            // What lies before a resumed pass was handed out or counted by the passes before it.
            self.before += u64::from(too_early && !resumed);
            self.pass.beyond += u64::from(too_late);
            !too_early && !too_late
        });
        Ok(())
    }

    /// No page is larger than was asked for, no cursor comes again, and pages without entries end.
    fn check_progress(&mut self, page: &Page) -> Result<(), Error> {
        let most = self.walk.page_size(self.route);
        if page.entries.len() as u64 > u64::from(most) {
            return Err(self.inconsistent(TooManyEntries { asked: most, found: page.entries.len() }));
        }
        if let Paging::ByCursor(Some(cursor)) = &page.paging
            && self.pass.circles.closes(cursor)
        {
            return Err(self.inconsistent(SequenceError::RepeatedCursor(cursor.clone())));
        }
        self.pass.empty_pages = if page.entries.is_empty() { self.pass.empty_pages + 1 } else { 0 };
        if self.pass.empty_pages > MAX_EMPTY_PAGES {
            return Err(
                Error::of(ErrorKind::TooManyPages).with_message("the service answers with empty pages only")
            );
        }
        Ok(())
    }

    /// Ends the walk, once it is sure that nothing is missing.
    async fn finish(&mut self) -> Result<(), Error> {
        if !self.pass.overlap.is_over() {
            let message = "entries that were there before are gone";
            return Err(Error::of(ErrorKind::Moved).with_message(message));
        }
        if let Some((_, total)) = self.pass.numbers {
            let total = match self.pass.resumed {
                false => total,
                // A pass that went back knows only its own part of the window.
                true => match self.window_total().await {
                    Ok(total) => total,
                    // The endpoint may end at this very request: then its successor says whether anything is left.
                    Err(failure) => return self.go_around(failure),
                },
            };
            let counted = self.handed_out + self.before + self.pass.beyond;
            if total != counted {
                let message = format!(
                    "the window has {total} entries and {counted} went by: some came or went behind the walk"
                );
                return Err(Error::of(ErrorKind::Moved).with_message(message));
            }
        }
        self.ended = true;
        Ok(())
    }

    /// Entries in the whole window now, as the service counts them.
    async fn window_total(&self) -> Result<u64, Failure> {
        let fatal = |error| Failure::new(Class::Fatal, error);
        let query = self.walk.usage_query(self.walk.window.since());
        let query = query.map_err(|fault| fatal(self.inconsistent(fault)))?;
        let request = PageRequest::ByNumber { query, page: NonZeroU32::MIN };
        match self.client.page_or_failure(&request).await?.paging {
            Paging::ByNumber(numbers) => Ok(numbers.total),
            Paging::ByCursor(_) => Err(fatal(self.inconsistent(SequenceError::OtherEndpoint))),
        }
    }

    /// Finds another way to the page that failed, or gives up with its error.
    fn go_around(&mut self, failure: Failure) -> Result<(), Error> {
        let Failure { error, successor, .. } = failure;
        match error.kind() {
            ErrorKind::CursorLost => self.go_back(error),
            ErrorKind::NotFound if self.walk.endpoint == Endpoint::Auto && self.is_untouched() => {
                self.switch(error, false)
            }
            ErrorKind::Gone if self.route == Endpoint::Usage => {
                let usable = successor.is_some_and(|link| {
                    self.client.is_own(&link) && link.trim_end_matches('/').ends_with("billing/usage-history")
                });
                if usable { self.switch(error, true) } else { Err(error) }
            }
            _ => Err(error),
        }
    }

    /// True before the first page.
    fn is_untouched(&self) -> bool {
        self.pass.request.is_none() && !self.pass.resumed
    }

    /// Goes on at the other endpoint, at the anchor.
    fn switch(&mut self, error: Error, gone: bool) -> Result<(), Error> {
        let from = self.route;
        let to = if from == Endpoint::Usage { Endpoint::UsageHistory } else { Endpoint::Usage };
        if self.missing.contains(&to) {
            return Err(error);
        }
        self.missing.push(from);
        self.route = to;
        // The other endpoint may refuse what this one took: a currency, say.
        self.first_request().map_err(|fault| self.inconsistent(fault))?;
        self.client.notify(&Event::Switched { from, to, gone });
        self.go_back(error)
    }

    /// Begins a pass at the last timestamp that was handed out. Gives up with `error` when that leads nowhere.
    fn go_back(&mut self, error: Error) -> Result<(), Error> {
        self.returns += 1;
        if self.returns > MAX_RETURNS {
            return Err(error);
        }
        let at = self.anchor.timestamp();
        if let Some(at) = at {
            self.client.notify(&Event::Reanchored { at });
        }
        self.pass = Pass::new(at.or(self.walk.window.since()), self.anchor.overlap(), at.is_some());
        if at.is_none() {
            self.before = 0;
        }
        Ok(())
    }

    fn warn_once(&mut self, warning: Option<&str>) {
        let Some(text) = warning.map(one_line) else { return };
        if self.warned.len() < MAX_WARNINGS && self.warned.insert(text.clone()) {
            self.client.notify(&Event::Warning(&text));
        }
    }

    fn inconsistent(&self, fault: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::of(ErrorKind::Inconsistent)
            .on_page(self.pages)
            .at(self.client.url(path(self.route)), 1, Duration::ZERO)
            .because(fault)
    }
}

fn path(route: Endpoint) -> &'static str {
    match route {
        Endpoint::Usage => "billing/usage",
        _ => "billing/usage-history",
    }
}

#[derive(Debug, thiserror::Error)]
#[error("entry {entry}, at {at}, is earlier than the one before it")]
struct OutOfOrder {
    entry: usize,
    at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
#[error("pages of {first} entries became pages of {now}")]
struct OtherLimit {
    first: u32,
    now: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("{asked} entries a page were asked for, and {found} came")]
struct TooManyEntries {
    asked: u32,
    found: usize,
}

#[derive(Debug, thiserror::Error)]
#[error("entry {entry}, at {at}, lies outside the window that was asked for")]
struct OutsideWindow {
    entry: usize,
    at: Timestamp,
}
