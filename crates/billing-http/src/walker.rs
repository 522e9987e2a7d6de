//! Takes a walk from page to page, and knows at every step which entries it has handed out.

use std::collections::HashSet;
use std::num::NonZeroU32;

use billing_model::{HistoryRequest, Page, PageRequest, Paging, QueryError, Timestamp, UsageEntry};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::reply::Failure;
use crate::resume::{Anchor, Overlap};
use crate::walk::{Endpoint, Walk};

/// Times that a walk may go back without handing out anything in between.
const MAX_RETURNS: u32 = 20;

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
    /// Entries in the pass, as its first page says it (by page number only).
    total: Option<u64>,
    /// Entries that the service sent from outside the window: the end of `usage` is inclusive.
    outside: u64,
    /// False for the pass from the start of the window, true for one that goes on at an anchor.
    resumed: bool,
}

impl Walker {
    pub(crate) fn new(client: Client, walk: Walk) -> Self {
        let route = walk.first_route();
        let since = walk.window.since();
        Self {
            client,
            route,
            missing: Vec::new(),
            pass: Pass {
                request: None,
                since,
                overlap: Overlap::default(),
                total: None,
                outside: 0,
                resumed: false,
            },
            anchor: Anchor::default(),
            handed_out: 0,
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
                return Err(Error::of(ErrorKind::TooManyPages).at(
                    request.path(),
                    0,
                    std::time::Duration::ZERO,
                ));
            }
            match self.client.page_or_failure(&request).await {
                Ok(page) => {
                    if let Some(page) = self.accept(&request, page).await? {
                        return Ok(Some(page));
                    }
                }
                Err(failure) => self.go_around(failure)?,
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
        let total = match &page.paging {
            Paging::ByNumber(numbers) => Some(numbers.total),
            Paging::ByCursor(_) => None,
        };
        if self.pass.total.is_some() && self.pass.total != total {
            // Entries came or went while the pass was under way, so this page may begin anywhere.
            self.go_back(Error::of(ErrorKind::Moved).with_message("the total keeps moving"))?;
            return Ok(None);
        }
        self.pass.total = total;
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
            total: total.filter(|_| !self.pass.resumed),
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

    /// Leaves out what lies outside the window: expected on `usage`, whose end is inclusive and whose ends are read
    /// to the millisecond; a fault on `usage-history`.
    fn keep_window(&mut self, entries: &mut Vec<UsageEntry>) -> Result<(), Error> {
        let window = self.walk.window;
        let since = self.pass.since;
        let inside = |entry: &UsageEntry| {
            window.contains(entry.timestamp) && since.is_none_or(|at| at <= entry.timestamp)
        };
        if self.route == Endpoint::UsageHistory {
            return match entries.iter().position(|entry| !inside(entry)) {
                None => Ok(()),
                Some(position) => {
                    let at = entries[position].timestamp;
                    Err(self.inconsistent(OutsideWindow { entry: position + 1, at }))
                }
            };
        }
        entries.retain(|entry| {
            // Before a resumed pass lie entries that were handed out, not ones that are none of the window's.
            let outside = !window.contains(entry.timestamp);
            self.pass.outside += u64::from(outside);
            inside(entry)
        });
        Ok(())
    }

    /// Ends the walk, once it is sure that nothing is missing.
    async fn finish(&mut self) -> Result<(), Error> {
        if !self.pass.overlap.is_over() {
            let message = "entries that were there before are gone";
            return Err(Error::of(ErrorKind::Moved).with_message(message));
        }
        // A single pass was counted page by page. One that went back knows only its own part of the window.
        if self.pass.resumed && self.route == Endpoint::Usage {
            let total = self.window_total().await?;
            let counted = self.handed_out + self.pass.outside;
            if total != counted {
                let message = format!(
                    "the window has {total} entries and {counted} went by: some arrived behind the walk"
                );
                return Err(Error::of(ErrorKind::Moved).with_message(message));
            }
        }
        self.ended = true;
        Ok(())
    }

    /// Entries in the whole window now, as the service counts them.
    async fn window_total(&self) -> Result<u64, Error> {
        let query =
            self.walk.usage_query(self.walk.window.since()).map_err(|fault| self.inconsistent(fault))?;
        let request = PageRequest::ByNumber { query, page: NonZeroU32::MIN };
        match self.client.page(&request).await?.paging {
            Paging::ByNumber(numbers) => Ok(numbers.total),
            Paging::ByCursor(_) => Err(self.inconsistent(billing_model::SequenceError::OtherEndpoint)),
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
        self.pass = Pass {
            request: None,
            since: at.or(self.walk.window.since()),
            overlap: self.anchor.overlap(),
            total: None,
            outside: 0,
            resumed: at.is_some(),
        };
        Ok(())
    }

    fn warn_once(&mut self, warning: Option<&str>) {
        if let Some(text) = warning
            && self.warned.insert(text.to_owned())
        {
            self.client.notify(&Event::Warning(text));
        }
    }

    fn inconsistent(&self, fault: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::of(ErrorKind::Inconsistent)
            .with_message(format!("page {} of the walk does not fit", self.pages))
            .at(path(self.route), 1, std::time::Duration::ZERO)
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
#[error("entry {entry}, at {at}, lies outside the window that was asked for")]
struct OutsideWindow {
    entry: usize,
    at: Timestamp,
}
