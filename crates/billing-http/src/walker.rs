//! Takes a walk from page to page, and knows at every step which entries it has handed out.

mod around;
mod before;
mod ends;
mod shared;

use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use billing_model::{
    HistoryRequest, Page, PageRequest, Pagination, Paging, QueryError, SequenceError, TimeWindow, Timestamp,
    UsageEntry,
};

use crate::broken_paging::{OtherCurrency, OtherLimit, OutOfOrder, OutsideWindow, TooManyEntries};
use crate::client::{Client, Persistence};
use crate::count::{count, moved};
use crate::endpoint::Route;
use crate::error::{Error, ErrorKind, one_line};
use crate::event::Event;
use crate::pass::{Asked, Pass};
use crate::planner::{unix_ns, wider};
use crate::reply::Failure;
use crate::resume::{Anchor, Overlap};
use crate::timer::Timer;
use crate::walk::Walk;

use self::around::Tried;
pub(crate) use self::before::Before;
use self::ends::Ending;
pub(crate) use self::shared::Shared;

/// Pages without an entry that may follow one another. Services search at most so much of time for a page.
const MAX_EMPTY_PAGES: u32 = 10_000;

/// The same, where nothing should follow.
pub(crate) const MAX_UNSURE_PAGES: u32 = 8;

/// Entries of one instant. No ledger has so many: a batch of images is a handful of equal entries.
const MAX_AT_ONE_INSTANT: u64 = 1_000_000;

/// Texts of the service that are remembered so as to be said once. More are noise.
const MAX_WARNINGS: usize = 16;

/// How far outside of what was asked for an entry of `usage` may lie.
const SLACK_NS: i128 = 1_000_000_000;

/// Takes a walk from page to page, from one instant to the end of the walk; whoever sends it for pages may stop before.
///
/// Where it is, three of its fields say, each another thing:
///
/// - `window` is its task: the span of which it is to hand out every entry once. It is settled when the walker begins.
/// - `anchor` is what it has done: the instant up to which it has handed everything out, and which entries at it. It is the
///   only place from which the walker ever goes on when something breaks.
/// - `pass` is the question under way: a run of pages that follow one another. It begins at the anchor and ends with the
///   window, or before it where the service fails on that much. A plain walk has one pass. Whenever the paging breaks, the
///   walker drops the pass and begins another one at the anchor.
///
/// With each page, the pass says what comes next, and the anchor moves to the last entry.
pub(crate) struct Walker {
    client: Client,
    walk: Walk,
    shared: Arc<Shared>,
    /// True before the first entry of a walker that is there to be faster: its first request is one that a plain walk would
    /// not have made, so that it is not worth a second try.
    is_extra: bool,
    route: Route,
    /// The routes that the service does not have.
    missing: Vec<Route>,
    window: TimeWindow,
    anchor: Anchor,
    pass: Pass,
    /// What it has tried since it last handed something out.
    tried: Tried,
    /// What it knows of the end that it was told.
    ending: Ending,
    /// Set when it has come to the end of the walk.
    end: Option<End>,
    /// Entries that it has handed out.
    handed_out: u64,
    /// What the service sent from before the window: it reads the start to the millisecond, and may have been asked for more.
    before: Before,
    /// Pages that came.
    pages: u64,
    timer: Timer,
}

/// A page of a window.
#[derive(Debug)]
pub(crate) struct WindowPage {
    pub(crate) entries: Vec<UsageEntry>,
    /// Entries in the window, where the endpoint says it.
    pub(crate) total: Option<u64>,
    /// False where the service said that nothing follows.
    pub(crate) leads_on: bool,
    /// Set on the last page.
    pub(crate) end: Option<End>,
}

/// What a walker comes to at the end of the walk: what it needs to be compared with the service's count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    /// Entries that the service counts to the window, and that lie before it.
    pub(crate) before: Before,
    /// Entries that it counts to the window and that lie at its end; `None` when they are not known, because the service was
    /// asked for more than the window.
    pub(crate) beyond: Option<u64>,
    /// Pages that came.
    pub(crate) pages: u64,
    /// The endpoint that it ended on.
    pub(crate) route: Route,
    /// True when the service's total was the number of entries.
    pub(crate) verified: bool,
}

impl Walker {
    /// A walker over a window.
    pub(crate) fn new(client: Client, walk: &Walk, window: TimeWindow, shared: Arc<Shared>) -> Self {
        let first = walk.first_route();
        let replaced = client.is_replaced(first, walk.takes_either());
        let (route, missing) = if replaced { (first.other(), vec![first]) } else { (first, Vec::new()) };
        Self {
            client,
            walk: walk.clone(),
            shared,
            is_extra: false,
            route,
            missing,
            anchor: Anchor::at(window.since()),
            pass: Pass::new(window.since(), window.until(), Overlap::default()),
            tried: Tried::default(),
            ending: Ending::default(),
            end: None,
            handed_out: 0,
            before: Before { since: wider(window.since(), window.until()), entries: 0 },
            pages: 0,
            timer: Timer::default(),
            window,
        }
    }

    /// The same, as a walker that is there to be faster: when it does not come to a first page at once, another one walks its
    /// part.
    pub(crate) fn extra(mut self) -> Self {
        self.is_extra = true;
        self
    }

    /// What this walker shares with others of its walk.
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// What it came to so far.
    pub(crate) fn state(&self) -> End {
        End {
            before: self.before,
            beyond: (!self.pass.ends_on_this_side()).then_some(self.pass.beyond),
            pages: self.pages,
            route: self.route,
            verified: false,
        }
    }

    /// The next page. Not to be called again after the last one, or after an error.
    pub(crate) async fn next_page(&mut self) -> Result<WindowPage, Error> {
        // Once round for each request. Those after the first one are ways around a fault, or make sure of an end.
        loop {
            let request = match &self.pass.request {
                Some(request) => request.clone(),
                None => self.first_request().map_err(|fault| self.inconsistent(fault))?,
            };
            if self.shared.pages.fetch_add(1, Ordering::Relaxed) >= self.walk.max_pages {
                let url = self.client.url(request.path());
                return Err(Error::of(ErrorKind::TooManyPages).at(url, 0, Duration::ZERO));
            }
            // A failure of a question that only makes sure is an answer too, where the page itself has said that it is the last, and
            // no cursor has said since that more may follow.
            let may_fail = self.ending.is_making_sure && self.ending.is_told && self.is_believed_at_once();
            let persistence = self.persistence(may_fail);
            match self.client.page_or_failure(&request, persistence, &mut self.timer).await {
                Ok(page) => {
                    self.shared.narrowings.store(0, Ordering::Relaxed);
                    self.pages += 1;
                    let leads_on = !matches!(page.paging, Paging::ByCursor(None));
                    let accepted = match self.accept(&request, page).await {
                        // A plain walk would not have asked: whatever comes of it does not fail.
                        Err(_) if self.ending.is_confirming => return Ok(self.conclude()),
                        accepted => accepted?,
                    };
                    if let Some(entries) = accepted {
                        self.is_extra &= entries.is_empty() && self.end.is_none();
                        let total = self.pass.numbers.map(|(_, total)| total).filter(|_| self.is_whole());
                        return Ok(WindowPage { entries, total, leads_on, end: self.end });
                    }
                }
                Err(_) if self.ending.is_confirming => return Ok(self.conclude()),
                Err(_) if may_fail => {
                    self.believe().await?;
                    if self.end.is_some() {
                        let (entries, total) = (Vec::new(), None);
                        return Ok(WindowPage { entries, total, leads_on: false, end: self.end });
                    }
                }
                Err(failure) => self.go_around(failure).map_err(|error| error.on_page(self.pages + 1))?,
            }
        }
    }

    /// How long the next page is tried for.
    fn persistence(&self, may_fail: bool) -> Persistence {
        if may_fail {
            Persistence::Briefly
        } else if self.is_extra || self.ending.is_confirming {
            // A plain walk would not ask.
            Persistence::Once
        } else if !self.has_detour() {
            Persistence::Full
        } else if self.pass.request.is_some() {
            Persistence::AtCursor
        } else {
            Persistence::WhileLikely
        }
    }

    /// The first request of a pass.
    fn first_request(&self) -> Result<PageRequest, QueryError> {
        let Asked { since, until } = self.pass.asked;
        match self.route {
            Route::Usage => {
                let query = self.walk.usage_query(since, until)?;
                Ok(PageRequest::ByNumber { query, page: NonZeroU32::MIN })
            }
            Route::UsageHistory => {
                let query = self.walk.history_query_of(since, until, self.page_size())?;
                Ok(PageRequest::ByCursor(HistoryRequest::First(query)))
            }
        }
    }

    /// Takes a page in: what is new on it, or `None` when the walk went back instead.
    async fn accept(&mut self, request: &PageRequest, page: Page) -> Result<Option<Vec<UsageEntry>>, Error> {
        // First, that the page is one that may come here.
        let next = request.after(&page).map_err(|fault| self.inconsistent(fault))?;
        self.warn_once(page.warning.as_deref());
        self.check_progress(&page)?;
        if let Paging::ByNumber(numbers) = page.paging
            && self.has_moved(numbers)?
        {
            // Entries came or went while the pass was under way, so this page may begin anywhere.
            self.go_back(Error::of(ErrorKind::Moved).with_message("the total keeps moving"))?;
            return Ok(None);
        }
        let is_full = page.entries.len() as u64 == u64::from(self.page_size());
        // Then, what of it is new: it lies in the window, and was not handed out before.
        let mut entries = page.entries;
        self.check_order(&entries)?;
        self.keep_window(&mut entries)?;
        if self.pass.last >= self.window.since() {
            self.note_before();
        }
        self.pass.overlap.remove(&mut entries)?;
        self.anchor.advance(&entries);
        if self.anchor.entries_at_last() > MAX_AT_ONE_INSTANT {
            return Err(self.endless());
        }
        self.handed_out += entries.len() as u64;
        if !entries.is_empty() {
            // What was to be the last page was not.
            self.ending.has_lost_cursor |= self.pass.page_size.is_some();
            self.ending.confirmations = 0;
            self.tried = Tried::default();
        }
        // Last, what follows.
        self.go_on(next, is_full, !entries.is_empty()).await?;
        Ok(Some(entries))
    }

    /// True when the total is another one than on the first page of the pass.
    fn has_moved(&mut self, numbers: Pagination) -> Result<bool, Error> {
        let (limit, total) = *self.pass.numbers.get_or_insert((numbers.limit, numbers.total));
        if numbers.limit != limit {
            // Page numbers count pages of one size.
            return Err(self.inconsistent(OtherLimit { first: limit, now: numbers.limit }));
        }
        Ok(numbers.total != total)
    }

    /// Goes on from a page to the next one, or to the end of the walk, or asks whether this is the end.
    async fn go_on(&mut self, next: Option<PageRequest>, is_full: bool, is_news: bool) -> Result<(), Error> {
        let is_end = !is_news && next.is_none();
        self.ending.is_told &= is_end;
        self.ending.is_confirming &= is_end;
        // Entries ascend, so nothing follows what lies behind the end. On `usage` pages are read on all the same, for the sake
        // of the total, when it is that of the window.
        let is_over = self.pass.beyond > 0 && (self.route != Route::Usage || self.pass.ends_on_this_side());
        // Where nothing should follow, cursors may lead from one empty page to the next for ever.
        let leads_nowhere = self.ending.is_making_sure && self.pass.empty_pages > MAX_UNSURE_PAGES;
        self.shared.has_cursor.fetch_or(next.is_some(), Ordering::Relaxed);
        // Where no header has ever come, all of them may be lost on the way.
        let are_headers_seen =
            self.client.ends_in_the_body() || self.shared.has_cursor.load(Ordering::Relaxed);
        // A cursor may be lost on the way, a header of text/csv for one, and then a full page looks like the last.
        let may_have_lost_cursor =
            self.route == Route::UsageHistory && !is_over && (is_full || (is_news && !are_headers_seen));
        match next.filter(|_| !is_over && !leads_nowhere) {
            Some(next) => {
                self.pass.request = Some(next);
                Ok(())
            }
            // What was to make sure is full as well, and has brought nothing new.
            None if may_have_lost_cursor && !is_news && self.pass.page_size.is_some() => {
                self.take_full_again().await
            }
            None if may_have_lost_cursor => {
                self.make_sure();
                self.ending.is_told |= self.client.ends_in_the_body() || !is_full;
                Ok(())
            }
            None if leads_nowhere => self.believe().await,
            None => self.finish().await,
        }
    }

    /// Entries that a page of the pass has at most.
    fn page_size(&self) -> u32 {
        self.pass.page_size.unwrap_or_else(|| self.walk.page_size(self.route))
    }

    /// Entries ascend within a page and from page to page.
    fn check_order(&mut self, entries: &[UsageEntry]) -> Result<(), Error> {
        for (position, entry) in entries.iter().enumerate() {
            if self.pass.last.is_some_and(|last| entry.timestamp < last) {
                return Err(self.inconsistent(OutOfOrder { entry: position + 1, at: entry.timestamp }));
            }
            self.pass.last = Some(entry.timestamp);
        }
        Ok(())
    }

    /// Leaves out what the service had to send from outside the window: the rest of the milliseconds in which it begins
    /// and ends and, on `usage`, what lies at its end. More than that is a fault, but for a second on `usage`, whose borders
    /// are said to be read to the second by some.
    fn keep_window(&mut self, entries: &mut Vec<UsageEntry>) -> Result<(), Error> {
        let (since, until) = (self.pass.since, self.pass.until);
        let asked = self.pass.asked;
        let (first, end) = (asked.since.map(Timestamp::floor_ms), asked.until.map(Timestamp::ceil_ms));
        let is_asked = |at: Timestamp| match self.route {
            Route::UsageHistory => first.is_none_or(|first| first <= at) && end.is_none_or(|end| at < end),
            Route::Usage => {
                asked.since.is_none_or(|since| unix_ns(since) - unix_ns(at) <= SLACK_NS)
                    && asked.until.is_none_or(|until| unix_ns(at) - unix_ns(until) <= SLACK_NS)
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
        let start = self.window.since();
        entries.retain(|entry| {
            let too_early = since.is_some_and(|since| entry.timestamp < since);
            let too_late = until.is_some_and(|until| until <= entry.timestamp);
            self.pass.before += u64::from(start.is_some_and(|start| entry.timestamp < start));
            self.pass.beyond += u64::from(too_late);
            !too_early && !too_late
        });
        Ok(())
    }

    /// No page is larger than was asked for, no cursor comes again, and pages without entries end.
    fn check_progress(&mut self, page: &Page) -> Result<(), Error> {
        let most = self.page_size();
        if page.entries.len() as u64 > u64::from(most) {
            return Err(self.inconsistent(TooManyEntries { asked: most, found: page.entries.len() }));
        }
        if let Paging::ByCursor(Some(cursor)) = &page.paging
            && self.pass.circles.closes(cursor)
        {
            return Err(self.inconsistent(SequenceError::RepeatedCursor(cursor.clone())));
        }
        self.pass.empty_pages = if page.entries.is_empty() { self.pass.empty_pages + 1 } else { 0 };
        // A page with entries says for itself what follows it; only one after another without any leaves it open.
        self.ending.is_making_sure &= page.entries.is_empty();
        if self.pass.empty_pages > MAX_EMPTY_PAGES {
            return Err(
                Error::of(ErrorKind::TooManyPages).with_message("the service answers with empty pages only")
            );
        }
        Ok(())
    }

    /// Ends the walk, once it is sure that nothing is missing.
    async fn finish(&mut self) -> Result<(), Error> {
        if self.asks_again().await? {
            return Ok(());
        }
        if self.pass.until != self.window.until() {
            // It was a shorter span, which had to be walked by itself. The rest is tried in one pass again.
            self.anchor.go_to(self.pass.until);
            self.tried.begin_again();
            self.restart(self.window.until());
            return Ok(());
        }
        self.note_before();
        // A total of more than the window says nothing of the window.
        let Some((_, total)) = self.pass.numbers.filter(|_| !self.pass.ends_on_this_side()) else {
            self.finish_at(false);
            return Ok(());
        };
        let total = match self.is_whole() {
            true => total,
            // A pass that began later has the total of its own span only.
            false => match count(&self.client, &self.walk, self.before.since, self.window.until()).await {
                Ok(total) => total,
                // A service that fails on wide windows cannot count one, and the walk has got through it in parts.
                Err(Failure { error, .. }) if self.client.is_for_narrowing(&error) => {
                    self.finish_at(false);
                    return Ok(());
                }
                // The endpoint may end at this very request: then its successor says whether anything is left.
                Err(failure) => return self.go_around(failure),
            },
        };
        let counted = self.handed_out + self.before.entries + self.pass.beyond;
        if total != counted {
            return Err(moved(total, counted));
        }
        self.finish_at(true);
        Ok(())
    }

    fn finish_at(&mut self, verified: bool) {
        self.end = Some(End { verified, ..self.state() });
    }

    fn warn_once(&mut self, warning: Option<&str>) {
        let Some(text) = warning.map(|text| self.client.black_out(&one_line(text))) else { return };
        let mut warned = self.shared.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.len() < MAX_WARNINGS && warned.insert(text.clone()) {
            self.client.notify(&Event::Warning(&text));
        }
    }

    /// Too many entries of one instant to be a ledger.
    fn endless(&self) -> Error {
        let at = self.anchor.last_entry().unwrap_or(Timestamp::from_unix_ns(0));
        Error::of(ErrorKind::TooManyPages)
            .on_page(self.pages)
            .at(self.client.url(self.route.path()), 1, Duration::ZERO)
            .with_message(format!(
                "more than {MAX_AT_ONE_INSTANT} entries of the one instant {at}: the service has no end"
            ))
    }

    fn inconsistent(&self, fault: impl std::error::Error + Send + Sync + 'static) -> Error {
        Error::of(ErrorKind::Inconsistent)
            .on_page(self.pages)
            .at(self.client.url(self.route.path()), 1, Duration::ZERO)
            .because(fault)
    }
}
