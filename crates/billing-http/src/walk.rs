//! A whole pass over a window of the ledger.

use billing_model::{Currency, HistoryQuery, QueryError, SortOrder, TimeWindow, Timestamp, UsageQuery};

use crate::endpoint::{Endpoint, Route};
use crate::limiter::MAX_CONCURRENCY;
use crate::times::Times;

/// More pages than any ledger has; a walk that needs more is going in circles.
const MAX_PAGES: u64 = 10_000_000;

/// Enough to hide most of the waiting, and little enough for services that slow down when much is asked at once.
const DEFAULT_CONCURRENCY: u32 = 4;

/// A whole pass over a window: every entry of it once, ascending by time, or an error.
///
/// One walker follows the pages from the start of the window. Others begin further on, where the ledger should have a few
/// pages more, and each stops where the next one began; what they fetch is handed out in order. They are a way to be faster
/// and never a way to fail: a walker whose first request fails is given up, and the one before it goes on.
///
/// A window without an end has no last entry while rows arrive. One that ends now, or begins some time ago, is a
/// [`Times`]: its walk [begins](RelativeWalk::begin) with the first page, and the service's own clock settles the window.
///
/// On `usage` the walk goes oldest first, so that new entries do not shift its pages. When the total moves all the
/// same (late entries, inside the window), it goes back to the last timestamp that it is sure of, and at the end it
/// compares its count with the service's: entries that came in behind it are an error of kind
/// [`ErrorKind::Moved`](crate::ErrorKind::Moved), not a silent gap. The same mechanism carries a walk over a lost
/// cursor and over the end of an endpoint.
#[derive(Clone, Debug)]
pub struct Walk {
    pub(crate) window: TimeWindow,
    pub(crate) max_pages: u64,
    pub(crate) concurrency: u32,
    /// Up to where the window was walked before, and how many entries it had.
    pub(crate) walked: Option<(Timestamp, u64)>,
    endpoint: Endpoint,
    currency: Option<Currency>,
    page_size: Option<u32>,
}

impl Walk {
    /// A walk over a [`TimeWindow`], or over [`Times`] that depend on the present, with every page as large as the endpoint
    /// allows.
    pub fn over<W>(window: W) -> WalkBuilder<W> {
        let walk = Self {
            window: TimeWindow::ALL,
            endpoint: Endpoint::default(),
            max_pages: MAX_PAGES,
            concurrency: DEFAULT_CONCURRENCY,
            walked: None,
            currency: None,
            page_size: None,
        };
        WalkBuilder { window, walk }
    }

    /// The same walk over another window.
    pub(crate) fn with_window(self, window: TimeWindow) -> Self {
        Self { window, ..self }
    }

    /// What is still to be walked; `None` when nothing is.
    pub(crate) fn rest(&self) -> Option<TimeWindow> {
        match self.walked {
            None => Some(self.window),
            Some((until, _)) => TimeWindow::new(Some(until), self.window.until()).ok(),
        }
    }

    /// The walk, when its endpoint takes it.
    fn checked(self) -> Result<Self, QueryError> {
        let (since, until) = (self.window.since(), self.window.until());
        match self.first_route() {
            Route::Usage => self.usage_query(since, until).map(drop)?,
            Route::UsageHistory => self.history_query(since, until).map(drop)?,
        }
        Ok(self)
    }

    pub(crate) fn currency(&self) -> Option<&Currency> {
        self.currency.as_ref()
    }

    /// True when nobody named an endpoint, so that a 404 is a reason to try the other one.
    pub(crate) fn takes_either(&self) -> bool {
        self.endpoint == Endpoint::Auto
    }

    /// The endpoint to begin with.
    pub(crate) fn first_route(&self) -> Route {
        self.endpoint.first_route(self.currency())
    }

    /// Entries to ask for on a page of a route. A size that was meant for the other one is brought into the range of this one.
    pub(crate) fn page_size(&self, route: Route) -> u32 {
        match (route, self.endpoint, self.page_size) {
            (Route::Usage, _, None) => UsageQuery::MAX_LIMIT,
            (Route::UsageHistory, _, None) => HistoryQuery::MAX_PAGE_SIZE,
            (Route::Usage, Endpoint::Usage, Some(size)) => size,
            (Route::Usage, _, Some(size)) => size.min(UsageQuery::MAX_LIMIT),
            (Route::UsageHistory, Endpoint::Usage, Some(size)) => {
                size.clamp(HistoryQuery::MIN_PAGE_SIZE, HistoryQuery::MAX_PAGE_SIZE)
            }
            (Route::UsageHistory, _, Some(size)) => size,
        }
    }

    // Services read borders to the millisecond, so a pass asks for whole milliseconds around its window and leaves out
    // on this side what lies beyond.

    /// The query of a pass by page number.
    pub(crate) fn usage_query(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<UsageQuery, QueryError> {
        self.usage_query_of(since, until, self.page_size(Route::Usage))
    }

    /// The query whose answer says how many entries there are from `since` to `until`, and brings hardly any.
    pub(crate) fn count_query(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<UsageQuery, QueryError> {
        self.usage_query_of(since, until, 1)
    }

    fn usage_query_of(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        limit: u32,
    ) -> Result<UsageQuery, QueryError> {
        // The endpoint's end is inclusive: entries at the end itself are left out on this side.
        UsageQuery::builder()
            .currency(self.currency.clone())
            .start_date(since.map(Timestamp::floor_ms))
            .end_date(until.map(Timestamp::ceil_ms))
            .limit(limit)
            .sort_order(SortOrder::Asc)
            .build()
    }

    /// The query of a pass by cursor.
    pub(crate) fn history_query(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<HistoryQuery, QueryError> {
        self.history_query_of(since, until, self.page_size(Route::UsageHistory))
    }

    /// The same, with so many entries on a page.
    pub(crate) fn history_query_of(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
        page_size: u32,
    ) -> Result<HistoryQuery, QueryError> {
        HistoryQuery::builder()
            .currency(self.currency.clone())
            .since(since.map(Timestamp::floor_ms))
            .until(until.map(Timestamp::ceil_ms))
            .page_size(page_size)
            .build()
    }
}

/// A walk over [`Times`]: not begun, and so without a window.
#[derive(Clone, Debug)]
pub struct RelativeWalk {
    pub(crate) walk: Walk,
    pub(crate) times: Times,
}

/// Builds a [`Walk`], or a [`RelativeWalk`].
#[derive(Clone, Debug)]
#[must_use]
pub struct WalkBuilder<W = TimeWindow> {
    window: W,
    walk: Walk,
}

impl<W> WalkBuilder<W> {
    /// The endpoint to use.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.walk.endpoint = endpoint;
        self
    }

    /// Only entries charged in this currency.
    pub fn currency(mut self, currency: impl Into<Option<Currency>>) -> Self {
        self.walk.currency = currency.into();
        self
    }

    /// Entries on a page: 1 to 500 on `usage`, 10 to 1000 on `usage-history` and on [`Endpoint::Auto`].
    pub fn page_size(mut self, size: impl Into<Option<u32>>) -> Self {
        self.walk.page_size = size.into();
        self
    }

    /// Walkers at the same time: 1 to 16, and 4 unless said otherwise. What comes out is the same, in the same order. A
    /// window without an end has one.
    pub fn concurrency(mut self, walkers: u32) -> Self {
        self.walk.concurrency = walkers.clamp(1, MAX_CONCURRENCY);
        self
    }

    /// The most pages that the walk may have, against services that never end.
    pub fn max_pages(mut self, pages: u64) -> Self {
        self.walk.max_pages = pages;
        self
    }
}

impl WalkBuilder {
    /// Goes on with a walk over the same window that was cut off: at the
    /// [`complete_until`](billing_model::Stretch::complete_until) up to which it came, with so many entries.
    ///
    /// Where the service says how many entries the window has, those before count too.
    pub fn resume(mut self, complete_until: Timestamp, entries: u64) -> Self {
        self.walk.walked = Some((complete_until, entries));
        self
    }

    /// The walk, when its endpoint takes it.
    ///
    /// # Errors
    /// [`QueryError`] with every fault.
    pub fn build(self) -> Result<Walk, QueryError> {
        let Self { window, walk } = self;
        walk.with_window(window).checked()
    }
}

impl WalkBuilder<Times> {
    /// The walk, when its endpoint takes it.
    ///
    /// # Errors
    /// [`QueryError`] with every fault.
    pub fn build(self) -> Result<RelativeWalk, QueryError> {
        Ok(RelativeWalk { walk: self.walk.checked()?, times: self.window })
    }
}
