//! Takes a window of a walk from page to page, and knows at every step which entries it has handed out.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use billing_model::{
    HistoryRequest, Page, PageRequest, Paging, QueryError, SequenceError, TimeWindow, Timestamp, UsageEntry,
};

use crate::broken_paging::{OtherCurrency, OtherLimit, OutOfOrder, OutsideWindow, TooManyEntries};
use crate::client::Client;
use crate::error::{Error, ErrorKind, one_line};
use crate::event::Event;
use crate::pass::Pass;
use crate::planner::{unix_ns, whole};
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

/// How far outside a window an entry of `usage` may lie.
const SLACK_NS: i128 = 1_000_000_000;

/// Halvings of a window in a row that may fail.
const MAX_NARROWINGS: u32 = 10;

/// What the walkers of one walk share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// Requests for pages, of all windows.
    pages: AtomicU64,
    /// Halvings since the service last gave a page to anybody: when nobody gets one, it is not the window.
    narrowings: AtomicU32,
    warned: Mutex<HashSet<String>>,
}

/// Takes one window of a walk from page to page. A *pass* is a run of pages that follow one another; a window is one
/// pass, unless the paging breaks and the walker has to go back.
pub(crate) struct Walker {
    client: Client,
    walk: Walk,
    window: TimeWindow,
    shared: Arc<Shared>,
    /// Entries that are too many for one window: when so many seem to be left, the rest is left to other walkers.
    most_left: Option<u64>,
    route: Endpoint,
    /// The routes that the service does not have.
    missing: Vec<Endpoint>,
    pass: Pass,
    /// Where the part of the window begins that is still to be walked, as far as it was walked in parts.
    base: Option<Timestamp>,
    anchor: Anchor,
    handed_out: u64,
    /// Entries that the service sent from before the window: it reads the start to the millisecond.
    before: u64,
    pages: u64,
    returns: u32,
    narrowings: u32,
    end: Option<End>,
}

/// A page of a window.
#[derive(Debug)]
pub(crate) struct WindowPage {
    pub(crate) entries: Vec<UsageEntry>,
    /// Entries in the window, where the endpoint says it.
    pub(crate) total: Option<u64>,
    /// Set on the last page.
    pub(crate) end: Option<End>,
}

/// What a walked window comes to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Up to where it was walked; earlier than the end of the window when the rest is left to others.
    pub(crate) until: Option<Timestamp>,
    /// Entries that the service counts to the window, and that lie before it or at its end.
    pub(crate) before: u64,
    pub(crate) beyond: u64,
    /// Pages that came.
    pub(crate) pages: u64,
    pub(crate) route: Endpoint,
    /// True when the service's total was the number of entries.
    pub(crate) verified: bool,
}

impl Walker {
    /// A walker over a window of the walk: all of it, or a part.
    pub(crate) fn new(client: Client, walk: &Walk, window: TimeWindow, shared: Arc<Shared>) -> Self {
        let first = walk.first_route();
        let replaced = client.is_replaced(first, walk.endpoint == Endpoint::Auto);
        let (route, missing) = if replaced { (other(first), vec![first]) } else { (first, Vec::new()) };
        Self {
            client,
            walk: walk.clone(),
            shared,
            most_left: None,
            route,
            missing,
            pass: Pass::new(window.since(), window.until(), Overlap::default(), false),
            base: window.since(),
            anchor: Anchor::default(),
            handed_out: 0,
            before: 0,
            pages: 0,
            returns: 0,
            narrowings: 0,
            end: None,
            window,
        }
    }

    /// Leaves the rest of the window to others when it seems to have more entries than this.
    pub(crate) fn leaving_more_than(mut self, entries: u64) -> Self {
        self.most_left = Some(entries);
        self
    }

    /// The next page. Not to be called again after the last one, or after an error.
    pub(crate) async fn next_page(&mut self) -> Result<WindowPage, Error> {
        loop {
            let request = match &self.pass.request {
                Some(request) => request.clone(),
                None => self.first_request().map_err(|fault| self.inconsistent(fault))?,
            };
            if self.shared.pages.fetch_add(1, Ordering::Relaxed) >= self.walk.max_pages {
                let url = self.client.url(request.path());
                return Err(Error::of(ErrorKind::TooManyPages).at(url, 0, Duration::ZERO));
            }
            match self.client.page_or_failure(&request, self.middle().is_some()).await {
                Ok(page) => {
                    self.shared.narrowings.store(0, Ordering::Relaxed);
                    self.pages += 1;
                    if let Some(entries) = self.accept(&request, page).await? {
                        let total = self.pass.numbers.map(|(_, total)| total).filter(|_| !self.pass.resumed);
                        return Ok(WindowPage { entries, total, end: self.end });
                    }
                }
                Err(failure) => self.go_around(failure).map_err(|error| error.on_page(self.pages + 1))?,
            }
        }
    }

    fn first_request(&self) -> Result<PageRequest, QueryError> {
        let Pass { since, until, .. } = self.pass;
        match self.route {
            Endpoint::Usage => {
                let query = self.walk.usage_query(since, until)?;
                Ok(PageRequest::ByNumber { query, page: NonZeroU32::MIN })
            }
            _ => {
                let query = self.walk.history_query(since, until)?;
                Ok(PageRequest::ByCursor(HistoryRequest::First(query)))
            }
        }
    }

    /// Takes a page in: what is new on it, or `None` when the walk went back instead.
    async fn accept(&mut self, request: &PageRequest, page: Page) -> Result<Option<Vec<UsageEntry>>, Error> {
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
        let is_full = page.entries.len() as u64 == u64::from(self.walk.page_size(self.route));
        let mut entries = page.entries;
        self.check_order(&entries)?;
        self.pass.received += entries.len() as u64;
        self.pass.first = self.pass.first.or(entries.first().map(|entry| entry.timestamp));
        self.keep_window(&mut entries)?;
        self.pass.overlap.remove(&mut entries)?;
        let cut = next.as_ref().and_then(|_| self.cut(&entries));
        if let Some(at) = cut {
            entries.retain(|entry| entry.timestamp < at);
        }
        self.anchor.advance(&entries);
        if !entries.is_empty() {
            self.returns = 0;
            self.narrowings = 0;
        }
        self.handed_out += entries.len() as u64;
        match (cut, next) {
            // What others walk is counted when all of it is there.
            (Some(at), _) => self.finish_at(Some(at), false),
            (None, Some(next)) => self.pass.request = Some(next),
            // A cursor may be lost on the way, a header of text/csv for one, and then a full page looks like the last.
            (None, None) if is_full && !entries.is_empty() && self.route == Endpoint::UsageHistory => {
                self.restart(self.pass.until);
            }
            (None, None) => self.finish().await?,
        }
        Ok(Some(entries))
    }

    /// Where to end on this page, when the rest is better left to others: on a whole second or millisecond, so that the rest
    /// is a window of its own, and behind an entry, so that every request moves the walk on.
    fn cut(&self, entries: &[UsageEntry]) -> Option<Timestamp> {
        let (first, last) = (entries.first()?.timestamp, entries.last()?.timestamp);
        let at = whole(first, last);
        let is_much = self.pass.left(last)? > self.most_left?;
        (is_much && first < at && self.window.until().is_some()).then_some(at)
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
    /// and ends and, on `usage`, what lies at its end. More than that is a fault, but for a second on `usage`, whose borders
    /// are said to be read to the second by some.
    fn keep_window(&mut self, entries: &mut Vec<UsageEntry>) -> Result<(), Error> {
        let (since, until) = (self.pass.since, self.pass.until);
        let is_asked = |at: Timestamp| match self.route {
            Endpoint::UsageHistory => {
                since.is_none_or(|since| since.floor_ms() <= at)
                    && until.is_none_or(|until| at < until.ceil_ms())
            }
            _ => {
                since.is_none_or(|since| unix_ns(since) - unix_ns(at) <= SLACK_NS)
                    && until.is_none_or(|until| unix_ns(at) - unix_ns(until) <= SLACK_NS)
            }
        };
        if let Some(position) = entries.iter().position(|entry| !is_asked(entry.timestamp)) {
            let at = entries[position].timestamp;
            return Err(self.inconsistent(OutsideWindow { entry: position + 1, at }));
        }
        if let Some(currency) = self.walk.currency()
            && let Some(position) = entries.iter().position(|entry| entry.currency != *currency)
        {
            let (asked, found) = (currency.to_string(), entries[position].currency.to_string());
            return Err(self.inconsistent(OtherCurrency { entry: position + 1, asked, found }));
        }
        // What lies before a pass from elsewhere was handed out or counted by the passes before it.
        let from_start = since == self.window.since();
        entries.retain(|entry| {
            let too_early = since.is_some_and(|since| entry.timestamp < since);
            let too_late = until.is_some_and(|until| until <= entry.timestamp);
            self.before += u64::from(too_early && from_start);
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
        if self.pass.until != self.window.until() {
            // A part of the window that had to be walked alone. The rest is tried in one again.
            self.base = self.pass.until;
            self.narrowings = 0;
            self.pass = Pass::new(self.base, self.window.until(), Overlap::default(), true);
            return Ok(());
        }
        let Some((_, total)) = self.pass.numbers else {
            self.finish_at(self.window.until(), false);
            return Ok(());
        };
        let total = match self.pass.resumed {
            false => total,
            // A pass that went back knows only its own part of the window.
            true => match count(&self.client, &self.walk, self.window.since(), self.window.until()).await {
                Ok(total) => total,
                // A service that fails on wide windows cannot count one. All of its parts are there.
                Err(Failure { error, .. }) if self.client.is_for_narrowing(&error) => {
                    self.finish_at(self.window.until(), false);
                    return Ok(());
                }
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
        self.finish_at(self.window.until(), true);
        Ok(())
    }

    fn finish_at(&mut self, until: Option<Timestamp>, verified: bool) {
        self.end = Some(End {
            until,
            before: self.before,
            beyond: self.pass.beyond,
            pages: self.pages,
            route: self.route,
            verified,
        });
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
            _ if self.client.is_for_narrowing(&error) => self.narrow(error),
            _ => Err(error),
        }
    }

    /// True before the first page.
    fn is_untouched(&self) -> bool {
        self.pass.request.is_none() && !self.pass.resumed
    }

    /// Goes on at the other endpoint, at the anchor.
    fn switch(&mut self, error: Error, gone: bool) -> Result<(), Error> {
        let (from, to) = (self.route, other(self.route));
        if self.missing.contains(&to) {
            return Err(error);
        }
        self.missing.push(from);
        self.route = to;
        // The other endpoint may refuse what this one took: a currency, say.
        self.first_request().map_err(|fault| self.inconsistent(fault))?;
        if self.client.replace(from, gone) {
            self.client.notify(&Event::Switched { from, to, gone });
        }
        self.go_back(error)
    }

    /// Begins a pass at the last timestamp that was handed out. Gives up with `error` when that leads nowhere.
    fn go_back(&mut self, error: Error) -> Result<(), Error> {
        self.returns += 1;
        if self.returns > MAX_RETURNS {
            return Err(error);
        }
        if let Some(at) = self.anchor.timestamp() {
            self.client.notify(&Event::Reanchored { at });
        }
        self.restart(self.pass.until);
        Ok(())
    }

    /// Asks for the first half of what is left: the service fails on all of it, or takes too long. Gives up with `error`
    /// when there is nothing left to halve.
    fn narrow(&mut self, error: Error) -> Result<(), Error> {
        let Some(middle) = self.middle() else { return Err(error) };
        self.narrowings += 1;
        self.shared.narrowings.fetch_add(1, Ordering::Relaxed);
        self.client.notify(&Event::Narrowed { error: &error, until: middle });
        self.restart(Some(middle));
        Ok(())
    }

    /// The middle of what is left of the pass, when it may be halved once more.
    fn middle(&self) -> Option<Timestamp> {
        // Where a ledger without a start begins, nobody knows; halving comes near it soon.
        let since = self.anchor.timestamp().max(self.base).unwrap_or(Timestamp::from_unix_ns(0));
        let middle_ns = (unix_ns(since) + unix_ns(self.pass.until?)) / 2;
        let middle = Timestamp::from_unix_ns(i64::try_from(middle_ns).ok()?).floor_ms();
        let narrowings = self.narrowings.max(self.shared.narrowings.load(Ordering::Relaxed));
        // A service that has never answered is more likely not there than slow.
        let most = if self.client.has_answered() { MAX_NARROWINGS } else { 2 };
        (narrowings < most && since < middle).then_some(middle)
    }

    /// Begins a pass behind what was handed out.
    fn restart(&mut self, until: Option<Timestamp>) {
        let (since, overlap) = match self.anchor.timestamp() {
            // What was handed out ends within the part that is being walked.
            Some(at) if self.base.is_none_or(|base| base <= at) => (Some(at), self.anchor.overlap()),
            _ => (self.base, Overlap::default()),
        };
        let resumed = since != self.window.since() || until != self.window.until();
        let resumed = resumed || self.anchor.timestamp().is_some();
        self.pass = Pass::new(since, until, overlap, resumed);
        if since == self.window.since() {
            self.before = 0;
        }
    }

    fn warn_once(&mut self, warning: Option<&str>) {
        let Some(text) = warning.map(|text| self.client.black_out(&one_line(text))) else { return };
        let mut warned = self.shared.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNINGS && warned.insert(text.clone()) {
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

/// Entries from `since` to `until`, both inclusive, as the service counts them now.
pub(crate) async fn count(
    client: &Client,
    walk: &Walk,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<u64, Failure> {
    let inconsistent = |fault: Box<dyn std::error::Error + Send + Sync>| {
        let error =
            Error::of(ErrorKind::Inconsistent).at(client.url(path(Endpoint::Usage)), 1, Duration::ZERO);
        Failure::new(Class::Fatal, error.because(fault))
    };
    let query = walk.count_query(since, until).map_err(|fault| inconsistent(fault.into()))?;
    let request = PageRequest::ByNumber { query, page: NonZeroU32::MIN };
    match client.page_or_failure(&request, false).await?.paging {
        Paging::ByNumber(numbers) => Ok(numbers.total),
        Paging::ByCursor(_) => Err(inconsistent(SequenceError::OtherEndpoint.into())),
    }
}

/// The endpoint to use instead.
fn other(route: Endpoint) -> Endpoint {
    if route == Endpoint::Usage { Endpoint::UsageHistory } else { Endpoint::Usage }
}

fn path(route: Endpoint) -> &'static str {
    match route {
        Endpoint::Usage => "billing/usage",
        _ => "billing/usage-history",
    }
}
