//! When a client comes back to a service that refuses: at the second that the service names, or after waits of its own
//! when the service names none.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, UNIX_EPOCH};

use billing_http::{ClientBuilder, Endpoint, Error, ErrorKind, RetryPolicy, Walk};
use billing_testkit::{Book, Limit, Reply, Upstream, entry_at};
use futures::TryStreamExt;

use crate::support::{client_of, first_page, second, window};

/// A page; its content does not matter.
fn page() -> Reply {
    Reply::json(200, r#"{"data":[],"nextCursor":null}"#)
}

/// A simulated clock. Each wait of the client moves it on.
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

    /// A client that waits by this clock.
    fn client_of(&self, upstream: &Upstream) -> ClientBuilder {
        let waited = Arc::clone(&self.waited);
        client_of(upstream.base_url()).0.sleep(move |wait| {
            *waited.lock().unwrap() += wait;
            Box::pin(std::future::ready(()))
        })
    }
}

/// Refusals that ask for so many seconds, one for each header and unit.
fn refusals(seconds: i64) -> Vec<Reply> {
    const NOW: i64 = 1_784_111_777;
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
        refusal("x-ratelimit-reset-requests", (at * 1000).to_string()),
        refusal("x-ratelimit-resets", (at * 1000).to_string()),
        refusal("x-ratelimit-resets", at.to_string()),
    ];
    if seconds >= 0 {
        all.push(refusal("retry-after", seconds.to_string()));
        all.push(refusal("x-ratelimit-reset-tokens", seconds.to_string()));
        all.push(refusal("ratelimit", format!("\"default\";r=0;t={seconds}")));
    }
    all
}

/// The time from this refusal to the next request.
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
async fn every_clock_is_obeyed_and_one_in_the_past_is_none() {
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
async fn a_clock_that_is_nearly_a_day_away_is_said_and_not_waited_for() {
    for reply in refusals(86_399) {
        let refusal = reply.clone();
        let upstream = Upstream::start(move |_| refusal.clone()).await;
        let (client, waits) = client_of(upstream.base_url());
        let error = client.build().unwrap().page(&first_page()).await.unwrap_err();
        assert_eq!((error.kind(), error.tries()), (ErrorKind::RateLimited, 1), "{reply:?}");
        assert!(error.to_string().contains("come back in 86399 s"), "{error}");
        assert!(waits.lock().unwrap().is_empty(), "{reply:?}");
    }
}

/// The deprecated endpoint takes one request a minute: the walk keeps to that, and is seldom refused.
#[tokio::test]
async fn a_service_of_one_request_a_minute_is_waited_for() {
    let minute = Duration::from_secs(60);
    let all: Vec<_> = (0..50).map(|n| entry_at(second(n), "-0.1")).collect();
    let mut book = Book::new(all.clone());
    let mut limit = Limit::new(1, minute);
    let time = Time::new();
    // The simulated clock is not near 1970, because small numbers would be read as seconds from now.
    let today = Duration::from_secs(1_784_111_777);
    let answered = Arc::new(Mutex::new(0));
    let upstream = Upstream::start({
        let (time, answered) = (time.clone(), Arc::clone(&answered));
        move |request| {
            limit.answer(today + time.now(), || {
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

/// Asks for a page, and returns when it came and after how many requests.
async fn page_of(refuse: impl Fn(Duration) -> bool + Send + 'static) -> (Result<Duration, Error>, usize) {
    page_or(Reply::error(429, "slow down"), refuse).await
}

async fn page_or(
    refusal: Reply,
    refuse: impl Fn(Duration) -> bool + Send + 'static,
) -> (Result<Duration, Error>, usize) {
    let time = Time::new();
    let upstream = Upstream::start({
        let time = time.clone();
        move |_| if refuse(time.now()) { refusal.clone() } else { page() }
    })
    .await;
    let result = time.client_of(&upstream).build().unwrap().page(&first_page()).await;
    (result.map(|_| time.now()), upstream.requests().len())
}

/// Named after what broke: a page was given up after ten refusals, which a block of a minute could cause.
#[tokio::test]
async fn a_block_without_a_clock_is_borne_and_left_soon_after_it() {
    for (length_s, most_requests) in [(2, 6), (8, 9), (60, 14), (600, 45)] {
        let length = Duration::from_secs(length_s);
        let (came, requests) = page_of(move |now| now < length).await;
        let late = came.unwrap() - length;
        // Each wait is half as long again as the one before, and none is longer than 20 s.
        assert!(
            late <= (length / 2).min(Duration::from_secs(20)) + Duration::from_secs(1),
            "{length_s}: {late:?}"
        );
        assert!(requests <= most_requests, "{length_s}: {requests}");
    }
}

#[tokio::test]
async fn a_service_that_refuses_for_half_an_hour_is_given_up() {
    let (result, requests) = page_of(|_| true).await;
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.tries() as usize), (ErrorKind::RateLimited, requests));
    assert!(error.to_string().contains("429 slow down (tried "), "{error}");
    assert!((80..120).contains(&requests), "{requests}");
}

/// Named after what broke: the limiter's next wait was not counted, and 40 seconds became nearly a minute.
#[tokio::test]
async fn refusals_for_ever_take_no_longer_than_there_is_patience() {
    let seconds = Duration::from_secs;
    for refusal in [Reply::error(429, "x"), Reply::error(429, "x").header("retry-after", "1")] {
        let time = Time::new();
        let upstream = Upstream::start(move |_| refusal.clone()).await;
        let policy = RetryPolicy { budget: seconds(40), max_wait: seconds(20), ..RetryPolicy::default() };
        let client = time.client_of(&upstream).retry(policy).build().unwrap();
        let error = client.page(&first_page()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert!((seconds(20)..seconds(41)).contains(&time.now()), "{:?}", time.now());
    }
}

/// A clock that is wrong every time is no reason to ask as fast as the service answers.
#[tokio::test]
async fn a_service_that_says_now_for_ever_is_given_up_as_slowly() {
    let refusal = Reply::error(429, "slow down").header("retry-after", "0");
    let (result, requests) = page_or(refusal, |_| true).await;
    assert_eq!(result.unwrap_err().kind(), ErrorKind::RateLimited);
    assert!((80..120).contains(&requests), "{requests}");
}

/// The time of refusals counts for all requests of a client together: sixteen requests do not have half an hour each.
#[tokio::test]
async fn a_walk_over_a_service_that_refuses_for_ever_ends_after_half_an_hour() {
    let time = Time::new();
    let all: Vec<_> = (0..500).map(|n| entry_at(second(n), "-0.1")).collect();
    let mut book = Book::new(all);
    let mut answered = 0;
    let upstream = Upstream::start(move |request| {
        answered += 1;
        if answered > 20 { Reply::error(429, "slow down") } else { book.answer(request) }
    })
    .await;
    let walk = Walk::over(window(0, 500)).endpoint(Endpoint::UsageHistory).page_size(10).concurrency(16);
    let client = time.client_of(&upstream).build().unwrap();
    let error = walk.build().unwrap().entries(&client).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
    // The page that is given up first need not be the next one that the walk hands out.
    let minutes = time.now().as_secs() / 60;
    assert!((29..=36).contains(&minutes), "{minutes}");
}

/// The service has a limit and does not tell it. The walk learns it, and is seldom refused from then on.
#[tokio::test]
async fn a_limit_without_a_clock_is_learnt() {
    let time = Time::new();
    let all: Vec<_> = (0..1000).map(|n| entry_at(second(n), "-0.1")).collect();
    let mut book = Book::new(all.clone());
    let answers = Arc::new(Mutex::new((0_u64, 0_u64)));
    let upstream = Upstream::start({
        let (time, answers) = (time.clone(), Arc::clone(&answers));
        let (mut minute, mut left) = (0, 0);
        move |request| {
            let now = time.now().as_secs() / 60;
            if now != minute {
                (minute, left) = (now, 10);
            }
            let mut answers = answers.lock().unwrap();
            if left == 0 {
                answers.1 += 1;
                return Reply::error(429, "slow down");
            }
            left -= 1;
            answers.0 += 1;
            book.answer(request)
        }
    })
    .await;
    let walk = Walk::over(window(0, 1000)).endpoint(Endpoint::UsageHistory).page_size(10).build().unwrap();
    let client = time.client_of(&upstream).build().unwrap();
    let walked: Vec<_> = walk.entries(&client).try_collect().await.unwrap();
    assert_eq!(walked, all);
    let (taken, refused) = *answers.lock().unwrap();
    // Two dozen refusals are allowed for the first two minutes.
    assert!(refused < 24 + taken / 10, "{refused} refused, {taken} taken");
    let minutes = time.now().as_secs() / 60;
    assert!(minutes * 10 <= taken * 16 / 10, "{taken} pages in {minutes} minutes");
}
