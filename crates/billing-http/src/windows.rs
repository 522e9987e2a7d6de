//! Walks the parts of a window side by side, and joins them in order.

use std::collections::VecDeque;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use billing_model::{HistoryQuery, Stretch, TimeWindow, Timestamp, UsageEntry};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tokio::task::{JoinError, JoinSet};

use crate::client::Client;
use crate::endpoint::Route;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::part::Part;
use crate::planner::{LEAST_WINDOW, Sample, border, earlier, whole};
use crate::totals::{Counted, check_total};
use crate::trust::Trust;
use crate::walk::Walk;
use crate::walker::{Before, End, Shared, Walker, WindowPage};

/// Pages in memory at the same time, however many parts they belong to.
const MAX_PAGES_HELD: usize = 48;

/// Entries of one millisecond that are kept back for the next page: a page. Where there are more, they are handed out as
/// they come.
const MAX_TAIL: usize = HistoryQuery::MAX_PAGE_SIZE as usize;

/// How large the parts are. Where one part ends and the next begins, a page is fetched by both, so large parts cost fewer
/// requests; and a part has to be held until those before it are handed out, so small parts cost less memory. Chosen by
/// simulation over even, daily and bursty ledgers, and by measuring (`docs/performance.md`).
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Pages that a part should have, in tenths.
    goal_tenths: u64,
    /// Pages of a part that are held. Clearly more than it should have: a part whose last page has to wait until its first
    /// ones are handed out holds up all that is behind it.
    held: usize,
    /// Pages that are held altogether.
    held_in_all: usize,
}

impl Sizes {
    fn of(concurrency: usize) -> Self {
        let held_in_all = (5 * concurrency).min(MAX_PAGES_HELD);
        match concurrency {
            // Alone, there is nobody to share with: one part, walked from page to page.
            1 => Self { goal_tenths: 0, held: 2, held_in_all: 2 },
            2..=4 => Self { goal_tenths: 58, held: 8, held_in_all },
            5..=8 => Self { goal_tenths: 38, held: 6, held_in_all },
            _ => Self { goal_tenths: 28, held: 6, held_in_all },
        }
    }
}

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

/// A walk on its way: its parts, in order.
pub(crate) struct Windows {
    client: Client,
    walk: Walk,
    shared: Arc<Shared>,
    sizes: Sizes,
    /// Entries that a page has, and that a part should have.
    page: u64,
    goal: u64,
    parts: VecDeque<Part>,
    /// The number of the next part, by which a page finds its part.
    next_part: u64,
    fetches: JoinSet<Fetched>,
    trust: Trust,
    /// What a page that is on its way may weigh: as much as the heaviest so far.
    page_weight: usize,
    /// How dense the ledger was in the parts that were handed out, latest first.
    samples: Vec<Sample>,
    /// From here on a service has said that there is nothing, or no more than a page, which is no reason to ask it again.
    nothing_from: Option<Timestamp>,
    /// The latest entry of parts that were left: it is there, whatever comes of their end.
    seen_up_to: Option<Timestamp>,
    /// The end of what was fetched, which may go on: entries of a millisecond that is not over.
    tail: Vec<UsageEntry>,
    /// What was handed out so far.
    entries: u64,
    reached: Option<Timestamp>,
    total: Option<u64>,
    ends: Ends,
    done: bool,
}

/// A walker with the page that it went for.
struct Fetched {
    part: u64,
    walker: Walker,
    page: Result<WindowPage, Error>,
}

/// What the parts came to.
#[derive(Default)]
struct Ends {
    parts: u64,
    /// The end of the last part; there is none when nothing was walked.
    last: Option<End>,
    /// What the service sent from before the window.
    before: Before,
    /// Not every part was walked by page number.
    by_cursor: bool,
    pages: u64,
}

impl Windows {
    pub(crate) fn new(client: Client, walk: Walk) -> Self {
        let first = walk.rest().map(|rest| Walker::new(client.clone(), &walk, rest, Arc::default()));
        Self::of(client, walk, first)
    }

    /// The walk, whose first walker has fetched its first page.
    pub(crate) fn begun(client: Client, walk: Walk, walker: Walker, page: WindowPage) -> Self {
        let mut windows = Self::of(client, walk, Some(walker));
        if let Some(first) = windows.parts.front_mut() {
            windows.page_weight = first.put(page);
        }
        windows
    }

    fn of(client: Client, walk: Walk, first: Option<Walker>) -> Self {
        let sizes = Sizes::of(walk.concurrency as usize);
        let page = u64::from(walk.page_size(walk.first_route()));
        let since = walk.rest().and_then(|rest| rest.since());
        let shared = first.as_ref().map(Walker::shared).unwrap_or_default();
        let parts = first.map(|walker| Part::new(0, walker, since, walk.window.until()));
        Self {
            client,
            shared,
            sizes,
            page,
            goal: page * sizes.goal_tenths / 10,
            parts: parts.into_iter().collect(),
            next_part: 1,
            fetches: JoinSet::new(),
            trust: Trust::default(),
            page_weight: 1,
            samples: Vec::new(),
            nothing_from: None,
            seen_up_to: None,
            tail: Vec::new(),
            entries: 0,
            reached: None,
            total: None,
            ends: Ends::default(),
            done: false,
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
        while !self.done {
            while let Some(fetched) = self.fetches.try_join_next() {
                self.take_in(fetched)?;
            }
            self.fetch_ahead();
            let Some(first) = self.parts.front_mut() else {
                self.finish().await?;
                self.done = true;
                break;
            };
            match first.take() {
                Some(Ok(page)) => return Ok(Some(self.hand_out(page))),
                Some(Err(error)) if self.tail.is_empty() => {
                    self.done = true;
                    return Err(error.after_pages(self.ends.pages));
                }
                Some(Err(error)) => {
                    // What came before the error is handed out before it.
                    first.put_back(error);
                    let entries = std::mem::take(&mut self.tail);
                    return Ok(Some(self.stretch(entries, None)));
                }
                None if first.is_over() && self.parts.get(1).is_none_or(|next| next.is_proven) => {
                    self.end_part()
                }
                // A page of the first part is on its way, or the first of the next part, or its failure.
                None => match self.fetches.join_next().await {
                    Some(fetched) => self.take_in(fetched)?,
                    None => return Err(Error::of(ErrorKind::Setup).with_message("a walker is lost")),
                },
            }
        }
        Ok(None)
    }

    /// Sends walkers for pages, those of the first parts first, as many as may be.
    fn fetch_ahead(&mut self) {
        let most = self.trust.walkers(self.walk.concurrency as usize);
        while self.fetches.len() < most {
            let failed = self.parts.iter().position(|part| part.failed).unwrap_or(self.parts.len());
            // What the others wait for.
            let awaited = self.parts.iter().position(|part| !part.is_over());
            let idle = self.parts.iter().take(failed).position(|part| part.is_idle(self.sizes.held));
            let held: usize = self.parts.iter().map(Part::held).sum();
            let has_room = held + (self.fetches.len() + 1) * self.page_weight <= self.sizes.held_in_all;
            let cut = if has_room { self.cut(failed) } else { None };
            let index = match (idle, cut) {
                (Some(idle), Some((cut, _))) if idle <= cut => idle,
                (_, Some((cut, border))) => self.cut_off(cut, border),
                (Some(idle), None) if has_room || Some(idle) == awaited => idle,
                (_, None) => return,
            };
            let part = &mut self.parts[index];
            let Some(mut walker) = part.walker.take() else { return };
            let number = part.number;
            part.fetch = Some(self.fetches.spawn(async move {
                let page = walker.next_page().await;
                Fetched { part: number, walker, page }
            }));
        }
    }

    /// Where to cut a part so that one walker more has something to do: the first part that has much more in it than it
    /// should, else the first that is worth halving. Parts from `failed` on are of no use any more.
    fn cut(&self, failed: usize) -> Option<(usize, Timestamp)> {
        // A window without an end is walked in one, and so is one by one walker.
        let end = self.walk.window.until().filter(|_| self.goal > 0)?;
        let unproven = self.parts.iter().filter(|part| !part.is_proven).count();
        if !self.trust.allows(unproven) {
            return None;
        }
        // What begins close to the end, or after the present, is likely to have nothing in it.
        let end = self.client.present().map_or(end, |now| end.min(now));
        let is_nothing = |from: &Timestamp| self.parts.iter().all(|part| part.reached() < Some(*from));
        let end = self.nothing_from.filter(is_nothing).map_or(end, |from| end.min(from));
        let latest = earlier(end, LEAST_WINDOW);
        let candidates = || (0..failed.min(self.parts.len())).filter(|index| !self.parts[*index].is_done());
        let much = candidates().filter_map(|index| {
            let samples = self.samples_up_to(index);
            let left = self.parts[index].left(&samples)?;
            let border = self.border(index, &samples, self.goal)?;
            (left > self.goal * 3 / 2).then_some((index, border))
        });
        let halves = candidates().filter_map(|index| {
            let samples = self.samples_up_to(index);
            // The page that is on its way is not to be divided.
            let left = self.parts[index].left(&samples)?.checked_sub(self.page)?;
            let border = self.border(index, &samples, self.page + left / 2)?;
            // Where a walk ends, a part of a single page is left to the part before, which fetches that page again.
            let least = if index + 1 == self.parts.len() { 4 } else { 2 };
            (left >= least * self.page).then_some((index, border))
        });
        let mut cuts = much.chain(halves);
        cuts.find(|(_, border)| *border <= latest)
    }

    fn border(&self, index: usize, samples: &[Sample], entries: u64) -> Option<Timestamp> {
        let part = &self.parts[index];
        let until = part.until?;
        let border = border(samples, entries, part.position()?, until);
        (border < until).then_some(border)
    }

    /// Makes the end of a part a part of its own, with a walker; gives where it stands.
    fn cut_off(&mut self, index: usize, border: Timestamp) -> usize {
        let (shared, walk) = (Arc::clone(&self.shared), &self.walk);
        let window = TimeWindow::new(Some(border), walk.window.until()).unwrap_or(walk.window);
        let walker = Walker::new(self.client.clone(), walk, window, shared).extra();
        let part = Part::new(self.next_part, walker, Some(border), self.parts[index].until);
        self.next_part += 1;
        self.parts[index].until = Some(border);
        self.parts.insert(index + 1, part);
        index + 1
    }

    /// How dense the ledger is at a part and before it, nearest first.
    fn samples_up_to(&self, index: usize) -> Vec<Sample> {
        let parts = self.parts.range(..=index).rev().flat_map(Part::samples);
        parts.chain(&self.samples).take(Sample::COUNTED).copied().collect()
    }

    /// Puts a page where it belongs.
    fn take_in(&mut self, fetched: Result<Fetched, JoinError>) -> Result<(), Error> {
        let Fetched { part: number, walker, page } = match fetched {
            Ok(fetched) => fetched,
            Err(error) if error.is_panic() => panic::resume_unwind(error.into_panic()),
            // Of a part that was given up.
            Err(_) => return Ok(()),
        };
        let Some(index) = self.parts.iter().position(|part| part.number == number) else { return Ok(()) };
        let lost_cursors = self.shared.lost_cursors.swap(0, Ordering::Relaxed);
        if lost_cursors > 0 && self.parts.len() > 1 {
            self.trust.lose_cursor();
            // Theirs are lost too, or soon will be: to find that out costs a failure each.
            self.parts.iter_mut().skip(1).for_each(Part::forget_cursor);
        }
        let part = &mut self.parts[index];
        part.fetch = None;
        let page = match page {
            Ok(page) => page,
            // Only the first part is one that a plain walk would have asked for: what else fails at once is left to the walker
            // of the part before it, which goes on from where it is.
            Err(error) if index > 0 && !part.is_proven => {
                tracing::debug!(%error, "a part is given up");
                self.give_up(index);
                return Ok(());
            }
            Err(error) => {
                part.fail(error);
                return Ok(());
            }
        };
        part.walker = Some(walker);
        let was_proven = part.is_proven;
        let weight = part.put(page);
        self.page_weight = weight.max(self.page_weight * 3 / 4);
        if index > 0 && part.leads_nowhere() {
            self.give_up(index);
            return Ok(());
        }
        if index > 0 && (part.is_empty() || part.ended_at_once) {
            self.nothing_from = self.parts[index - 1].until;
            self.leave(index);
            return Ok(());
        }
        for behind in [index, index + 1] {
            let (Some(before), Some(part)) = (behind.checked_sub(1), self.parts.get(behind)) else {
                continue;
            };
            if part.is_disproved_by(&self.parts[before]) {
                self.give_up(behind);
                return Ok(());
            }
        }
        let is_news = index > 0 && !was_proven && self.parts[index].is_proven;
        self.trust.page(is_news);
        if is_news {
            self.parts[index - 1].is_succeeded();
        }
        if index > 0 && self.trust.is_alone() {
            self.parts[index].forget_cursor();
        }
        self.give_up_behind(index);
        Ok(())
    }

    /// Leaves a part, with which something is wrong, to the one before it.
    fn give_up(&mut self, index: usize) {
        self.trust.lose();
        self.leave(index);
    }

    /// Leaves a part to the one before it.
    fn leave(&mut self, index: usize) {
        if let Some(part) = self.parts.remove(index) {
            self.seen_up_to = self.seen_up_to.max(part.reached());
            self.parts[index - 1].extend(part.until);
            self.give_up_behind(index - 1);
        }
    }

    /// Where the ledger ends there is nothing behind it: parts that have not come to a page yet wait for nothing.
    fn give_up_behind(&mut self, index: usize) {
        if self.parts[index].end.is_none() {
            return;
        }
        while self.parts.get(index + 1).is_some_and(|behind| !behind.is_proven) {
            let behind = self.parts.remove(index + 1);
            self.parts[index].until = behind.and_then(|behind| behind.until);
        }
        // It cannot end here and go on there, unless entries arrived meanwhile.
        let is_last = self.parts.len() == index + 1;
        if self.parts.range(index + 1..).any(Part::has_entries)
            || (is_last && self.seen_up_to > self.parts[index].reached())
        {
            self.parts[index].doubt();
        }
    }

    /// Hands out a page of the first part, as far as the walk is complete with it.
    fn hand_out(&mut self, page: WindowPage) -> Stretch {
        let WindowPage { entries: fetched, total, end, .. } = page;
        if self.ends.parts == 0 && self.parts.len() == 1 {
            self.total = total;
        }
        let tail = std::mem::take(&mut self.tail);
        let mut entries = fetched;
        // The tail is a few entries, and the page has room for them.
        entries.splice(..0, tail);
        let is_last = self.parts.len() == 1 && self.parts[0].is_over();
        let complete_until = match end {
            Some(_) if is_last => self.walk.window.until(),
            _ => self.hold_tail(&mut entries),
        };
        self.stretch(entries, complete_until)
    }

    /// Counts what is handed out.
    fn stretch(&mut self, entries: Vec<UsageEntry>, complete_until: Option<Timestamp>) -> Stretch {
        self.entries += entries.len() as u64;
        self.reached = entries.last().map(|entry| entry.timestamp).or(self.reached);
        self.client.notify(&Event::Page {
            entries: entries.len() as u64,
            reached: self.reached,
            total: self.total,
        });
        Stretch { entries, complete_until }
    }

    /// Keeps back the entries of the last second or millisecond, of which more may follow, so that the walk is complete up
    /// to it. `None` when it is not: there are too many entries in that millisecond to be kept.
    fn hold_tail(&mut self, entries: &mut Vec<UsageEntry>) -> Option<Timestamp> {
        let (first, last) = (entries.first()?.timestamp, entries.last()?.timestamp);
        let until = whole(self.reached.map_or(first, |reached| reached.max(first)), last);
        let before = entries.partition_point(|entry| entry.timestamp < until);
        // Entries of this millisecond may have been handed out, and an entry of its own is what makes progress.
        let is_whole = self.reached.is_none_or(|reached| reached < until);
        if before == 0 || !is_whole {
            if is_whole && entries.len() <= MAX_TAIL {
                self.tail = std::mem::take(entries);
            }
            return None;
        }
        self.tail = entries.split_off(before);
        Some(until)
    }

    /// Leaves the first part behind, all of which was handed out.
    fn end_part(&mut self) {
        self.samples = self.samples_up_to(0);
        let Some(part) = self.parts.pop_front() else { return };
        if let Some(walker) = &part.walker {
            let end = walker.state();
            if self.ends.parts == 0 {
                // The other parts begin where the one before them ends, and nothing lies in between.
                self.ends.before = end.before;
            }
            self.ends.by_cursor |= end.route != Route::Usage;
            self.ends.pages += end.pages;
        }
        self.ends.parts += 1;
        self.ends.last = part.end;
    }

    /// Ends the walk, once the service's total is what was handed out, where it has one.
    async fn finish(&mut self) -> Result<(), Error> {
        let Ends { parts, last, before, by_cursor, .. } = self.ends;
        let endpoint = match by_cursor {
            _ if parts == 0 => self.walk.first_route(),
            true => Route::UsageHistory,
            false => Route::Usage,
        };
        let is_whole = parts == 1 && self.walk.walked.is_none();
        let mut verified = is_whole && last.is_some_and(|end| end.verified);
        if endpoint == Route::Usage && !verified {
            // Of a walk that was over before it began nothing is known.
            let beyond = last.and_then(|end| end.beyond);
            let counted = Counted { entries: self.entries, before, beyond };
            verified = check_total(&self.client, &self.walk, &self.shared, counted).await?;
        }
        let total = verified.then(|| self.entries + self.walk.walked.map_or(0, |(_, entries)| entries));
        self.client.notify(&Event::Complete { endpoint, total });
        Ok(())
    }
}
