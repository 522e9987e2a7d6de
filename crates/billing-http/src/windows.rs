//! Walks the parts of a window side by side, and joins them in order.

use std::collections::VecDeque;
use std::panic;
use std::sync::Arc;

use billing_model::{HistoryQuery, Stretch, TimeWindow, Timestamp, UsageEntry};
use tokio::task::{JoinError, JoinSet};

use crate::client::Client;
use crate::error::{Error, ErrorKind};
use crate::event::Event;
use crate::planner::{Sample, border, whole};
use crate::reply::Failure;
use crate::walk::{Endpoint, Walk};
use crate::walker::{End, Shared, Walker, WindowPage, count};

/// Pages in memory at the same time, however many parts they belong to.
const MAX_PAGES_HELD: usize = 48;

/// What a page takes in memory, about: 1000 entries. One with long texts counts for several.
const PAGE_BYTES: usize = 512 << 10;

/// Entries of one millisecond that are kept back for the next page: a page. Where there are more, they are handed out as
/// they come.
const MAX_TAIL: usize = HistoryQuery::MAX_PAGE_SIZE as usize;

/// How large the parts are. Where one part ends and the next begins, a page is not full, so large parts cost fewer
/// requests; and a part has to be held until those before it are handed out, so small parts cost less memory. Chosen by
/// simulation over even, daily and bursty ledgers (`docs/performance.md`).
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Pages that a part should have, in tenths: a little less than whole ones, because one entry too many is one request
    /// more.
    goal_tenths: u64,
    /// Pages of a part that are held.
    held: usize,
    /// Pages that are held altogether.
    held_in_all: usize,
    /// A part with so many tenths of the goal left is cut, so that others can walk the rest.
    left_tenths: u64,
}

impl Sizes {
    fn of(concurrency: usize) -> Self {
        let held_in_all = (5 * concurrency).min(MAX_PAGES_HELD);
        match concurrency {
            // Alone, there is nobody to share with: the parts are only places to go on from.
            1 => Self { goal_tenths: 158, held: 2, held_in_all: 2, left_tenths: 20 },
            2..=4 => Self { goal_tenths: 58, held: 6, held_in_all, left_tenths: 5 },
            _ => Self { goal_tenths: 38, held: 4, held_in_all, left_tenths: 5 },
        }
    }
}

/// A walk on its way: its parts, in order.
pub(crate) struct Windows {
    client: Client,
    walk: Walk,
    shared: Arc<Shared>,
    sizes: Sizes,
    /// Entries that a part should have.
    goal: u64,
    parts: VecDeque<Part>,
    /// The number of the next part, by which a page finds its part.
    next_part: u64,
    fetches: JoinSet<Fetched>,
    /// What a page that is on its way may weigh: as much as the heaviest so far.
    page_weight: usize,
    /// The density of the parts that were handed out, latest first.
    samples: VecDeque<Sample>,
    /// The end of what was fetched, which may go on: entries of a millisecond that is not over.
    tail: Vec<UsageEntry>,
    /// What was handed out so far.
    entries: u64,
    pages: u64,
    reached: Option<Timestamp>,
    total: Option<u64>,
    ends: Ends,
    done: bool,
}

/// A part of the window.
enum Part {
    Walked(Box<WalkedPart>),
    /// Not begun, and not cut off yet.
    Rest(TimeWindow),
}

/// A part that has a walker.
struct WalkedPart {
    number: u64,
    window: TimeWindow,
    /// Not here while it fetches a page, and gone after the last one.
    walker: Option<Walker>,
    /// What was fetched and not handed out yet.
    pages: VecDeque<Result<WindowPage, Error>>,
    /// What they weigh, each.
    weights: VecDeque<usize>,
    fetched_entries: u64,
    /// The first and the latest timestamp that were fetched.
    span: Option<(Timestamp, Timestamp)>,
    end: Option<End>,
    failed: bool,
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
    /// Parts that were not compared with a total of the service.
    unverified: u64,
    /// Not every part was walked by page number.
    by_cursor: bool,
    before: u64,
    /// Of the last part.
    beyond: u64,
}

impl WalkedPart {
    /// True when it was left half done, because it had too much in it.
    fn was_cut(&self) -> bool {
        self.end.is_some_and(|end| end.until != self.window.until())
    }

    /// How dense it is, as far as it was walked.
    fn sample(&self) -> Option<Sample> {
        let (first, latest) = self.span.unzip();
        let until = match self.end {
            Some(end) => end.until,
            None => latest,
        };
        Sample::between(self.window.since().or(first)?, until?, self.fetched_entries)
    }
}

impl Windows {
    pub(crate) fn new(client: Client, walk: Walk) -> Self {
        let sizes = Sizes::of(walk.concurrency as usize);
        Self {
            client,
            shared: Arc::default(),
            sizes,
            goal: u64::from(walk.page_size(walk.first_route())) * sizes.goal_tenths / 10,
            parts: walk.rest().map(Part::Rest).into_iter().collect(),
            next_part: 0,
            fetches: JoinSet::new(),
            page_weight: 1,
            samples: VecDeque::new(),
            tail: Vec::new(),
            entries: 0,
            pages: 0,
            reached: None,
            total: None,
            ends: Ends::default(),
            done: false,
            walk,
        }
    }

    /// What comes next, in order; `None` after the last. Nothing is lost when the call is given up: what was fetched and
    /// what is being fetched stays here.
    pub(crate) async fn next_stretch(&mut self) -> Result<Option<Stretch>, Error> {
        while !self.done {
            while let Some(fetched) = self.fetches.try_join_next() {
                self.take_in(fetched)?;
            }
            self.fetch_ahead();
            let page = match self.parts.front_mut() {
                Some(Part::Walked(part)) => {
                    part.weights.pop_front();
                    part.pages.pop_front()
                }
                Some(Part::Rest(_)) => None,
                None => {
                    self.finish().await?;
                    self.done = true;
                    break;
                }
            };
            match page {
                Some(Ok(page)) => return Ok(Some(self.hand_out(page))),
                Some(Err(error)) if self.tail.is_empty() => {
                    self.done = true;
                    return Err(error.after_pages(self.pages));
                }
                Some(Err(error)) => {
                    // What came before the error is handed out before it.
                    if let Some(Part::Walked(part)) = self.parts.front_mut() {
                        part.pages.push_front(Err(error));
                    }
                    let entries = std::mem::take(&mut self.tail);
                    return Ok(Some(self.stretch(entries, None)));
                }
                // The first part has no page, so its walker has gone for one.
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
        while self.fetches.len() < self.walk.concurrency as usize {
            let Some(index) = self.first_idle_part() else { return };
            let held: usize = self.parts.iter().map(Part::held).sum();
            // The first part may always go on: the others wait for it.
            let coming = (self.fetches.len() + 1) * self.page_weight;
            if index > 0 && held + coming > self.sizes.held_in_all {
                return;
            }
            if let Some(Part::Rest(rest)) = self.parts.get(index) {
                let rest = *rest;
                self.cut_off(index, rest);
            }
            let Some(Part::Walked(part)) = self.parts.get_mut(index) else { return };
            let Some(mut walker) = part.walker.take() else { return };
            let part = part.number;
            self.fetches.spawn(async move {
                let page = walker.next_page().await;
                Fetched { part, walker, page }
            });
        }
    }

    /// The first part for which a page can be fetched. None after one that failed: the walk ends there.
    fn first_idle_part(&self) -> Option<usize> {
        let failed = |part: &Part| matches!(part, Part::Walked(part) if part.failed);
        let is_idle = |part: &Part| match part {
            Part::Walked(part) => part.walker.is_some() && part.pages.len() < self.sizes.held,
            Part::Rest(_) => true,
        };
        self.parts.iter().take_while(|part| !failed(part)).position(is_idle)
    }

    /// Makes the first part of a rest a part of its own, with a walker.
    fn cut_off(&mut self, index: usize, rest: TimeWindow) {
        let window = match (rest.since(), rest.until()) {
            (Some(since), Some(until)) => {
                let border = border(&self.samples_before(index), self.goal, since, until);
                TimeWindow::new(Some(since), Some(border)).unwrap_or(rest)
            }
            _ => rest,
        };
        let walker = Walker::new(self.client.clone(), &self.walk, window, Arc::clone(&self.shared))
            .leaving_more_than(self.goal * self.sizes.left_tenths / 10);
        self.parts[index] = Part::Walked(Box::new(WalkedPart {
            number: self.next_part,
            window,
            walker: Some(walker),
            pages: VecDeque::new(),
            weights: VecDeque::new(),
            fetched_entries: 0,
            span: None,
            end: None,
            failed: false,
        }));
        self.next_part += 1;
        if window.until() != rest.until()
            && let Ok(after) = TimeWindow::new(window.until(), rest.until())
        {
            self.parts.insert(index + 1, Part::Rest(after));
        }
    }

    /// How dense the ledger is before a part, nearest first.
    fn samples_before(&self, index: usize) -> Vec<Sample> {
        let mut samples = Vec::new();
        for part in self.parts.range(..index).rev() {
            let Part::Walked(part) = part else { continue };
            samples.extend(part.sample());
            if part.was_cut() {
                // Much denser than what was before it.
                return samples;
            }
        }
        samples.extend(&self.samples);
        samples.truncate(Sample::COUNTED);
        samples
    }

    /// Puts a page where it belongs.
    fn take_in(&mut self, fetched: Result<Fetched, JoinError>) -> Result<(), Error> {
        let Fetched { part: number, walker, page } = fetched.map_err(|error| match error.is_panic() {
            true => panic::resume_unwind(error.into_panic()),
            false => Error::of(ErrorKind::Setup).with_message("the runtime is shutting down"),
        })?;
        let is_it = |part: &Part| matches!(part, Part::Walked(part) if part.number == number);
        let Some(index) = self.parts.iter().position(is_it) else { return Ok(()) };
        let Part::Walked(part) = &mut self.parts[index] else { return Ok(()) };
        match page {
            Ok(page) => {
                let weight = weight(&page.entries);
                self.page_weight = weight.max(self.page_weight * 3 / 4);
                part.weights.push_back(weight);
                part.fetched_entries += page.entries.len() as u64;
                if let (Some(first), Some(last)) = (page.entries.first(), page.entries.last()) {
                    part.span = Some((part.span.map_or(first.timestamp, |(first, _)| first), last.timestamp));
                }
                part.end = page.end;
                part.walker = page.end.is_none().then_some(walker);
                part.pages.push_back(Ok(page));
            }
            Err(error) => {
                part.failed = true;
                part.pages.push_back(Err(error));
            }
        }
        let rest = part.end.and_then(|end| TimeWindow::new(end.until, part.window.until()).ok());
        if part.was_cut()
            && let Some(rest) = rest
        {
            self.parts.insert(index + 1, Part::Rest(rest));
        }
        Ok(())
    }

    /// Hands out a page of the first part, as far as the walk is complete with it.
    fn hand_out(&mut self, page: WindowPage) -> Stretch {
        let WindowPage { entries: fetched, total, end } = page;
        if let Some(Part::Walked(part)) = self.parts.front()
            && Some(part.window) == self.walk.rest()
        {
            self.total = total;
        }
        let mut entries = std::mem::take(&mut self.tail);
        entries.extend(fetched);
        let complete_until = match end {
            Some(end) => {
                self.end_part(&end);
                end.until
            }
            None => self.hold_tail(&mut entries),
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

    fn end_part(&mut self, end: &End) {
        self.pages += end.pages;
        self.ends.parts += 1;
        self.ends.unverified += u64::from(!end.verified);
        self.ends.by_cursor |= end.route != Endpoint::Usage;
        if self.ends.parts == 1 {
            // The other parts begin where the one before them ends, and nothing lies in between.
            self.ends.before = end.before;
        }
        self.ends.beyond = end.beyond;
        let Some(Part::Walked(part)) = self.parts.pop_front() else { return };
        if part.was_cut() {
            self.samples.clear();
        }
        self.samples.truncate(Sample::COUNTED - 1);
        if let Some(sample) = part.sample() {
            self.samples.push_front(sample);
        }
    }

    /// Ends the walk, once the service's total is what was handed out, where it has one.
    async fn finish(&mut self) -> Result<(), Error> {
        let Ends { parts, unverified, by_cursor, before, beyond } = self.ends;
        let endpoint = match by_cursor {
            _ if parts == 0 => self.walk.first_route(),
            true => Endpoint::UsageHistory,
            false => Endpoint::Usage,
        };
        let mut verified = parts == 1 && unverified == 0 && self.walk.walked.is_none();
        if endpoint == Endpoint::Usage && !verified {
            verified = self.check_total(before, beyond).await?;
        }
        let total = verified.then(|| self.entries + self.walk.walked.map_or(0, |(_, entries)| entries));
        self.client.notify(&Event::Complete { endpoint, total });
        Ok(())
    }

    /// Compares with the service's count of all the window: the parts may be right and an entry may have come, late, into
    /// one that was walked before. False when the service no longer says.
    async fn check_total(&self, before: u64, beyond: u64) -> Result<bool, Error> {
        // Before a start within a millisecond there may be entries that an earlier walk left out and nobody counted.
        let is_whole_ms = self.walk.window.since().is_none_or(|since| since == since.floor_ms());
        let (window, walked, before) = match self.walk.walked {
            Some((until, _)) if !is_whole_ms => {
                match TimeWindow::new(Some(until), self.walk.window.until()) {
                    Ok(rest) => (rest, 0, before),
                    Err(_) => return Ok(false),
                }
            }
            // What came from before the rest was walked before.
            Some((_, entries)) => (self.walk.window, entries, 0),
            None => (self.walk.window, 0, before),
        };
        let Some(total) = self.total_of(window.since(), window.until()).await? else { return Ok(false) };
        let counted = walked + self.entries + before;
        if total == counted + beyond {
            return Ok(true);
        }
        // At the end, which the service counts too, entries may have come since the last part was walked; and when all was
        // walked before, nobody has counted them yet. The total that they are taken from has to be that of the same moment.
        if let Some(end) = window.until() {
            let at_end = self.count_at_end(end).await?;
            let again = self.total_of(window.since(), window.until()).await?;
            let (Some(at_end), Some(again)) = (at_end, again) else { return Ok(false) };
            if total == again && total == counted + at_end {
                return Ok(true);
            }
        }
        let counted = counted + beyond;
        let message = format!(
            "the window has {total} entries and {counted} went by: some came or went behind the walk"
        );
        Err(Error::of(ErrorKind::Moved).with_message(message))
    }

    /// Entries at the end of the window or behind it that the service counts to the window: the rest of the millisecond in
    /// which it ends, and the end itself.
    async fn count_at_end(&self, end: Timestamp) -> Result<Option<u64>, Error> {
        let Ok(rest) = TimeWindow::new(Some(end), Some(end.ceil_ms())) else {
            return self.total_of(Some(end), Some(end)).await;
        };
        let mut walker = Walker::new(self.client.clone(), &self.walk, rest, Arc::clone(&self.shared));
        let mut entries = 0;
        loop {
            let page = walker.next_page().await?;
            entries += page.entries.len() as u64;
            if let Some(End { beyond, route, .. }) = page.end {
                return Ok((route == Endpoint::Usage).then_some(entries + beyond));
            }
        }
    }

    /// Entries from `since` to `until`, both inclusive, as the service counts them; `None` when it no longer does.
    async fn total_of(
        &self,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Result<Option<u64>, Error> {
        match count(&self.client, &self.walk, since, until).await {
            Ok(total) => Ok(Some(total)),
            Err(Failure { error, .. }) if error.kind() == ErrorKind::Gone => Ok(None),
            // A service that fails on wide windows cannot count one. All of its parts are there.
            Err(Failure { error, .. }) if self.client.is_for_narrowing(&error) => Ok(None),
            Err(Failure { error, .. }) => Err(error),
        }
    }
}

impl Part {
    /// Pages in memory, by their weight.
    fn held(&self) -> usize {
        match self {
            Self::Walked(part) => part.weights.iter().sum(),
            Self::Rest(_) => 0,
        }
    }
}

/// As how many usual pages these entries count. Their texts are what can be large.
fn weight(entries: &[UsageEntry]) -> usize {
    let notes: usize = entries.iter().map(|entry| entry.notes.len() + entry.sku.len()).sum();
    1 + (entries.len() * 256 + notes) / PAGE_BYTES
}
