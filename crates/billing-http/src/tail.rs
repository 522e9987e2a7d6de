//! What is handed out of a page, and what of it waits for the next page: pure.

use billing_model::{HistoryQuery, Stretch, Timestamp, UsageEntry};

use crate::planner::whole;

/// The most entries that are held back. A millisecond with more of them than a large page is handed out as it comes.
const MAX_HELD: usize = HistoryQuery::MAX_PAGE_SIZE as usize;

/// The last entries that were fetched, whose millisecond may go on with the next page.
///
/// A stretch ends between two milliseconds wherever it can, so that the walk is complete up to an instant: whoever goes on
/// from there has no entry to recognise again. So the entries of the last millisecond of a page are held back, and come
/// first in the next stretch. After the last page nothing is held back.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    held: Vec<UsageEntry>,
    handed_out: u64,
    reached: Option<Timestamp>,
}

impl Tail {
    /// The stretch that a page makes possible, when more may follow the page.
    pub(crate) fn page(&mut self, fetched: Vec<UsageEntry>) -> Stretch {
        let mut entries = self.joined(fetched);
        let complete_until = self.hold(&mut entries);
        self.hand_out(entries, complete_until)
    }

    /// The stretch of the last page of a walk, which ends at `until`.
    pub(crate) fn last_page(&mut self, fetched: Vec<UsageEntry>, until: Option<Timestamp>) -> Stretch {
        let entries = self.joined(fetched);
        self.hand_out(entries, until)
    }

    /// What is held back, when no page follows because the walk fails; `None` when nothing is. The walk is complete up to
    /// no instant by it: more entries of its millisecond may be missing.
    pub(crate) fn give_up(&mut self) -> Option<Stretch> {
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then(|| self.hand_out(held, None))
    }

    /// Entries that were handed out.
    pub(crate) fn handed_out(&self) -> u64 {
        self.handed_out
    }

    /// The timestamp of the last entry that was handed out.
    pub(crate) fn reached(&self) -> Option<Timestamp> {
        self.reached
    }

    /// The page behind what was held back. The page is not copied: what is held is a few entries, and they go in front.
    fn joined(&mut self, mut fetched: Vec<UsageEntry>) -> Vec<UsageEntry> {
        fetched.splice(..0, std::mem::take(&mut self.held));
        fetched
    }

    fn hand_out(&mut self, entries: Vec<UsageEntry>, complete_until: Option<Timestamp>) -> Stretch {
        self.handed_out += entries.len() as u64;
        self.reached = entries.last().map(|entry| entry.timestamp).or(self.reached);
        Stretch { entries, complete_until }
    }

    /// Holds back the entries of the last second or millisecond, and gives the instant at which it begins: the walk is
    /// complete up to there. `None` when it is complete up to no new instant.
    fn hold(&mut self, entries: &mut Vec<UsageEntry>) -> Option<Timestamp> {
        let (first, last) = (entries.first()?.timestamp, entries.last()?.timestamp);
        // On a whole second, where the page has one; else on a whole millisecond.
        let until = whole(first, last);
        // An earlier stretch had to hand out entries of this very millisecond: it has no start any more to stop at.
        if self.reached >= Some(until) {
            return None;
        }
        let before = entries.partition_point(|entry| entry.timestamp < until);
        if before > 0 {
            self.held = entries.split_off(before);
            return Some(until);
        }
        // All entries are of one millisecond. They wait for its end, unless they are too many.
        if entries.len() <= MAX_HELD {
            self.held = std::mem::take(entries);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use billing_testkit::entry_at;

    use super::*;

    /// An instant, so many microseconds after the start of a second.
    fn at(us: i64) -> Timestamp {
        Timestamp::from_unix_ns(1_750_000_000_000_000_000 + us * 1_000)
    }

    fn entries(us: &[i64]) -> Vec<UsageEntry> {
        us.iter().map(|us| entry_at(at(*us), "-1")).collect()
    }

    /// The microseconds of the entries of a stretch, and up to where the walk is complete with it.
    fn said(stretch: &Stretch) -> (Vec<Timestamp>, Option<Timestamp>) {
        (stretch.entries.iter().map(|entry| entry.timestamp).collect(), stretch.complete_until)
    }

    /// Pages, as microseconds, and the stretches that they make.
    fn check(pages: &[&[i64]], expect: &[(&[i64], Option<i64>)]) {
        let mut tail = Tail::default();
        for (page, (out, until)) in pages.iter().zip(expect) {
            let stretch = tail.page(entries(page));
            let out: Vec<_> = out.iter().map(|us| at(*us)).collect();
            assert_eq!(said(&stretch), (out, until.map(at)), "{pages:?} at {page:?}");
        }
        assert_eq!(pages.len(), expect.len());
    }

    #[test]
    fn a_stretch_ends_between_two_milliseconds() {
        // The last millisecond waits, and comes first in the next stretch.
        check(
            &[&[100, 1_200, 2_300, 2_400], &[2_500, 3_000]],
            &[(&[100, 1_200], Some(2_000)), (&[2_300, 2_400, 2_500], Some(3_000))],
        );
        // A second is a better place than a millisecond, where the page has one.
        check(&[&[100, 1_000_100, 1_002_000]], &[(&[100], Some(1_000_000))]);
        // A page within one millisecond makes no progress, and neither does an empty one.
        check(
            &[&[100, 200], &[], &[300], &[1_000]],
            &[(&[], None), (&[], None), (&[], None), (&[100, 200, 300], Some(1_000))],
        );
        check(&[&[]], &[(&[], None)]);
    }

    #[test]
    fn a_millisecond_of_more_than_a_page_is_handed_out_as_it_comes() {
        let mut tail = Tail::default();
        let stretch = tail.page(entries(&[1_000; MAX_HELD]));
        assert_eq!((stretch.entries.len(), stretch.complete_until), (0, None), "a page of it waits");
        let stretch = tail.page(entries(&[1_000]));
        assert_eq!((stretch.entries.len(), stretch.complete_until), (MAX_HELD + 1, None));
        // The rest of that millisecond does not wait either, and the first one after it is a place again.
        assert_eq!(said(&tail.page(entries(&[1_600]))), (vec![at(1_600)], None));
        assert_eq!(said(&tail.page(entries(&[1_700, 2_200]))), (vec![at(1_700)], Some(at(2_000))));
        assert_eq!(tail.handed_out(), MAX_HELD as u64 + 3);
        assert_eq!(tail.reached(), Some(at(1_700)));
    }

    #[test]
    fn nothing_is_held_back_at_the_end() {
        let mut tail = Tail::default();
        tail.page(entries(&[100, 1_200]));
        assert_eq!(
            said(&tail.last_page(entries(&[1_300]), Some(at(9_000)))),
            (vec![at(1_200), at(1_300)], Some(at(9_000)))
        );
        assert_eq!(tail.give_up().as_ref().map(said), None);
        // A walk that fails hands out what it has, and is complete up to nowhere new.
        tail.page(entries(&[2_100, 3_100]));
        assert_eq!(tail.give_up().as_ref().map(said), Some((vec![at(3_100)], None)));
        assert_eq!((tail.handed_out(), tail.reached()), (5, Some(at(3_100))));
    }
}
