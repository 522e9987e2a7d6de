//! An account's allocation and balance, and the life of its keys.

use billing_model::{Balance, Currency, UsageEntry, parse_decimal};
use chrono::Utc;

use crate::billing::{Run, ndjson, run};
use crate::conversation::Request;
use crate::host::{BALANCE, HISTORY, Host};
use crate::ingest::post;
use crate::ledger::{Ledger, noted};

fn set(ledger: &Ledger, account: &str, allocation: &str) -> Run {
    run(&[
        "accounts",
        "set",
        "--ledger",
        &ledger.path(),
        "--account",
        account,
        "--diem-allocation",
        allocation,
    ])
}

fn balance(host: &Host, key: &str) -> Balance {
    let answer = host.ask(&Request::get(BALANCE).bearing(key));
    assert_eq!(answer.status, 200, "{}", answer.text());
    Balance::from_json(answer.text()).unwrap()
}

#[test]
fn what_an_account_gets_is_what_its_balance_shows() {
    let ledger = Ledger::of(&[]);
    let [admin, other] = ["default", "other"].map(|account| ledger.key(account, "admin"));
    let ingest = ledger.key("default", "ingest");
    let host = Host::start(&ledger.path(), &[]);
    let diem = |key: &str| {
        let balance = balance(&host, key);
        (balance.diem_epoch_allocation.to_string(), balance.balances.diem.map(|left| left.to_string()))
    };
    let nothing = diem(&admin);
    assert_eq!(nothing.0, "0");
    // While it is served.
    for (typed, shown) in [("10", "10"), ("10.50", "10.5"), ("0", "0"), ("1e-8", "0.00000001")] {
        let said = set(&ledger, "default", typed).done().stderr;
        assert!(said.contains(&format!("account `default` gets {shown} DIEM a day")), "{said}");
        assert_eq!(diem(&admin), (shown.to_owned(), Some(shown.to_owned())));
    }
    set(&ledger, "default", "10").done();
    let list = run(&["accounts", "list", "--ledger", &ledger.path()]).done();
    let row = list.text().lines().find(|line| line.starts_with("default")).unwrap().to_owned();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["default", "0", "10"]);
    assert_eq!(diem(&other), nothing, "another account is another matter");

    // What was spent today is subtracted, and what was spent before is not. Around midnight it may be either.
    let day = || Utc::now().format("%Y-%m-%d").to_string();
    let today = day();
    let spent = |timestamp: &str, amount: &str| UsageEntry {
        currency: Currency::Diem,
        amount: parse_decimal(amount).unwrap(),
        ..noted(timestamp, "")
    };
    let batch = [spent(&format!("{today}T00:00:00Z"), "-0.1"), spent("2026-05-01T00:00:00Z", "-7")];
    let answer = host.ask(&post(&ingest, "spent", "application/x-ndjson", ndjson(&batch)));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let left = diem(&admin).1.unwrap();
    let expect: &[_] = if day() == today { &["9.9"] } else { &["9.9", "10"] };
    assert!(expect.contains(&left.as_str()), "{left}");
    set(&ledger, "default", "none").done();
    assert_eq!(diem(&admin).0, "0");
}

#[test]
fn a_program_reads_what_an_account_owes() {
    let of = |currency: &str, amount: &str| UsageEntry {
        currency: Currency::from(currency),
        amount: parse_decimal(amount).unwrap(),
        ..noted("2026-05-01T00:00:00Z", "")
    };
    let ledger = Ledger::of(&[
        of("USD", "25"),
        of("USD", "-25"),
        of("USD", "-1e-28"),
        of("BUNDLED_CREDITS", "5"),
        of("DIEM", "-8e-7"),
        of("NEW", "0"),
    ]);
    let [admin, _] = ["default", "another \"one\""].map(|account| ledger.key(account, "admin"));
    set(&ledger, "default", "10.50").done();
    let list = run(&["accounts", "list", "--ledger", &ledger.path(), "--json"]).done();
    assert_eq!(list.stderr, "");
    insta::assert_snapshot!(list.text().replace(&ledger.path(), "ledger.db"), @r#"
    {
      "ledger": "ledger.db",
      "accounts": [
        {
          "id": 2,
          "name": "another \"one\"",
          "entries": 0,
          "diemAllocation": null,
          "nets": {}
        },
        {
          "id": 1,
          "name": "default",
          "entries": 6,
          "diemAllocation": "10.5",
          "nets": {
            "BUNDLED_CREDITS": "5",
            "DIEM": "-0.0000008",
            "NEW": "0",
            "USD": "-0.0000000000000000000000000001"
          }
        }
      ]
    }
    "#);
    // The balance says of it that there is nothing left.
    let balances = balance(&Host::start(&ledger.path(), &[]), &admin).balances;
    assert_eq!((balances.usd, balances.bundled_credits), (None, Some("5".parse().unwrap())));
}

#[test]
fn an_allocation_that_is_no_amount_is_wrong_usage() {
    let ledger = Ledger::of(&[]);
    for wrong in ["ten", "", "1,5", "NaN", "inf", "1e400", "0x10", "10 DIEM", "None"] {
        let run = set(&ledger, "default", wrong);
        run.failed(2, "--diem-allocation");
        assert!(
            run.stderr.contains("\nhint: an allocation is an amount such as 10.5, or none\n"),
            "{}",
            run.stderr
        );
    }
    let negative = set(&ledger, "default", "-1");
    negative.failed(2, "`-1` is no allocation");
    assert!(
        negative.stderr.contains("\nhint: an allocation is an amount such as 10.5"),
        "{}",
        negative.stderr
    );
    let unknown = set(&ledger, "nobody", "10");
    unknown.failed(1, "there is no account `nobody`");
    assert!(unknown.stderr.contains("\nhint: billing accounts list shows them;"), "{}", unknown.stderr);
    run(&["accounts", "set", "--ledger", &ledger.path()]).failed(2, "--diem-allocation");
    let list = run(&["accounts", "list", "--ledger", &ledger.path()]).done();
    assert!(!list.text().contains("nobody"), "{}", list.text());
}

/// A row of `keys list`: kind, last six, last use.
fn listed(ledger: &Ledger) -> Vec<[String; 3]> {
    let list = run(&["keys", "list", "--ledger", &ledger.path()]).done();
    let mut lines = list.text().lines();
    let names: Vec<_> =
        lines.next().unwrap().split("  ").map(str::trim).filter(|name| !name.is_empty()).collect();
    // A column that says nothing of any key is left out.
    assert_eq!(names[..5], ["id", "account", "kind", "ends in", "created"]);
    let used = names.iter().position(|name| *name == "last used");
    let rows = lines.map(|line| {
        let cells: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        let used = used.map_or("-", |at| cells[at].as_str());
        [cells[2].clone(), cells[3].clone(), used.to_owned()]
    });
    rows.collect()
}

#[test]
fn a_list_of_keys_tells_what_they_are_and_when_they_were_used() {
    let ledger = Ledger::of(&[]);
    let keys = ["admin", "ingest", "inference", "admin"].map(|kind| (kind, ledger.key("default", kind)));
    let row = |at: usize, used: &str| {
        let (kind, key) = &keys[at];
        [(*kind).to_owned(), key[key.len() - 6..].to_owned(), used.to_owned()]
    };
    let mut expect: Vec<_> = (0..4).map(|at| row(at, "-")).collect();
    let mut found = listed(&ledger);
    expect.sort();
    found.sort();
    assert_eq!(found, expect);

    let day = || Utc::now().format("%Y-%m-%d").to_string();
    let before = day();
    let host = Host::start(&ledger.path(), &[]);
    let batch = ndjson(&[noted("2026-05-01T00:00:00Z", "")]);
    assert_eq!(host.ask(&Request::get(HISTORY).bearing(&keys[0].1)).status, 200);
    assert_eq!(host.ask(&post(&keys[1].1, "batch", "application/x-ndjson", batch)).status, 201);
    assert_eq!(host.ask(&Request::get(HISTORY).bearing("nonsense")).status, 401);
    // Uses that are not in the ledger yet are written when the server ends.
    host.stop();
    let after = day();
    let mut found = listed(&ledger);
    found.sort();
    let with = |used: &str| {
        let mut rows = vec![row(0, used), row(1, used), row(2, "-"), row(3, "-")];
        rows.sort();
        rows
    };
    assert!(found == with(&before) || found == with(&after), "{found:?}");
}
