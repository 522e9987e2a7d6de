//! What a ledger holds, for people and for programs.

use billing_ledger::{Change, Ledger as _, Source};
use billing_sqlite::SqliteLedger;

use crate::billing::run;
use crate::copies;
use crate::ledger::{Ledger, at, noted};

/// A ledger with an account that has entries of its own, a copy, and a copy that has nothing yet.
fn ledger() -> Ledger {
    let days = ["2026-05-01", "2026-05-31", "2026-06-25", "2026-06-25"];
    let entries = days.map(|day| noted(&format!("{day}T00:00:00Z"), day));
    let ledger = Ledger::of(&entries[..1]);
    let walked = [
        (None, "2026-05-15T00:00:00Z", "2026-07-01T00:00:00Z"),
        (Some("2026-05-15T00:00:00Z"), "2026-06-01T00:00:00Z", "2026-07-01T00:00:00Z"),
        (Some("2026-06-20T00:00:00Z"), "2026-07-01T00:00:00Z", "2026-07-01T00:05:00Z"),
    ];
    copies::make(&ledger, "copy", &walked, &entries);
    copies::make(&ledger, "empty", &[], &[]);
    ledger
}

#[test]
fn each_account_says_what_it_holds_and_what_is_missing() {
    let ledger = ledger();
    let shown = run(&["status", "--ledger", &ledger.path()]).done();
    let (first, rest) = shown.text().split_once('\n').unwrap();
    assert!(first.starts_with(&format!("{}: ", ledger.path())) && first.ends_with(" bytes"), "{first}");
    assert!(rest.lines().all(|line| line.chars().count() <= 80), "{rest}");
    insta::assert_snapshot!(rest, @"

    account copy
    source       https://api.venice.ai/api/v1
    has          4 entries
    synced       2026-07-01T00:05:00.000Z
    held         the beginning to 2026-06-01T00:00:00.000Z
                 2026-06-20T00:00:00.000Z to 2026-07-01T00:00:00.000Z
    missing      2026-06-01T00:00:00.000Z to 2026-06-20T00:00:00.000Z
    provisional  from 2026-06-30T23:50:00.000Z on
    records      3
    net USD      -0.4

    account default
    source   none: it is not synced, and has what was recorded in it
    has      1 entry
    net USD  -0.1

    account empty
    source       https://api.venice.ai/api/v1
    has          0 entries
    synced       not to the end yet
    held         nothing
    missing      nothing in between
    provisional  nothing
    records      0
    ");
    let one = run(&["status", "--ledger", &ledger.path(), "--account", "empty"]).done();
    assert!(
        one.text().contains("\naccount empty\n") && !one.text().contains("account copy"),
        "{}",
        one.text()
    );
    run(&["status", "--ledger", &ledger.path(), "--account", "none"]).failed(1, "there is no account `none`");
}

#[test]
fn a_program_gets_all_of_it() {
    let ledger = ledger();
    let json = run(&["status", "--ledger", &ledger.path(), "--json", "--account", "copy"]).done();
    let text = json.text().replace(&ledger.path(), "LEDGER");
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("  \"bytes\": ")).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    {
      "ledger": "LEDGER",
      "accounts": [
        {
          "name": "copy",
          "entries": 4,
          "removedEntries": 0,
          "nets": {
            "USD": "-0.4"
          },
          "source": {
            "baseUrl": "https://api.venice.ai/api/v1",
            "syncedAt": "2026-07-01T00:05:00.000Z",
            "records": 3,
            "held": [
              {
                "since": null,
                "until": "2026-06-01T00:00:00.000Z"
              },
              {
                "since": "2026-06-20T00:00:00.000Z",
                "until": "2026-07-01T00:00:00.000Z"
              }
            ],
            "missing": [
              {
                "since": "2026-06-01T00:00:00.000Z",
                "until": "2026-06-20T00:00:00.000Z"
              }
            ],
            "provisionalFrom": "2026-06-30T23:50:00.000Z"
          }
        }
      ]
    }
    "#);
}

#[test]
fn what_was_taken_out_is_counted_apart() {
    let ledger = ledger();
    let opened = SqliteLedger::open(std::path::Path::new(&ledger.path())).unwrap();
    let account = opened.account("default").unwrap().unwrap();
    let mut remove = Vec::new();
    let mut lend = |position, _: billing_model::LentEntry<'_>| {
        remove.push(position);
        Ok(())
    };
    let filter = billing_ledger::Filter::default();
    let query =
        billing_ledger::WalkQuery { account, filter: &filter, snapshot: None, after: None, limit: 10 };
    opened.page_by_position(&query, &mut lend).unwrap();
    opened.change(&Change { remove, ..Change::of(account, at("2026-07-01T00:00:00Z")) }).unwrap();
    let shown = run(&["status", "--ledger", &ledger.path(), "--account", "default"]).done();
    assert!(
        shown.text().contains("\nhas      0 entries\nremoved  1 entry, kept apart\n"),
        "{}",
        shown.text()
    );
}

#[test]
fn a_service_does_not_steer_a_terminal() {
    let ledger = ledger();
    let opened = SqliteLedger::open(std::path::Path::new(&ledger.path())).unwrap();
    let account = opened.account("empty").unwrap().unwrap();
    let base_url = "https://a.example/\u{1b}[2J\u{202e}/v1".to_owned();
    let source =
        Source { base_url, key_fingerprint: "f".to_owned(), settle: Source::SETTLE, synced_at: None };
    opened.set_source(account, &source).unwrap();
    for args in [&[][..], &["--json"]] {
        let shown = run(&[&["status", "--ledger", &ledger.path()], args].concat()).done();
        assert!(shown.text().contains("https://a.example/"), "{}", shown.text());
        assert!(!shown.text().contains(['\u{1b}', '\u{202e}']), "{}", shown.text());
    }
}
