//! How long a client waits for a service that does not answer, or whose answer never ends. Nothing that the service
//! sends makes the wait longer.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_http::{Client, ClientBuilder, Endpoint, ErrorKind, Event, RetryPolicy, Walk};
use billing_testkit::{Reply, Upstream};
use futures::TryStreamExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::support::{client_of, first_page, window};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Ends a test that would wait for ever. All tests here take less than a hundredth of it.
const LIMIT: Duration = Duration::from_secs(60);

const EMPTY: &str = r#"{"data":[],"nextCursor":null}"#;

/// A service that accepts connections and sends the same bytes again and again, or nothing.
async fn endless(bytes: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base_url = format!("http://{}/api/v1", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                if bytes.is_empty() {
                    return std::future::pending().await;
                }
                while stream.write_all(bytes).await.is_ok() {
                    tokio::time::sleep(pause).await;
                }
            });
        }
    });
    base_url
}

fn impatient(base_url: String, first_answer_budget: Duration, try_timeout: Duration) -> ClientBuilder {
    let policy = RetryPolicy { first_answer_budget, ..RetryPolicy::default() };
    client_of(base_url).0.retry(policy).try_timeout(try_timeout)
}

/// A client that notes events of silence and of narrowing.
fn noting(builder: ClientBuilder) -> (Client, Arc<Mutex<Vec<String>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&events);
    let observer = move |event: &Event<'_>| match event {
        Event::Silent { path, waited, limit } => {
            noted.lock().unwrap().push(format!("{path} {waited:?} of {limit:?}"));
        }
        Event::Narrowed { .. } => noted.lock().unwrap().push("narrowed".to_owned()),
        _ => {}
    };
    (builder.observer(observer).build().unwrap(), events)
}

#[tokio::test]
async fn a_service_that_never_answers_is_given_up_after_one_time_for_all_tries() {
    for (try_timeout, tries) in [(MS(20), 1..=5), (MS(60), 1..=2), (Duration::from_secs(3600), 1..=1)] {
        let builder = impatient(endless(b"", MS(0)).await, MS(100), try_timeout);
        let (client, events) = noting(builder);
        let walk = Walk::over(window(0, 1000)).endpoint(Endpoint::UsageHistory).build().unwrap();
        let walked =
            tokio::time::timeout(LIMIT, walk.entries(&client).try_collect::<Vec<_>>()).await.unwrap();
        let error = walked.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoAnswer, "{error}");
        assert!(tries.contains(&error.tries()), "{error}");
        assert!(error.to_string().contains(": no answer within "), "{error}");
        assert!(!events.lock().unwrap().iter().any(|event| event == "narrowed"), "{events:?}");
    }
}

#[tokio::test]
async fn a_service_that_answered_before_keeps_all_of_its_tries() {
    let is_silent = Arc::new(AtomicBool::new(false));
    let looked_at = Arc::clone(&is_silent);
    let upstream = Upstream::start(move |_| {
        let reply = Reply::json(200, EMPTY);
        if looked_at.load(Ordering::Relaxed) { reply.stalled() } else { reply }
    })
    .await;
    // The limit until the first answer is a fifth of the time of ten tries. After an answer it does not count.
    let builder = impatient(upstream.base_url(), MS(40), MS(20)).silence_worth_telling(MS(5));
    let (client, events) = noting(builder);
    // On a busy machine even a good answer may take longer than the limit.
    while client.page(&first_page()).await.is_err() {}
    is_silent.store(true, Ordering::Relaxed);
    let error = client.page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::NoAnswer, 10), "{error}");
    assert!(error.to_string().contains(": no answer within 20ms (tried 10 times"), "{error}");
    assert!(error.is_timeout());
    // The event has the path, the time so far and the limit. It comes again after twice the time.
    let events = events.lock().unwrap();
    for told in ["billing/usage-history 5ms of 20ms", "billing/usage-history 10ms of 20ms"] {
        assert!(events.iter().any(|event| event == told), "{events:?}");
    }
}

#[tokio::test]
async fn a_connection_that_ends_before_any_answer_is_no_answer() {
    for reply in [Reply::json(200, EMPTY).closed(), Reply::json(200, EMPTY).reset()] {
        let upstream = Upstream::start(move |_| reply.clone()).await;
        let client = client_of(upstream.base_url()).0.build().unwrap();
        let error = client.page(&first_page()).await.unwrap_err();
        assert_eq!((error.kind(), error.tries()), (ErrorKind::NoAnswer, 10));
        assert!(error.to_string().contains("the connection ended before an answer"), "{error}");
    }
}

/// Each byte and each interim answer comes long before a limit for silence would end.
#[tokio::test]
async fn what_trickles_makes_no_try_longer() {
    let slow = |reply: Reply| reply.byte_by_byte(MS(5));
    let long = Reply::json(200, "x".repeat(1000));
    for reply in [
        // A head that takes a second or more, a body that does, and both of them compressed.
        slow(long.clone().header("x-long", "x".repeat(1000))),
        slow(long.clone()),
        slow(long.clone().chunked()),
        slow(Reply::json(200, (0..=255).cycle().take(9000).collect::<Vec<u8>>()).gzip()),
    ] {
        let upstream = Upstream::start(move |_| reply.clone()).await;
        let policy = RetryPolicy { max_tries: 2, outage: Duration::ZERO, ..RetryPolicy::default() };
        let client = client_of(upstream.base_url()).0.retry(policy).try_timeout(MS(100)).build().unwrap();
        let error = tokio::time::timeout(LIMIT, client.page(&first_page())).await.unwrap().unwrap_err();
        assert!(error.is_timeout() && error.tries() == 2, "{error}");
        assert!(matches!(error.kind(), ErrorKind::NoAnswer | ErrorKind::Interrupted), "{error}");
    }
}

#[tokio::test]
async fn interim_answers_without_end_are_no_answer() {
    for bytes in [
        &b"HTTP/1.1 100 Continue\r\n\r\n"[..],
        b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n",
        b"x-header: of a head that never ends\r\n",
    ] {
        for pause in [Duration::ZERO, MS(5)] {
            let base_url = endless(bytes, pause).await;
            let client = impatient(base_url, MS(200), MS(50)).build().unwrap();
            let error = tokio::time::timeout(LIMIT, client.page(&first_page())).await.unwrap().unwrap_err();
            // Half a head after another one, or endless headers, may also be reported as not HTTP.
            assert!(matches!(error.kind(), ErrorKind::NoAnswer | ErrorKind::Protocol), "{error}");
        }
    }
}
