//! Analytics and the balance: from our own server, as they are documented, and from services that fail or send more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use billing_http::{Answer, Batch, Client, Error, ErrorKind, Event, IdempotencyKey};
use billing_model::{Analytics, AnalyticsQuery, Balance, Currency, DayRange};
use billing_testkit::{Reply, Upstream, entry_at};

use crate::server::{Server, now};
use crate::support::{client, client_of, first_page};

const ANALYTICS: &str = include_str!("../../../../tests/data/pages/usage-analytics.json");
const BALANCE: &str = include_str!("../../../../tests/data/pages/balance.json");

fn week() -> AnalyticsQuery {
    AnalyticsQuery::builder().build().unwrap()
}

/// An upstream that gives these replies one after the other, and then always the last one.
async fn upstream_of(replies: impl IntoIterator<Item = Reply>) -> Upstream {
    let mut replies = replies.into_iter().collect::<Vec<_>>().into_iter().peekable();
    let mut last = None;
    Upstream::start(move |_| {
        last = replies.next().or(last.take());
        last.clone().unwrap()
    })
    .await
}

async fn analytics_of(replies: impl IntoIterator<Item = Reply>) -> Result<Answer<Analytics>, Error> {
    client(&upstream_of(replies).await).analytics(&week()).await
}

async fn balance_of(replies: impl IntoIterator<Item = Reply>) -> Result<Answer<Balance>, Error> {
    client(&upstream_of(replies).await).balance().await
}

#[tokio::test]
async fn our_own_server_tells_what_was_recorded() {
    let server = Server::start().await;
    let books = server.books();
    let empty = books.balance().await.unwrap().value;
    assert_eq!((empty.can_consume, empty.consumption_currency), (true, Some(Currency::Diem)));

    let yesterday = "2026-06-14T12:00:00Z".parse().unwrap();
    let entries = [entry_at(yesterday, "-0.1"), entry_at(yesterday, "-8e-7"), entry_at(now(), "25")];
    let batch = Batch::new(IdempotencyKey::new("1").unwrap(), &entries);
    server.gateway(&server.address).record(&batch).await.unwrap();

    let balance = books.balance().await.unwrap();
    assert_eq!(balance.value.balances.usd.as_ref().unwrap().to_string(), "24.8999992");
    assert_eq!(balance.text.find("\"usd\":24.8999992"), balance.text.find("\"usd\":"));
    for query in [
        AnalyticsQuery::builder().lookback(2),
        AnalyticsQuery::builder()
            .dates(DayRange { first: "2026-06-14".parse().unwrap(), last: "2026-06-15".parse().unwrap() }),
    ] {
        let query = query.build().unwrap();
        let Answer { value, text } = books.analytics(&query).await.unwrap();
        let days: Vec<_> = value.by_date.iter().map(|day| format!("{} {}", day.date, day.usd)).collect();
        assert_eq!(days, ["2026-06-14 0.1000008", "2026-06-15 0"]);
        assert_eq!(value.lookback, query.period());
        let mut written = Vec::new();
        value.write_json(&mut written);
        assert_eq!(text.as_bytes(), written, "our own server writes nothing that is not read");
    }
}

#[tokio::test]
async fn the_key_of_a_gateway_reads_nothing() {
    let server = Server::start().await;
    let gateway = server.gateway(&server.address);
    let errors = [gateway.analytics(&week()).await.unwrap_err(), gateway.balance().await.unwrap_err()];
    for (error, path) in errors.iter().zip(["usage-analytics", "balance"]) {
        assert_eq!((error.kind(), error.status(), error.tries()), (ErrorKind::Unauthorized, Some(401), 1));
        let said = format!("GET {}/billing/{path}: 401 Admin API key required", server.base_url());
        assert_eq!(error.to_string(), said);
    }
}

/// Days in descending order, unknown types and units, numbers as strings: all of it is read and kept as it came.
#[tokio::test]
async fn documented_answers_are_read_and_kept_to_the_byte() {
    let Answer { value, text } = analytics_of([Reply::json(200, ANALYTICS)]).await.unwrap();
    assert_eq!(text, ANALYTICS);
    let days: Vec<_> = value.by_date.iter().map(|day| format!("{} {}", day.date, day.diem)).collect();
    assert_eq!(days, ["2026-06-15 0.5", "2026-06-14 0.0000008"]);
    assert_eq!(value.by_model[0].total_units.to_string(), "50000");
    assert_eq!(
        (value.by_model[1].unit_type.as_str(), value.by_model[1].model_type.as_deref()),
        ("steps", Some("3D"))
    );
    assert_eq!(value.by_model[1].total_usd.to_string(), "0.25");
    assert_eq!(value.by_key[1].api_key_id, None);

    let Answer { value, text } = balance_of([Reply::json(200, BALANCE)]).await.unwrap();
    assert_eq!((text.as_str(), value.balances.usd.unwrap().to_string()), (BALANCE, "25".to_owned()));
    assert_eq!(value.balances.bundled_credits, None);
}

#[tokio::test]
async fn what_is_asked_for_is_whole_days_and_json() {
    let upstream =
        upstream_of([Reply::json(200, ANALYTICS), Reply::json(200, ANALYTICS), Reply::json(200, BALANCE)])
            .await;
    let client = client(&upstream);
    let may = DayRange { first: "2026-05-01".parse().unwrap(), last: "2026-05-31".parse().unwrap() };
    client.analytics(&AnalyticsQuery::builder().dates(may).build().unwrap()).await.unwrap();
    client.analytics(&AnalyticsQuery::builder().lookback(30).build().unwrap()).await.unwrap();
    client.balance().await.unwrap();
    let asked: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| {
            assert_eq!(request.header("authorization"), "Bearer secret-key");
            assert_eq!(request.header("accept"), "application/json");
            assert_eq!((request.header("idempotency-key"), request.header("content-type")), ("", ""));
            format!("{} {}?{}", request.method, request.path, request.query)
        })
        .collect();
    assert_eq!(
        asked,
        [
            "GET /api/v1/billing/usage-analytics?endDate=2026-05-31&startDate=2026-05-01",
            "GET /api/v1/billing/usage-analytics?lookback=30d",
            "GET /api/v1/billing/balance?",
        ]
    );
    assert_eq!(client.traffic().requests, 3);
}

#[tokio::test]
async fn what_later_services_say_is_taken_and_kept() {
    let analytics = ANALYTICS
        .replace("\"USD\": 2.50,", "\"USD\": 2.50, \"EUR\": 1e400, \"BUNDLED_CREDITS\": null,")
        .replace("\"lookback\"", "\"currencies\": [\"EUR\"], \"lookback\"")
        .replace("\"Gateway\", \"totalUsd\"", "\"cut \\ud83d\", \"totalUsd\"");
    let Answer { value, text } = analytics_of([Reply::json(200, analytics.clone())]).await.unwrap();
    assert_eq!(text, analytics);
    assert_eq!(value.by_date[1].usd.to_string(), "2.5");
    assert_eq!(value.by_key[0].description, "cut \u{fffd}");

    let balance = BALANCE
        .replace("\"usd\":25", "\"usd\":\"25.10\",\"earnedCredits\":1,\"EUR\":{\"left\":[]}")
        .replace("\"DIEM\"", "\"EUR\"");
    let Answer { value, text } = balance_of([Reply::json(200, balance.clone())]).await.unwrap();
    assert_eq!(text, balance);
    assert_eq!(value.consumption_currency, Some(Currency::from("EUR")));
    assert_eq!(value.balances.earned_credits.unwrap().to_string(), "1");
    assert!(balance_of([Reply::json(200, BALANCE).gzip()]).await.is_ok_and(|answer| answer.text == BALANCE));
}

#[tokio::test]
async fn faults_that_pass_are_waited_for() {
    let faults = || {
        [
            Reply::error(429, "slow down").header("retry-after", "7"),
            Reply::error(504, "The request took too long"),
            Reply::new(200, "text/html", "<html>a proxy's</html>"),
            Reply::json(200, ""),
            Reply::json(200, ANALYTICS).cut_at(100),
            Reply::json(200, &ANALYTICS[..700]),
            Reply::json(503, "").closed(),
        ]
    };
    let upstream = upstream_of(faults().into_iter().chain([Reply::json(200, ANALYTICS)])).await;
    let (builder, waits) = client_of(upstream.base_url());
    let events = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&events);
    let builder = builder.observer(move |event| {
        if let Event::Tried { method, path, query, result, .. } = event {
            let came = result.map(|entries| format!("{entries:?}")).unwrap_or_else(Error::brief);
            noted.lock().unwrap().push(format!("{method} {path}?{query}: {came}"));
        }
    });
    let client = builder.build().unwrap();
    assert_eq!(client.analytics(&week()).await.unwrap().text, ANALYTICS);
    assert_eq!(upstream.requests().len(), 8);
    assert_eq!((client.traffic().requests, client.traffic().retries), (8, 7));
    let is_asked_for = |wait: &Duration| wait.abs_diff(Duration::from_secs(7)) < Duration::from_secs(1);
    assert!(waits.lock().unwrap().iter().any(is_asked_for), "{waits:?}");
    let events = events.lock().unwrap().clone();
    assert_eq!(events[0], "GET billing/usage-analytics?lookback=7d: 429 slow down");
    assert_eq!(events[1], "GET billing/usage-analytics?lookback=7d: 504 The request took too long");
    assert_eq!(events[7], "GET billing/usage-analytics?lookback=7d: None");

    let balances =
        faults().map(|reply| if reply.body().len() > 100 { reply.with_body(&BALANCE[..60]) } else { reply });
    assert_eq!(
        balance_of(balances.into_iter().chain([Reply::json(200, BALANCE)])).await.unwrap().text,
        BALANCE
    );
}

#[tokio::test]
async fn what_does_not_pass_is_said() {
    for (reply, kind, tries, said) in [
        (
            Reply::error(504, "The request took too long"),
            ErrorKind::Unavailable,
            10,
            "504 The request took too long",
        ),
        (Reply::new(200, "text/html", "<html>"), ErrorKind::NotTheApi, 3, "200 with `text/html` instead of"),
        (Reply::json(200, ""), ErrorKind::NotTheApi, 3, "200 with an empty body instead of"),
        (Reply::json(200, "\u{feff}"), ErrorKind::NotTheApi, 3, "200 with an empty body instead of"),
        (
            Reply::json(200, "<html>"),
            ErrorKind::NotTheApi,
            3,
            "200 with a body that begins with `<` and is not application/json: not the API",
        ),
        (
            Reply::json(200, vec![b' '; 17 << 20]),
            ErrorKind::NotTheApi,
            1,
            "larger than 16 MiB, more than any answer needs",
        ),
        (Reply::json(204, ""), ErrorKind::NotTheApi, 3, "204 is no answer of this API"),
        (
            Reply::json(200, "{\"balances\""),
            ErrorKind::Interrupted,
            10,
            "the connection broke within the answer",
        ),
        (Reply::json(200, "{\"rows\":[]}"), ErrorKind::Malformed, 1, "the answer cannot be read"),
        (Reply::json(200, format!("{BALANCE}x")), ErrorKind::Malformed, 1, "the answer cannot be read"),
        (Reply::json(200, format!("{ANALYTICS}<p>")), ErrorKind::Malformed, 1, "the answer cannot be read"),
        (
            Reply::json(200, b"{\"a\":\"\xff\"}".to_vec()),
            ErrorKind::Malformed,
            1,
            "the answer cannot be read",
        ),
        (Reply::error(403, "secret-key may not"), ErrorKind::Unauthorized, 1, "403 [key] may not"),
        (Reply::error(400, "no"), ErrorKind::Rejected, 1, "400 no"),
        (Reply::error(404, "Not found"), ErrorKind::NotFound, 1, "404 Not found"),
    ] {
        let analytics = analytics_of([reply.clone()]).await.unwrap_err();
        for error in [analytics, balance_of([reply.clone()]).await.unwrap_err()] {
            assert_eq!((error.kind(), error.tries()), (kind, tries), "{reply:?} {error}");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
    let error = balance_of([Reply::json(200, BALANCE.replace("90.5", "1e-999"))]).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap();
    let reason = std::error::Error::source(cause).unwrap().to_string();
    assert!(reason.contains("`1e-999` does not fit"), "{error:?}");
}

#[tokio::test]
async fn a_byte_order_mark_is_no_part_of_an_answer() {
    let marked = |text: &str| Reply::json(200, format!("\u{feff}{text}"));
    assert_eq!(analytics_of([marked(ANALYTICS)]).await.unwrap().text, ANALYTICS);
    assert_eq!(balance_of([marked(BALANCE).gzip()]).await.unwrap().text, BALANCE);
    let upstream = upstream_of([marked(r#"{"data":[],"nextCursor":null}"#)]).await;
    assert_eq!(client(&upstream).page(&first_page()).await.unwrap().entries, []);
    let error = balance_of([Reply::json(400, "\u{feff}{\"error\":\"no\"}")]).await.unwrap_err();
    assert!(error.to_string().ends_with("400 no"), "{error}");
}

/// One limiter for all calls of a client: a service that has had enough of one has had enough of all.
#[tokio::test]
async fn a_refusal_of_one_call_is_waited_for_by_the_others() {
    let mut count = 0;
    let upstream = Upstream::start(move |request| {
        count += 1;
        match (count, request.path.ends_with("balance")) {
            (1, _) => Reply::error(429, "enough").header("retry-after", "60"),
            (_, true) => Reply::json(200, BALANCE),
            (_, false) => Reply::json(200, ANALYTICS),
        }
    })
    .await;
    let (builder, waits) = client_of(upstream.base_url());
    let client: Client = builder.build().unwrap();
    let days = week();
    let (analytics, balance) = tokio::join!(client.analytics(&days), client.balance());
    assert!(analytics.is_ok() && balance.is_ok());
    assert_eq!(client.traffic().requests, 3);
    // One of the two calls was refused, and neither was sent again too early.
    let is_asked_for = |wait: &Duration| wait.abs_diff(Duration::from_secs(60)) < Duration::from_secs(10);
    assert!(waits.lock().unwrap().iter().any(is_asked_for), "{waits:?}");
}
