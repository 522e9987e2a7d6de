//! A part of a walk: what one walker fetches, from where the part begins up to where the next one does.

use std::collections::VecDeque;

use billing_model::{Timestamp, UsageEntry};
use tokio::task::AbortHandle;

use crate::error::Error;
use crate::planner::{Sample, expected};
use crate::walker::{End, MAX_UNSURE_PAGES, Walker, WindowPage};

/// What a page takes in memory, about: 1000 entries. One with long texts counts for several.
const PAGE_BYTES: usize = 512 << 10;

/// A part. Its walker asks for everything from its start on and knows of no end: the part ends here, where the next one
/// begins. So that border can move as long as nobody has come to it, and a part can be given up for the one before it,
/// which just goes on.
pub(crate) struct Part {
    /// By which a page finds its part.
    pub(crate) number: u64,
    since: Option<Timestamp>,
    /// Where the next part begins, or the walk ends.
    pub(crate) until: Option<Timestamp>,
    /// Not here while it fetches a page.
    pub(crate) walker: Option<Walker>,
    pub(crate) fetch: Option<AbortHandle>,
    /// What was fetched and not handed out yet, with what each page weighs.
    pages: VecDeque<(usize, Result<WindowPage, Error>)>,
    /// What was fetched from behind the end of the part, for as long as the next one may be given up.
    spare: Option<WindowPage>,
    /// True when the service has come to its first entry; for the first part of a walk, or to the end.
    pub(crate) is_proven: bool,
    /// The latest timestamp that was fetched.
    reached: Option<Timestamp>,
    /// How dense the ledger is here, latest page first.
    samples: VecDeque<Sample>,
    /// Pages that came, and those of them in a row without an entry.
    came: u32,
    empty_pages: u32,
    /// True for a part that a walk by cursor alone has not, and whose first page has no cursor. That nothing follows was said
    /// where no cursor led: that page may be older than what the others saw.
    pub(crate) ended_at_once: bool,
    /// How far it was walked when its end was doubted.
    doubted: Option<Option<Timestamp>>,
    /// Set where the ledger ends.
    pub(crate) end: Option<End>,
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
        // A page without entries may lead nowhere.
        self.is_proven |= !entries.is_empty() || (end.is_some() && self.number == 0);
        self.sample(&entries);
        self.empty_pages = if entries.is_empty() { self.empty_pages + 1 } else { 0 };
        let inside = match self.until {
            Some(until) => entries.partition_point(|entry| entry.timestamp < until),
            None => entries.len(),
        };
        let beyond = entries.split_off(inside);
        // The end of the ledger is this part's when nothing lies behind the part.
        if beyond.is_empty() {
            self.end = end;
        } else {
            self.spare = Some(WindowPage { entries: beyond, total, leads_on, end });
        }
        let weight = weight(&entries);
        if !self.is_proven && self.number > 0 {
            // Nothing to hand out, and it has to go on however many of them come: the part before it waits for it.
            return weight;
        }
        self.pages.push_back((weight, Ok(WindowPage { entries, total, leads_on, end: self.end })));
        weight
    }

    /// True for a part that only leads on and on.
    pub(crate) fn leads_nowhere(&self) -> bool {
        !self.is_proven && self.empty_pages > MAX_UNSURE_PAGES
    }

    /// True for a part in which there is nothing, as it was told, nor behind it. A walk that follows its cursors asks for no such
    /// part, and takes nobody's word for it.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_proven && self.end.is_some()
    }

    /// True when the part before has an entry from behind the end of this one.
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

    /// Asks again what follows, once at each place: the ledger seems to end here, and somebody has entries from behind it.
    pub(crate) fn doubt(&mut self) {
        if let (Some(walker), Some(_)) = (&mut self.walker, self.end)
            && self.doubted != Some(self.reached)
        {
            self.doubted = Some(self.reached);
            self.end = None;
            walker.doubt();
        }
    }

    /// Asks anew for what follows, without the cursor that it has.
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

    /// The next part has come to its first entry: what lies behind the end of this one is that one's.
    pub(crate) fn is_succeeded(&mut self) {
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

    /// True when a page can be fetched: of those that were, so many are held at most.
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
        // Of an open start nobody knows when it was.
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

/// As how many usual pages these entries count. Their texts are what can be large.
fn weight(entries: &[UsageEntry]) -> usize {
    let notes: usize = entries.iter().map(|entry| entry.notes.len() + entry.sku.len()).sum();
    1 + (entries.len() * 256 + notes) / PAGE_BYTES
}
