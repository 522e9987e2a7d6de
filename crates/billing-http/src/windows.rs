//! Runs a walk: sends walkers for pages, side by side, and hands out what they fetch, in order.

use std::panic;
use std::sync::Arc;

use billing_model::{Stretch, UsageEntry};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::task::{JoinError, JoinSet};

use crate::client::Client;
use crate::count::moved;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::final_count::{FinalCount, Tally, Verdict};
use crate::queue::{Next, Queue};
use crate::tail::Tail;
use crate::totals::compare;
use crate::walk::Walk;
use crate::walker::{Shared, Walker, WindowPage};

impl Walk {
    /// The window, page by page, in order: a stretch is what is new on a page, and may be empty.
    ///
    /// The stream ends with the first error. It may be dropped at any time, and a call of `next` that is given up loses
    /// nothing. Pages are fetched ahead, in tasks of the tokio runtime in which the stream is polled; they end with it.
    pub fn stretches(self, client: &Client) -> impl Stream<Item = Result<Stretch, Error>> + Send + use<> {
        Windows::new(client.clone(), self).stretches()
    }

    /// The entries of the window, one by one.
    pub fn entries(self, client: &Client) -> impl Stream<Item = Result<UsageEntry, Error>> + Send + use<> {
        self.stretches(client).map_ok(|stretch| stream::iter(stretch.entries).map(Ok)).try_flatten()
    }
}

/// A walk under way. Pages come in by `fetches`, wait in the `queue` for their turn, and go out by the `tail`; what was
/// handed out is counted by the `tally`, and compared at the end.
pub(crate) struct Windows {
    client: Client,
    walk: Walk,
    shared: Arc<Shared>,
    queue: Queue,
    fetches: JoinSet<Fetched>,
    tail: Tail,
    tally: Tally,
    /// Entries in the window as the service says while it is walked by one walker; for whoever shows the progress.
    total: Option<u64>,
    /// True after the last stretch, and after an error.
    is_over: bool,
}

/// A walker with the page that it went for.
struct Fetched {
    part: u64,
    walker: Walker,
    page: Result<WindowPage, Error>,
}

impl Windows {
    pub(crate) fn new(client: Client, walk: Walk) -> Self {
        let first = walk.rest().map(|rest| Walker::new(client.clone(), &walk, rest, Arc::default()));
        Self::of(client, walk, first)
    }

    /// The walk, whose first walker has fetched its first page.
    pub(crate) fn begun(client: Client, walk: Walk, walker: Walker, page: WindowPage) -> Self {
        let mut windows = Self::of(client, walk, Some(walker));
        windows.queue.begin(page);
        windows
    }

    fn of(client: Client, walk: Walk, first: Option<Walker>) -> Self {
        let page = u64::from(walk.page_size(walk.first_route()));
        let since = walk.rest().and_then(|rest| rest.since());
        let shared = first.as_ref().map(Walker::shared).unwrap_or_default();
        let first = first.map(|walker| (walker, since));
        Self {
            client,
            shared,
            queue: Queue::new(walk.window, walk.concurrency as usize, page, first),
            fetches: JoinSet::new(),
            tail: Tail::default(),
            tally: Tally::default(),
            total: None,
            is_over: false,
            walk,
        }
    }

    /// What comes, in order, as a stream.
    pub(crate) fn stretches(self) -> impl Stream<Item = Result<Stretch, Error>> + Send + use<> {
        stream::try_unfold(self, |mut windows| async move {
            Ok(windows.next_stretch().await?.map(|stretch| (stretch, windows)))
        })
    }

    /// What comes next, in order; `None` after the last. Nothing is lost when the call is given up: what was fetched and
    /// what is being fetched stays here.
    async fn next_stretch(&mut self) -> Result<Option<Stretch>, Error> {
        while !self.is_over {
            // First what has come meanwhile, so that no walker stands idle while a page is handed out.
            while let Some(fetched) = self.fetches.try_join_next() {
                self.take_in(fetched);
            }
            self.fetch_ahead();
            match self.queue.next() {
                Next::Page(page) => return Ok(Some(self.hand_out(page))),
                Next::Failure(error) => match self.tail.give_up() {
                    // What came before the error is handed out before it.
                    Some(stretch) => {
                        self.queue.put_back(error);
                        return Ok(Some(self.told(stretch)));
                    }
                    None => {
                        self.is_over = true;
                        return Err(error.after_pages(self.tally.pages()));
                    }
                },
                Next::Over { walked, end } => self.tally.add(walked, end),
                // A page of the first part is on its way, or the first of the next part, or its failure.
                Next::Wait => match self.fetches.join_next().await {
                    Some(fetched) => self.take_in(fetched),
                    None => return Err(Error::of(ErrorKind::Setup).with_message("a walker is lost")),
                },
                Next::Finish => {
                    self.finish().await?;
                    self.is_over = true;
                }
            }
        }
        Ok(None)
    }

    /// Sends walkers for pages, as many as may be.
    fn fetch_ahead(&mut self) {
        let Self { client, walk, shared, queue, fetches, .. } = self;
        let recruit = |window| Walker::new(client.clone(), walk, window, Arc::clone(shared));
        while let Some((part, mut walker)) = queue.send(fetches.len(), client.present(), recruit) {
            let fetch = fetches.spawn(async move {
                let page = walker.next_page().await;
                Fetched { part, walker, page }
            });
            queue.is_sent(part, fetch);
        }
    }

    /// Puts a page where it belongs.
    fn take_in(&mut self, fetched: Result<Fetched, JoinError>) {
        match fetched {
            Ok(Fetched { part, walker, page }) => self.queue.take_in(part, walker, page, &self.shared),
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            // Of a part that was given up.
            Err(_) => {}
        }
    }

    /// Hands out a page of the first part, as far as the walk is complete with it.
    fn hand_out(&mut self, page: WindowPage) -> Stretch {
        let WindowPage { entries, total, end, .. } = page;
        if self.tally.is_empty() && self.queue.has_one_part() {
            self.total = total;
        }
        let stretch = match end {
            Some(_) if self.queue.is_at_the_end() => self.tail.last_page(entries, self.walk.window.until()),
            _ => self.tail.page(entries),
        };
        self.told(stretch)
    }

    /// Tells of a stretch that is handed out.
    fn told(&self, stretch: Stretch) -> Stretch {
        self.client.notify(&Event::Page {
            entries: stretch.entries.len() as u64,
            reached: self.tail.reached(),
            total: self.total,
        });
        stretch
    }

    /// Ends the walk, once the service's total is what was handed out, where it has one.
    async fn finish(&mut self) -> Result<(), Error> {
        let count = FinalCount {
            route: self.tally.route().unwrap_or(self.walk.first_route()),
            window: self.walk.window,
            earlier: self.walk.walked,
            entries: self.tail.handed_out(),
            tally: self.tally,
        };
        let total = match compare(&self.client, &self.walk, &self.shared, &count).await? {
            Verdict::Whole => Some(count.entries + count.earlier.map_or(0, |(_, entries)| entries)),
            Verdict::Unknown => None,
            Verdict::Moved { total, counted } => return Err(moved(total, counted)),
        };
        self.client.notify(&Event::Complete { endpoint: count.route, total });
        Ok(())
    }
}
