//! A part of a walk: what one walker fetches, from where the part begins up to where the next one does.

use std::collections::VecDeque;

use billing_model::{Timestamp, UsageEntry};
use tokio::task::AbortHandle;

use crate::error::Error;
use crate::planner::{Sample, expected};
use crate::walker::{End, MAX_UNSURE_PAGES, Walker, WindowPage};

/// What a usual page of 1000 entries takes in memory, about. A page with long texts counts for several.
const PAGE_BYTES: usize = 512 << 10;

/// A part. Its walker asks for everything from its start on and knows of no end: the part ends here, where the next one
/// begins. So that border can move as long as nobody has come to it, and a part can be given up for the one before it,
/// which just goes on.
///
/// It goes through these states:
///
/// - unproven: no entry has come. Its pages, which are empty, are not handed out, and it may be given up at any time.
/// - proven: an entry has come. Its pages wait to be handed out.
/// - done: its walker has come to the next part, or to the end of the ledger. It is sent for no more pages.
/// - over: all pages were handed out too.
///
/// Two things bring it back from done: the next part is given up, so that it goes on over its span; or its end of the ledger
/// is doubted.
pub(crate) struct Part {
    /// Known by it, wherever it stands in the queue. 0 is the part with which the walk began.
    pub(crate) number: u64,
    since: Option<Timestamp>,
    /// Where the next part begins, or the walk ends.
    pub(crate) until: Option<Timestamp>,
    /// `None` while it is away, fetching a page.
    pub(crate) walker: Option<Walker>,
    /// Ends the fetch that is under way.
    pub(crate) fetch: Option<AbortHandle>,
    /// What was fetched and not handed out yet, with what each page weighs. An error is the last of them.
    pages: VecDeque<(usize, Result<WindowPage, Error>)>,
    /// What was fetched from behind the end of the part, for as long as the next one may be given up.
    spare: Option<WindowPage>,
    /// True when an entry of it has come. The first part of a walk is proven by the end of the ledger too.
    pub(crate) is_proven: bool,
    /// The latest timestamp that was fetched.
    reached: Option<Timestamp>,
    /// How dense the ledger is here, latest page first.
    samples: VecDeque<Sample>,
    /// Pages that came, and those of them in a row without an entry.
    came: u32,
    empty_pages: u32,
    /// True when its first page says that nothing follows. No cursor led to that page, so it may be of a copy of the ledger
    /// that lags behind. Never of the first part of a walk, which a plain walk would believe.
    pub(crate) ended_at_once: bool,
    /// How far it was walked when its end was doubted last: an end is doubted once at each place.
    doubted: Option<Option<Timestamp>>,
    /// Set when the ledger ends in it.
    pub(crate) end: Option<End>,
    /// True when it ends with an error, and the walk with it.
    pub(crate) failed: bool,
}

impl Part {
    pub(crate) fn new(
        number: u64,
        walker: Walker,
        since: Option<Timestamp>,
        until: Option<Timestamp>,
    ) -> Self {
        Self {
            number,
            since,
            until,
            walker: Some(walker),
            fetch: None,
            pages: VecDeque::new(),
            spare: None,
            is_proven: false,
            reached: None,
            samples: VecDeque::new(),
            came: 0,
            empty_pages: 0,
            ended_at_once: false,
            doubted: None,
            end: None,
            failed: false,
        }
    }

    /// Takes in a page, and gives what it weighs.
    pub(crate) fn put(&mut self, page: WindowPage) -> usize {
        let WindowPage { mut entries, total, leads_on, end } = page;
        self.came += 1;
        self.ended_at_once = self.number > 0 && self.came == 1 && !leads_on;
        self.is_proven |= !entries.is_empty() || (end.is_some() && self.number == 0);
        self.sample(&entries);
        self.empty_pages = if entries.is_empty() { self.empty_pages + 1 } else { 0 };
        let inside = match self.until {
            Some(until) => entries.partition_point(|entry| entry.timestamp < until),
            None => entries.len(),
        };
        // Entries from behind the part say that it is done. Without them it ends where the ledger does, if it ends here.
        let beyond = entries.split_off(inside);
        if beyond.is_empty() {
            self.end = end;
        } else {
            self.spare = Some(WindowPage { entries: beyond, total, leads_on, end });
        }
        let weight = weight(&entries);
        if !self.is_proven && self.number > 0 {
            // There is nothing to hand out. The page is not kept either: pages that wait would keep the walker from going on,
            // and nothing is handed out before the part is proven.
            return weight;
        }
        self.pages.push_back((weight, Ok(WindowPage { entries, total, leads_on, end: self.end })));
        weight
    }

    /// True for a part whose pages are empty, and lead on and on.
    pub(crate) fn leads_nowhere(&self) -> bool {
        !self.is_proven && self.empty_pages > MAX_UNSURE_PAGES
    }

    /// True when the service says that there is nothing in the part, nor behind it. A plain walk would not have asked, so this
    /// is not believed; the part before it comes here by its cursors.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_proven && self.end.is_some()
    }

    /// True when the ledger is said to end in this part, and the part before has an entry from behind that end.
    pub(crate) fn is_disproved_by(&self, before: &Self) -> bool {
        let beyond = before.spare.as_ref().and_then(|spare| spare.entries.last());
        self.end.is_some() && beyond.is_some_and(|entry| Some(entry.timestamp) > self.reached)
    }

    /// The latest timestamp that was fetched.
    pub(crate) fn reached(&self) -> Option<Timestamp> {
        self.reached
    }

    /// True when entries were fetched.
    pub(crate) fn has_entries(&self) -> bool {
        self.reached.is_some()
    }

    /// Asks again what follows, once at each place: the ledger is said to end here, and another part has entries from behind
    /// that end.
    pub(crate) fn doubt(&mut self) {
        if let (Some(walker), Some(_)) = (&mut self.walker, self.end)
            && self.doubted != Some(self.reached)
        {
            self.doubted = Some(self.reached);
            self.end = None;
            walker.doubt();
        }
    }

    /// Asks for what follows without the cursor that it has, when it has one and needs it.
    pub(crate) fn forget_cursor(&mut self) {
        if let Some(walker) = self.walker.as_mut().filter(|_| self.end.is_none() && self.spare.is_none()) {
            walker.forget_cursor();
        }
    }

    /// Ends with an error, behind what was fetched.
    pub(crate) fn fail(&mut self, error: Error) {
        self.failed = true;
        self.pages.push_back((0, Err(error)));
    }

    /// Goes on up to a later end: the next part was given up.
    pub(crate) fn extend(&mut self, until: Option<Timestamp>) {
        self.until = until;
        if let Some(spare) = self.spare.take() {
            self.put(spare);
        }
    }

    /// The next page to hand out.
    pub(crate) fn take(&mut self) -> Option<Result<WindowPage, Error>> {
        self.pages.pop_front().map(|(_, page)| page)
    }

    /// Puts an error back that has to wait.
    pub(crate) fn put_back(&mut self, error: Error) {
        self.pages.push_front((0, Err(error)));
    }

    /// The next part is proven: what was fetched from behind the end of this one comes from there.
    pub(crate) fn is_succeeded(&mut self) {
        // That there is something spare still says that this part is done.
        if let Some(spare) = &mut self.spare {
            spare.entries = Vec::new();
        }
    }

    /// True when everything in it was fetched.
    pub(crate) fn is_done(&self) -> bool {
        self.end.is_some() || self.spare.is_some()
    }

    /// True when everything in it was handed out.
    pub(crate) fn is_over(&self) -> bool {
        self.is_done() && self.pages.is_empty()
    }

    /// True when its walker can be sent for a page: it is here, there is more to fetch, and fewer than `held` pages wait.
    pub(crate) fn is_idle(&self, held: usize) -> bool {
        self.walker.is_some() && !self.is_done() && !self.failed && self.pages.len() < held
    }

    /// Pages in memory, by their weight.
    pub(crate) fn held(&self) -> usize {
        let spare = self.spare.as_ref().map_or(0, |spare| usize::from(!spare.entries.is_empty()));
        spare + self.pages.iter().map(|(weight, _)| weight).sum::<usize>()
    }

    /// How far it was walked.
    pub(crate) fn position(&self) -> Option<Timestamp> {
        self.reached.max(self.since)
    }

    /// How dense the ledger is here, latest first.
    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter()
    }

    /// How many entries of it are still to be fetched, if it is as dense as the samples.
    pub(crate) fn left(&self, samples: &[Sample]) -> Option<u64> {
        Some(expected(samples, self.position()?, self.until?))
    }

    /// Notes how dense the ledger is over a page.
    fn sample(&mut self, entries: &[UsageEntry]) {
        let Some(last) = entries.last().map(|entry| entry.timestamp) else { return };
        // Nobody knows when a ledger without a start begins; so its first page counts from its first entry.
        let since = self.position().or(entries.first().map(|entry| entry.timestamp));
        let sample = since.and_then(|since| Sample::between(since, last, entries.len() as u64));
        self.samples.truncate(Sample::COUNTED - 1);
        sample.into_iter().for_each(|sample| self.samples.push_front(sample));
        self.reached = Some(last);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // Nobody waits for its page any more.
        if let Some(fetch) = &self.fetch {
            fetch.abort();
        }
    }
}

/// For how many usual pages these entries count, at least one. What can be large in them is their texts.
fn weight(entries: &[UsageEntry]) -> usize {
    let notes: usize = entries.iter().map(|entry| entry.notes.len() + entry.sku.len()).sum();
    1 + (entries.len() * 256 + notes) / PAGE_BYTES
}
