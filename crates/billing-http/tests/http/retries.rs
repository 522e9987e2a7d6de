//! Which failures are tried again, how often, and after which wait.

use std::time::Duration;

use billing_http::{ErrorKind, RetryPolicy, Wire};
use billing_testkit::{Book, Reply, Upstream, entry_at};

use crate::support::{client_of, first_page, second};

/// An upstream that answers the first `failures` requests with a failure, and the others from a ledger of one entry.
async fn failing(failures: usize, failure: Reply) -> Upstream {
    let mut book = Book::new(vec![entry_at(second(1), "-0.1")]);
    let mut count = 0;
    Upstream::start(move |request| {
        count += 1;
        if count <= failures { failure.clone() } else { book.answer(request) }
    })
    .await
}

#[tokio::test]
async fn passing_faults_are_borne() {
    for failure in [
        Reply::error(500, "x"),
        Reply::error(502, "x"),
        Reply::error(503, "x"),
        Reply::error(504, "x"),
        Reply::error(408, "x"),
        Reply::json(200, r#"{"data":[],"nextCursor":null}"#).cut_at(5),
        Reply::json(200, r#"{"data":[],"nextCursor":null}"#).cut_at(0),
        Reply::json(200, r#"{"data":["#).undelimited(),
    ] {
        let upstream = failing(9, failure.clone()).await;
        let (client, waits) = client_of(upstream.base_url());
        let page = client.build().unwrap().page(&first_page()).await.unwrap();
        assert_eq!((page.entries.len(), waits.lock().unwrap().len()), (1, 9), "{failure:?}");

        let upstream = failing(10, failure).await;
        let (client, _) = client_of(upstream.base_url());
        let error = client.build().unwrap().page(&first_page()).await.unwrap_err();
        assert_eq!(error.tries(), 10);
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Interrupted), "{error}");
    }
}

#[tokio::test]
async fn somebody_elses_answer_is_borne_twice() {
    let html = || Reply::new(200, "text/html", "<html>login</html>");
    let upstream = failing(2, html()).await;
    assert!(client_of(upstream.base_url()).0.build().unwrap().page(&first_page()).await.is_ok());
    let upstream = failing(3, html()).await;
    let error = client_of(upstream.base_url()).0.build().unwrap().page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::NotTheApi, 3));
}

/// Named after what broke: tries were counted over all kinds of failure, so HTML as the fourth answer ended the call.
#[tokio::test]
async fn somebody_elses_answer_after_an_outage_is_borne_too() {
    let mut count = 0;
    let upstream = Upstream::start(move |_| {
        count += 1;
        match count {
            1..=5 => Reply::error(503, "x"),
            6 => Reply::new(200, "text/html", "<html>maintenance</html>"),
            _ => Reply::json(200, r#"{"data":[],"nextCursor":null}"#),
        }
    })
    .await;
    let (client, waits) = client_of(upstream.base_url());
    client.build().unwrap().page(&first_page()).await.unwrap();
    assert_eq!(waits.lock().unwrap().len(), 6);
}

/// Named after what broke: refusals were counted as tries, so one fault after nine of them ended the call.
#[tokio::test]
async fn a_fault_after_many_refusals_is_the_first() {
    let mut count = 0;
    let upstream = Upstream::start(move |_| {
        count += 1;
        match count {
            1..=15 => Reply::error(429, "slow down"),
            16..=24 => Reply::error(503, "x"),
            _ => Reply::json(200, r#"{"data":[],"nextCursor":null}"#),
        }
    })
    .await;
    let (client, _) = client_of(upstream.base_url());
    client.build().unwrap().page(&first_page()).await.unwrap();
    assert_eq!(upstream.requests().len(), 25);
}

#[tokio::test]
async fn no_wait_is_shorter_than_the_service_asks() {
    let at = |reply: Reply| reply.header("date", "Wed, 15 Jul 2026 10:36:17 GMT"); // 1784111777
    for (reply, least_s) in [
        (Reply::error(429, "x").header("retry-after", "30"), 30),
        (at(Reply::error(429, "x").header("retry-after", "Wed, 15 Jul 2026 10:36:37 GMT")), 20),
        (at(Reply::error(429, "x").header("x-ratelimit-reset-requests", "1784111817")), 40),
        (Reply::error(429, "x").header("x-ratelimit-reset-tokens", "50"), 50),
        (at(Reply::error(429, "x").header("x-ratelimit-resets", "1784111837000")), 60),
        (Reply::error(503, "x").header("retry-after", "70"), 70),
    ] {
        let upstream = failing(2, reply.clone()).await;
        let (client, waits) = client_of(upstream.base_url());
        client.build().unwrap().page(&first_page()).await.unwrap();
        let waits = waits.lock().unwrap().clone();
        assert_eq!(waits.len(), 2);
        for wait in waits {
            // The client counts the wait from a moment ago, when it read the answer.
            let wait_s = (wait + Duration::from_millis(100)).as_secs();
            assert!((least_s..=least_s + 20).contains(&wait_s), "{wait:?} {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_service_that_asks_for_a_day_is_not_waited_for() {
    let upstream = failing(1, Reply::error(429, "x").header("retry-after", "86400")).await;
    let (client, waits) = client_of(upstream.base_url());
    let error = client.build().unwrap().page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::RateLimited, 1));
    assert!(error.to_string().contains("come back in 86400 s"), "{error}");
    assert!(waits.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_unreachable_service_is_given_up_soon_at_first_and_late_when_it_was_there() {
    // The upstream closes its connections, so only the listener keeps it alive.
    let upstream = Upstream::start(|_| Reply::error(401, "x").undelimited()).await;
    let base_url = upstream.base_url();
    let (builder, _) = client_of(base_url.clone());
    let client = builder.build().unwrap();
    assert_eq!(client.page(&first_page()).await.unwrap_err().kind(), ErrorKind::Unauthorized);
    drop(upstream);
    // A connection may still be accepted until the runtime has dropped the listener.
    let gone = loop {
        let error = client.page(&first_page()).await.unwrap_err();
        if error.kind() == ErrorKind::Unreachable {
            break error;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(gone.tries(), 10);
    let (builder, _) = client_of(base_url);
    let error = builder.build().unwrap().page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::Unreachable, 5));
}

#[tokio::test]
async fn a_page_slower_than_its_time_is_given_up() {
    // This listener accepts connections and never answers.
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (builder, _) = client_of(format!("http://{}", listener.local_addr().unwrap()));
    let policy = RetryPolicy { max_tries: 2, outage: Duration::ZERO, ..RetryPolicy::default() };
    let client = builder.retry(policy).try_timeout(Duration::from_millis(20)).build().unwrap();
    let error = client.page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::NoAnswer, 2));
    assert!(error.to_string().contains("no answer within 20ms (tried 2 times"), "{error}");
}

/// A page counts only when it is complete, wherever the connection breaks off.
#[tokio::test]
async fn a_body_cut_at_every_byte_changes_nothing() {
    let entries =
        vec![entry_at(second(1), "-0.1"), entry_at(second(1), "-0.1"), entry_at(second(2), "-2e-7")];
    let mut whole = Vec::new();
    let page = billing_model::Page {
        entries: entries.clone(),
        paging: billing_model::Paging::ByCursor(None),
        warning: None,
    };
    page.write_json(&mut whole);
    let mut csv = Vec::new();
    billing_csv::encode(&entries, billing_csv::Columns::WithApiKeyId, &mut csv);
    for (wire, reply) in [
        (Wire::Json, Reply::json(200, whole)),
        (Wire::Csv(|body| billing_csv::decode(body).map_err(Into::into)), Reply::new(200, "text/csv", csv)),
    ] {
        let size = reply.body().len();
        let mut cut = 0;
        let upstream = Upstream::start(move |_| {
            cut += 1;
            // Cut once at every byte, and then whole.
            if cut <= size { reply.clone().cut_at(cut - 1) } else { reply.clone() }
        })
        .await;
        let (builder, _) = client_of(upstream.base_url());
        let tries = u32::try_from(size + 1).unwrap();
        let client = builder
            .wire(wire)
            .retry(RetryPolicy { max_tries: tries, budget: Duration::MAX, ..RetryPolicy::default() })
            .build()
            .unwrap();
        assert_eq!(client.page(&first_page()).await.unwrap().entries, entries);
        assert_eq!(upstream.requests().len(), size + 1);
    }
}

/// With a policy of one try there is one, also in an outage of a service that has given a page.
#[tokio::test]
async fn one_try_is_one_try_in_an_outage_too() {
    let mut requests = 0;
    let upstream = Upstream::start(move |_| {
        requests += 1;
        if requests == 1 {
            Reply::json(200, r#"{"data":[],"nextCursor":null}"#)
        } else {
            Reply::error(503, "out of order")
        }
    })
    .await;
    let (builder, _) = client_of(upstream.base_url());
    let client = builder.retry(RetryPolicy { max_tries: 1, ..RetryPolicy::default() }).build().unwrap();
    client.page(&first_page()).await.unwrap();
    let error = client.page(&first_page()).await.unwrap_err();
    assert_eq!((error.tries(), upstream.requests().len()), (1, 2), "{error}");
}
