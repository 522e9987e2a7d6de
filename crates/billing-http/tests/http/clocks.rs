//! What a service says of when to come back: obeyed to the second, and no longer than a client waits.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use billing_http::{ClientBuilder, Endpoint, ErrorKind, Walk};
use billing_testkit::{Book, Limit, Reply, Upstream, entry_at};
use futures::TryStreamExt;

use crate::support::{client_of, first_page, second, window};

/// Any page will do.
fn page() -> Reply {
    Reply::json(200, r#"{"data":[],"nextCursor":null}"#)
}

/// The time of a client that does not really wait: it goes on with every wait.
#[derive(Clone)]
struct Time {
    start: Instant,
    waited: Arc<Mutex<Duration>>,
}

impl Time {
    fn new() -> Self {
        Self { start: Instant::now(), waited: Arc::default() }
    }

    fn now(&self) -> Duration {
        self.start.elapsed() + *self.waited.lock().unwrap()
    }

    /// A client that lives in this time.
    fn client_of(&self, upstream: &Upstream) -> ClientBuilder {
        let waited = Arc::clone(&self.waited);
        client_of(upstream.base_url()).0.sleep(move |wait| {
            *waited.lock().unwrap() += wait;
            Box::pin(std::future::ready(()))
        })
    }
}

/// A refusal with a clock that asks for so many seconds, one for each kind of clock.
fn refusals(seconds: i64) -> Vec<Reply> {
    const NOW: i64 = 784_111_777;
    let at = NOW + seconds;
    let date = |unix_s: i64| {
        let time = UNIX_EPOCH + Duration::from_secs(u64::try_from(unix_s).unwrap());
        httpdate::fmt_http_date(time)
    };
    let refusal =
        |name: &str, value: String| Reply::error(429, "x").header("date", date(NOW)).header(name, value);
    let mut all = vec![
        refusal("retry-after", date(at)),
        refusal("x-ratelimit-reset-requests", at.to_string()),
        refusal("x-ratelimit-resets", (at * 1000).to_string()),
    ];
    if seconds >= 0 {
        all.push(refusal("retry-after", seconds.to_string()));
        all.push(refusal("x-ratelimit-reset-tokens", seconds.to_string()));
        all.push(refusal("ratelimit", format!("\"default\";r=0;t={seconds}")));
    }
    all
}

/// The time between being refused so and coming back.
async fn wait_after(refusal: Reply) -> Duration {
    let time = Time::new();
    let instants = Arc::new(Mutex::new(Vec::new()));
    let upstream = Upstream::start({
        let (time, instants) = (time.clone(), Arc::clone(&instants));
        move |_| {
            let mut instants = instants.lock().unwrap();
            instants.push(time.now());
            if instants.len() == 1 { refusal.clone() } else { page() }
        }
    })
    .await;
    time.client_of(&upstream).build().unwrap().page(&first_page()).await.unwrap();
    let instants = instants.lock().unwrap();
    assert_eq!(instants.len(), 2);
    instants[1] - instants[0]
}

#[tokio::test]
async fn every_clock_is_obeyed_and_one_in_the_past_asks_for_nothing() {
    let spread = Duration::from_secs(5);
    for (asked_s, reply) in [600, 7, 0].into_iter().flat_map(|s| refusals(s).into_iter().map(move |r| (s, r)))
    {
        let asked = Duration::from_secs(u64::try_from(asked_s).unwrap());
        let wait = wait_after(reply.clone()).await;
        assert!((asked..asked + spread).contains(&wait), "{wait:?} {reply:?}");
    }
    let none = [Reply::error(429, "x"), Reply::error(429, "x").header("retry-after", "soon")];
    for reply in refusals(-86_400).into_iter().chain(none) {
        let wait = wait_after(reply.clone()).await;
        assert!(wait < spread, "{wait:?} {reply:?}");
    }
}

#[tokio::test]
async fn a_clock_a_day_away_is_said_and_not_waited_for() {
    for reply in refusals(86_400) {
        let refusal = reply.clone();
        let upstream = Upstream::start(move |_| refusal.clone()).await;
        let (client, waits) = client_of(upstream.base_url());
        let error = client.build().unwrap().page(&first_page()).await.unwrap_err();
        assert_eq!((error.kind(), error.tries()), (ErrorKind::RateLimited, 1), "{reply:?}");
        assert!(error.to_string().contains("come back in 86400 s"), "{error}");
        assert!(waits.lock().unwrap().is_empty(), "{reply:?}");
    }
}

/// The deprecated endpoint takes one request a minute: the walk takes its time, and is seldom refused.
#[tokio::test]
async fn a_service_of_one_request_a_minute_is_waited_for() {
    let minute = Duration::from_secs(60);
    let all: Vec<_> = (0..50).map(|n| entry_at(second(n), "-0.1")).collect();
    let mut book = Book::new(all.clone());
    let mut limit = Limit::new(1, minute);
    let time = Time::new();
    let answered = Arc::new(Mutex::new(0));
    let upstream = Upstream::start({
        let (time, answered) = (time.clone(), Arc::clone(&answered));
        move |request| {
            limit.answer(time.now(), || {
                *answered.lock().unwrap() += 1;
                book.answer(request)
            })
        }
    })
    .await;
    let walk = Walk::over(window(0, 50)).endpoint(Endpoint::Usage).page_size(10).build().unwrap();
    let client = time.client_of(&upstream).build().unwrap();
    let walked: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
    assert_eq!(walked, all);
    let answered = *answered.lock().unwrap();
    assert!(answered >= 5);
    assert!(upstream.requests().len() < 2 * answered as usize, "no more refusals than answers");
    let minutes = minute * (answered - 1)..minute * (answered + 1);
    assert!(minutes.contains(&time.now()), "{answered} answers in {:?}", time.now());
}
