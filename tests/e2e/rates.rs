//! How often a key may ask, and how often it may fail.

use crate::billing::ndjson;
use crate::conversation::{Answer, Request};
use crate::host::{BALANCE, HISTORY, Host, USAGE};
use crate::ingest::post;
use crate::ledger::{Ledger, noted};

/// What an answer says of the key's rate: the limit, and how many are left.
fn rate(answer: &Answer) -> [Option<&str>; 2] {
    ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"].map(|name| answer.header(name))
}

/// Asserts that the answer says when to come again, in seconds and as a time, and that both agree.
#[track_caller]
fn says_when(answer: &Answer, words: &str) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    assert_eq!(answer.text(), format!(r#"{{"error":"{words}"}}"#));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[test]
fn a_key_has_its_requests_a_minute() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let [one, other] = ["admin", "admin"].map(|kind| ledger.key("default", kind));
    let ingest = ledger.key("default", "ingest");
    let host = Host::start(&ledger.path(), &["--rate-limit", "3"]);
    let get = |target: &str, key: &str| host.ask(&Request::get(target).bearing(key));
    // Whatever is asked for, refused or not.
    for (target, status, left) in
        [(USAGE, 200, "2"), (BALANCE, 200, "1"), (&format!("{HISTORY}?x=1"), 400, "0")]
    {
        let answer = get(target, &one);
        assert_eq!((answer.status, rate(&answer)), (status, [Some("3"), Some(left)]));
        let reset: i64 = answer.header("x-ratelimit-reset-requests").unwrap().parse().unwrap();
        let now = chrono::Utc::now().timestamp();
        assert!((now - 1..=now + 61).contains(&reset), "unix time in seconds: {reset} at {now}");
        assert_eq!(answer.header("retry-after"), None);
    }
    for _ in 0..2 {
        let answer = get(HISTORY, &one);
        says_when(&answer, "Rate limit exceeded");
        assert_eq!(rate(&answer), [Some("3"), Some("0")]);
        let reset: i64 = answer.header("x-ratelimit-reset-requests").unwrap().parse().unwrap();
        let seconds: i64 = answer.header("retry-after").unwrap().parse().unwrap();
        let now = chrono::Utc::now().timestamp();
        assert!((now - 5..=now + 1).contains(&(reset - seconds)), "{reset} is in {seconds} s at {now}");
    }
    // Another key has its own, also of the same account.
    let answer = get(USAGE, &other);
    assert_eq!((answer.status, rate(&answer)), (200, [Some("3"), Some("2")]));
    // An ingest key has its own rate too, and a batch beyond it is not stored.
    let batch = |name: &str| {
        post(&ingest, name, "application/x-ndjson", ndjson(&[noted("2026-05-02T00:00:00Z", name)]))
    };
    for (name, left) in [("a", "2"), ("b", "1"), ("c", "0")] {
        let answer = host.ask(&batch(name));
        assert_eq!((answer.status, rate(&answer)), (201, [Some("3"), Some(left)]));
    }
    says_when(&host.ask(&batch("d")), "Rate limit exceeded");
    assert!(get(USAGE, &other).text().contains("\"total\":4,"));
    // A stranger has no rate, and nobody is let in for it.
    let stranger = get(USAGE, "nonsense");
    assert_eq!((stranger.status, rate(&stranger)), (401, [None, None]));
    assert_eq!(host.ask(&Request::get("/healthz")).status, 200);
}

#[test]
fn the_endpoint_by_page_number_has_a_rate_of_its_own() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let [admin, other] = ["admin", "admin"].map(|kind| ledger.key("default", kind));
    let host = Host::start(&ledger.path(), &["--usage-rate-limit", "1"]);
    let get = |target: &str, key: &str| host.ask(&Request::get(target).bearing(key));
    assert_eq!(rate(&get(USAGE, &admin)), [Some("1"), Some("0")]);
    says_when(&get(USAGE, &admin), "Rate limit exceeded");
    for _ in 0..3 {
        let answer = get(HISTORY, &admin);
        assert_eq!((answer.status, rate(&answer)), (200, [None, None]));
    }
    assert_eq!(get(USAGE, &other).status, 200);
}

#[test]
fn who_fails_too_often_is_blocked_and_nobody_else_is() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let [admin, other] = ["admin", "admin"].map(|kind| ledger.key("default", kind));
    let ingest = ledger.key("default", "ingest");
    let host = Host::start(&ledger.path(), &["--failed-request-limit", "5"]);
    let get = |target: &str, key: &str| host.ask(&Request::get(target).bearing(key));
    let wrong = format!("{USAGE}?limit=0");
    for _ in 0..3 {
        assert_eq!(get(&wrong, &admin).status, 400);
        assert_eq!(get(USAGE, &admin).status, 200, "what succeeds takes nothing away");
    }
    // Five may fail; the sixth one is answered, and then the key is blocked, whatever it asks for.
    for _ in 0..3 {
        assert_eq!(get(&format!("{HISTORY}?cursor=x"), &admin).status, 400);
    }
    for target in [&wrong, USAGE, HISTORY, BALANCE] {
        says_when(&get(target, &admin), "Too many failed requests");
    }
    assert_eq!(get(USAGE, &other).status, 200);
    // A stranger is known by its address. A caller with a key from the same address is no stranger.
    for _ in 0..6 {
        assert_eq!(get(USAGE, "nonsense").status, 401);
    }
    says_when(&get(USAGE, "nonsense"), "Too many failed requests");
    says_when(&get(USAGE, "other nonsense"), "Too many failed requests");
    assert_eq!(get(USAGE, &other).status, 200);
    // The same for ingest keys. But a bad batch does not hold up the others.
    let post = |name: &str, body: &str| host.ask(&post(&ingest, name, "application/x-ndjson", body));
    let good = ndjson(&[noted("2026-05-02T00:00:00Z", "")]);
    let good = std::str::from_utf8(&good).unwrap();
    assert_eq!(post("batch", good).status, 201);
    for _ in 0..6 {
        assert_eq!(post("another", "nonsense").status, 422);
        assert_eq!(post("batch", &good.repeat(2)).status, 409);
    }
    assert_eq!(post("third", good).status, 201);
    for _ in 0..6 {
        assert_eq!(post("", good).status, 400);
    }
    says_when(&post("fourth", good), "Too many failed requests");
    assert!(get(USAGE, &other).text().contains("\"total\":3,"), "and nothing is stored");
    assert_eq!(host.ask(&Request::get("/readyz")).status, 200);
}

#[test]
fn fifty_failures_are_borne_unless_another_number_is_given() {
    let ledger = Ledger::of(&[]);
    let key = ledger.key("default", "admin");
    let host = Host::start(&ledger.path(), &[]);
    let mut connection = host.connect();
    let wrong = Request::get(&format!("{USAGE}?limit=0")).bearing(&key);
    // The one too many is answered, and those after it are not.
    for _ in 0..=50 {
        assert_eq!(connection.ask(&wrong).unwrap().status, 400);
    }
    says_when(&connection.ask(&wrong).unwrap(), "Too many failed requests");
}
