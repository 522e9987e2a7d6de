//! The failures of a service that a page or a plain walk can meet. The result is exactly the undisturbed one, or an
//! error that says what came.

use std::collections::HashSet;
use std::time::Duration;

use billing_http::{ClientBuilder, Endpoint, Error, ErrorKind, RetryPolicy, Walk, Wire};
use billing_model::{Page, Paging, UsageEntry};
use billing_testkit::{Book, Reply, Upstream, entry_at};
use futures::TryStreamExt;

use crate::support::{client, client_of, first_page, second, window};

const MS: fn(u64) -> Duration = Duration::from_millis;

const CSV: Wire = Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into));

/// The entries of the disturbed page, some of them equal.
fn entries() -> Vec<UsageEntry> {
    vec![entry_at(second(1), "-0.1"), entry_at(second(1), "-0.1"), entry_at(second(2), "-2e-7")]
}

fn json() -> Reply {
    page(&entries(), None)
}

/// A page of `usage-history`.
fn page(entries: &[UsageEntry], cursor: Option<&str>) -> Reply {
    let paging = Paging::ByCursor(cursor.map(|token| token.parse().unwrap()));
    let mut body = Vec::new();
    Page { entries: entries.to_vec(), paging, warning: None }.write_json(&mut body);
    Reply::json(200, body)
}

fn csv() -> Reply {
    let mut body = Vec::new();
    billing_csv::encode(&entries(), billing_csv::Columns::WithApiKeyId, &mut body);
    Reply::new(200, "text/csv", body)
}

fn html(status: u16) -> Reply {
    Reply::new(status, "text/html", "<html><h1>Something is wrong</h1></html>")
}

/// An upstream that gives each reply once, and then always the last one.
async fn upstream_of(replies: impl IntoIterator<Item = Reply>) -> Upstream {
    let replies: Vec<_> = replies.into_iter().collect();
    let mut next = 0;
    Upstream::start(move |_| {
        next += 1;
        replies[next.min(replies.len()) - 1].clone()
    })
    .await
}

/// A client with more tries than any test here has faults. It asks for compressed pages.
fn patient(upstream: &Upstream) -> ClientBuilder {
    let policy = RetryPolicy { max_tries: 2000, budget: Duration::MAX, ..RetryPolicy::default() };
    client_of(upstream.base_url()).0.compression(true).retry(policy)
}

/// Checks that the page comes as if nothing had happened, after each of these replies.
async fn is_borne(replies: impl IntoIterator<Item = Reply>) {
    let replies: Vec<_> = replies.into_iter().collect();
    let upstream = upstream_of(replies.iter().cloned().chain([json()])).await;
    let found = patient(&upstream).build().unwrap().page(&first_page()).await;
    assert_eq!(found.unwrap().entries, entries(), "{replies:?}");
    assert_eq!(upstream.requests().len(), replies.len() + 1, "{replies:?}");
}

/// The error of a service that always answers like this.
async fn error_of(reply: Reply) -> Error {
    let upstream = upstream_of([reply]).await;
    client(&upstream).page(&first_page()).await.unwrap_err()
}

#[tokio::test]
async fn a_body_cut_at_every_byte_changes_nothing_however_it_travels() {
    for (wire, whole, is_chunked) in [
        (Wire::Json, json().gzip(), false),
        (Wire::Json, json().chunked(), true),
        (Wire::Json, json().gzip().chunked(), true),
        (CSV, csv().chunked(), true),
    ] {
        // The whole body is a page, except when its last chunk is missing.
        let cuts = whole.body().len() + usize::from(is_chunked);
        let faults = (0..cuts).map(|cut| whole.clone().cut_at(cut));
        let upstream = upstream_of(faults.chain([whole.clone()])).await;
        let client = patient(&upstream).wire(wire).build().unwrap();
        assert_eq!(client.page(&first_page()).await.unwrap().entries, entries(), "{whole:?}");
        assert_eq!(upstream.requests().len(), cuts + 1, "{whole:?}");
    }
}

#[tokio::test]
async fn a_connection_reset_at_every_byte_changes_nothing() {
    for (wire, whole) in [(Wire::Json, json()), (CSV, csv())] {
        let cuts = whole.body().len();
        let faults = (0..cuts).map(|cut| whole.clone().cut_at(cut).reset());
        let upstream = upstream_of(faults.chain([whole.clone()])).await;
        let client = patient(&upstream).wire(wire).build().unwrap();
        assert_eq!(client.page(&first_page()).await.unwrap().entries, entries());
        assert_eq!(upstream.requests().len(), cuts + 1);
    }
}

/// Only the compression says where this body ends.
#[tokio::test]
async fn a_compressed_body_without_a_length_is_whole_or_asked_for_again() {
    let whole = json().gzip().undelimited();
    let cuts = (0..whole.body().len()).map(|cut| whole.clone().cut_at(cut));
    let upstream = upstream_of(cuts.chain([whole.clone()])).await;
    let page = patient(&upstream).build().unwrap().page(&first_page()).await.unwrap();
    assert_eq!(page.entries, entries());
}

#[tokio::test]
async fn a_connection_that_ends_before_the_answer_is_borne() {
    is_borne([json().closed(), json().reset(), json().closed(), json().reset()]).await;
    for reply in [json().closed(), json().reset(), json().cut_at(9).reset()] {
        let error = error_of(reply).await;
        assert_eq!((error.status(), error.tries()), (None, 10));
        // A reset may drop bytes that came before it.
        assert!(matches!(error.kind(), ErrorKind::NoAnswer | ErrorKind::Interrupted), "{error}");
    }
}

/// Bytes beyond the length belong neither to the page nor to the next answer. Missing bytes are noticed.
#[tokio::test]
async fn a_length_that_is_not_the_bodys_changes_nothing() {
    for slow in [false, true] {
        let paced = |reply: Reply| if slow { reply.byte_by_byte(Duration::ZERO) } else { reply };
        let size = json().body().len();
        let too_small =
            (1..size).step_by(if slow { 37 } else { 1 }).map(|claim| paced(json().claiming(claim)));
        let too_large = [size + 1, size * 2, 1 << 40].map(|claim| paced(json().claiming(claim)));
        let upstream = upstream_of(too_small.chain(too_large).chain([json()])).await;
        let page = patient(&upstream).build().unwrap().page(&first_page()).await.unwrap();
        assert_eq!(page.entries, entries());
    }
    let size = csv().body().len();
    let too_large = [size + 1, size * 2, 1 << 40].map(|claim| csv().claiming(claim));
    let upstream = upstream_of(too_large.into_iter().chain([csv()])).await;
    let page = patient(&upstream).wire(CSV).build().unwrap().page(&first_page()).await.unwrap();
    assert_eq!((page.entries, upstream.requests().len()), (entries(), 4));
}

/// A text/csv page that is cut at a line looks whole. The service's own count says that it is not.
#[tokio::test]
async fn text_csv_with_too_small_a_length_is_not_the_window() {
    let mut book = Book::new(entries());
    let upstream = Upstream::start(move |request| {
        let reply = book.answer(request);
        let lines: Vec<_> = reply.body().split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).collect();
        let claim = lines[..lines.len() - 1].iter().sum();
        reply.claiming(claim)
    })
    .await;
    let client = patient(&upstream).wire(CSV).build().unwrap();
    let walk = Walk::over(window(0, 10)).endpoint(Endpoint::Usage).build().unwrap();
    let walked = walk.entries(&client).try_collect::<Vec<_>>().await;
    assert_eq!(walked.unwrap_err().kind(), ErrorKind::Inconsistent);
}

#[tokio::test]
async fn a_page_is_the_same_however_it_travels() {
    let check = async |wire: Wire, whole: Reply| {
        let upstream = upstream_of([whole.clone()]).await;
        let client = patient(&upstream).wire(wire).build().unwrap();
        for _ in 0..2 {
            assert_eq!(client.page(&first_page()).await.unwrap().entries, entries(), "{whole:?}");
        }
        assert_eq!(upstream.requests().len(), 2, "{whole:?}");
        upstream.requests()[1].header("accept-encoding").to_owned()
    };
    let slow = |reply: Reply| reply.byte_by_byte(Duration::ZERO);
    for whole in [json(), json().gzip(), json().chunked(), json().gzip().chunked(), json().undelimited()] {
        assert_eq!(check(Wire::Json, whole.clone()).await, "zstd, gzip");
        check(Wire::Json, slow(whole).after(MS(1))).await;
    }
    for whole in [csv(), csv().chunked()] {
        assert_eq!(check(CSV, whole.clone()).await, "identity");
        check(CSV, slow(whole)).await;
    }
    let upstream = upstream_of([json()]).await;
    client(&upstream).page(&first_page()).await.unwrap();
    assert_eq!(upstream.requests()[0].header("accept-encoding"), "", "not from this machine");
}

#[tokio::test]
async fn a_failure_without_the_apis_words_goes_by_its_status() {
    let empty = |status: u16| Reply::json(status, "");
    is_borne(
        [500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530, 429, 408]
            .into_iter()
            .flat_map(|status| [html(status), empty(status)]),
    )
    .await;
    is_borne([empty(200), Reply::json(204, "")]).await;
    is_borne([html(502).cut_at(9), html(500).gzip(), html(503).chunked().cut_at(3), html(504).undelimited()])
        .await;
    for (status, kind, text) in [
        (500, ErrorKind::Unavailable, "500 Internal Server Error (tried 10 times"),
        (502, ErrorKind::Unavailable, "502 Bad Gateway (tried 10 times"),
        (429, ErrorKind::RateLimited, "429 Too Many Requests (tried "),
        (401, ErrorKind::Unauthorized, "401 Unauthorized"),
        (403, ErrorKind::Unauthorized, "403 Forbidden"),
        (404, ErrorKind::NotFound, "404 Not Found"),
    ] {
        for reply in [html(status), empty(status), html(status).cut_at(5), html(status).gzip()] {
            let error = error_of(reply.clone()).await;
            assert_eq!((error.kind(), error.status()), (kind, Some(status)), "{reply:?}");
            assert!(error.to_string().contains(text) && !error.to_string().contains('<'), "{error}");
        }
    }
    for reply in [empty(200), html(200)] {
        let error = error_of(reply).await;
        assert_eq!((error.kind(), error.tries()), (ErrorKind::NotTheApi, 3));
    }
}

#[tokio::test]
async fn the_services_words_are_found_in_any_shape() {
    let long = format!(r#"{{"error":"{}"}}"#, "x".repeat(100_000));
    for (body, said) in [
        (r#"{"error":"as text"}"#, "as text"),
        (r#"{"error":{"message":"as object","type":"t","param":null,"code":"c"}}"#, "as object"),
        (r#"{"error":{"code":"no message"}}"#, "Unauthorized"),
        (r#"{"error":null}"#, "Unauthorized"),
        (r#"{"error":17}"#, "Unauthorized"),
        (r#"{"message":"elsewhere"}"#, "Unauthorized"),
        (r#"{"error":"cut"#, "Unauthorized"),
        (r#"{"error":"two\nlines"}"#, "two lines"),
        ("[]", "Unauthorized"),
        ("Unavailable for legal reasons", "Unauthorized"),
        (&long, "Unauthorized"),
    ] {
        let error = error_of(Reply::json(401, body)).await;
        assert_eq!((error.kind(), error.tries()), (ErrorKind::Unauthorized, 1), "{body}");
        assert!(error.to_string().ends_with(&format!(": 401 {said}")), "{error}");
    }
}

#[tokio::test]
async fn no_redirect_takes_the_key_along() {
    let elsewhere = upstream_of([json()]).await;
    let other = format!("{}/billing/usage-history", elsewhere.base_url());
    let without_scheme = other.strip_prefix("http:").unwrap().to_owned();
    for status in [301, 302, 303, 307, 308] {
        for target in [&other, &without_scheme, "/api/v1/billing/usage-history", ""] {
            let redirect = Reply::new(status, "text/plain", "").header("location", target);
            let upstream = upstream_of([redirect.clone()]).await;
            let error = client(&upstream).page(&first_page()).await.unwrap_err();
            assert_eq!((error.kind(), error.tries()), (ErrorKind::Redirected, 1), "{status} {target}");
            assert_eq!(upstream.requests().len(), 1, "{status} {target}");

            let first = Reply::json(200, r#"{"data":[],"nextCursor":"abc"}"#);
            let upstream = upstream_of([first, redirect]).await;
            let walk = Walk::over(window(0, 10)).endpoint(Endpoint::UsageHistory).build().unwrap();
            let error = walk.entries(&client(&upstream)).try_collect::<Vec<_>>().await.unwrap_err();
            assert_eq!((error.kind(), error.page()), (ErrorKind::Redirected, Some(2)), "{status} {target}");
        }
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn an_answer_that_stalls_anywhere_is_asked_for_again() {
    let size = json().body().len();
    let stalled = || {
        vec![
            json().stalled(),
            json().cut_at(0).stalled(),
            json().cut_at(size - 1).stalled(),
            json().gzip().cut_at(60).stalled(),
            json().chunked().cut_at(size).stalled(),
            json().claiming(size + 1).stalled(),
            html(502).cut_at(9).stalled(),
            json().after(Duration::from_secs(3600)),
            // Bytes come all the time, but never all of them: the limit is for the whole page, not for a silence.
            json().byte_by_byte(MS(5)),
        ]
    };
    let try_timeout = MS(100);
    let upstream = upstream_of(stalled().into_iter().chain([json()])).await;
    let page = patient(&upstream).try_timeout(try_timeout).build().unwrap().page(&first_page()).await;
    assert_eq!(page.unwrap().entries, entries());
    assert!(upstream.requests().len() > stalled().len());

    let upstream = upstream_of([json().cut_at(9).stalled()]).await;
    let policy = RetryPolicy { max_tries: 2, outage: Duration::ZERO, ..RetryPolicy::default() };
    let client = patient(&upstream).retry(policy.clone()).try_timeout(try_timeout).build().unwrap();
    let error = client.page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::Interrupted, 2));
    assert!(error.to_string().contains("timed out"), "{error}");

    // The status says enough, even when the message never ends.
    let upstream = upstream_of([Reply::error(401, "x").cut_at(3).stalled()]).await;
    let client = patient(&upstream).retry(policy).try_timeout(try_timeout).build().unwrap();
    let error = client.page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::Unauthorized, 1));
}

#[tokio::test]
async fn only_a_null_or_missing_cursor_ends_a_walk() {
    let all = entries();
    let walked = async |pages: Vec<Reply>| {
        let upstream = upstream_of(pages).await;
        let walk = Walk::over(window(0, 10)).endpoint(Endpoint::UsageHistory).build().unwrap();
        let walked = walk.entries(&client(&upstream)).try_collect::<Vec<_>>().await;
        (walked, upstream.requests().len())
    };
    let mut pages = vec![
        page(&[], Some("a")),
        page(&all[..1], Some("b")),
        page(&[], Some("c")),
        page(&[], Some("d")),
        page(&all[1..], Some("e")),
        page(&[], None),
    ];
    for last in [page(&[], None), Reply::json(200, r#"{"data":[]}"#)] {
        *pages.last_mut().unwrap() = last;
        let (found, requests) = walked(pages.clone()).await;
        assert_eq!((found.unwrap(), requests), (all.clone(), 6));
    }
    // The same two entries again and again. They are in order, and within the window.
    let (found, requests) = walked(vec![page(&all[..2], Some("a"))]).await;
    assert_eq!((found.unwrap_err().kind(), requests), (ErrorKind::Inconsistent, 2));
}

/// What can happen to an answer on the network.
const MISHAPS: [fn(Reply) -> Reply; 14] = [
    |reply| reply.cut_at(30),
    |reply| reply.chunked(),
    |reply| reply.reset(),
    |_| Reply::error(500, "x"),
    |reply| reply.cut_at(30).reset(),
    |_| html(502),
    |reply| reply.chunked().cut_at(usize::MAX),
    |reply| reply.claiming(1 << 20),
    |_| Reply::error(429, "x").header("retry-after", "3"),
    |reply| reply.closed(),
    |_| html(200),
    |reply| reply.after(MS(2)),
    |reply| reply.byte_by_byte(Duration::ZERO),
    |reply| reply.cut_at(20).stalled(),
];

#[tokio::test]
async fn a_walk_over_a_service_that_fails_in_every_way_is_the_window() {
    let all: Vec<_> = (0..150).map(|n| entry_at(second(n / 4), "-0.1")).collect();
    for endpoint in [Endpoint::Usage, Endpoint::UsageHistory] {
        for wire in [Wire::Json, CSV] {
            let mut book = Book::new(all.clone());
            let mut met = HashSet::new();
            let upstream = Upstream::start(move |request| {
                let reply = book.answer(request);
                // The first request for each page goes wrong.
                let nth = met.len();
                if met.insert(request.query.clone()) { MISHAPS[nth % MISHAPS.len()](reply) } else { reply }
            })
            .await;
            let client = patient(&upstream).wire(wire).try_timeout(MS(200)).build().unwrap();
            let walk = Walk::over(window(0, 1000)).endpoint(endpoint).page_size(10).build().unwrap();
            let walked: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
            assert_eq!(walked, all, "{endpoint} {wire:?}");
        }
    }
}
