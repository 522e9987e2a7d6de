//! Batches whose answer is lost: they are sent again and stored once, and an unknown outcome is reported as unknown.

use std::error::Error as _;

use billing_http::{Batch, Error, ErrorKind, Recorded, RetryPolicy};
use billing_testkit::{Reply, Upstream};
use tokio::net::TcpListener;

use crate::batches::{entries, key};
use crate::server::{Server, cutting};
use crate::support::{client, client_of};

const RECEIPT: &str = r#"{"idempotencyKey":"batch-1","recorded":2}"#;

fn batch() -> Batch {
    Batch::new(key("batch-1"), &entries(2))
}

/// The answer on the first connection of each client is cut, one byte later each time. The server has stored the batch
/// by then.
#[tokio::test]
async fn a_batch_whose_answer_is_cut_at_any_byte_is_stored_once() {
    let server = Server::start().await;
    let mut stored = 0;
    for cut_at in 0.. {
        let address =
            cutting(server.address.clone(), move |connection| (connection == 0).then_some(cut_at)).await;
        let gateway = server.gateway(&address);
        let batch = Batch::new(key(&format!("cut-{cut_at}")), &entries(1));
        let recorded = gateway.record(&batch).await.unwrap();
        stored += 1;
        if recorded == Recorded::Stored(1) {
            assert_eq!(gateway.traffic().retries, 0, "the whole answer came");
            break;
        }
        assert_eq!((recorded, gateway.traffic().retries), (Recorded::Repeated(1), 1), "{cut_at}");
    }
    assert!(stored > 200, "an answer has a head and a receipt: {stored}");
    assert_eq!(server.entries().await.len(), stored);
}

#[tokio::test]
async fn an_answer_that_is_lost_every_time_is_not_known_and_safe_to_ask_for_again() {
    let server = Server::start().await;
    let address = cutting(server.address.clone(), |_| Some(20)).await;
    let error = server.gateway(&address).record(&batch()).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), error.tries()), (ErrorKind::OutcomeUnknown, None, 10));
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("POST http://{address}/api/v1/billing/usage: it is not known")),
        "{said}"
    );
    assert!(said.contains("send it again with the same idempotency key"), "{said}");
    let last = error.source().unwrap().downcast_ref::<Error>().unwrap();
    assert_eq!(last.kind(), ErrorKind::NoAnswer);
    assert_eq!(last.to_string(), "the connection ended before an answer", "the rest is said above it");

    let recorded = server.gateway(&server.address).record(&batch()).await.unwrap();
    assert_eq!((recorded, server.entries().await), (Recorded::Repeated(2), entries(2)));
}

/// A table of the replies to two tries, and the error that follows from them.
#[tokio::test]
async fn what_is_known_is_known_from_the_answers() {
    let lost = || Reply::json(201, RECEIPT).closed();
    let refused = r#"{"error":"1 of 2 rows cannot be recorded","rows":2,"badRows":[[1,1]],"issues":[{"row":1,"field":null,"message":"no"}]}"#;
    let conflict = r#"{"error":"Another batch","idempotencyKey":"batch-1"}"#;
    let synced = r#"{"error":"This account","idempotencyKey":"batch-1","syncedWith":"https://a.example"}"#;
    for (first, then, kind) in [
        (lost(), Reply::error(401, "revoked"), ErrorKind::OutcomeUnknown),
        (lost(), Reply::error(413, "large"), ErrorKind::OutcomeUnknown),
        (lost(), Reply::error(422, "not a list of rows"), ErrorKind::OutcomeUnknown),
        // Whoever gives these has looked under the key.
        (lost(), Reply::json(409, conflict), ErrorKind::IdempotencyConflict),
        (lost(), Reply::json(422, refused), ErrorKind::BatchRefused),
        (lost(), Reply::json(409, synced), ErrorKind::AccountSynced),
        (Reply::error(500, "?"), Reply::error(500, "?"), ErrorKind::OutcomeUnknown),
        (Reply::error(503, "busy"), Reply::error(400, "?"), ErrorKind::OutcomeUnknown),
        (Reply::new(502, "text/html", "<html>"), Reply::error(404, "?"), ErrorKind::OutcomeUnknown),
        (Reply::new(200, "text/html", "<html>"), Reply::error(404, "?"), ErrorKind::OutcomeUnknown),
        (Reply::json(201, "{\"idem"), Reply::error(404, "?"), ErrorKind::OutcomeUnknown),
        (Reply::json(201, RECEIPT.replace("batch-1", "other")), lost(), ErrorKind::OutcomeUnknown),
        (Reply::json(201, RECEIPT.replace('2', "3")), lost(), ErrorKind::OutcomeUnknown),
        (Reply::error(408, "slow"), Reply::error(401, "revoked"), ErrorKind::OutcomeUnknown),
        (Reply::error(499, "gone"), lost(), ErrorKind::OutcomeUnknown),
        // A proxy has not.
        (lost(), Reply::json(409, conflict.replace("batch-1", "other")), ErrorKind::OutcomeUnknown),
        (lost(), Reply::json(409, synced.replace("batch-1", "other")), ErrorKind::OutcomeUnknown),
        (lost(), Reply::error(409, "a request with this key is in progress"), ErrorKind::OutcomeUnknown),
        (Reply::new(409, "text/html", "<html>"), lost(), ErrorKind::OutcomeUnknown),
        // Nobody has stored anything.
        (Reply::json(409, conflict), lost(), ErrorKind::IdempotencyConflict),
        (Reply::json(409, synced), lost(), ErrorKind::AccountSynced),
        (Reply::error(429, "enough"), Reply::error(401, "revoked"), ErrorKind::Unauthorized),
        (Reply::error(507, "full"), Reply::error(413, "large"), ErrorKind::BatchTooLarge),
        (Reply::error(501, "?"), lost(), ErrorKind::Unavailable),
        (Reply::error(422, "not a list of rows"), lost(), ErrorKind::Rejected),
        (Reply::new(302, "text/html", ""), lost(), ErrorKind::Redirected),
    ] {
        let mut replies = vec![then.clone(), first.clone()];
        let upstream = Upstream::start(move |_| {
            if replies.len() > 1 { replies.pop() } else { replies.last().cloned() }.unwrap()
        })
        .await;
        let error = client(&upstream).record(&batch()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{first:?} {then:?} {error:?}");
        let bodies: Vec<_> = upstream
            .requests()
            .into_iter()
            .map(|request| (request.body, request.headers["idempotency-key"].clone()))
            .collect();
        assert!(
            bodies.iter().all(|(body, key)| body == batch().body().as_ref() && key == "batch-1"),
            "the same each time"
        );
    }
}

#[tokio::test]
async fn faults_that_pass_end_in_one_receipt() {
    let mut replies = vec![
        Reply::json(201, RECEIPT).header("idempotency-replayed", "true"),
        Reply::new(200, "text/html", "<html>"),
        Reply::json(201, RECEIPT).cut_at(9).reset(),
        Reply::error(504, "late"),
        Reply::error(429, "slow down").header("retry-after", "3"),
        Reply::json(201, RECEIPT).closed(),
    ];
    let upstream = Upstream::start(move |_| replies.pop().unwrap()).await;
    assert_eq!(client(&upstream).record(&batch()).await.unwrap(), Recorded::Repeated(2));
    assert_eq!(upstream.requests().len(), 6);
}

#[tokio::test]
async fn a_batch_that_never_left_is_not_stored() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = client_of(base_url).0.build().unwrap().record(&batch()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unreachable);

    // The first try may have arrived, and then no connection could be made: the outcome is unknown.
    let server = Server::start().await;
    let address = cutting(server.address.clone(), |_| Some(0)).await;
    let policy = RetryPolicy { max_tries: 1, ..RetryPolicy::default() };
    let once = client_of(format!("http://{address}/api/v1")).0.retry(policy).build().unwrap();
    assert_eq!(once.record(&batch()).await.unwrap_err().kind(), ErrorKind::OutcomeUnknown);
}
