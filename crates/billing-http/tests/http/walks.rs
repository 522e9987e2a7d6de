//! A walk has exactly the window: every entry once, ascending, whatever the page size and whatever happens meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use billing_http::{Endpoint, Error, ErrorKind, Walk};
use billing_model::{Currency, TimeWindow, Timestamp, UsageEntry, WholeSet};
use billing_testkit::{Book, Reply, Request, Upstream, entry_at};
use futures::TryStreamExt;
use proptest::prelude::*;

use crate::support::{client, observed, second, window};

const WHOLE: (i64, i64) = (0, 1000);

/// `count` entries over the window, three at each second, some of them equal.
fn entries(count: usize) -> Vec<UsageEntry> {
    (0..count).map(|n| entry_at(second((n / 3) as i64), if n % 2 == 0 { "-0.1" } else { "-8e-7" })).collect()
}

async fn collect(upstream: &Upstream, endpoint: Endpoint, size: u32) -> Result<Vec<UsageEntry>, Error> {
    let walk = Walk::over(window(WHOLE.0, WHOLE.1)).endpoint(endpoint).page_size(size).build().unwrap();
    walk.entries(&client(upstream)).try_collect().await
}

/// The window ends within a millisecond, and everything up to there has come. The endpoint ends while the walk counts
/// the rest.
#[tokio::test]
async fn a_walk_with_nothing_left_ends_when_its_endpoint_does() {
    let at = |ns| Timestamp::from_unix_ns(second(5).unix_ns().unwrap() + ns);
    let mut book = Book::new(
        [14, 11]
            .into_iter()
            .zip([at(0), at(700)])
            .flat_map(|(count, at)| vec![entry_at(at, "-1"); count])
            .collect(),
    );
    let mut requests = 0;
    let upstream = Upstream::start(move |request| {
        requests += 1;
        let has_ended = request.path.ends_with("/usage") && requests > 1;
        let link = "</api/v1/billing/usage-history>; rel=\"successor-version\"";
        if has_ended { Reply::error(410, "removed").header("link", link) } else { book.answer(request) }
    })
    .await;
    let window = TimeWindow::new(None, Some(at(500))).unwrap();
    let walk = Walk::over(window).endpoint(Endpoint::Usage).resume(at(500), 14).build().unwrap();
    let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
    assert!(found.is_empty() && upstream.requests().len() > 2);
}

#[tokio::test]
async fn any_page_size_gives_the_window() {
    let mut all = entries(700);
    // One entry is before the window, and one at its end. `usage` sends the second one, because its end is inclusive.
    all.push(entry_at(second(-1), "-5"));
    all.push(entry_at(second(WHOLE.1), "-5"));
    let book = Book::new(all);
    let expected = book.entries(window(WHOLE.0, WHOLE.1), None);
    assert_eq!(expected.len(), 700);
    for (endpoint, sizes) in [
        (Endpoint::Usage, &[1u32, 7, 200, 500][..]),
        (Endpoint::UsageHistory, &[10, 333, 1000]),
        (Endpoint::Auto, &[10]),
    ] {
        for &size in sizes {
            let mut book = book.clone();
            let upstream = Upstream::start(move |request| book.answer(request)).await;
            assert_eq!(collect(&upstream, endpoint, size).await.unwrap(), expected, "{endpoint} {size}");
        }
    }
}

#[tokio::test]
async fn a_currency_is_walked_alone() {
    let mut all = entries(20);
    all[7].currency = Currency::Vcu;
    let mut book = Book::new(all.clone());
    let upstream = Upstream::start(move |request| book.answer(request)).await;
    let walk = Walk::over(TimeWindow::ALL).currency(Currency::Vcu).build().unwrap();
    let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
    assert_eq!(found, all[7..8]);
    assert!(upstream.requests()[0].path.ends_with("/usage"), "the newer endpoint refuses VCU");
}

#[tokio::test]
async fn a_service_without_the_newer_endpoint_is_walked_by_number() {
    let mut book = Book::new(entries(30));
    let upstream = Upstream::start(move |request| {
        if request.path.ends_with("usage-history") {
            Reply::error(404, "Not found")
        } else {
            book.answer(request)
        }
    })
    .await;
    let (client, events) = observed(&upstream);
    let walk = Walk::over(window(0, 1000)).page_size(1000).build().unwrap();
    let found: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
    assert_eq!(found, entries(30));
    assert_eq!(*events.lock().unwrap(), ["usage-history to usage, gone: false"]);

    let walk = Walk::over(window(0, 1000)).endpoint(Endpoint::UsageHistory).build().unwrap();
    let error = walk.entries(&client).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "what was asked for by name is not replaced");
}

#[tokio::test]
async fn a_service_with_neither_endpoint_is_an_error() {
    let upstream = Upstream::start(|_| Reply::error(404, "Not found")).await;
    let error = collect(&upstream, Endpoint::Auto, 100).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(upstream.requests().len(), 2);
}

fn gone(link: &str) -> Reply {
    let reply = Reply::error(410, "This endpoint was removed; use /billing/usage-history");
    if link.is_empty() { reply } else { reply.header("link", format!("<{link}>; rel=\"successor-version\"")) }
}

#[tokio::test]
async fn an_endpoint_that_ends_at_any_page_is_followed_to_its_successor() {
    for page in 1..=5 {
        let mut book = Book::new(entries(30));
        let upstream = Upstream::start(move |request| {
            let gone_now = request.path.ends_with("/usage")
                && !(1..page).any(|n| request.query.contains(&format!("page={n}&")));
            if gone_now { gone("/api/v1/billing/usage-history") } else { book.answer(request) }
        })
        .await;
        let (client, events) = observed(&upstream);
        // The window has no end, so it is walked as one part.
        let walk = Walk::over(TimeWindow::ALL).endpoint(Endpoint::Usage).page_size(7).build().unwrap();
        let found: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
        assert_eq!(found, entries(30), "gone at page {page}");
        assert_eq!(events.lock().unwrap()[0], "usage to usage-history, gone: true");
    }
}

#[tokio::test]
async fn an_end_without_a_usable_successor_is_an_error() {
    for link in ["", "https://evil.example/api/v1/billing/usage-history", "/api/v1/billing/other"] {
        let upstream = Upstream::start(move |_| gone(link)).await;
        let error = collect(&upstream, Endpoint::Usage, 7).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Gone, "{link}");
        assert!(error.to_string().contains("use /billing/usage-history"), "{error}");
    }
    let upstream = Upstream::start(|request| {
        if request.path.ends_with("/usage") {
            gone("/api/v1/billing/usage-history")
        } else {
            Reply::error(404, "x")
        }
    })
    .await;
    assert!(collect(&upstream, Endpoint::Auto, 10).await.is_err());
    assert!(upstream.requests().len() <= 3, "no circles");
}

#[tokio::test]
async fn the_services_warning_is_said_once() {
    let mut book = Book::new(entries(30));
    let upstream = Upstream::start(move |request| {
        let reply = book.answer(request);
        let body = String::from_utf8(reply.body().to_vec()).unwrap();
        reply.with_body(format!("{},\"warningMessage\":\"soon gone\"}}", body.strip_suffix('}').unwrap()))
    })
    .await;
    let (client, events) = observed(&upstream);
    let walk = Walk::over(window(0, 1000)).endpoint(Endpoint::Usage).page_size(7).build().unwrap();
    walk.entries(&client).try_collect::<Vec<_>>().await.unwrap();
    assert_eq!(*events.lock().unwrap(), ["warning: soon gone"]);
}

#[tokio::test]
async fn paging_that_breaks_the_contract_is_an_error_not_a_gap() {
    let page = |rows: &str, rest: &str| Reply::json(200, format!(r#"{{"data":[{rows}],{rest}}}"#));
    let row = |s: i64| serde_row(&entry_at(second(s), "-1"));
    for (name, endpoint, reply) in [
        ("the same cursor again", Endpoint::UsageHistory, page("", r#""nextCursor":"a""#)),
        (
            "out of order",
            Endpoint::UsageHistory,
            page(&format!("{},{}", row(5), row(4)), r#""nextCursor":null"#),
        ),
        ("outside the window", Endpoint::UsageHistory, page(&row(2000), r#""nextCursor":null"#)),
        (
            "another page",
            Endpoint::Usage,
            page("", r#""pagination":{"limit":100,"page":2,"total":0,"totalPages":0}"#),
        ),
        (
            "fewer entries than it says",
            Endpoint::Usage,
            page(&row(1), r#""pagination":{"limit":100,"page":1,"total":2,"totalPages":1}"#),
        ),
    ] {
        let upstream = Upstream::start(move |_| reply.clone()).await;
        let error = collect(&upstream, endpoint, 100).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inconsistent, "{name}: {error}");
    }
}

#[tokio::test]
async fn pages_that_change_their_size_are_an_error_not_a_gap() {
    for (first, then) in [(200u32, 500u32), (500, 200)] {
        let mut book = Book::new(entries(1000));
        let upstream = Upstream::start(move |request| {
            let limit = if request.query.contains("page=1&") { first } else { then };
            let query = request.query.replace("limit=500", &format!("limit={limit}"));
            book.answer(&Request { query, ..request.clone() })
        })
        .await;
        let error = collect(&upstream, Endpoint::Usage, 500).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inconsistent, "{first} then {then}: {error}");
    }
    // A service that gives smaller pages than asked for is walked in that size.
    let mut book = Book::new(entries(1000));
    let upstream = Upstream::start(move |request| {
        book.answer(&Request { query: request.query.replace("limit=500", "limit=77"), ..request.clone() })
    })
    .await;
    assert_eq!(collect(&upstream, Endpoint::Usage, 500).await.unwrap(), entries(1000));
}

#[tokio::test]
async fn more_entries_than_were_asked_for_are_an_error() {
    let mut book = Book::new(entries(100));
    let upstream = Upstream::start(move |request| {
        book.answer(&Request {
            query: request.query.replace("pageSize=10", "pageSize=50"),
            ..request.clone()
        })
    })
    .await;
    assert_eq!(
        collect(&upstream, Endpoint::UsageHistory, 10).await.unwrap_err().kind(),
        ErrorKind::Inconsistent
    );
}

#[tokio::test]
async fn cursors_that_go_in_circles_are_an_error() {
    for length in [2, 3, 10] {
        let mut count = 0;
        let upstream = Upstream::start(move |_| {
            count += 1;
            Reply::json(200, format!(r#"{{"data":[],"nextCursor":"c{}"}}"#, count % length))
        })
        .await;
        let error = collect(&upstream, Endpoint::UsageHistory, 10).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inconsistent, "{error}");
        assert!(upstream.requests().len() <= 3 * length + 1);
    }
}

/// Services cut borders to the millisecond. Timestamps of entries may be finer.
#[tokio::test]
async fn a_service_that_reads_milliseconds_gives_finer_windows_whole() {
    let at = |us: i64| Timestamp::from_unix_ns(1_750_000_000_000_000_000 + us * 1000);
    let all: Vec<_> = (0..40).map(|n| entry_at(at(n * 100), "-1")).collect();
    let window = TimeWindow::new(Some(at(250)), Some(at(2_950))).unwrap();
    let expected: Vec<_> = all.iter().filter(|entry| window.contains(entry.timestamp)).cloned().collect();
    assert_eq!(expected.len(), 27);
    for endpoint in [Endpoint::Usage, Endpoint::UsageHistory] {
        let mut book = Book::new(all.clone());
        let upstream = Upstream::start(move |request| {
            let mut query = String::new();
            for (name, value) in request.query.split('&').filter_map(|pair| pair.split_once('=')) {
                let at = value.replace("%3A", ":").parse::<Timestamp>().ok();
                let value = at.map_or_else(|| value.to_owned(), |at| at.floor_ms().to_string());
                query.push_str(&format!("{name}={value}&"));
            }
            book.answer(&Request { query: query.trim_end_matches('&').to_owned(), ..request.clone() })
        })
        .await;
        for size in [10, 40] {
            let walk = Walk::over(window).endpoint(endpoint).page_size(size).build().unwrap();
            let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
            assert_eq!(found, expected, "{endpoint} {size}");
        }
    }
}

fn serde_row(entry: &UsageEntry) -> String {
    let mut out = Vec::new();
    entry.write_json(&mut out);
    String::from_utf8(out).unwrap()
}

#[tokio::test]
async fn a_walk_without_end_is_ended() {
    let mut count = 0;
    let upstream = Upstream::start(move |_| {
        count += 1;
        Reply::json(200, format!(r#"{{"data":[],"nextCursor":"c{count}"}}"#))
    })
    .await;
    let walk = Walk::over(TimeWindow::ALL).max_pages(50).build().unwrap();
    let error = walk.entries(&client(&upstream)).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooManyPages);
    assert_eq!(upstream.requests().len(), 50);
}

/// Something that happens before the request with this number is answered.
#[derive(Clone, Debug)]
enum Happening {
    /// Entries arrive, at these seconds.
    Arrive(Vec<i64>),
    /// The service forgets its cursors.
    ForgetCursors,
    /// The endpoint by number ends.
    End,
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => prop::collection::vec(-2i64..12, 1..4).prop_map(Happening::Arrive),
        2 => Just(Happening::ForgetCursors),
        1 => Just(Happening::End),
    ]
}

/// Answers from a book, to which the events happen at their requests.
fn script(
    book: Arc<Mutex<Book>>,
    mut happenings: Vec<(usize, Happening)>,
    said_gone: Arc<AtomicBool>,
) -> impl FnMut(&Request) -> Reply + Send {
    let mut count = 0;
    let mut ended = false;
    move |request| {
        count += 1;
        let mut book = book.lock().unwrap();
        let mut forgotten = false;
        for (_, happening) in happenings.extract_if(.., |(at, _)| *at <= count) {
            match happening {
                Happening::Arrive(at) => book.record(at.iter().map(|s| entry_at(second(*s), "-7")).collect()),
                Happening::ForgetCursors => forgotten = true,
                Happening::End => ended = true,
            }
        }
        match () {
            () if ended && request.path.ends_with("/usage") => {
                said_gone.store(true, Ordering::Relaxed);
                gone("/api/v1/billing/usage-history")
            }
            () if forgotten && request.query.contains("cursor=") => {
                Reply::error(400, "Invalid or expired cursor; restart from the first page")
            }
            () => book.answer(request),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// The model test: random ledgers with equal entries, random page sizes, and entries that arrive (late ones too),
    /// cursors that are forgotten and an endpoint that ends, at random pages.
    #[test]
    fn a_walk_hands_out_every_entry_once_or_fails(
        seconds in prop::collection::vec((-1i64..11, 0u8..2), 0..60),
        by_number in any::<bool>(),
        size in 1u32..12,
        happenings in prop::collection::vec((1usize..12, any_happening()), 0..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let start = seconds.iter().map(|(s, kind)| entry_at(second(*s), if *kind == 0 { "-0.1" } else { "-0.2" })).collect();
        let book = Arc::new(Mutex::new(Book::new(start)));
        let window = window(0, 10);
        let before = book.lock().unwrap().entries(window, None);
        let (endpoint, size) = if by_number { (Endpoint::Usage, size) } else { (Endpoint::UsageHistory, size.max(10)) };
        let said_gone = Arc::new(AtomicBool::new(false));
        let (walked, stayed) = runtime.block_on(async {
            let script = script(Arc::clone(&book), happenings.clone(), Arc::clone(&said_gone));
            let upstream = Upstream::start(script).await;
            let walk = Walk::over(window).endpoint(endpoint).page_size(size).build().unwrap();
            let walked: Result<Vec<_>, Error> = walk.entries(&client(&upstream)).try_collect().await;
            (walked, by_number && !said_gone.load(Ordering::Relaxed))
        });
        let after = book.lock().unwrap().entries(window, None);
        let walked = match walked {
            Ok(walked) => walked,
            Err(error) => {
                prop_assert_eq!(error.kind(), ErrorKind::Moved, "{}", error);
                prop_assert!(before != after, "nothing arrived, so nothing can have moved: {error}");
                return Ok(());
            }
        };
        prop_assert!(walked.is_sorted_by_key(|entry| entry.timestamp));
        if stayed {
            // The service counts its entries, so the walk has exactly the window as it is at the end.
            prop_assert_eq!(walked.iter().collect::<WholeSet>(), after.iter().collect::<WholeSet>());
        } else {
            // No entry that was there before is missing or doubled. Entries that arrived behind a cursor cannot be seen.
            let arrivals = |entries: &[UsageEntry]| entries.iter().filter(|entry| entry.amount == (-7).into()).count();
            let old: WholeSet = walked.iter().filter(|entry| entry.amount != (-7).into()).collect();
            prop_assert_eq!(old, before.iter().collect::<WholeSet>());
            prop_assert!(arrivals(&walked) <= arrivals(&after));
        }
    }
}
