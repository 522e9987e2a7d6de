//! One page: the request that is sent, and what each answer becomes.

use billing_http::{ErrorKind, Event, Wire};
use billing_model::{HistoryRequest, PageRequest, UsageQuery};
use billing_testkit::{Book, Reply, Upstream, entry_at};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use wiremock::matchers::{header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{client, client_of, first_page, second};

const EMPTY: &str = r#"{"data":[],"nextCursor":null}"#;

fn csv(body: &[u8]) -> Result<Vec<billing_model::UsageEntry>, Box<dyn std::error::Error + Send + Sync>> {
    billing_csv::decode(body).map_err(Into::into)
}

#[tokio::test]
async fn a_request_carries_key_format_and_query() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/api/v1/billing/usage"))
        .and(header("authorization", "Bearer secret-key"))
        .and(header("accept", "application/json"))
        .and(query_param("limit", "7"))
        .and(query_param("page", "3"))
        .and(query_param("sortOrder", "desc"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(
            r#"{"data":[],"pagination":{"limit":7,"page":3,"total":0,"totalPages":0}}"#,
            "application/json",
        ))
        .expect(1)
        .mount(&server)
        .await;
    let query = UsageQuery::builder().limit(7).build().unwrap();
    let request = PageRequest::ByNumber { query, page: NonZeroU32::new(3).unwrap() };
    let client = client_of(format!("{}/api/v1", server.uri())).0.build().unwrap();
    assert!(client.page(&request).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_the_key() {
    let elsewhere = Upstream::start(|_| Reply::json(200, EMPTY)).await;
    let target = format!("{}/billing/usage-history", elsewhere.base_url());
    let upstream =
        Upstream::start(move |_| Reply::new(302, "text/plain", "").header("location", target.clone())).await;
    let error = client(&upstream).page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.status(), error.tries()), (ErrorKind::Redirected, Some(302), 1));
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn text_csv_is_asked_for_whole_and_with_the_key_column() {
    let body = "amount,timestamp,sku,pricePerUnitUsd,units,currency,notes,inferenceDetails.requestId,\
        inferenceDetails.inferenceExecutionTime,inferenceDetails.promptTokens,inferenceDetails.completionTokens,apiKeyId\n\
        -8e-7,2026-06-14T19:52:45.087Z,s,1,1,USD,,,,,,key-1\n";
    let upstream = Upstream::start(move |_| {
        Reply::new(200, "text/csv; charset=utf-8", body).header("x-next-cursor", "abc")
    })
    .await;
    let client = client_of(upstream.base_url()).0.wire(Wire::Csv(csv)).build().unwrap();
    let page = client.page(&first_page()).await.unwrap();
    assert_eq!(page.entries[0].api_key_id.as_deref(), Some("key-1"));
    assert_eq!(page.paging, billing_model::Paging::ByCursor(Some("abc".parse().unwrap())));
    let sent = &upstream.requests()[0];
    assert_eq!((sent.header("accept"), sent.header("accept-encoding")), ("text/csv", "identity"));
    assert_eq!(sent.header("prefer"), "include=apiKeyId");

    let undelimited = Upstream::start(move |_| Reply::new(200, "text/csv", body).undelimited()).await;
    let client = client_of(undelimited.base_url()).0.wire(Wire::Csv(csv)).build().unwrap();
    assert_eq!(client.page(&first_page()).await.unwrap_err().kind(), ErrorKind::NotTheApi);
}

#[tokio::test]
async fn an_error_says_what_the_service_said() {
    let upstream = Upstream::start(|_| Reply::error(401, "Admin API key required")).await;
    let error = client(&upstream).page(&first_page()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let expected = format!("GET {}/billing/usage-history: 401 Admin API key required", upstream.base_url());
    assert_eq!(error.to_string(), expected);
    assert!(!format!("{error:?}").contains("secret"));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_not_asked_for_again() {
    let mut book = Book::new(vec![entry_at(second(1), "-0.1"), entry_at(second(2), "-0.25")]);
    let upstream = Upstream::start(move |request| {
        let reply = book.answer(request);
        let body = String::from_utf8(reply.body().to_vec()).unwrap().replace("-0.25", "-0.2.5");
        reply.with_body(body.replace("-0.2.5", "1e400"))
    })
    .await;
    let error = client(&upstream).page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::Malformed, 1));
    let cause = std::error::Error::source(&error).unwrap();
    assert_eq!(cause.to_string(), "entry 2, field `amount`");
}

#[tokio::test]
async fn an_unbounded_body_is_given_up() {
    let upstream = Upstream::start(|_| Reply::json(200, vec![b' '; (16 << 20) + 1])).await;
    let error = client(&upstream).page(&first_page()).await.unwrap_err();
    assert_eq!((error.kind(), error.tries()), (ErrorKind::NotTheApi, 1));
}

#[tokio::test]
async fn a_cursor_is_sent_and_never_told() {
    let upstream = Upstream::start(|_| Reply::json(200, EMPTY)).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&told);
    let builder = client_of(upstream.base_url()).0.observer(move |event| {
        if let Event::Tried { method, path, query, result, .. } = event {
            noted.lock().unwrap().push(format!("{method} {path}?{query} {:?}", result.unwrap()));
        }
    });
    let next = PageRequest::ByCursor(HistoryRequest::Next("abc".parse().unwrap()));
    builder.build().unwrap().page(&next).await.unwrap();
    assert_eq!(upstream.requests()[0].query, "cursor=abc");
    assert_eq!(*told.lock().unwrap(), ["GET billing/usage-history?cursor=… Some(0)"]);
}
