//! Batches: what is sent, and what each answer says about what is stored.

use std::error::Error as _;

use billing_http::{Batch, BatchFormat, ErrorKind, IdempotencyKey, Recorded};
use billing_model::{BadRows, UsageEntry};
use billing_server::Config;
use billing_testkit::{Reply, Upstream, entry_at};

use crate::server::{Server, now};
use crate::support::{client, second};

pub(crate) fn key(text: &str) -> IdempotencyKey {
    IdempotencyKey::new(text).unwrap()
}

pub(crate) fn entries(count: i64) -> Vec<UsageEntry> {
    (0..count).map(|s| entry_at(second(s), "-0.1")).collect()
}

fn batch() -> Batch {
    Batch::new(key("batch-1"), &entries(3))
}

#[tokio::test]
async fn a_batch_is_stored_once_and_told_when_it_is_repeated() {
    let server = Server::start().await;
    let gateway = server.gateway(&server.address);
    assert_eq!(gateway.record(&batch()).await.unwrap(), Recorded::Stored(3));
    assert_eq!(gateway.record(&batch()).await.unwrap(), Recorded::Repeated(3));
    assert_eq!(server.entries().await, entries(3));
    // The gateway chooses the keys. The same entries under another key are another batch.
    let again = Batch::new(key("batch-2"), &entries(3));
    assert_eq!(gateway.record(&again).await.unwrap(), Recorded::Stored(3));
    assert_eq!(server.entries().await.len(), 6);
    let none = Batch::new(key("batch-3"), []);
    assert_eq!((none.entries(), gateway.record(&none).await.unwrap()), (Some(0), Recorded::Stored(0)));
}

#[tokio::test]
async fn every_form_of_a_batch_is_taken() {
    let server = Server::start().await;
    let gateway = server.gateway(&server.address);
    let mut csv = Vec::new();
    billing_csv::encode(&entries(2), billing_csv::Columns::WithApiKeyId, &mut csv);
    let ndjson = Batch::new(key("0"), &entries(2)).body().clone();
    let json = [b"[", ndjson.as_ref().trim_ascii_end().to_vec().as_slice(), b"]"].concat();
    let json = String::from_utf8(json).unwrap().replace('\n', ",");
    for (name, format, body) in [
        ("json", BatchFormat::Json, json.into_bytes()),
        ("ndjson", BatchFormat::Ndjson, ndjson.to_vec()),
        ("csv", BatchFormat::Csv, csv),
    ] {
        let batch = Batch::of_text(key(name), format, body);
        assert_eq!(batch.entries(), None);
        assert_eq!(gateway.record(&batch).await.unwrap(), Recorded::Stored(2), "{name}");
        assert_eq!(gateway.record(&batch).await.unwrap().entries(), 2, "{name}");
    }
    let all = server.entries().await;
    let mut expected: Vec<_> =
        entries(2).into_iter().flat_map(|entry| [entry.clone(), entry.clone(), entry]).collect();
    expected.sort_by_key(|entry| entry.timestamp);
    assert_eq!(all, expected);
}

#[tokio::test]
async fn a_request_carries_the_batch_and_its_key() {
    let upstream =
        Upstream::start(|_| Reply::json(201, r#"{"idempotencyKey":"batch-1","recorded":3}"#)).await;
    assert_eq!(client(&upstream).record(&batch()).await.unwrap(), Recorded::Stored(3));
    let request = &upstream.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/api/v1/billing/usage"));
    let header = |name| request.header(name);
    assert_eq!((header("idempotency-key"), header("authorization")), ("batch-1", "Bearer secret-key"));
    assert_eq!((header("content-type"), header("accept")), ("application/x-ndjson", "application/json"));
    assert_eq!(request.body, batch().body().as_ref());
}

#[test]
fn a_key_that_no_server_takes_is_refused_before_anything_is_sent() {
    for wrong in ["", "a b", "ä", "a\n", &"x".repeat(256)] {
        let error = IdempotencyKey::new(wrong).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidIdempotencyKey, "{wrong}");
        assert!(error.to_string().contains("1 to 255 visible ASCII characters"), "{error}");
    }
    assert_eq!(key(&"x".repeat(255)).as_str().len(), IdempotencyKey::MAX_LEN);
}

#[tokio::test]
async fn bad_rows_are_named_and_nothing_is_stored() {
    let server = Server::start().await;
    let good = String::from_utf8(batch().body().to_vec()).unwrap();
    let bad = good.replacen("\"sku\":\"", "\"sku\":\"\\u0007", 1);
    let rows = format!("{good}{bad}{{\"amount\":1}}\n");
    let batch = Batch::of_text(key("bad"), BatchFormat::Ndjson, rows);
    let error = server.gateway(&server.address).record(&batch).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), error.tries()), (ErrorKind::BatchRefused, Some(422), 1));
    let said = "422 2 of 7 rows cannot be recorded; nothing was stored";
    assert_eq!(error.to_string(), format!("POST {}/billing/usage: {said}", server.base_url()));
    let refused = error.refused_batch().unwrap();
    assert_eq!((refused.rows, refused.bad_rows.as_slice()), (7, &[4..=4, 7..=7][..]));
    assert_eq!((refused.issues[0].row, refused.issues[0].field.as_deref()), (Some(4), Some("sku")));
    let named: Vec<_> = error.source().unwrap().downcast_ref::<BadRows>().unwrap().lines().collect();
    assert!(named[0].starts_with("row 4, field `sku`: ") && named[1].starts_with("row 7"), "{named:?}");
    assert!(server.entries().await.is_empty());
}

/// The list of bad rows is longer than the error body of any other call may be.
#[tokio::test]
async fn as_many_bad_rows_as_a_batch_has_are_named() {
    let server = Server::start().await;
    let rows = "{}\n[]\n{\"sku\":1}\n".repeat(10_000);
    let batch = Batch::of_text(key("bad"), BatchFormat::Ndjson, rows);
    let error = server.gateway(&server.address).record(&batch).await.unwrap_err();
    let refused = error.refused_batch().unwrap();
    assert_eq!((refused.rows, refused.bad_rows.as_slice()), (30_000, &[1..=30_000][..]));
    assert_eq!(refused.issues.len(), 1000);
}

#[tokio::test]
async fn another_batch_under_the_key_and_one_that_is_too_large_are_told_apart() {
    let config = Config { body_limit: 2000, ..Config::new(now) };
    let server = Server::configured(config, None).await;
    let gateway = server.gateway(&server.address);
    gateway.record(&batch()).await.unwrap();
    let error = gateway.record(&Batch::new(key("batch-1"), &entries(2))).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), error.tries()), (ErrorKind::IdempotencyConflict, Some(409), 1));
    assert!(error.to_string().contains("Another batch was sent with this Idempotency-Key before"), "{error}");

    let error = gateway.record(&Batch::new(key("large"), &entries(100))).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), error.tries()), (ErrorKind::BatchTooLarge, Some(413), 1));
    assert!(error.to_string().contains("at most 2000 bytes"), "{error}");
    assert_eq!(server.entries().await, entries(3));

    let error = server.books().record(&Batch::new(key("3"), &entries(1))).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::Unauthorized, Some(401)));
}

/// A batch of megabytes is refused by its length before all of it is sent. The client still reads the answer.
#[tokio::test]
async fn a_refusal_is_heard_while_a_large_batch_is_sent() {
    let server = Server::configured(Config { body_limit: 2000, ..Config::new(now) }, None).await;
    let large = Batch::of_text(key("large"), BatchFormat::Csv, vec![b'x'; 8 << 20]);
    let error = server.gateway(&server.address).record(&large).await.unwrap_err();
    assert_eq!((error.kind(), error.status()), (ErrorKind::BatchTooLarge, Some(413)), "{error:?}");
}
