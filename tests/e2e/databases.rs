//! A ledger in PostgreSQL, by every command that takes one.

mod away;
mod passwords;
mod servers;
mod tools;

use billing_model::UsageEntry;
use billing_testkit::Postgres;

use crate::billing::{self, Run, command, finish, ndjson, run};
use crate::ledger::{noted, real_entries};
use crate::place::Place;
use crate::source::{KEY, Source, held, timeless};

/// All that a run printed and said, the same for either engine and at any pace.
fn said(run: &Run, ledger: &str) -> String {
    let all = format!("{}{}exit code {:?}", run.text(), run.stderr, run.code).replace(ledger, "LEDGER");
    // Of a rate nothing is the same but its place, behind the seconds.
    let lines = all.lines().filter(|line| !line.contains("importedAt") && !line.contains(": ledger: "));
    lines.map(timeless).map(|line| line.split(" s, ").next().unwrap().to_owned() + "\n").collect()
}

#[test]
fn every_command_says_the_same_of_either_engine() {
    let Some(postgres) = Postgres::need() else { return };
    let place = Place::new();
    let file = place.write("some.ndjson", ndjson(&real_entries()[..2_000]));
    let more = place.write("more.ndjson", ndjson(&[noted("2026-06-30T23:59:59.999Z", "the last")]));
    let ledgers = [place.path("ledger.db"), postgres.database()];
    for args in [
        &["import", &file, "--dry-run", "--json"][..],
        &["import", &file, &more, "--account", "ours", "--json"],
        &["import", &file, "--account", "ours"],
        &["import", &file, "--account", "ours", "--dry-run"],
        &["import", &more, "--account", "nobody's "],
        &["import", &more, "--account", "theirs", "--json"],
        &["import", &more, "--account", "theirs", "--again"],
        &["accounts", "set", "--account", "ours", "--diem-allocation", "10.50"],
        &["accounts", "set", "--account", "nobody", "--diem-allocation", "1"],
        &["accounts", "list"],
        &["accounts", "list", "--json"],
        &["accounts", "remove", "nobody"],
        &["keys", "list"],
        &["keys", "list", "--json"],
        &["keys", "revoke", "0123456789abcdef"],
        &["report", "--by", "day,model", "--format", "csv"],
        &["report", "--by", "key", "--account", "ours", "--month", "2026-05", "--requests"],
        &["report", "--by", "sku", "--usd", "--until", "2026-07"],
        &["report", "--account", "nobody"],
        &["daily"],
        &["weekly"],
        &["monthly"],
        &["models"],
        &["today"],
        &["statusline"],
    ] {
        let [of_file, of_database] =
            ledgers.each_ref().map(|ledger| said(&run(&[args, &["--ledger", ledger]].concat()), ledger));
        assert_eq!(of_file, of_database, "{args:?}");
    }
    for ledger in &ledgers {
        let clean = run(&["check", "--json", "--ledger", ledger]).done();
        for line in ["\"clean\": true,", "\"entries\": 2003,", "\"accounts\": 2,", "\"files\": 4,"] {
            assert!(clean.text().contains(line), "{line}: {}", clean.text());
        }
        assert!(
            said(&clean, ledger).contains("LEDGER is clean: 2,003 entries in TIME s\n"),
            "{}",
            clean.stderr
        );
    }
    for args in [&["export", "--account", "ours"][..], &["export", "--account", "ours", "--format", "ndjson"]]
    {
        let [of_file, of_database] = ledgers.each_ref().map(|ledger| {
            run(&[args, &["--until", "2026-07", "--from-ledger", ledger]].concat()).done().stdout
        });
        assert!(of_file == of_database && of_file.len() > 100_000, "{args:?}");
    }
    // An account with entries stays, and each engine says so in its own words.
    for ledger in &ledgers {
        run(&["accounts", "remove", "ours", "--ledger", ledger]).failed(1, "account");
        let status = run(&["status", "--ledger", ledger]).done();
        let (first, _) = status.text().split_once('\n').unwrap();
        assert!(first.starts_with(ledger) && first.ends_with(" bytes"), "{first}");
        assert!(status.text().contains(" 2,001 entries"), "{}", status.text());
    }
}

#[test]
fn a_ledger_is_made_where_there_is_none_and_only_by_what_records() {
    let Some(postgres) = Postgres::need() else { return };
    let (url, place) = (postgres.database(), Place::new());
    for args in
        [&["status"][..], &["keys", "list"], &["accounts", "list"], &["report"], &["today"], &["serve"]]
    {
        run(&[args, &["--ledger", &url]].concat()).failed(1, "there is no ledger in");
    }
    let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname = 'billing'";
    let file = place.write("some.ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")]));
    run(&["import", &file, "--ledger", &url, "--dry-run"]).done();
    assert_eq!(postgres.sql(&url, schemas), "0");
    run(&["import", &file, "--ledger", &url]).done();
    assert_eq!(postgres.sql(&url, schemas), "1");

    // The database itself is its owner's to make.
    let missing = postgres.url("not_there");
    let refused = run(&["keys", "create", "--ledger", &missing]);
    refused.failed(1, "not_there");
    assert!(refused.stderr.contains("hint: `createdb` makes a database"), "{}", refused.stderr);
    // What is not ours is left alone.
    let theirs = postgres.database();
    postgres.sql(&theirs, "CREATE SCHEMA billing; CREATE TABLE billing.invoices (id int)");
    run(&["keys", "create", "--ledger", &theirs]).failed(1, "is not a ledger");
    assert_eq!(postgres.sql(&theirs, "SELECT count(*) FROM pg_tables WHERE schemaname = 'billing'"), "1");
}

#[test]
fn an_account_is_kept_in_step_and_proven() {
    let Some(postgres) = Postgres::need() else { return };
    let url = postgres.database();
    let time = |n: usize| format!("2025-05-{:02}T{:02}:{:02}:00Z", 1 + n / 1440, n / 60 % 24, n % 60);
    let entries: Vec<UsageEntry> = (0..6_000).map(|n| noted(&time(n), &n.to_string())).collect();
    let source = Source::of(entries);
    let run = |name: &str, args: &[&str]| {
        let mut command =
            command(&[&[name, "--base-url", &source.base_url(), "--ledger", &url], args].concat());
        command.env("BILLING_API_KEY", KEY);
        finish(command, b"")
    };
    let rehearsed = run("sync", &["--dry-run"]).done();
    assert!(rehearsed.stderr.contains("6,000 entries would be added"), "{}", rehearsed.stderr);
    run("sync", &[]).done();
    source.change(|entries| {
        entries.remove(2_000);
        entries.push(noted("2025-05-02T12:00:00.5Z", "late"));
    });
    let differs = run("verify", &[]);
    assert_eq!(differs.code, Some(3), "{}", differs.stderr);
    let brought = run("sync", &["--full", "--json"]).done();
    assert!(brought.text().contains(r#""added":1,"late":1,"changed":0,"vanished":1"#), "{}", brought.text());
    run("verify", &[]).done();
    let mut expect = source.state().entries[KEY].clone();
    let mut held = held(&url);
    for entries in [&mut expect, &mut held] {
        entries.sort_by_key(|entry| entry.timestamp);
    }
    assert!(held == expect);
    billing::run(&["check", "--ledger", &url]).done();
    // A sum that somebody changed is found, and the file of it is no file to keep.
    postgres.sql(&url, "UPDATE billing.balances SET amount = amount + 1");
    let differs = billing::run(&["check", "--ledger", &url]);
    assert_eq!(differs.code, Some(3), "{}", differs.stderr);
    assert!(
        differs.stderr.contains(&format!("error: `{url}` differs from its entries in ")),
        "{}",
        differs.stderr
    );
}
