//! Services that hang on windows of a walk's own: it gets through wherever following the cursor gets through.

use std::time::Duration;

use billing_http::{Border, Endpoint, Event, Times, Walk};
use billing_model::{Stretch, TimeWindow, Timestamp, UsageEntry};
use billing_testkit::{Asked, Book, Endless, Reluctant, Reply, Upstream, entry_at};
use futures::TryStreamExt;

use crate::support::{client, client_of, second, window};

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const SIZE: u32 = 10;
const ENDPOINTS: [Endpoint; 2] = [Endpoint::Usage, Endpoint::UsageHistory];

/// Days of entries, with nights between them: 40 entries a day, of which some are equal and some stand at one instant.
fn days(count: i64) -> Vec<UsageEntry> {
    let at = |n: i64| second(n / 40 * DAY + n % 40 / 2 * 20 * 60);
    (0..count * 40).map(|n| entry_at(at(n), if n % 3 == 0 { "-0.1" } else { "-0.2" })).collect()
}

/// How many requests a plain walk needs.
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
                // By cursor one request more: whether a full page without a cursor was the last.
                let last = usize::from(endpoint == Endpoint::UsageHistory);
                assert_eq!((asked.windows().len(), requests), (1 + last, pages(&all) + last), "{endpoint}");
            } else {
                assert!(asked.hung().len() <= 2 * concurrency as usize, "{}", asked.hung().len());
                assert!(requests < pages(&all) * 3 / 2 + 20, "{endpoint} {concurrency}: {requests}");
            }
        }
    }
}

/// The plain way is the floor: where nothing but following the cursor works, that is what a walk does.
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
            // What was tried side by side failed side by side; then ever less is tried.
            assert!(asked.hung().len() < 24, "{endpoint} {concurrency}: {}", asked.hung().len());
        }
    }
}

/// A hang that never ends is not waited for as long as a page is.
#[tokio::test]
async fn a_part_that_never_answers_is_given_up() {
    let all = days(10);
    let service = Reluctant::new(Book::new(all.clone())).only_first_page();
    let (upstream, asked) = serve(service.hanging(Reply::json(200, "").stalled())).await;
    let (builder, _) = client_of(upstream.base_url());
    let client = builder.page_timeout(Duration::from_secs(3600)).build().unwrap();
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

/// Nothing lies in the window, and something behind it.
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

/// Wherever a walk is complete it can go on: no window of its own is narrow or empty there.
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

/// A relative window begins with a page, whatever the local clock says, and ends where the service's clock has it.
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
            // Of another moment.
            _ => book.answer(request).dated(now_s + 3600),
        }
    })
    .await;
    let since_ever = Times { since: None, until: Border::NOW };
    let begun = Walk::over(since_ever).build().unwrap().begin(&client(&upstream), now).await.unwrap();
    assert_eq!(begun.window(), TimeWindow::new(None, Some(now)).unwrap());

    // A window that is empty by the service's clock is refused, though the service does not come to a page.
    let upstream = Upstream::start(move |_| Reply::error(503, "later").dated(now_s)).await;
    let future = Times { since: Some(Border::At(second(21 * DAY))), until: Border::NOW };
    let begun = Walk::over(future).build().unwrap().begin(&client(&upstream), now).await;
    assert_eq!(begun.err().unwrap().kind(), billing_http::ErrorKind::EmptyWindow);
    assert!(upstream.requests().len() < 10);
}

/// New cursors for ever, all at one timestamp.
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
    assert_eq!(error.kind(), billing_http::ErrorKind::TooManyPages);
    assert!(error.to_string().contains("more than 1000000 entries of the one instant"), "{error}");
    assert!(upstream.requests().len() < 1100);
}
