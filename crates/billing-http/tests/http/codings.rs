//! Compressed answers: they are always read, asked for again when they are cut, and never larger than a page may be.

use std::time::Duration;

use billing_http::{ClientBuilder, ErrorKind, RetryPolicy, Wire};
use billing_model::{Page, Paging, UsageEntry};
use billing_testkit::{Reply, Upstream, entry_at};

use crate::support::{client_of, first_page, second};

const CSV: Wire = Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into));

fn entries() -> Vec<UsageEntry> {
    vec![entry_at(second(1), "-0.1"), entry_at(second(1), "-0.1"), entry_at(second(2), "-2e-7")]
}

fn json() -> Reply {
    let mut body = Vec::new();
    Page { entries: entries(), paging: Paging::ByCursor(None), warning: None }.write_json(&mut body);
    Reply::json(200, body)
}

fn csv() -> Reply {
    let mut body = Vec::new();
    billing_csv::encode(&entries(), billing_csv::Columns::WithApiKeyId, &mut body);
    Reply::new(200, "text/csv", body)
}

fn zstd(reply: Reply) -> Reply {
    let body = zstd::encode_all(reply.body(), 3).unwrap();
    reply.with_body(body).header("content-encoding", "zstd")
}

/// The body compressed in two members. The first one ends at the end of a row.
fn in_two_members(reply: &Reply, compress: fn(Reply) -> Reply) -> (Reply, usize) {
    let middle = reply.body().iter().rposition(|byte| *byte == b',').unwrap();
    let row = reply.body()[..middle].iter().rposition(|byte| *byte == b'\n').unwrap_or(middle);
    let part = |bytes: &[u8]| compress(reply.clone().with_body(bytes)).body().to_vec();
    let (first, second) = (part(&reply.body()[..=row]), part(&reply.body()[row + 1..]));
    let border = first.len();
    (compress(reply.clone()).with_body([first, second].concat()), border)
}

async fn upstream_of(replies: impl IntoIterator<Item = Reply>) -> Upstream {
    let replies: Vec<_> = replies.into_iter().collect();
    let mut next = 0;
    Upstream::start(move |_| {
        next += 1;
        replies[next.min(replies.len()) - 1].clone()
    })
    .await
}

fn patient(upstream: &Upstream, wire: Wire) -> ClientBuilder {
    let policy = RetryPolicy { max_tries: 5000, budget: Duration::MAX, ..RetryPolicy::default() };
    client_of(upstream.base_url()).0.wire(wire).retry(policy)
}

#[tokio::test]
async fn a_compressed_page_is_read_whether_it_was_asked_for_or_not() {
    for (wire, page) in [(Wire::Json, json as fn() -> Reply), (CSV, csv)] {
        let ways = [page().gzip(), zstd(page()), zstd(page().gzip()), zstd(page()).chunked()];
        for reply in ways {
            for (compression, asked_for) in [(None, ""), (Some(false), ""), (Some(true), "zstd, gzip")] {
                let upstream = upstream_of([reply.clone()]).await;
                let mut client = patient(&upstream, wire);
                if let Some(compression) = compression {
                    client = client.compression(compression);
                }
                let found = client.build().unwrap().page(&first_page()).await;
                assert_eq!(found.unwrap().entries, entries(), "{reply:?}");
                // text/csv is asked for uncompressed, because only its length shows a cut.
                let asked_for = if matches!(wire, Wire::Csv(_)) { "identity" } else { asked_for };
                assert_eq!(upstream.requests()[0].header("accept-encoding"), asked_for);
            }
        }
    }
}

/// What is before a cut between two members is a whole gzip file with whole rows.
#[tokio::test]
async fn a_compressed_page_cut_at_every_byte_is_asked_for_again() {
    let mut check = Vec::new();
    for compress in [Reply::gzip as fn(Reply) -> Reply, zstd] {
        for (wire, page) in [(Wire::Json, json()), (CSV, csv())] {
            check.push((wire, compress(page.clone())));
            let (members, border) = in_two_members(&page, compress);
            assert!((1..members.body().len()).contains(&border));
            check.push((wire, members.clone()));
            check.push((wire, members.chunked()));
        }
    }
    for (wire, whole) in check {
        let cuts = (0..whole.body().len()).map(|cut| whole.clone().cut_at(cut));
        let upstream = upstream_of(cuts.chain([whole.clone()])).await;
        let client = patient(&upstream, wire).build().unwrap();
        assert_eq!(client.page(&first_page()).await.unwrap().entries, entries(), "{whole:?}");
        assert_eq!(upstream.requests().len(), whole.body().len() + 1, "{whole:?}");
    }
}

#[tokio::test]
async fn a_compressed_csv_without_a_length_is_refused_like_a_plain_one() {
    for reply in [csv().undelimited(), csv().gzip().undelimited(), zstd(csv()).undelimited()] {
        let upstream = upstream_of([reply.clone()]).await;
        let error = patient(&upstream, CSV).build().unwrap().page(&first_page()).await.unwrap_err();
        assert_eq!((error.kind(), error.tries()), (ErrorKind::NotTheApi, 1), "{reply:?}");
        assert!(error.to_string().contains("without its length"), "{error}");
    }
}

#[tokio::test]
async fn what_is_behind_the_end_or_no_coding_at_all_is_no_page() {
    let rubbish = |reply: Reply| {
        let body = [reply.body(), b"rubbish"].concat();
        reply.with_body(body)
    };
    let faults = [
        rubbish(json().gzip()),
        rubbish(zstd(json())),
        json().header("content-encoding", "gzip"),
        json().header("content-encoding", "zstd"),
        json().header("content-encoding", "br"),
        Reply::json(200, "").header("content-encoding", "gzip"),
    ];
    let upstream = upstream_of(faults.iter().cloned().chain([json()])).await;
    let page = patient(&upstream, Wire::Json).build().unwrap().page(&first_page()).await;
    assert_eq!((page.unwrap().entries, upstream.requests().len()), (entries(), faults.len() + 1));

    let upstream = upstream_of([json().header("content-encoding", "br")]).await;
    let error = client_of(upstream.base_url()).0.build().unwrap().page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::NotTheApi, 3));
    assert!(error.to_string().contains("`br` is not a content coding that was asked for"), "{error}");
}

/// 17 MiB of blanks are a few kilobytes on the wire. They are refused as a page.
#[tokio::test]
async fn a_page_may_not_be_larger_decoded_than_plain() {
    let large = || Reply::json(200, vec![b' '; 17 << 20]);
    for reply in [large().gzip(), zstd(large()), zstd(zstd(large()))] {
        assert!(reply.body().len() < 1 << 20);
        let upstream = upstream_of([reply]).await;
        let error = patient(&upstream, Wire::Json).build().unwrap().page(&first_page()).await.unwrap_err();
        assert_eq!((error.kind(), error.tries()), (ErrorKind::NotTheApi, 1));
        assert!(error.to_string().contains("larger than 16 MiB"), "{error}");
    }
    // The message of an error is read in any coding, but only the beginning of a long body is decompressed.
    for (reply, said) in [
        (zstd(Reply::error(403, "no entry")), "403 no entry"),
        (Reply::error(403, "no entry").gzip(), "403 no entry"),
        (zstd(Reply::error(403, &"x".repeat(1 << 20))), "403 Forbidden"),
        (Reply::error(403, "no entry").header("content-encoding", "br"), "403 Forbidden"),
    ] {
        let upstream = upstream_of([reply]).await;
        let error = patient(&upstream, Wire::Json).build().unwrap().page(&first_page()).await.unwrap_err();
        assert!(error.to_string().ends_with(said), "{error}");
    }
}
