//! Services that hang on windows which a walk chooses itself. The walk gets through wherever a plain walk by cursor does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use billing_http::{Border, Endpoint, ErrorKind, Event, RetryPolicy, Times, Walk, Wire};
use billing_model::{HistoryRequest, Page, Paging, Stretch, TimeWindow, Timestamp, UsageEntry};
use billing_testkit::{Asked, Book, Endless, Reluctant, Reply, Upstream, entry_at};
use futures::TryStreamExt;

use crate::support::{client, client_of, second, window};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const SIZE: u32 = 10;
const ENDPOINTS: [Endpoint; 2] = [Endpoint::Usage, Endpoint::UsageHistory];

/// Days of entries with nights between them: 40 entries a day, some of them equal and some at one instant.
fn days(count: i64) -> Vec<UsageEntry> {
    let at = |n: i64| second(n / 40 * DAY + n % 40 / 2 * 20 * 60);
    (0..count * 40).map(|n| entry_at(at(n), if n % 3 == 0 { "-0.1" } else { "-0.2" })).collect()
}

/// The number of requests of a plain walk.
fn pages(entries: &[UsageEntry]) -> usize {
    entries.len().div_ceil(SIZE as usize)
}

async fn serve(mut service: Reluctant) -> (Upstream, Asked) {
    let asked = service.asked();
    (Upstream::start(move |request| service.answer(request)).await, asked)
}

fn check_widths(asked: &Asked) {
    for window in asked.windows() {
        let ns = |at: Timestamp| at.unix_ns().unwrap();
        let (Some(since), Some(until)) = (window.since(), window.until()) else { continue };
        assert!(ns(until) - ns(since) >= 15 * 60 * 1_000_000_000, "{window}");
    }
}

#[tokio::test]
async fn narrow_and_empty_windows_that_hang_are_not_asked_for() {
    let all = days(60);
    for endpoint in ENDPOINTS {
        for concurrency in [1, 4, 16] {
            // The ledger ends long before the window does.
            let (upstream, asked) = serve(Reluctant::new(Book::new(all.clone()))).await;
            let walk = Walk::over(window(-DAY, 400 * DAY)).endpoint(endpoint).page_size(SIZE);
            let walk = walk.concurrency(concurrency).build().unwrap();
            let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
            assert_eq!(found, all, "{endpoint} {concurrency}");
            check_widths(&asked);
            let requests = upstream.requests().len();
            if concurrency == 1 {
                // By cursor there is one request more, which asks whether a full page without a cursor was the last.
                let last = usize::from(endpoint == Endpoint::UsageHistory);
                assert_eq!((asked.windows().len(), requests), (1 + last, pages(&all) + last), "{endpoint}");
            } else {
                assert!(asked.hung().len() <= 2 * concurrency as usize, "{}", asked.hung().len());
                assert!(requests < pages(&all) * 3 / 2 + 20, "{endpoint} {concurrency}: {requests}");
            }
        }
    }
}

/// Where nothing but following the cursor works, a walk follows the cursor.
#[tokio::test]
async fn only_the_cursor_works() {
    let all = days(60);
    for endpoint in ENDPOINTS {
        for concurrency in [1, 4, 16] {
            let (upstream, asked) = serve(Reluctant::new(Book::new(all.clone())).only_first_page()).await;
            let walk = Walk::over(window(-DAY, 61 * DAY)).endpoint(endpoint).page_size(SIZE);
            let walk = walk.concurrency(concurrency).build().unwrap();
            let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
            assert_eq!(found, all, "{endpoint} {concurrency}");
            let requests = upstream.requests().len();
            assert!(requests <= pages(&all) * 6 / 5, "{endpoint} {concurrency}: {requests}");
            // Windows side by side fail together. After that the walk tries them less and less often.
            assert!(asked.hung().len() < 24, "{endpoint} {concurrency}: {}", asked.hung().len());
        }
    }
}

/// A request that hangs for ever has a shorter time limit than a page.
#[tokio::test]
async fn a_part_that_never_answers_is_given_up() {
    let all = days(10);
    let service = Reluctant::new(Book::new(all.clone())).only_first_page();
    let (upstream, asked) = serve(service.hanging(Reply::json(200, "").stalled())).await;
    let (builder, _) = client_of(upstream.base_url());
    let client = builder.try_timeout(Duration::from_secs(3600)).build().unwrap();
    let walk = Walk::over(window(-DAY, 11 * DAY)).page_size(SIZE).concurrency(3).build().unwrap();
    let found: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
    assert_eq!(found, all);
    assert!(!asked.hung().is_empty());
}

#[tokio::test]
async fn a_narrow_window_is_asked_wider_and_cut_here() {
    let all = days(3);
    for endpoint in ENDPOINTS {
        for (since, until) in
            [(20 * 60, 20 * 60 + 1), (20 * 60, 40 * 60 + 60), (DAY, DAY + 600), (5 * 60, 21 * 60)]
        {
            let book = Book::new(all.clone());
            let expected = book.entries(window(since, until), None);
            assert!(!expected.is_empty());
            let (upstream, asked) = serve(Reluctant::new(book)).await;
            let walk = Walk::over(window(since, until)).endpoint(endpoint).page_size(SIZE).build().unwrap();
            let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
            assert_eq!(found, expected, "{endpoint} {since} {until}");
            assert!(asked.hung().is_empty(), "{:?}", asked.hung());
        }
    }
}

/// When the ways around a failure fail too, the walk asks for the whole window once more: the failure may have passed.
#[tokio::test]
async fn a_failure_that_passes_does_not_end_a_walk_over_a_narrow_window() {
    let ns = |s: i64, ns: i64| Timestamp::from_unix_ns(second(s).unix_ns().unwrap() + ns);
    // The millisecond in which the window begins has entries from before the window. The service sends and counts them.
    let early = std::iter::repeat_n(entry_at(ns(4, 100_000), "-0.1"), 30);
    let book = Book::new(early.chain(vec![entry_at(second(5), "-0.1"); 25]).collect());
    let window = |until| TimeWindow::new(Some(ns(4, 500_000)), Some(second(until))).unwrap();
    let all = book.entries(window(HOUR), None);
    for endpoint in ENDPOINTS {
        let places = [6, HOUR].into_iter().flat_map(|until| (1..9).map(move |at| (until, at)));
        for ((until, fault_at), faults) in places.flat_map(|place| [2, 4, 6, 9].map(|faults| (place, faults)))
        {
            let mut service = Reluctant::new(book.clone());
            let mut requests = 0;
            let upstream = Upstream::start(move |request| {
                requests += 1;
                let is_out = (fault_at..fault_at + faults).contains(&requests);
                if is_out { Reply::error(500, "out of order") } else { service.answer(request) }
            })
            .await;
            let walk = Walk::over(window(until)).endpoint(endpoint).page_size(SIZE).build().unwrap();
            let policy = RetryPolicy { tries_before_narrowing: 2, ..RetryPolicy::default() };
            let client = client_of(upstream.base_url()).0.retry(policy).build().unwrap();
            let found: Result<Vec<_>, _> = walk.entries(&client).try_collect().await;
            assert_eq!(found.unwrap(), all, "{endpoint} up to {until}, {faults} from {fault_at}");
        }
    }
}

/// A full page without a cursor may not be the last. The walk asks what follows with the exact window, which is the one
/// way that works here.
#[tokio::test]
async fn what_follows_a_full_page_is_asked_for_by_the_way_that_led_there() {
    let all = vec![entry_at(second(5), "-0.1"); 30];
    let mut book = Book::new(all.clone());
    let upstream = Upstream::start(move |request| {
        let HistoryRequest::First(query) = HistoryRequest::parse(&request.query).unwrap() else {
            return book.answer(request);
        };
        let ns = |at: Option<Timestamp>| at.and_then(Timestamp::unix_ns);
        let length_ns = ns(query.window().until()).zip(ns(query.window().since()));
        let is_long = length_ns.is_none_or(|(until, since)| until - since > 2_000_000_000);
        if is_long { Reply::error(504, "took too long") } else { book.answer(request) }
    })
    .await;
    let (builder, _) = client_of(upstream.base_url());
    let wire = Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into));
    let walk = Walk::over(window(4, 6)).endpoint(Endpoint::UsageHistory).page_size(SIZE).build().unwrap();
    let found: Vec<_> = walk.entries(&builder.wire(wire).build().unwrap()).try_collect().await.unwrap();
    assert_eq!(found, all);
}

/// The window is empty, and there are entries after it.
#[tokio::test]
async fn an_empty_window_is_found_to_be_empty() {
    for endpoint in ENDPOINTS {
        let service = Reluctant::new(Book::new(days(3))).hanging(Reply::error(504, "took too long"));
        let (upstream, _) = serve(service).await;
        let walk = Walk::over(window(15 * HOUR, 20 * HOUR)).endpoint(endpoint).build().unwrap();
        let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
        assert!(found.is_empty());
    }
}

/// A walk can be resumed wherever it was complete, without a request for a narrow or empty window.
#[tokio::test]
async fn a_walk_that_goes_on_asks_for_no_window_that_hangs() {
    let all = days(10);
    let whole = || Walk::over(window(-DAY, 30 * DAY)).page_size(SIZE);
    for endpoint in ENDPOINTS {
        let (upstream, _) = serve(Reluctant::new(Book::new(all.clone()))).await;
        let walk = whole().endpoint(endpoint).concurrency(4).build().unwrap();
        let stretches: Vec<Stretch> = walk.stretches(&client(&upstream)).try_collect().await.unwrap();
        let mut before = 0;
        for stretch in &stretches {
            before += stretch.entries.len();
            let Some(until) = stretch.complete_until else { continue };
            let (upstream, asked) = serve(Reluctant::new(Book::new(all.clone()))).await;
            let rest =
                whole().endpoint(endpoint).concurrency(1).resume(until, before as u64).build().unwrap();
            let found: Vec<_> = rest.entries(&client(&upstream)).try_collect().await.unwrap();
            assert_eq!(found, all[before..], "{endpoint} from {until}");
            assert!(asked.hung().is_empty(), "{:?} from {until}", asked.hung());
        }
        assert_eq!(before, all.len());
    }
}

/// The first request of a relative window is a page, whatever the local clock says. The service's clock settles the end.
#[tokio::test]
async fn a_window_that_ends_now_begins_with_a_page() {
    let all = days(30);
    let day = |n: i64| second(n * DAY);
    for endpoint in ENDPOINTS {
        for late_s in [0, 2, -2, HOUR, -HOUR, 3 * DAY, -3 * DAY, 3650 * DAY, -3650 * DAY] {
            let now = day(20);
            let now_s = u64::try_from(now.unix_ns().unwrap() / 1_000_000_000).unwrap();
            let (upstream, asked) = serve(Reluctant::new(Book::new(all.clone())).dated(now_s)).await;
            let times =
                Times { since: Some(Border::Ago(Duration::from_secs(7 * 24 * 3600))), until: Border::NOW };
            let walk = Walk::over(times).endpoint(endpoint).page_size(SIZE).build().unwrap();
            let local = Timestamp::from_unix_ns(now.unix_ns().unwrap() - late_s * 1_000_000_000);
            let client = client(&upstream);
            let begun = walk.begin(&client, local).await.unwrap();
            let expect = TimeWindow::new(Some(day(13)), Some(now)).unwrap();
            assert_eq!((begun.window(), begun.service_time()), (expect, Some(now)));
            let found: Vec<Stretch> = begun.stretches().try_collect().await.unwrap();
            let found: Vec<_> = found.into_iter().flat_map(|stretch| stretch.entries).collect();
            assert_eq!(found, Book::new(all.clone()).entries(expect, None), "{endpoint} {late_s}");
            check_widths(&asked);
        }
    }
}

#[tokio::test]
async fn the_date_of_an_error_settles_the_window_too() {
    let now = second(20 * DAY);
    let now_s = u64::try_from(now.unix_ns().unwrap() / 1_000_000_000).unwrap();
    let mut book = Book::new(days(30));
    let mut count = 0;
    let upstream = Upstream::start(move |request| {
        count += 1;
        match count {
            1 => Reply::error(503, "later").dated(now_s),
            // The page has a later `Date`.
            _ => book.answer(request).dated(now_s + 60),
        }
    })
    .await;
    let since_ever = Times { since: None, until: Border::NOW };
    let begun = Walk::over(since_ever).build().unwrap().begin(&client(&upstream), now).await.unwrap();
    assert_eq!(begun.window(), TimeWindow::new(None, Some(now)).unwrap());

    // A window that is empty by the service's clock is refused, even when the service gives no page.
    let upstream = Upstream::start(move |_| Reply::error(503, "later").dated(now_s)).await;
    let future = Times { since: Some(Border::At(second(21 * DAY))), until: Border::NOW };
    let begun = Walk::over(future).build().unwrap().begin(&client(&upstream), now).await;
    assert_eq!(begun.err().unwrap().kind(), ErrorKind::EmptyWindow);
    assert!(upstream.requests().len() < 10);
}

/// A machine between client and service may have another clock.
#[tokio::test]
async fn a_clock_that_only_an_error_has_is_not_that_of_the_service() {
    let now = second(20 * DAY);
    let now_s = u64::try_from(now.unix_ns().unwrap() / 1_000_000_000).unwrap();
    for wrong_s in [0, now_s - 200 * 24 * 3600, now_s + 200 * 24 * 3600] {
        let mut book = Book::new(days(30));
        let mut count = 0;
        let upstream = Upstream::start(move |request| {
            count += 1;
            match count {
                1 => Reply::error(502, "bad gateway").dated(wrong_s),
                _ => book.answer(request).dated(now_s),
            }
        })
        .await;
        let since = Border::Ago(Duration::from_secs(7 * 24 * 3600));
        let times = Times { since: Some(since), until: Border::NOW };
        let begun = Walk::over(times).build().unwrap().begin(&client(&upstream), now).await.unwrap();
        assert_eq!(begun.window(), TimeWindow::new(Some(second(13 * DAY)), Some(now)).unwrap(), "{wrong_s}");
    }
}

/// A page of `usage-history` in text/csv, without the header that has the cursor.
fn without_cursor(reply: &Reply) -> Reply {
    Reply::new(200, "text/csv", reply.body())
}

/// Named after what broke: a full page of one instant was asked for again, had nothing new, and was taken for the end.
#[tokio::test]
async fn a_lost_cursor_amid_one_instant_is_not_the_end() {
    for (at_one_instant, is_too_much) in [(40, false), (999, false), (1000, true), (1500, true)] {
        let instants = |n: i64| second(n / at_one_instant * HOUR);
        let all: Vec<_> = (0..3000).map(|n| entry_at(instants(n), "-1")).collect();
        for (size, concurrency) in [(SIZE, 1), (SIZE, 4), (1000, 1), (1000, 4)] {
            let mut book = Book::new(all.clone());
            let upstream = Upstream::start(move |request| without_cursor(&book.answer(request))).await;
            let (builder, _) = client_of(upstream.base_url());
            let wire = Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into));
            let client = builder.wire(wire).build().unwrap();
            let walk =
                Walk::over(window(0, 40 * DAY)).page_size(size).concurrency(concurrency).build().unwrap();
            match walk.entries(&client).try_collect::<Vec<_>>().await {
                Ok(found) => {
                    assert!(found == all && !is_too_much, "{at_one_instant} {size}: {}", found.len())
                }
                Err(error) => {
                    assert!(is_too_much, "{at_one_instant} {size}: {error}");
                    assert_eq!(error.kind(), ErrorKind::Inconsistent, "{error}");
                }
            }
        }
    }
}

/// Named after what broke: the entries between a false end and the next part were left out without an error.
#[tokio::test]
async fn an_end_that_another_part_disproves_is_asked_for_again() {
    let all = days(60);
    let mut whole = 0;
    for at in [5, 9, 20, 33] {
        for concurrency in [3, 8] {
            let mut book = Book::new(all.clone());
            let mut count = 0;
            let upstream = Upstream::start(move |request| {
                count += 1;
                let reply = book.answer(request);
                if count != at {
                    return reply;
                }
                // Half a page that says that it is the last.
                let mut page = Page::from_history_json(std::str::from_utf8(reply.body()).unwrap()).unwrap();
                page.entries.truncate(5);
                page.paging = Paging::ByCursor(None);
                let mut body = Vec::new();
                page.write_json(&mut body);
                Reply::json(200, body)
            })
            .await;
            let walk =
                Walk::over(window(-DAY, 61 * DAY)).page_size(SIZE).concurrency(concurrency).build().unwrap();
            let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
            // When no walker is ahead, a false end cannot be noticed. In no case is there a hole.
            assert!(found == all[..found.len()], "a hole: {at} {concurrency}");
            whole += u32::from(found.len() == all.len());
        }
    }
    assert!(whole > 0);
}

/// A service that knows only the cursors of the latest pages, and the number of cursors that it has refused.
async fn keeping_cursors(all: &[UsageEntry], keep: usize) -> (Upstream, Arc<AtomicUsize>) {
    let mut book = Book::new(all.to_vec());
    // The last page takes a place too.
    let mut live: Vec<Option<String>> = Vec::new();
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let upstream = Upstream::start(move |request| {
        if let Some((_, cursor)) = request.query.split_once("cursor=")
            && !live.iter().any(|live| live.as_deref() == Some(cursor))
        {
            count.fetch_add(1, Ordering::Relaxed);
            return Reply::error(400, "Invalid or expired cursor; restart from the first page");
        }
        let reply = book.answer(request);
        let text = String::from_utf8(reply.body().to_vec()).unwrap();
        live.push(
            text.rsplit_once("\"nextCursor\":\"").map(|(_, end)| end.trim_end_matches("\"}").to_owned()),
        );
        live.drain(..live.len().saturating_sub(keep));
        reply
    });
    (upstream.await, refused)
}

/// Named after what broke: each refused cursor is a failure that the service counts, and after sixteen of them every
/// walker had to wait for half a minute, again and again. Now walkers that take cursors from each other walk one by
/// one.
#[tokio::test]
async fn few_cursors_for_a_key_are_enough_and_cost_few_refusals() {
    let all = days(60);
    for concurrency in [1, 4, 8, 16] {
        for keep in [1, 2, 4, 8] {
            let (upstream, refused) = keeping_cursors(&all, keep).await;
            let walk =
                Walk::over(window(-DAY, 61 * DAY)).page_size(SIZE).concurrency(concurrency).build().unwrap();
            let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
            assert_eq!(found, all);
            let refused = refused.load(Ordering::Relaxed);
            assert!(refused < 16, "{concurrency} walkers, {keep} cursors: {refused} were refused");
            let requests = upstream.requests().len();
            let most = pages(&all) * 3 / 2 + 3 * concurrency as usize;
            assert!(keep > 1 || requests < most, "{concurrency}: {requests}");
        }
    }
}

/// Named after what broke: cursors that live for a few pages, in the last minutes of a window, where the walk asks for
/// a wider window.
#[tokio::test]
async fn short_lived_cursors_are_enough_at_the_end_of_a_window() {
    let all: Vec<_> = (0..400).map(|n| entry_at(second(n * 2), "-1")).collect();
    let mut book = Book::new(all.clone());
    let mut left = 0;
    let upstream = Upstream::start(move |request| {
        if !request.query.contains("cursor=") {
            left = 3;
        }
        left -= 1;
        if left < 0 { Reply::error(400, "Invalid or expired cursor") } else { book.answer(request) }
    })
    .await;
    let walk = Walk::over(window(0, 820)).page_size(SIZE).concurrency(1).build().unwrap();
    let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
    assert_eq!(found, all);
}

/// Parts with one empty page after the other are left to the plain walk.
#[tokio::test]
async fn empty_pages_without_end_are_left_to_the_plain_walk() {
    let all = days(20);
    let mut book = Book::new(all.clone());
    let (mut firsts, mut voids) = (0, 0);
    let upstream = Upstream::start(move |request| {
        firsts += usize::from(!request.query.contains("cursor="));
        if request.query.contains("void") || (firsts > 1 && !request.query.contains("cursor=")) {
            voids += 1;
            return Reply::json(200, format!(r#"{{"data":[],"nextCursor":"void-{voids}"}}"#));
        }
        book.answer(request)
    })
    .await;
    let walk = Walk::over(window(-DAY, 21 * DAY)).page_size(SIZE).concurrency(4).build().unwrap();
    let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
    assert_eq!(found, all);
    assert!(upstream.requests().len() < pages(&all) + 200, "{}", upstream.requests().len());
}

/// The service gives new cursors for ever, with entries of one timestamp.
#[tokio::test]
async fn a_service_without_an_end_is_ended() {
    let mut service = Endless::new(vec![entry_at(second(5), "-1"); 1000]);
    let upstream = Upstream::start(move |request| service.answer(request)).await;
    let (builder, _) = client_of(upstream.base_url());
    let client = builder.observer(|event| assert!(!matches!(event, Event::Complete { .. }))).build().unwrap();
    let walk = Walk::over(window(0, DAY)).build().unwrap();
    let walked =
        walk.stretches(&client).try_fold(0, async |count, stretch| Ok(count + stretch.entries.len()));
    let error = walked.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyPages);
    assert!(error.to_string().contains("more than 1000000 entries of the one instant"), "{error}");
    assert!(upstream.requests().len() < 1100);
}
