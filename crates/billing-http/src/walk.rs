//! A whole pass over a window of the ledger.

use std::fmt;

use billing_model::{
    Currency, HistoryQuery, Page, QueryError, SortOrder, TimeWindow, Timestamp, UsageEntry, UsageQuery,
};
use futures::{Stream, StreamExt, TryStreamExt, stream};

use crate::client::Client;
use crate::error::Error;
use crate::walker::Walker;

/// More pages than any ledger has; a walk that needs more is going in circles.
const MAX_PAGES: u64 = 10_000_000;

/// Which endpoint a walk uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Endpoint {
    /// `usage-history`, or `usage` where the service does not have it.
    #[default]
    Auto,
    /// `GET /billing/usage`, by page number; its successor when the service says that it is gone.
    Usage,
    /// `GET /billing/usage-history`, by cursor.
    UsageHistory,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Usage => "usage",
            Self::UsageHistory => "usage-history",
        })
    }
}

/// A whole pass over a window: every entry of it once, ascending by time, or an error.
///
/// Freeze the end of the window before walking: a window without an end has no last entry while rows arrive.
///
/// On `usage` the walk goes oldest first, so that new entries do not shift its pages. When the total moves all the
/// same (late entries, inside the window), it goes back to the last timestamp that it is sure of, and at the end it
/// compares its count with the service's: entries that came in behind it are an error of kind
/// [`ErrorKind::Moved`](crate::ErrorKind::Moved), not a silent gap. The same mechanism carries a walk over a lost
/// cursor and over the end of an endpoint.
#[derive(Clone, Debug)]
pub struct Walk {
    pub(crate) window: TimeWindow,
    pub(crate) endpoint: Endpoint,
    pub(crate) max_pages: u64,
    currency: Option<Currency>,
    page_size: Option<u32>,
}

impl Walk {
    /// A walk over a window, with every page as large as the endpoint allows.
    pub fn over(window: TimeWindow) -> WalkBuilder {
        WalkBuilder(Self {
            window,
            endpoint: Endpoint::default(),
            max_pages: MAX_PAGES,
            currency: None,
            page_size: None,
        })
    }

    /// The pages of the window. A page may be empty; no page ends the stream but the last.
    ///
    /// The stream ends with the first error.
    pub fn pages(self, client: &Client) -> impl Stream<Item = Result<Page, Error>> + Send + use<> {
        let walker = Walker::new(client.clone(), self);
        stream::try_unfold(walker, |mut walker| async move {
            Ok(walker.next_page().await?.map(|page| (page, walker)))
        })
    }

    /// The entries of the window, one by one.
    pub fn entries(self, client: &Client) -> impl Stream<Item = Result<UsageEntry, Error>> + Send + use<> {
        self.pages(client).map_ok(|page| stream::iter(page.entries).map(Ok)).try_flatten()
    }

    /// The endpoint to begin with.
    pub(crate) fn first_route(&self) -> Endpoint {
        match self.endpoint {
            // The newer endpoint refuses the legacy currency.
            Endpoint::Auto if self.currency == Some(Currency::Vcu) => Endpoint::Usage,
            Endpoint::Auto => Endpoint::UsageHistory,
            endpoint => endpoint,
        }
    }

    /// Entries to ask for on a page of a route. A size that was right for the endpoint that was named goes on as well as
    /// it can at the other.
    pub(crate) fn page_size(&self, route: Endpoint) -> u32 {
        match (route, self.endpoint, self.page_size) {
            (Endpoint::Usage, _, None) => UsageQuery::MAX_LIMIT,
            (_, _, None) => HistoryQuery::MAX_PAGE_SIZE,
            (Endpoint::Usage, Endpoint::Auto | Endpoint::UsageHistory, Some(size)) => {
                size.min(UsageQuery::MAX_LIMIT)
            }
            (Endpoint::Auto | Endpoint::UsageHistory, Endpoint::Usage, Some(size)) => {
                size.clamp(HistoryQuery::MIN_PAGE_SIZE, HistoryQuery::MAX_PAGE_SIZE)
            }
            (_, _, Some(size)) => size,
        }
    }

    // Services read borders to the millisecond, so a pass asks for whole milliseconds around its window and leaves out
    // on this side what lies beyond.

    /// The query of a pass by page number that begins at `since`.
    pub(crate) fn usage_query(&self, since: Option<Timestamp>) -> Result<UsageQuery, QueryError> {
        // The endpoint's end is inclusive: entries at the end itself are left out on this side.
        UsageQuery::builder()
            .currency(self.currency.clone())
            .start_date(since.map(Timestamp::floor_ms))
            .end_date(self.window.until().map(Timestamp::ceil_ms))
            .limit(self.page_size(Endpoint::Usage))
            .sort_order(SortOrder::Asc)
            .build()
    }

    /// The query of a pass by cursor that begins at `since`.
    pub(crate) fn history_query(&self, since: Option<Timestamp>) -> Result<HistoryQuery, QueryError> {
        HistoryQuery::builder()
            .currency(self.currency.clone())
            .since(since.map(Timestamp::floor_ms))
            .until(self.window.until().map(Timestamp::ceil_ms))
            .page_size(self.page_size(Endpoint::UsageHistory))
            .build()
    }
}

/// Builds a [`Walk`].
#[derive(Clone, Debug)]
#[must_use]
pub struct WalkBuilder(Walk);

impl WalkBuilder {
    /// The endpoint to use.
    pub fn endpoint(mut self, endpoint: Endpoint) -> Self {
        self.0.endpoint = endpoint;
        self
    }

    /// Only entries charged in this currency.
    pub fn currency(mut self, currency: impl Into<Option<Currency>>) -> Self {
        self.0.currency = currency.into();
        self
    }

    /// Entries on a page: 1 to 500 on `usage`, 10 to 1000 on `usage-history` and on [`Endpoint::Auto`].
    pub fn page_size(mut self, size: impl Into<Option<u32>>) -> Self {
        self.0.page_size = size.into();
        self
    }

    /// The most pages that the walk may have, against services that never end.
    pub fn max_pages(mut self, pages: u64) -> Self {
        self.0.max_pages = pages;
        self
    }

    /// The walk, when its endpoint takes it.
    ///
    /// # Errors
    /// [`QueryError`] with every fault.
    pub fn build(self) -> Result<Walk, QueryError> {
        let since = self.0.window.since();
        match self.0.first_route() {
            Endpoint::Usage => self.0.usage_query(since).map(drop)?,
            _ => self.0.history_query(since).map(drop)?,
        }
        Ok(self.0)
    }
}
