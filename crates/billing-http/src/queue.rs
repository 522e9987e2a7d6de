//! The parts of a walk in order, and which of them a walker is sent to next.

use std::collections::VecDeque;

use billing_model::{TimeWindow, Timestamp};
use tokio::task::AbortHandle;

use crate::error::Error;
use crate::part::Part;
use crate::planner::{LEAST_WINDOW, Sample, border, earlier};
use crate::trust::Trust;
use crate::walker::{End, Shared, Walker, WindowPage};

/// Pages in memory at the same time, however many parts they belong to.
const MAX_PAGES_HELD: usize = 48;

/// How large the parts are. Where one part ends and the next begins, a page is fetched by both, so large parts cost fewer
/// requests; and a part has to be held until those before it are handed out, so small parts cost less memory. Chosen by
/// simulation over even, daily and bursty ledgers, and by measuring (`docs/performance.md`).
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Walkers that are wanted.
    walkers: usize,
    /// Entries that a page has, and that a part should have: 0 where there is to be one part only.
    page: u64,
    goal: u64,
    /// Pages of a part that are held. Clearly more than it should have: a part whose last page has to wait until its first
    /// ones are handed out holds up all that is behind it.
    held: usize,
    /// Pages that are held altogether.
    held_in_all: usize,
}

impl Sizes {
    fn of(walkers: usize, page: u64) -> Self {
        let most = (5 * walkers).min(MAX_PAGES_HELD);
        // Pages that a part should have, in tenths.
        let (goal_tenths, held, held_in_all) = match walkers {
            // Alone, there is nobody to share with: one part, walked from page to page.
            1 => (0, 2, 2),
            2..=4 => (58, 8, most),
            5..=8 => (38, 6, most),
            _ => (28, 6, most),
        };
        Self { walkers, page, goal: page * goal_tenths / 10, held, held_in_all }
    }
}

/// The parts of a walk that were not handed out yet, in order.
///
/// The first part is the one that a plain walk would be at. Each part behind it is a bet that the ledger has a few pages from
/// there on. It is *proven* by its first entry. A bet that is lost costs nothing but time: the part is taken out of the
/// queue, and the one before it goes on over its span.
///
/// Walkers are sent to the first parts first, so that what is fetched can soon be handed out. When no part needs one, a part
/// that has much left is cut in two, and the walker is sent behind the cut.
pub(crate) struct Queue {
    /// The window of the walk. Each part asks to the end of it.
    window: TimeWindow,
    sizes: Sizes,
    parts: VecDeque<Part>,
    /// The number of the next part, by which a page finds its part.
    next_number: u64,
    trust: Trust,
    /// What a page that is under way is expected to weigh. It rises at once with a heavy page, and falls by a quarter at most
    /// with each lighter one.
    page_weight: usize,
    /// How dense the ledger was in the parts that were handed out, latest first.
    samples: Vec<Sample>,
    /// From here on a service has said that there is nothing, or no more than a page, which is no reason to ask it again.
    nothing_from: Option<Timestamp>,
    /// The latest entry of parts that were taken out: it is there, so the ledger cannot end before it.
    seen_up_to: Option<Timestamp>,
}

/// Where a walker is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// To a part that there is.
    Part(usize),
    /// To a new part, which begins at this border within that one.
    Within(usize, Timestamp),
}

/// What is to be done next, so that the walk goes on in order.
pub(crate) enum Next {
    /// Hand out a page of the first part.
    Page(WindowPage),
    /// End with the error of the first part.
    Failure(Error),
    /// Count the first part, which is over and out of the queue: what its walker came to, and the end of the ledger, when that
    /// was in it.
    Over { walked: Option<End>, end: Option<End> },
    /// Wait for a page.
    Wait,
    /// Finish: no part is left.
    Finish,
}

impl Queue {
    /// A queue of one part: all that is to be walked of the window, from where the walker stands. Without a walker nothing
    /// is.
    pub(crate) fn new(
        window: TimeWindow,
        walkers: usize,
        page: u64,
        first: Option<(Walker, Option<Timestamp>)>,
    ) -> Self {
        let part = first.map(|(walker, since)| Part::new(0, walker, since, window.until()));
        Self {
            window,
            sizes: Sizes::of(walkers, page),
            parts: part.into_iter().collect(),
            next_number: 1,
            trust: Trust::default(),
            page_weight: 1,
            samples: Vec::new(),
            nothing_from: None,
            seen_up_to: None,
        }
    }

    /// Puts in the first page of the walk, which was fetched already.
    pub(crate) fn begin(&mut self, page: WindowPage) {
        if let Some(first) = self.parts.front_mut() {
            self.page_weight = first.put(page);
        }
    }

    /// True when one part is left.
    pub(crate) fn has_one_part(&self) -> bool {
        self.parts.len() == 1
    }

    /// True when one part is left, and everything in it was handed out.
    pub(crate) fn is_at_the_end(&self) -> bool {
        self.has_one_part() && self.parts[0].is_over()
    }

    /// What is to be done next.
    pub(crate) fn next(&mut self) -> Next {
        let Some(first) = self.parts.front_mut() else { return Next::Finish };
        if let Some(page) = first.take() {
            return match page {
                Ok(page) => Next::Page(page),
                Err(error) => Next::Failure(error),
            };
        }
        // A part that may still be given up would be walked by the first one, which is not over until that is known.
        if !first.is_over() || self.parts.get(1).is_some_and(|next| !next.is_proven) {
            return Next::Wait;
        }
        self.samples = self.samples_up_to(0);
        self.parts.pop_front().map_or(Next::Finish, |part| Next::Over {
            walked: part.walker.as_ref().map(Walker::state),
            end: part.end,
        })
    }

    /// Puts an error of the first part back: something is to be handed out before it.
    pub(crate) fn put_back(&mut self, error: Error) {
        if let Some(first) = self.parts.front_mut() {
            first.put_back(error);
        }
    }

    /// The walker to send for a page, with the number of its part; `None` when nobody is to be sent for now. So many pages are
    /// under way, and `present` is the service's. `recruit` makes a walker over a window.
    pub(crate) fn send(
        &mut self,
        under_way: usize,
        present: Option<Timestamp>,
        recruit: impl FnOnce(TimeWindow) -> Walker,
    ) -> Option<(u64, Walker)> {
        if under_way >= self.trust.walkers(self.sizes.walkers) {
            return None;
        }
        let index = match self.place(under_way, present)? {
            Place::Part(index) => index,
            Place::Within(index, border) => self.cut(index, border, recruit),
        };
        let part = &mut self.parts[index];
        part.walker.take().map(|walker| (part.number, walker))
    }

    /// Notes that a page of a part is under way, so that it ends with the part.
    pub(crate) fn is_sent(&mut self, number: u64, fetch: AbortHandle) {
        if let Some(part) = self.parts.iter_mut().find(|part| part.number == number) {
            part.fetch = Some(fetch);
        }
    }

    /// Where to send one more walker.
    fn place(&self, under_way: usize, present: Option<Timestamp>) -> Option<Place> {
        // The walk ends with a part that failed, so parts from there on are of no use.
        let useful = self.parts.iter().position(|part| part.failed).unwrap_or(self.parts.len());
        let idle = self.parts.iter().take(useful).position(|part| part.is_idle(self.sizes.held));
        let held: usize = self.parts.iter().map(Part::held).sum();
        let has_room = held + (under_way + 1) * self.page_weight <= self.sizes.held_in_all;
        let cut = if has_room { self.place_to_cut(useful, present) } else { None };
        match (idle, cut) {
            // A new part stands behind the one that is cut, so an idle part that is no later comes first.
            (Some(idle), Some((index, _))) if idle <= index => Some(Place::Part(idle)),
            (_, Some((index, border))) => Some(Place::Within(index, border)),
            (Some(idle), None) if has_room => Some(Place::Part(idle)),
            // Room comes by handing out, so the part that all others wait for gets its page without room.
            (Some(idle), None) => {
                let awaited = self.parts.iter().position(|part| !part.is_over());
                (awaited == Some(idle)).then_some(Place::Part(idle))
            }
            (None, None) => None,
        }
    }

    /// Which of the first `useful` parts to cut, and where, so that one walker more has something to do: the first part that
    /// has much more in it than it should, else the first that is worth halving.
    fn place_to_cut(&self, useful: usize, present: Option<Timestamp>) -> Option<(usize, Timestamp)> {
        // A window without an end is walked in one part, and so is one by one walker.
        let end = self.window.until().filter(|_| self.sizes.goal > 0)?;
        let unproven = self.parts.iter().filter(|part| !part.is_proven).count();
        if !self.trust.allows(unproven) {
            return None;
        }
        // What begins close to the end, or after the present, is likely to have nothing in it. So is what a service has said
        // to be empty, unless somebody has found an entry there since.
        let end = present.map_or(end, |present| end.min(present));
        let is_nothing = |from: &Timestamp| self.parts.iter().all(|part| part.reached() < Some(*from));
        let end = self.nothing_from.filter(is_nothing).map_or(end, |from| end.min(from));
        let latest = earlier(end, LEAST_WINDOW);
        let Sizes { page, goal, .. } = self.sizes;
        let candidates = || (0..useful.min(self.parts.len())).filter(|index| !self.parts[*index].is_done());
        let too_large = candidates().filter_map(|index| {
            let samples = self.samples_up_to(index);
            let left = self.parts[index].left(&samples)?;
            let border = self.border(index, &samples, goal)?;
            (left > goal * 3 / 2).then_some((index, border))
        });
        let worth_halving = candidates().filter_map(|index| {
            let samples = self.samples_up_to(index);
            // The page that is under way is not to be divided.
            let left = self.parts[index].left(&samples)?.checked_sub(page)?;
            let border = self.border(index, &samples, page + left / 2)?;
            // Where a walk ends, a part of a single page is left to the part before, which fetches that page again.
            let least = if index + 1 == self.parts.len() { 4 } else { 2 };
            (left >= least * page).then_some((index, border))
        });
        too_large.chain(worth_halving).find(|(_, border)| *border <= latest)
    }

    /// Where so many entries more of a part will have been walked, if the ledger goes on as the samples were; `None` when the
    /// part ends before.
    fn border(&self, index: usize, samples: &[Sample], entries: u64) -> Option<Timestamp> {
        let part = &self.parts[index];
        let until = part.until?;
        let border = border(samples, entries, part.position()?, until);
        (border < until).then_some(border)
    }

    /// Makes the end of a part a part of its own, with a walker; gives where it stands.
    fn cut(&mut self, index: usize, border: Timestamp, recruit: impl FnOnce(TimeWindow) -> Walker) -> usize {
        let window = TimeWindow::new(Some(border), self.window.until()).unwrap_or(self.window);
        let part =
            Part::new(self.next_number, recruit(window).extra(), Some(border), self.parts[index].until);
        self.next_number += 1;
        self.parts[index].until = Some(border);
        self.parts.insert(index + 1, part);
        index + 1
    }

    /// How dense the ledger is at a part and before it, nearest first.
    fn samples_up_to(&self, index: usize) -> Vec<Sample> {
        let parts = self.parts.range(..=index).rev().flat_map(Part::samples);
        parts.chain(&self.samples).take(Sample::COUNTED).copied().collect()
    }

    /// Takes a walker back with what it went for, and decides what becomes of its part and of those beside it. A part that was
    /// given up meanwhile is gone, and its page with it.
    pub(crate) fn take_in(
        &mut self,
        number: u64,
        walker: Walker,
        page: Result<WindowPage, Error>,
        shared: &Shared,
    ) {
        let Some(index) = self.parts.iter().position(|part| part.number == number) else { return };
        // One walker has lost its cursor, and there are others: theirs are lost too, or soon will be. To find that out costs
        // a failure each, so they forget them.
        if shared.take_lost_cursors() > 0 && self.parts.len() > 1 {
            self.trust.lose_cursor();
            self.parts.iter_mut().skip(1).for_each(Part::forget_cursor);
        }
        let part = &mut self.parts[index];
        part.fetch = None;
        let page = match page {
            Ok(page) => page,
            // Only the first part is one that a plain walk would have asked for. What else fails at once is left to the
            // walker of the part before it, which goes on from where it is.
            Err(error) if index > 0 && !part.is_proven => {
                tracing::debug!(%error, "a part is given up");
                return self.give_up(index);
            }
            Err(error) => return part.fail(error),
        };
        part.walker = Some(walker);
        let was_proven = part.is_proven;
        let weight = part.put(page);
        self.page_weight = weight.max(self.page_weight * 3 / 4);
        // What the page says against this part.
        if index > 0 && part.leads_nowhere() {
            return self.give_up(index);
        }
        if index > 0 && (part.is_empty() || part.ended_at_once) {
            // Nothing is wrong with it: the part before it comes to the same end by its cursors.
            self.nothing_from = self.parts[index - 1].until;
            return self.leave(index);
        }
        // What it says against a part that has come to an end: this one, or the next.
        for behind in [index, index + 1] {
            let (Some(before), Some(part)) = (behind.checked_sub(1), self.parts.get(behind)) else {
                continue;
            };
            if part.is_disproved_by(&self.parts[before]) {
                return self.give_up(behind);
            }
        }
        // What it says for this part.
        let is_news = index > 0 && !was_proven && self.parts[index].is_proven;
        self.trust.page(is_news);
        if is_news {
            self.parts[index - 1].is_succeeded();
        }
        if index > 0 && self.trust.is_alone() {
            self.parts[index].forget_cursor();
        }
        self.close_behind(index);
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
            self.close_behind(index - 1);
        }
    }

    /// Where the ledger ends there is nothing behind it: takes out the parts behind an end that have not come to an entry.
    fn close_behind(&mut self, index: usize) {
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
}

#[cfg(test)]
mod tests;
