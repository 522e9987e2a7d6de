//! Windows that are walked side by side: all entries come, in the same order as without concurrency.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_http::{Endpoint, Error, ErrorKind, Event, RetryPolicy, Walk, WalkBuilder};
use billing_model::{Stretch, TimeWindow, Timestamp, UsageEntry};
use billing_testkit::{Book, Reply, Request, Upstream, entry_at};
use futures::{StreamExt, TryStreamExt};

use crate::support::{client, client_of, observed, second, window};

/// The span of the ledgers in these tests.
const WHOLE: (i64, i64) = (0, 10_000_000);

/// A ledger of bursts and quiet times: entries at most a second apart, then hours or weeks without any.
fn uneven(entries: usize, seed: u64) -> Vec<UsageEntry> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut at = second(0).unix_ns().unwrap();
    let mut pause_ms = 1000;
    let mut ledger = Vec::new();
    while ledger.len() < entries {
        if random.u32(0..400) == 0 {
            pause_ms = [0, 1, 1000, 60_000][random.usize(0..4)];
        }
        if random.u32(0..500) == 0 {
            at += random.i64(0..1_000_000) * 1_000_000_000;
        }
        at += random.i64(0..=pause_ms) * 1_000_000;
        if at >= second(WHOLE.1).unix_ns().unwrap() {
            break;
        }
        ledger.push(entry_at(Timestamp::from_unix_ns(at), ["-0.1", "-0.2"][random.usize(0..2)]));
    }
    ledger
}

fn walk(endpoint: Endpoint, page_size: u32, concurrency: u32) -> WalkBuilder {
    Walk::over(window(WHOLE.0, WHOLE.1)).endpoint(endpoint).page_size(page_size).concurrency(concurrency)
}

async fn collect(upstream: &Upstream, walk: WalkBuilder) -> Result<Vec<UsageEntry>, Error> {
    walk.build().unwrap().entries(&client(upstream)).try_collect().await
}

#[tokio::test]
async fn any_concurrency_gives_the_same_entries() {
    for seed in 0..3 {
        let all = uneven(3000, seed);
        for (endpoint, size) in [(Endpoint::Usage, 7), (Endpoint::Usage, 500), (Endpoint::UsageHistory, 10)] {
            for concurrency in [1, 3, 16] {
                let mut book = Book::new(all.clone());
                let upstream = Upstream::start(move |request| book.answer(request)).await;
                let found = collect(&upstream, walk(endpoint, size, concurrency)).await.unwrap();
                assert_eq!(found.len(), all.len(), "{endpoint} {size} {concurrency} {seed}");
                assert_eq!(found, all, "{endpoint} {size} {concurrency} {seed}");
                // Even in a ledger with bursts and empty weeks, windows cost less than twice the requests.
                let pages = all.len().div_ceil(size as usize);
                let requests = upstream.requests().len();
                assert!(requests < pages * 2 + 20, "{requests} for {pages}: {endpoint} {size} {concurrency}");
            }
        }
    }
}

#[tokio::test]
async fn windows_are_side_by_side_and_few() {
    let all = uneven(3000, 1);
    let mut book = Book::new(all.clone());
    let firsts = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&firsts);
    let upstream = Upstream::start(move |request| {
        if request.query.contains("startTimestamp") {
            assert!(seen.lock().unwrap().insert(request.query.clone()), "no window is asked for twice");
        }
        book.answer(request)
    })
    .await;
    assert_eq!(collect(&upstream, walk(Endpoint::UsageHistory, 10, 8)).await.unwrap(), all);
    let windows = firsts.lock().unwrap().len();
    assert!((20..300).contains(&windows), "{windows} windows for 300 pages");
}

/// `complete_until` is right: the walk has handed out all entries before it, and a walk that is resumed there gives the
/// others.
#[tokio::test]
async fn a_walk_goes_on_wherever_it_was_complete() {
    let all = uneven(600, 5);
    for endpoint in [Endpoint::Usage, Endpoint::UsageHistory] {
        let mut book = Book::new(all.clone());
        let upstream = Upstream::start(move |request| book.answer(request)).await;
        let whole = walk(endpoint, 10, 4).build().unwrap();
        let stretches: Vec<Stretch> = whole.stretches(&client(&upstream)).try_collect().await.unwrap();
        let mut before = Vec::new();
        let mut places = 0;
        for stretch in &stretches {
            before.extend_from_slice(&stretch.entries);
            let Some(until) = stretch.complete_until else { continue };
            places += 1;
            assert_eq!(before.len(), all.partition_point(|entry| entry.timestamp < until));
            let rest = walk(endpoint, 10, 4).resume(until, before.len() as u64);
            assert_eq!(
                collect(&upstream, rest).await.unwrap(),
                all[before.len()..],
                "{endpoint} from {until}"
            );
        }
        assert!(places > 10);
        assert_eq!(stretches.last().unwrap().complete_until, Some(second(WHOLE.1)));
    }
}

#[tokio::test]
async fn a_late_entry_in_a_part_that_was_walked_is_seen_where_the_service_counts() {
    let all = uneven(1000, 2);
    let mut book = Book::new(all);
    let mut requests = 0;
    let upstream = Upstream::start(move |request| {
        requests += 1;
        if requests == 60 {
            book.record(vec![entry_at(second(0), "-7")]);
        }
        book.answer(request)
    })
    .await;
    let error = collect(&upstream, walk(Endpoint::Usage, 10, 4)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moved);
    assert!(error.to_string().contains("the window has 1001 entries and 1000 went by"), "{error}");
    // So is an entry that arrived between two walks.
    let until = second(WHOLE.1);
    let resumed = collect(&upstream, walk(Endpoint::Usage, 10, 4).resume(until, 1000)).await.unwrap_err();
    assert_eq!(resumed.kind(), ErrorKind::Moved);
    assert!(collect(&upstream, walk(Endpoint::Usage, 10, 4).resume(until, 1001)).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_ends_under_many_walkers_is_said_to_be_gone_once() {
    let all = uneven(1500, 3);
    for last in [0, 1, 10, 40] {
        let mut book = Book::new(all.clone());
        let mut by_number = 0;
        let upstream = Upstream::start(move |request| {
            if request.path.ends_with("/usage") {
                by_number += 1;
                if by_number > last {
                    return Reply::error(410, "gone")
                        .header("link", "</api/v1/billing/usage-history>; rel=\"successor-version\"");
                }
            }
            book.answer(request)
        })
        .await;
        let (client, events) = observed(&upstream);
        let walk = walk(Endpoint::Usage, 20, 8).build().unwrap();
        let found: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
        assert_eq!(found, all, "gone after {last}");
        let events = events.lock().unwrap();
        let said = events.iter().filter(|event| event.contains("gone: true")).count();
        assert_eq!(said, 1, "{events:?}");
    }
}

/// One cursor always fails, and the service always forgets another one.
#[tokio::test]
async fn a_broken_cursor_is_walked_around() {
    let all = uneven(800, 4);
    for (status, text) in [(500, "Internal error"), (400, "Invalid or expired cursor")] {
        for broken in [1, 2, 7, 30] {
            let mut book = Book::new(all.clone());
            let mut cursors = Vec::new();
            let upstream = Upstream::start(move |request| {
                if let Some((_, cursor)) = request.query.split_once("cursor=") {
                    if !cursors.contains(&cursor.to_owned()) {
                        cursors.push(cursor.to_owned());
                    }
                    if cursors.get(broken - 1).is_some_and(|found| found == cursor) {
                        return Reply::error(status, text);
                    }
                }
                book.answer(request)
            })
            .await;
            let found = collect(&upstream, walk(Endpoint::UsageHistory, 10, 4)).await.unwrap();
            assert_eq!(found, all, "{status} {broken}");
        }
    }
}

/// Answers with an error when the page has this entry, which the service cannot give.
fn poisoned(all: &[UsageEntry], poison: usize) -> impl FnMut(&Request) -> Reply + Send + use<> {
    let mut book = Book::new(all.to_vec());
    let text = all[poison].timestamp.to_string();
    move |request| {
        let reply = book.answer(request);
        let holds = reply.body().windows(text.len()).any(|part| part == text.as_bytes());
        if holds { Reply::error(500, "poison") } else { reply }
    }
}

#[tokio::test]
async fn what_still_fails_in_the_smallest_window_is_reported_after_all_that_is_before_it() {
    let all: Vec<_> = (0..200).map(|n| entry_at(second(n * 1000), "-1")).collect();
    let upstream = Upstream::start(poisoned(&all, 150)).await;
    let (client, _) = client_of(upstream.base_url());
    let client = client.build().unwrap();
    let walk = Walk::over(window(0, 200_000)).endpoint(Endpoint::UsageHistory).page_size(10).build().unwrap();
    let mut stretches = Box::pin(walk.stretches(&client));
    let mut entries = Vec::new();
    let error = loop {
        match stretches.next().await.unwrap() {
            Ok(stretch) => entries.extend(stretch.entries),
            Err(error) => break error,
        }
    };
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unavailable, Some(500)));
    assert_eq!(entries, all[..150], "everything that the service can give");
}

/// A service that can search one day within its time limit, and not more.
#[tokio::test]
async fn a_window_that_takes_too_long_is_halved() {
    let day_s = 24 * 3600;
    let all: Vec<_> = (0..100).map(|n| entry_at(second(n * 5000), "-1")).collect();
    let mut book = Book::new(all.clone());
    let upstream = Upstream::start(move |request| {
        let time = |name: &str| {
            let value = request.query.split('&').find_map(|pair| pair.strip_prefix(name))?;
            value.trim_start_matches('=').replace("%3A", ":").parse::<Timestamp>().ok()?.unix_ns()
        };
        match (time("startTimestamp"), time("endTimestamp")) {
            (Some(since), Some(until)) if until - since > day_s * 1_000_000_000 => {
                Reply::error(504, "took too long")
            }
            _ => book.answer(request),
        }
    })
    .await;
    let (client, _) = client_of(upstream.base_url());
    let client = client.build().unwrap();
    // It answers a page first, because the windows of a service that has never answered are not shortened.
    let first = Walk::over(window(0, 10)).build().unwrap();
    first.entries(&client).try_collect::<Vec<_>>().await.unwrap();
    let walk = Walk::over(window(0, 7 * day_s)).endpoint(Endpoint::UsageHistory).build().unwrap();
    let found: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
    assert_eq!(found, all);
}

/// The service takes only so many requests at once, and refuses the others.
#[tokio::test]
async fn refusals_slow_all_walkers_down_together() {
    let all = uneven(2000, 6);
    let mut book = Book::new(all.clone());
    let mut count = 0;
    let upstream = Upstream::start(move |request| {
        count += 1;
        if count % 50 == 0 {
            Reply::error(429, "slow down").header("retry-after", "7")
        } else {
            book.answer(request)
        }
    })
    .await;
    let (builder, waits) = client_of(upstream.base_url());
    let waiting = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&waiting);
    let client = builder
        .observer(move |event| {
            if let Event::Retrying { wait, .. } = event {
                noted.lock().unwrap().push(*wait);
            }
        })
        .build()
        .unwrap();
    let walk = walk(Endpoint::UsageHistory, 10, 8).build().unwrap();
    let found: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
    assert_eq!(found, all);
    let refusals = upstream.requests().len() / 50;
    assert_eq!(waiting.lock().unwrap().len(), refusals);
    let waits = waits.lock().unwrap().clone();
    assert_eq!(waits.len(), refusals, "one wait for all walkers");
    assert!(waits.iter().all(|wait| *wait > Duration::from_secs(6)));
    let traffic = client.traffic();
    assert_eq!((traffic.requests, traffic.retries), (upstream.requests().len() as u64, refusals as u64));
}

#[tokio::test]
async fn a_total_outage_ends_the_walk_in_time() {
    let all = uneven(2000, 7);
    let mut book = Book::new(all);
    let mut count = 0;
    let upstream = Upstream::start(move |request| {
        count += 1;
        if count > 40 { Reply::error(503, "down") } else { book.answer(request) }
    })
    .await;
    let (builder, waits) = client_of(upstream.base_url());
    let client = builder.build().unwrap();
    let walk = walk(Endpoint::UsageHistory, 10, 16).build().unwrap();
    let error = walk.entries(&client).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let policy = RetryPolicy::default();
    let failures = upstream.requests().len() - 40;
    assert!(failures <= 16 * policy.max_tries as usize, "{failures}");
    // There are no more than 20 failures in any 30 s, because requests beyond 16 waited.
    let long = waits.lock().unwrap().iter().filter(|wait| wait.as_secs() >= 20).count();
    assert!(long >= failures / 17, "{long} long waits for {failures} failures");
}

#[tokio::test]
async fn a_stream_may_be_given_up_and_asked_again() {
    let all = uneven(500, 8);
    let mut book = Book::new(all.clone());
    let upstream = Upstream::start(move |request| book.answer(request)).await;
    let client = client(&upstream);
    let walk = walk(Endpoint::UsageHistory, 10, 4).build().unwrap();
    let mut stretches = Box::pin(walk.clone().stretches(&client));
    let mut found = Vec::new();
    let mut given_up = 0;
    loop {
        // The future is polled once and dropped, again and again.
        match futures::future::poll_immediate(stretches.next()).await {
            Some(Some(stretch)) => found.extend(stretch.unwrap().entries),
            Some(None) => break,
            None => {
                given_up += 1;
                tokio::task::yield_now().await;
            }
        }
    }
    assert_eq!(found, all);
    assert!(given_up > 0);

    // A dropped stream sends no more requests.
    let mut stretches = Box::pin(walk.stretches(&client));
    stretches.next().await.unwrap().unwrap();
    drop(stretches);
    let settled = loop {
        let before = upstream.requests().len();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        if upstream.requests().len() == before {
            break before;
        }
    };
    assert!(settled < 200, "{settled}");
}

#[tokio::test]
async fn streams_can_go_to_other_threads() {
    fn sendable<T: Send>(value: T) -> T {
        value
    }
    let upstream = Upstream::start(|_| Reply::json(200, r#"{"data":[],"nextCursor":null}"#)).await;
    let client = client(&upstream);
    let walk = Walk::over(TimeWindow::ALL).build().unwrap();
    let entries = sendable(walk.clone().entries(&client)).try_collect::<Vec<_>>();
    assert!(tokio::spawn(entries).await.unwrap().unwrap().is_empty());
    drop(sendable(walk.stretches(&client)));
}
