//! `billing today`: one screen of what was spent.

use std::path::Path;

use billing_ledger::{Ledger as _, Source};
use billing_model::{Day, Timestamp, UsageEntry};
use billing_sqlite::SqliteLedger;
use billing_testkit::entry_at;
use serde::Deserialize;

use crate::billing::{command, finish, run};
use crate::copies::SERVICE;
use crate::ledger::{Ledger, at, record};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Today {
    schema: String,
    day: String,
    time_zone: String,
    synced: Option<String>,
    entries: u64,
    currencies: Vec<Currency>,
    diem: Diem,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Currency {
    currency: String,
    today: String,
    yesterday: String,
    seven_day_mean: String,
    hours: Vec<String>,
    days: Vec<String>,
}

#[derive(Deserialize)]
struct Diem {
    used: String,
    allocation: Option<String>,
    left: Option<String>,
}

/// The present by this machine's clock, in whole seconds.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_ns(i64::try_from(since.as_secs()).unwrap() * 1_000_000_000)
}

fn charged(at: Timestamp, amount: &str, currency: &str) -> UsageEntry {
    UsageEntry { currency: currency.into(), ..entry_at(at, amount) }
}

/// What is said of a ledger with these entries, which were made for the day that it is. Where a day begins meanwhile, all is made anew.
fn today(entries: impl Fn(Day) -> Vec<UsageEntry>, args: &[&str]) -> (Ledger, Day, String) {
    loop {
        let day = Day::of(now()).unwrap();
        let ledger = Ledger::of(&entries(day));
        let path = ledger.path();
        let said = run(&[&["today", "--ledger", &path], args].concat()).done();
        if Day::of(now()) == Some(day) {
            return (ledger, day, said.text().to_owned());
        }
    }
}

fn entries(day: Day) -> Vec<UsageEntry> {
    vec![
        charged(Day(day.0 - 20).start(), "-50", "USD"),
        charged(Day(day.0 - 7).start(), "-7.7", "USD"),
        charged(Day(day.0 - 1).start(), "-0.7", "USD"),
        charged(day.start(), "-1.25", "USD"),
        charged(day.start(), "-2.5", "DIEM"),
        charged(day.start(), "9", "USD"),
    ]
}

#[test]
fn a_program_gets_today_to_the_last_digit() {
    let (ledger, day, json) = today(entries, &["--json"]);
    let today: Today = serde_json::from_str(&json).unwrap();
    assert_eq!((today.schema.as_str(), today.day), ("billing-today/1", day.to_string()));
    assert_eq!((today.time_zone.as_str(), today.entries, today.synced), ("UTC", 3, None));
    let [diem, usd] = &today.currencies[..] else { panic!("{json}") };
    assert_eq!((diem.currency.as_str(), diem.today.as_str()), ("DIEM", "2.5"));
    let found = [&usd.currency, &usd.today, &usd.yesterday, &usd.seven_day_mean];
    assert_eq!(found, ["USD", "1.25", "0.7", "1.2"]);
    assert_eq!((usd.hours.len(), usd.hours[0].as_str()), (24, "1.25"));
    assert_eq!(usd.days.join(" "), "0 0 0 0 0 0 7.7 0 0 0 0 0 0.7 1.25");
    assert_eq!((today.diem.used.as_str(), today.diem.allocation, today.diem.left), ("2.5", None, None));

    run(&["accounts", "set", "--ledger", &ledger.path(), "--diem-allocation", "10"]).done();
    let json = run(&["today", "--json", "--ledger", &ledger.path(), "--account", "default"]).done();
    let diem = serde_json::from_str::<Today>(json.text()).unwrap().diem;
    assert_eq!(diem.allocation.as_deref(), Some("10"));
    // Unless it is tomorrow by now.
    assert!(["7.5", "10"].contains(&diem.left.unwrap().as_str()));
}

/// From entries, as another zone wants it, it is the same as from the sums of days.
#[test]
fn a_zone_of_the_same_clocks_has_the_same_today() {
    let (ledger, _, _) = today(entries, &[]);
    let said = |zone: &str| {
        let mut today = command(&["today", "--json", "--ledger", &ledger.path()]);
        today.env("BILLING_TIMEZONE", zone);
        let json = finish(today, b"").done().text().to_owned();
        // Rates depend on the second.
        let lines = json.lines().filter(|line| {
            !["created", "timeZone", "perHour", "atThisRate"].iter().any(|name| line.contains(name))
        });
        lines.map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    let day = || Day::of(now());
    // The second is read again where a day has begun between the two.
    let (before, utc, other, after) = (day(), said("UTC"), said("Africa/Abidjan"), day());
    assert!(utc == other || before != after, "{utc}\n{other}");
    let mut nowhere = command(&["today", "--ledger", &ledger.path()]);
    nowhere.env("BILLING_TIMEZONE", "Nowhere");
    finish(nowhere, b"").failed(2, "is no time zone of the IANA database");
}

#[test]
fn today_is_shown_on_one_screen() {
    let (_ledger, day, text) = today(entries, &[]);
    assert!(text.starts_with(&format!("Today, {day} · UTC · 3 entries · account default\n")), "{text}");
    // How wide a column is depends on the time of the day: early in it the rate is high.
    let lines: Vec<_> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for said in ["USD 1.25 ", "DIEM 2.50 ", "DIEM 2.50 used; ", "top models "] {
        assert!(lines.iter().any(|line| line.starts_with(said)), "{said:?} is not in: {text}");
    }
    assert!(text.lines().count() < 24 && text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn plain_ascii_is_enough() {
    let (ledger, _, _) = today(entries, &[]);
    let mut ascii = command(&["today", "--ledger", &ledger.path()]);
    ascii.env("LC_ALL", "C");
    let ascii = finish(ascii, b"").done();
    assert!(ascii.text().is_ascii(), "{}", ascii.text());
}

#[test]
fn an_empty_ledger_and_one_of_long_ago_are_told_so() {
    let empty = Ledger::of(&[]);
    let said = run(&["today", "--ledger", &empty.path()]).done();
    assert!(said.text().contains("\nNothing was spent in the last 14 days.\n"), "{}", said.text());
    let old = Ledger::of(&[]);
    record(&old.path(), &[charged(at("2020-01-01T00:00:00Z"), "-1", "USD")]);
    let ledger = SqliteLedger::open(Path::new(&old.path())).unwrap();
    let copy = ledger.create_account("copy").unwrap();
    let source = Source {
        base_url: SERVICE.to_owned(),
        key_fingerprint: "f".to_owned(),
        settle: Source::SETTLE,
        synced_at: Some(at("2020-01-02T00:00:00Z")),
    };
    ledger.set_source(copy, &source).unwrap();
    drop(ledger);
    let said = run(&["today", "--ledger", &old.path()]).done();
    assert!(said.text().contains("· 2 accounts\n"), "{}", said.text());
    let last = said.text().lines().last().unwrap();
    assert!(
        last.starts_with("last synced ") && last.ends_with(" days ago: `billing sync` brings what is new")
    );
    run(&["today", "--ledger", &old.path(), "--account", "none"]).failed(1, "there is no account `none`");
    run(&["today", "--ledger", "/dev/null/none"]).failed(1, "");
}
