//! Services that answer wrongly: the walk has all of the window, or it is an error.

use billing_http::{Endpoint, Error, ErrorKind, Walk, Wire};
use billing_model::{Currency, Page, Paging, Timestamp, UsageEntry, WholeSet};
use billing_testkit::{Book, Reply, Request, Upstream, entry_at};
use futures::TryStreamExt;

use crate::support::{client, client_of, first_page, second, window};

/// An entry every 2.31 s, so few of them are at a whole second.
fn uneven(count: i64) -> Vec<UsageEntry> {
    let at = |n: i64| Timestamp::from_unix_ns(1_750_000_000_500_000_000 + n * 2_310_000_000);
    (0..count).map(|n| entry_at(at(n), "-1")).collect()
}

async fn collect(
    upstream: &Upstream,
    endpoint: Endpoint,
    currency: Option<Currency>,
) -> Result<Vec<UsageEntry>, Error> {
    let walk = Walk::over(window(0, 10_000)).endpoint(endpoint).page_size(100).currency(currency);
    walk.build().unwrap().entries(&client(upstream)).try_collect().await
}

/// The request with other times.
fn with_times(request: &Request, change: impl Fn(Timestamp) -> Timestamp) -> Request {
    let mut query = Vec::new();
    for (name, value) in request.query.split('&').filter_map(|pair| pair.split_once('=')) {
        let at = value.replace("%3A", ":").parse::<Timestamp>();
        query.push(format!("{name}={}", at.map_or(value.to_owned(), |at| change(at).to_string())));
    }
    Request { query: query.join("&"), ..request.clone() }
}

#[tokio::test]
async fn a_service_that_reads_seconds_lost_entries_between_the_parts() {
    let all = uneven(1500);
    for endpoint in [Endpoint::Usage, Endpoint::UsageHistory] {
        let mut book = Book::new(all.clone());
        let upstream =
            Upstream::start(move |request| book.answer(&with_times(request, Timestamp::floor_s))).await;
        let found = collect(&upstream, endpoint, None).await.unwrap();
        let whole_set = |entries: &[UsageEntry]| entries.iter().collect::<WholeSet>();
        assert_eq!(whole_set(&found), whole_set(&all), "{endpoint}: {} of {}", found.len(), all.len());
    }
}

#[tokio::test]
async fn a_service_that_ignores_the_start_was_read_again_and_again() {
    let ignoring = || {
        let mut book = Book::new(uneven(1500));
        Upstream::start(move |request| {
            book.answer(&with_times(request, |at| if at < second(9000) { second(0) } else { at }))
        })
    };
    // The walk gives up a start that it chose itself, and walks the ledger from its first page.
    let upstream = ignoring().await;
    assert_eq!(collect(&upstream, Endpoint::Usage, None).await.unwrap(), uneven(1500));
    assert!(upstream.requests().len() < 30, "{}", upstream.requests().len());
    // It does not give up a start that the caller asked for.
    let upstream = ignoring().await;
    let walk = Walk::over(window(5000, 10_000)).endpoint(Endpoint::Usage).build().unwrap();
    let error = walk.entries(&client(&upstream)).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Inconsistent, "{error}");
}

#[tokio::test]
async fn a_service_that_ignores_the_currency_gave_others() {
    for endpoint in [Endpoint::Usage, Endpoint::UsageHistory] {
        let mut book = Book::new(uneven(10));
        let upstream = Upstream::start(move |request| {
            let query = request.query.replace("currency=DIEM&", "");
            book.answer(&Request { query, ..request.clone() })
        })
        .await;
        let error = collect(&upstream, endpoint, Some(Currency::Diem)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Inconsistent, "{endpoint}: {error}");
    }
}

#[tokio::test]
async fn a_cursor_that_is_lost_on_the_way_was_the_end() {
    let all = uneven(730);
    let mut book = Book::new(all.clone());
    let upstream = Upstream::start(move |request| {
        let reply = book.answer(request);
        let body = String::from_utf8(reply.body().to_vec()).unwrap();
        let end = body.rfind("\"nextCursor\"").unwrap();
        reply.with_body(format!("{}\"nextCursor\":null}}", &body[..end]))
    })
    .await;
    assert_eq!(collect(&upstream, Endpoint::UsageHistory, None).await.unwrap(), all);
}

/// The reply without its cursor.
fn without_cursor(reply: Reply) -> Reply {
    let mut page = Page::from_history_json(std::str::from_utf8(reply.body()).unwrap()).unwrap();
    page.paging = Paging::ByCursor(None);
    let mut body = Vec::new();
    page.write_json(&mut body);
    Reply::json(200, body)
}

/// Named after what broke: a full page loses its cursor, and the request that asks what follows loses it too, or fails.
/// When that request's window has more than a page of earlier entries, its answer says nothing about what follows.
#[tokio::test]
async fn an_answer_from_before_what_came_was_the_end() {
    let all: Vec<_> = (0..6000).map(|n| entry_at(second(n / 6), &format!("-{n}e-5"))).collect();
    for (lost, failed, status, concurrency) in [
        (4..=5, 0..=0, 500, 1),
        (4..=4, 5..=5, 500, 1),
        (4..=4, 5..=7, 500, 1),
        (4..=4, 5..=9, 503, 1),
        (4..=5, 6..=12, 500, 1),
        (12..=13, 0..=0, 500, 1),
        (4..=5, 0..=0, 500, 4),
        (4..=6, 8..=9, 500, 4),
    ] {
        let (mut book, mut requests) = (Book::new(all.clone()), 0);
        let case = format!("{lost:?} {failed:?} {status} {concurrency}");
        let upstream = Upstream::start(move |request| {
            requests += 1;
            match requests {
                n if failed.contains(&n) => Reply::error(status, "out of order"),
                n if lost.contains(&n) => without_cursor(book.answer(request)),
                _ => book.answer(request),
            }
        })
        .await;
        let walk = Walk::over(window(0, 1000)).endpoint(Endpoint::UsageHistory).page_size(500);
        let walk = walk.concurrency(concurrency).build().unwrap();
        let found = walk.entries(&client(&upstream)).try_collect::<Vec<_>>().await;
        let found = found.map(|found| found.len()).map_err(|error| error.to_string());
        assert_eq!(found, Ok(all.len()), "{case}");
    }
}

/// Named after what broke: a full page loses its cursor, and the answer that was to make sure is an empty page with a cursor. What it
/// leads to failed, and the walk ended there.
#[tokio::test]
async fn a_cursor_that_fails_while_an_end_is_made_sure_of_was_the_end() {
    let all = uneven(200);
    // The page that loses its cursor, and how often what follows the empty page fails.
    for (lost, failures, status, expected) in [
        (3, 1, 500, Ok(200)),
        (3, 1, 400, Ok(200)),
        (3, 7, 500, Ok(200)),
        (3, usize::MAX, 401, Err(ErrorKind::Unauthorized)),
        (3, usize::MAX, 500, Err(ErrorKind::Unavailable)),
        // Where the ledger ends, the cursor leads to the end.
        (10, 0, 0, Ok(200)),
        (10, 1, 400, Ok(200)),
        (10, usize::MAX, 403, Err(ErrorKind::Unauthorized)),
    ] {
        let (mut book, mut requests) = (Book::new(all.clone()), 0);
        let upstream = Upstream::start(move |request| {
            requests += 1;
            match requests {
                n if n == lost => without_cursor(book.answer(request)),
                n if n == lost + 1 => Reply::json(200, r#"{"data":[],"nextCursor":"more"}"#),
                n if n > lost && n - lost - 2 < failures => Reply::error(status, "not now"),
                _ if request.query.contains("cursor=more") && lost == 10 => {
                    Reply::json(200, r#"{"data":[],"nextCursor":null}"#)
                }
                _ if request.query.contains("cursor=more") => Reply::error(400, "unknown cursor"),
                _ => book.answer(request),
            }
        })
        .await;
        let walk = Walk::over(window(0, 1000)).endpoint(Endpoint::UsageHistory).page_size(20).concurrency(1);
        let found = walk.build().unwrap().entries(&client(&upstream)).try_collect::<Vec<_>>().await;
        let found = found.map(|found| found.len()).map_err(|error| error.kind());
        assert_eq!(found, expected, "{lost} {failures} {status}");
    }
}

/// A page that is one instant to its end, exactly as long as what is asked for to make sure: in that size nothing new comes.
#[tokio::test]
async fn a_page_of_one_instant_was_the_end() {
    // The numbers of entries at each second, and the requests whose cursors are lost.
    let cases: [(&[usize], u32, std::ops::RangeInclusive<u32>); 5] = [
        (&[3, 997, 1000, 1000], 1000, 1..=2),
        (&[3, 997, 1000, 999], 1000, 1..=999),
        (&[500, 1500, 2000], 500, 2..=3),
        (&[500, 2000], 500, 6..=6),
        (&[10, 10, 10], 10, 1..=1),
    ];
    for (instants, page_size, lost) in cases {
        let at = |(n, count): (usize, &usize)| {
            std::iter::repeat_n(entry_at(second(i64::try_from(n).unwrap()), "-1"), *count)
        };
        let all: Vec<_> = instants.iter().enumerate().flat_map(at).collect();
        for concurrency in [1, 8] {
            let (mut book, mut requests, these) = (Book::new(all.clone()), 0, lost.clone());
            let upstream = Upstream::start(move |request| {
                requests += 1;
                let reply = book.answer(request);
                if these.contains(&requests) { without_cursor(reply) } else { reply }
            })
            .await;
            let walk = Walk::over(window(0, 1000)).endpoint(Endpoint::UsageHistory).page_size(page_size);
            let walk = walk.concurrency(concurrency).build().unwrap();
            let found = walk.entries(&client(&upstream)).try_collect::<Vec<_>>().await;
            // One instant with more entries than the largest page, without a cursor, is an error.
            let found = found.map(|found| found.len()).map_err(|error| error.kind());
            let is_whole = found == Ok(all.len());
            assert!(
                is_whole || (lost == (1..=999) && found == Err(ErrorKind::Inconsistent)),
                "{instants:?}, {concurrency} at once: {found:?}"
            );
        }
    }
}

/// A service without any cursor, which has more entries at the end than one page.
#[tokio::test]
async fn a_service_without_cursors_is_walked_to_a_dense_end() {
    let all: Vec<_> = (0..6000).map(|n| entry_at(second(n / 6), &format!("-{n}e-5"))).collect();
    for (page_size, concurrency) in [(500, 1), (500, 4), (1000, 1), (1000, 4)] {
        let mut book = Book::new(all.clone());
        let upstream = Upstream::start(move |request| without_cursor(book.answer(request))).await;
        let walk = Walk::over(window(0, 1000)).endpoint(Endpoint::UsageHistory).page_size(page_size);
        let walk = walk.concurrency(concurrency).build().unwrap();
        let found = walk.entries(&client(&upstream)).try_collect::<Vec<_>>().await;
        let found = found.map(|found| found.len()).map_err(|error| error.to_string());
        assert_eq!(found, Ok(all.len()), "{page_size}, {concurrency} at once");
    }
}

/// The answer of a copy that lacks everything from an instant on.
fn as_of(instant: Timestamp, reply: Reply) -> Reply {
    let mut page = Page::from_history_json(std::str::from_utf8(reply.body()).unwrap()).unwrap();
    let count = page.entries.len();
    page.entries.retain(|entry| entry.timestamp < instant);
    if page.entries.len() < count {
        page.paging = Paging::ByCursor(None);
    }
    let mut body = Vec::new();
    page.write_json(&mut body);
    Reply::json(200, body)
}

/// What a walk finds when some pages without a cursor come from a copy that lags behind.
async fn found_beside_a_copy(
    all: &[UsageEntry],
    instant: Timestamp,
    concurrency: u32,
    mut is_old: impl FnMut(u32) -> bool + Send + 'static,
) -> Vec<UsageEntry> {
    let mut book = Book::new(all.to_vec());
    let mut firsts = 0;
    let upstream = Upstream::start(move |request| {
        // The request of another page size asks what follows a full page. A plain walk sends it too.
        let is_first = request.query.contains("pageSize=50&");
        firsts += u32::from(is_first);
        let reply = book.answer(request);
        if is_first && is_old(firsts) { as_of(instant, reply) } else { reply }
    })
    .await;
    let walk = Walk::over(window(0, 10_000)).endpoint(Endpoint::UsageHistory).page_size(50);
    let walk = walk.concurrency(concurrency).build().unwrap();
    walk.entries(&client(&upstream)).try_collect().await.unwrap()
}

/// Named after what broke: a plain walk asks for one page without a cursor, and a walk by several windows for more. One
/// older answer, which said that nothing followed, ended the whole export without an error.
#[tokio::test]
async fn an_end_that_a_window_of_its_own_was_told_ended_the_walk() {
    let all = uneven(3010);
    for (nth, concurrency) in [
        (2, 1),
        (2, 2),
        (3, 2),
        (5, 2),
        (2, 4),
        (3, 4),
        (5, 4),
        (7, 4),
        (9, 4),
        (2, 8),
        (4, 8),
        (2, 16),
        (3, 16),
        (9, 16),
        (12, 16),
        (14, 16),
    ] {
        for as_of_s in [0, 1000, 2000, 4000, 6000, 6500, 6900] {
            let is_old = move |first| first == nth;
            let found = found_beside_a_copy(&all, second(as_of_s), concurrency, is_old).await;
            assert_eq!(found.len(), all.len(), "request {nth}, {concurrency} at once, as of {as_of_s}");
            assert_eq!(found, all);
        }
    }
}

/// Pages without a cursor come from a copy that lags behind: every second one, or all but the first, which a plain walk
/// asks for.
#[tokio::test]
async fn a_copy_that_lags_ended_the_walk() {
    let all = uneven(3010);
    for concurrency in [1, 2, 3, 4, 8, 16] {
        for as_of_s in (500..6950).step_by(430) {
            for is_old in [|first| first % 2 == 0, |first| first > 1] {
                let found = found_beside_a_copy(&all, second(as_of_s), concurrency, is_old).await;
                assert_eq!(found.len(), all.len(), "{concurrency} at once, as of {as_of_s}");
                assert_eq!(found, all);
            }
        }
    }
}

/// Days with different numbers of entries, so the first page of a part may have all of the part and some of the next one.
#[tokio::test]
async fn a_copy_that_lags_ended_a_part_that_is_one_page() {
    for seed in 0..100 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut all = Vec::new();
        let mut at_ms = 1_750_000_000_000;
        for _ in 0..rng.usize(2..8) {
            let step_ms = [300, 1000, 30_000, 100_000][rng.usize(..4)];
            for _ in 0..(rng.i64(100_000..2_000_000) / step_ms).min(1500) {
                at_ms += rng.i64(1..2 * step_ms);
                all.push(entry_at(Timestamp::from_unix_ns(at_ms * 1_000_000), "-1"));
            }
        }
        all.retain(|entry| entry.timestamp < second(10_000));
        let instant = second(rng.i64(0..10_000));
        let concurrency = [2, 3, 4, 8, 16][rng.usize(..5)];
        let of = rng.u32(1..5);
        let mut chance = rng.fork();
        let is_old = move |first| first > 1 && chance.u32(..4) < of;
        let found = found_beside_a_copy(&all, instant, concurrency, is_old).await;
        assert_eq!(found.len(), all.len(), "case {seed}, {concurrency} at once, as of {instant}");
    }
}

/// Named after what broke: cursors are right but fail for a while, and requests without a cursor are answered by a copy
/// that lags behind. A plain walk tries the cursor again and gets through. A walk that left the cursor was told that
/// nothing followed.
#[tokio::test]
async fn a_cursor_that_failed_for_a_while_was_left_for_a_copy_that_lags() {
    let all = uneven(1510);
    for (status, faults) in
        [500, 502, 503].into_iter().flat_map(|status| [5, 9].map(|faults| (status, faults)))
    {
        for concurrency in [1, 4] {
            let (mut book, mut requests) = (Book::new(all.clone()), 0);
            let upstream = Upstream::start(move |request| {
                requests += 1;
                let is_first = !request.query.contains("cursor=");
                if !is_first && (8..8 + faults).contains(&requests) {
                    return Reply::error(status, "out of order");
                }
                let reply = book.answer(request);
                if is_first && requests > 1 { as_of(second(200), reply) } else { reply }
            })
            .await;
            let walk = Walk::over(window(0, 10_000)).endpoint(Endpoint::UsageHistory).page_size(50);
            let walk = walk.concurrency(concurrency).build().unwrap();
            let found: Vec<_> = walk.entries(&client(&upstream)).try_collect().await.unwrap();
            assert_eq!(found.len(), all.len(), "{faults} × {status}, {concurrency} at once");
        }
    }
}

/// In text/csv the cursor is a header, and a proxy may drop headers that it does not know. Pages need not be full.
#[tokio::test]
async fn a_header_that_is_lost_on_the_way_was_the_end_of_a_page_that_is_not_full() {
    let all = uneven(600);
    for concurrency in [1, 4] {
        let mut book = Book::new(all.clone());
        let upstream = Upstream::start(move |request| {
            let query =
                request.query.replace("pageSize=50", "pageSize=40").replace("pageSize=1000", "pageSize=40");
            let reply = book.answer(&Request { query, ..request.clone() });
            Reply::new(200, "text/csv", reply.body())
        })
        .await;
        let (builder, _) = client_of(upstream.base_url());
        let by_csv =
            builder.wire(Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into))).build().unwrap();
        let walk = Walk::over(window(0, 10_000)).endpoint(Endpoint::UsageHistory).page_size(50);
        let walk = walk.concurrency(concurrency).build().unwrap();
        let found: Vec<_> = walk.entries(&by_csv).try_collect().await.unwrap();
        assert_eq!(found.len(), all.len(), "{concurrency} at once");
    }
}

/// Named after what broke: a correct service, whose last page is full. The entries of the last minutes fill pages of
/// another size too. There was no cursor because nothing follows, and the walk said that it was lost.
#[tokio::test]
async fn a_ledger_that_fills_its_last_page_was_said_to_have_lost_its_cursor() {
    for (entries, page_size) in [(1000, 100), (2000, 500), (1000, 1000), (997, 997), (1994, 997), (3980, 10)]
    {
        let all: Vec<_> = (0..entries).map(|n| entry_at(second(n % 600), &format!("-{n}e-9"))).collect();
        let mut book = Book::new(all.clone());
        let upstream = Upstream::start(move |request| book.answer(request)).await;
        let (builder, _) = client_of(upstream.base_url());
        let by_csv =
            builder.wire(Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into))).build().unwrap();
        let walk = Walk::over(window(0, 600)).endpoint(Endpoint::UsageHistory).page_size(page_size);
        let found: Vec<_> = walk.build().unwrap().entries(&by_csv).try_collect().await.unwrap();
        assert_eq!(found.len(), all.len(), "{entries} in pages of {page_size}");
    }
}

#[tokio::test]
async fn a_service_that_repeats_the_key_had_it_shown() {
    for reply in [
        Reply::error(401, "Invalid key secret-key"),
        // The key is where the message is cut to one line.
        Reply::error(401, &format!("{} [key] secret-key", "x".repeat(285))),
        Reply::error(302, "").header("location", "https://elsewhere.example/?key=secret-key"),
    ] {
        let upstream = Upstream::start(move |_| reply.clone()).await;
        let error = client(&upstream).page(&first_page()).await.unwrap_err();
        let said = format!("{error} {error:?} {}", error.brief());
        assert!(said.contains("[key]") && !said.contains("secret"), "{said}");
    }
}
