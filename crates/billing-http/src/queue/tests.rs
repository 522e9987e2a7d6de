//! Parts in order, and walkers that are sent by nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use billing_model::UsageEntry;
use billing_testkit::entry_at;

use super::*;
use crate::api_key::ApiKey;
use crate::client::Client;
use crate::error::ErrorKind;
use crate::walk::Walk;

const PAGE: u32 = 10;

/// So many hours after the start of the window.
fn at(hour: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_750_032_000_000_000_000 + hour * 3_600_000_000_000)
}

/// An entry at each of these hours.
fn entries(hours: impl IntoIterator<Item = i64>) -> Vec<UsageEntry> {
    hours.into_iter().map(|hour| entry_at(at(hour), "-1")).collect()
}

/// A queue over 1000 hours, and the walkers that were sent and have not come back.
struct Run {
    queue: Queue,
    sent: BTreeMap<u64, Walker>,
    client: Client,
    walk: Walk,
    shared: Arc<Shared>,
}

impl Run {
    fn new(walkers: u32) -> Self {
        // Its walkers are sent by nobody, so nothing is asked there.
        let client = Client::builder("http://127.0.0.1:9", ApiKey::new("key").unwrap()).build().unwrap();
        let window = TimeWindow::new(Some(at(0)), Some(at(1000))).unwrap();
        let walk = Walk::over(window).page_size(PAGE).concurrency(walkers).build().unwrap();
        let shared = Arc::default();
        let first = Walker::new(client.clone(), &walk, window, Arc::clone(&shared));
        let queue = Queue::new(window, walkers as usize, u64::from(PAGE), Some((first, Some(at(0)))));
        Self { queue, sent: BTreeMap::new(), client, walk, shared }
    }

    /// Sends as many walkers as may be; gives the numbers of their parts.
    fn send(&mut self) -> Vec<u64> {
        let Self { queue, sent, client, walk, shared } = self;
        let recruit = |window| Walker::new(client.clone(), walk, window, Arc::clone(shared));
        let mut parts = Vec::new();
        while let Some((part, walker)) = queue.send(sent.len(), None, recruit) {
            sent.insert(part, walker);
            parts.push(part);
        }
        parts
    }

    /// A walker comes back.
    fn come(&mut self, part: u64, page: Result<WindowPage, Error>) {
        let walker = self.sent.remove(&part).unwrap();
        self.queue.take_in(part, walker, page, &self.shared);
    }

    /// A walker comes back with a page after which more follows.
    fn bring(&mut self, part: u64, entries: Vec<UsageEntry>) {
        self.come(part, Ok(WindowPage { entries, total: None, leads_on: true, end: None }));
    }

    /// A walker comes back with the last page.
    fn bring_last(&mut self, part: u64, entries: Vec<UsageEntry>, leads_on: bool) {
        let end = Some(self.sent[&part].state());
        self.come(part, Ok(WindowPage { entries, total: None, leads_on, end }));
    }

    /// Where the parts begin, in hours, and where the last one ends.
    fn borders(&self) -> Vec<i64> {
        let hour = |at: Timestamp| (at.unix_ns().unwrap() - 1_750_032_000_000_000_000) / 3_600_000_000_000;
        let ends = self.queue.parts.iter().map(|part| hour(part.until.unwrap()));
        ends.collect()
    }

    /// What is to be done next, in a word; a page with its entries.
    fn next(&mut self) -> String {
        match self.queue.next() {
            Next::Page(page) => format!("page of {}", page.entries.len()),
            Next::Failure(error) => format!("{:?}", error.kind()),
            Next::Over { .. } => "over".to_owned(),
            Next::Wait => "wait".to_owned(),
            Next::Finish => "finish".to_owned(),
        }
    }
}

/// One walker at 10 and three behind it, at a density of an entry an hour.
fn four() -> Run {
    let mut run = Run::new(4);
    assert_eq!(run.send(), [0], "nobody knows yet where a part could begin");
    run.bring(0, entries(0..10));
    assert_eq!(run.send(), [0, 1, 2, 3]);
    // 58 entries a part, behind what was fetched, which is 10 in 9 hours. A border is within its hour.
    assert_eq!(run.borders(), [61, 113, 165, 1000]);
    run
}

#[test]
fn pages_are_handed_out_in_the_order_of_their_parts() {
    let mut run = four();
    run.bring(2, entries(114..124));
    run.bring(1, entries(62..72));
    assert_eq!((run.next(), run.next()), ("page of 10".to_owned(), "wait".to_owned()));
    // The first part ends where the next one begins, whatever its last page has behind that.
    run.bring(0, entries(54..64));
    assert_eq!(run.next(), "page of 8");
    assert_eq!((run.next(), run.next()), ("over".to_owned(), "page of 10".to_owned()));
    assert_eq!(run.next(), "wait", "the page of the part after it has to wait");
    // Walkers go to the first parts first.
    assert_eq!(run.send()[..2], [1, 2]);
}

#[test]
fn a_part_whose_first_request_fails_is_left_to_the_one_before_it() {
    let mut run = four();
    run.come(2, Err(Error::of(ErrorKind::Unavailable)));
    assert_eq!(run.borders(), [61, 165, 1000]);
    // The first part is not over before it is known who walks what follows.
    run.bring(0, entries(54..69));
    assert_eq!(
        (run.next(), run.next(), run.next()),
        ("page of 10".into(), "page of 8".into(), "wait".into())
    );
    run.come(1, Err(Error::of(ErrorKind::Unavailable)));
    assert_eq!(run.next(), "page of 7", "what it had fetched from behind its end");
    assert_eq!(run.borders(), [165, 1000]);
    assert_eq!(run.send(), [0], "no bet for a while");
}

#[test]
fn a_failure_behind_entries_ends_the_walk_in_its_turn() {
    let mut run = four();
    run.bring(1, entries(62..72));
    assert_eq!(run.send(), [1]);
    run.come(1, Err(Error::of(ErrorKind::Unavailable)));
    run.bring(0, entries(51..61));
    assert_eq!(run.send(), [0], "and nobody is sent behind it");
    run.bring(0, entries(61..71));
    let order: Vec<_> = (0..5).map(|_| run.next()).collect();
    assert_eq!(order, ["page of 10", "page of 10", "page of 1", "over", "page of 10"]);
    assert_eq!(run.next(), "Unavailable");
}

#[test]
fn an_end_without_a_cursor_is_left_to_the_part_before() {
    let mut run = four();
    run.bring(2, entries(114..124));
    assert_eq!(run.send(), [2]);
    // Where a cursor leads to an end, what is behind it and has come to no entry is closed.
    run.bring_last(2, entries(124..126), true);
    assert_eq!(run.borders(), [61, 113, 1000]);
    // Where none led, a copy that lags behind may have said so: the part before comes to the same end, or to another.
    run.bring_last(1, entries(62..65), false);
    assert_eq!(run.borders(), [113, 1000]);
    assert_eq!((run.next(), run.next()), ("page of 10".to_owned(), "wait".to_owned()));
}

#[test]
fn an_end_that_others_have_seen_to_be_none_is_asked_for_again() {
    let mut run = four();
    run.bring(2, entries(114..124));
    run.bring_last(0, entries(54..59), true);
    assert_eq!(run.borders(), [113, 165, 1000], "part 1 has come to no entry");
    assert_eq!(run.send()[0], 0, "what follows, once more");
    // The same once more is believed: the later entries have arrived meanwhile.
    run.bring_last(0, Vec::new(), true);
    let order: Vec<_> = (0..5).map(|_| run.next()).collect();
    assert_eq!(order, ["page of 10", "page of 5", "page of 0", "over", "page of 10"]);
}

#[test]
fn heavy_pages_leave_room_for_few() {
    let mut run = four();
    assert_eq!(run.queue.sizes.held_in_all, 20);
    let heavy = |hours| -> Vec<UsageEntry> {
        let notes = "x".repeat(1 << 20);
        entries(hours).into_iter().map(|entry| UsageEntry { notes: notes.clone(), ..entry }).collect()
    };
    // 10 MiB count for 21 pages. Only the part that all others wait for may have one more.
    run.bring(1, heavy(62..72));
    assert_eq!(run.queue.page_weight, 21);
    assert_eq!(run.send(), [0; 0]);
    run.bring(0, entries(10..20));
    assert_eq!(run.queue.page_weight, 15);
    assert_eq!(run.send(), [0]);
}

#[test]
fn what_lies_behind_an_end_is_kept_until_the_next_part_has_come() {
    let mut run = four();
    run.bring(0, entries(54..69));
    assert_eq!(run.queue.parts[0].held(), 3, "two pages, and entries of the next part");
    run.bring(1, entries(62..72));
    assert_eq!(run.queue.parts[0].held(), 2);
}
