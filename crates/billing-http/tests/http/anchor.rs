//! Where a walk goes on after a failure: at the last entry that it handed out, or at the end of a span without further
//! entries.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_http::{Client, RetryPolicy, Walk};
use billing_model::{HistoryRequest, UsageEntry};
use billing_testkit::{Book, Reluctant, Reply, Upstream, entry_at};
use futures::TryStreamExt;

use crate::support::{client, client_of, second, window};

const DAY: i64 = 24 * 60 * 60;
const S: i64 = 1_000_000_000;

/// So many entries, one for each minute.
fn minutes(count: i64) -> Vec<UsageEntry> {
    (0..count).map(|n| entry_at(second(n * 60), "-0.1")).collect()
}

fn impatient(upstream: &Upstream) -> Client {
    let policy = RetryPolicy { tries_before_narrowing: 2, ..RetryPolicy::default() };
    client_of(upstream.base_url()).0.retry(policy).build().unwrap()
}

/// Walks some days with one walker, and fails instead of going on for ever.
async fn walked(client: &Client, days: i64) -> Vec<UsageEntry> {
    let walk =
        Walk::over(window(0, days * DAY)).page_size(10).concurrency(1).max_pages(1000).build().unwrap();
    walk.entries(client).try_collect().await.unwrap()
}

/// A window that is too much at once is walked span by span. A span without an entry counts as walked too.
#[tokio::test]
async fn a_span_that_was_walked_is_not_asked_for_again() {
    let mut all = minutes(25);
    all.extend((0..25).map(|n| entry_at(second(6 * DAY + n * 60), "-0.2")));
    let mut book = Book::new(all.clone());
    let starts = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&starts);
    let upstream = Upstream::start(move |request| {
        let Ok(HistoryRequest::First(query)) = HistoryRequest::parse(&request.query) else {
            return book.answer(request);
        };
        let (since, until) = (query.window().since().unwrap(), query.window().until());
        noted.lock().unwrap().push(since);
        // A window of more than a day is too much.
        let is_wide = until.is_none_or(|until| until.unix_ns().unwrap() - since.unix_ns().unwrap() > DAY * S);
        if is_wide { Reply::error(504, "too much") } else { book.answer(request) }
    })
    .await;
    assert_eq!(walked(&impatient(&upstream), 8).await, all);
    // Each span begins at the end of the one before it, or at the last entry.
    let starts = starts.lock().unwrap();
    assert!(starts.is_sorted(), "{starts:?}");
}

/// The rest after the last span may be empty, and a service may hang on an empty window. So the request begins at the
/// last entry.
#[tokio::test]
async fn a_rest_in_which_nothing_lies_is_asked_for_from_the_last_entry_on() {
    let all = minutes(13 * 60);
    // Two days are too wide, and one is not. After the first day the second one is empty.
    let service = Reluctant::new(Book::new(all.clone())).widest(Duration::from_secs(40 * 60 * 60));
    let mut service = service.hanging(Reply::error(504, "too much"));
    let asked = service.asked();
    let upstream = Upstream::start(move |request| service.answer(request)).await;
    assert_eq!(walked(&impatient(&upstream), 2).await, all);
    assert!(asked.hung().contains(&window(DAY, 2 * DAY)), "{:?}", asked.windows());
    assert_eq!(asked.windows().last().unwrap().since(), all.last().map(|entry| entry.timestamp));
}

/// The count of how often a walk goes back begins anew with each entry that it gets.
#[tokio::test]
async fn a_walk_that_gets_on_may_go_back_as_often_as_it_has_to() {
    let all = minutes(600);
    let mut book = Book::new(all.clone());
    let mut cursors = 0;
    let upstream = Upstream::start(move |request| {
        cursors += usize::from(request.query.contains("cursor="));
        let is_refused = request.query.contains("cursor=") && cursors % 2 == 0;
        if is_refused { Reply::error(400, "Invalid or expired cursor") } else { book.answer(request) }
    })
    .await;
    assert_eq!(walked(&client(&upstream), 1).await, all);
}
