//! Analytics by day, model and key, compared with the entries.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use billing_ledger::KeyKind;
use billing_model::{Analytics, Currency, Day, Timestamp, Total, UsageEntry};
use billing_sample::History;
use billing_server::{Config, router};
use billing_testkit::entry_at;

use crate::house::{ANALYTICS, Answer, House, now, send_get};

fn of(answer: &Answer) -> Analytics {
    assert_eq!(answer.status, 200, "{}", answer.body);
    Analytics::from_json(&answer.body).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Named after what broke: each request held a reader while it waited for its turn. So when as many requests waited as
/// there are readers, all others stopped.
#[tokio::test]
async fn requests_that_wait_for_their_turn_keep_no_reader() {
    let house = House::with(&[]);
    let request_timeout = Duration::from_secs(5);
    for concurrent_reads in [1, 4] {
        let config = Config { concurrent_reads, request_timeout, ..Config::new(now) };
        let router = router(Arc::clone(&house.ledger), config);
        let uris: Vec<_> = (1..=8).map(|days| format!("{ANALYTICS}?lookback={days}d")).collect();
        let asked = uris.iter().map(|uri| send_get(router.clone(), uri, &house.key));
        for answer in futures::future::join_all(asked).await {
            assert_eq!(answer.status, 200, "{}", answer.body);
        }
    }
}

/// The check that users of the provider make: a day's USD is what the ledger charged on that day in USD and bundled
/// credits.
#[tokio::test]
async fn every_day_equals_the_debits_of_its_ledger() {
    let stored: Vec<UsageEntry> = History::new(3, 20_000).collect();
    let house = House::with(&stored);
    house.import("theirs", &stored[..5_000]);
    let (first, last) = ("2026-02-10".parse::<Day>().unwrap(), "2026-05-09".parse::<Day>().unwrap());
    let uri = format!("{ANALYTICS}?startDate={first}&endDate={last}&topN=3");
    let analytics = of(&house.ask(&uri, &[]).await);

    let mut days: BTreeMap<Day, (Total, Total)> =
        (first.0..=last.0).map(|day| (Day(day), Default::default())).collect();
    for entry in stored.iter().filter(|entry| !entry.amount.is_positive()) {
        if let Some((usd, diem)) = days.get_mut(&Day::of(entry.timestamp).unwrap()) {
            match entry.currency {
                Currency::Usd | Currency::BundledCredits => usd.add(-entry.amount),
                Currency::Diem => diem.add(-entry.amount),
                _ => {}
            }
        }
    }
    let found: Vec<_> =
        analytics.by_date.iter().map(|row| (row.date, (row.usd.clone(), row.diem.clone()))).collect();
    assert_eq!(found, days.into_iter().collect::<Vec<_>>());
    assert_eq!(analytics.lookback, "2026-02-10:2026-05-09");
    assert_eq!(analytics.top_models.len(), 4);
    let sum = |totals: Vec<&Total>| {
        totals.into_iter().fold(Total::default(), |mut sum, part| {
            sum.merge(part);
            sum
        })
    };
    let all = sum(analytics.by_date.iter().flat_map(|row| [&row.usd, &row.diem]).collect());
    assert!(all.is_positive());
    assert_eq!(
        sum(analytics.by_model.iter().flat_map(|row| [&row.total_usd, &row.total_diem]).collect()),
        all
    );
    assert_eq!(sum(analytics.by_key.iter().flat_map(|row| [&row.total_usd, &row.total_diem]).collect()), all);
    for daily in [&analytics.by_model_daily, &analytics.by_key_daily] {
        assert_eq!(daily.len(), 89);
        assert_eq!(sum(daily.iter().flat_map(|row| row.spend.iter().map(|(_, spend)| spend)).collect()), all);
    }
}

#[tokio::test]
async fn keys_go_by_what_their_account_calls_them() {
    let house = House::with(&[]);
    let (ours, theirs) = (house.account("ours"), house.account("theirs"));
    let key = |account, name| house.ledger.create_key(account, KeyKind::Inference, name, now()).unwrap().0.id;
    let (bot, secret) = (key(ours, "chat bot"), key(theirs, "secret project"));
    let under = |key: Option<&str>, amount| UsageEntry {
        api_key_id: key.map(str::to_owned),
        ..entry_at(at("2026-07-08T00:00:00Z"), amount)
    };
    house.import("ours", &[under(Some(&bot), "-3"), under(Some(&secret), "-2"), under(None, "-1")]);
    let analytics = of(&house.ask(ANALYTICS, &[]).await);
    let keys: Vec<_> =
        analytics.by_key.iter().map(|key| (key.description.as_str(), key.total_usd.to_string())).collect();
    assert_eq!(keys, [("chat bot", "3".to_owned()), (&secret, "2".to_owned()), ("Web App", "1".to_owned())]);
    assert_eq!(analytics.top_key_names, ["chat bot", &secret, "Web App"]);
}

#[tokio::test]
async fn an_answer_is_good_for_ten_minutes_and_for_its_account() {
    let entry = entry_at(at("2026-07-08T01:00:00Z"), "-1");
    let house = House::with(std::slice::from_ref(&entry));
    let router = house.router();
    let ask =
        async |key: &str, query: &str| send_get(router.clone(), &format!("{ANALYTICS}{query}"), key).await;
    let usd = |answer: &Answer| of(answer).by_date.last().unwrap().usd.to_string();
    let first = ask(&house.key, "").await;
    assert_eq!(first.header("cache-control"), Some("private, max-age=600"));
    assert_eq!((first.header("age"), usd(&first).as_str()), (Some("0"), "1"));
    house.import("ours", std::slice::from_ref(&entry));
    house.import("theirs", &[entry.clone(), entry.clone(), entry]);
    assert_eq!(ask(&house.key, "").await.body, first.body, "as it was given before");
    assert_eq!(ask(&house.key, "?lookback=7d").await.body, first.body, "the same question in other words");
    let ignored = "?startDate=2026-07-01&lookback=7d";
    assert_eq!(ask(&house.key, ignored).await.body, first.body, "a date alone asks for nothing");
    assert_eq!(usd(&ask(&house.key, "?lookback=8d").await), "2", "another question");
    assert_eq!(usd(&ask(&house.other_key, "").await), "3", "another account");

    let config = Config { analytics_ttl: Duration::ZERO, ..Config::new(now) };
    let forgetful =
        crate::house::send_get(billing_server::router(house.ledger.clone(), config), ANALYTICS, &house.key)
            .await;
    assert_eq!(usd(&forgetful), "2");
}

/// The answer has the days that its `lookback` says.
#[tokio::test]
async fn an_answer_says_what_it_was_asked_for() {
    let house = House::with(&[]);
    for (query, lookback, first, last) in [
        ("", "7d", "2026-07-02", "2026-07-08"),
        ("?lookback=1d", "1d", "2026-07-08", "2026-07-08"),
        ("?lookback=91d", "90d", "2026-04-10", "2026-07-08"),
        ("?lookback=99999999999d&topN=3", "90d", "2026-04-10", "2026-07-08"),
        ("?endDate=2026-05-31", "7d", "2026-07-02", "2026-07-08"),
        (
            "?startDate=2026-05-01&endDate=2026-05-31&lookback=7d",
            "2026-05-01:2026-05-31",
            "2026-05-01",
            "2026-05-31",
        ),
        ("?startDate=2025-07-01&endDate=2026-07-01", "2025-07-01:2026-07-01", "2025-07-01", "2026-07-01"),
    ] {
        let analytics = of(&house.ask(&format!("{ANALYTICS}{query}"), &[]).await);
        let days = &analytics.by_date;
        let ends = (days[0].date.to_string(), days[days.len() - 1].date.to_string());
        let expect = (lookback, (first.to_owned(), last.to_owned()));
        assert_eq!((analytics.lookback.as_str(), ends), expect, "{query}");
    }
}

#[tokio::test]
async fn what_takes_too_long_is_given_up() {
    let house = House::with(&History::new(3, 20_000).collect::<Vec<_>>());
    let config = Config { analytics_timeout: Duration::ZERO, ..Config::new(now) };
    let answer = send_get(
        router(house.ledger.clone(), config),
        &format!("{ANALYTICS}?startDate=2026-01-01&endDate=2026-06-30"),
        &house.key,
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), answer.body.as_str()),
        (504, r#"{"error":"The request took too long"}"#)
    );
}

#[tokio::test]
async fn every_fault_of_the_question_is_told() {
    let house = House::with(&[]);
    for query in [
        "lookback=0d",
        "lookback=7",
        "startDate=2026-01-32",
        "lookback=7&startDate=2026-01-01&endDate=2026-01-01",
        "startDate=2025-01-01&endDate=2026-01-02",
        "topN=51",
        "page=1",
        "endDate=x",
    ] {
        let answer = house.ask(&format!("{ANALYTICS}?{query}"), &[]).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(
            answer.body.starts_with(r#"{"error":"Invalid request parameters","details":{"_errors":["#),
            "{}",
            answer.body
        );
    }
    let answer = house.ask(ANALYTICS, &[("accept", "text/csv")]).await;
    assert_eq!(answer.status, 406);
}
