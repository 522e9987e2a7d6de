//! Removing an account, and what prevents it.

use crate::billing::{Run, ndjson, run};
use crate::conversation::Request;
use crate::host::{HISTORY, Host};
use crate::ingest::post;
use crate::ledger::{Ledger, noted};

fn remove(ledger: &Ledger, account: &str) -> Run {
    run(&["accounts", "remove", account, "--ledger", &ledger.path()])
}

/// What a command says and how it ends, wherever the ledger is.
fn said(run: &Run, ledger: &Ledger) -> String {
    run.said(&ledger.path()).replace("ADDRESS", "LEDGER")
}

fn names(ledger: &Ledger) -> Vec<String> {
    ledger.listed("accounts").accounts.into_iter().map(|account| account.name).collect()
}

#[test]
fn an_account_that_has_something_stays_and_says_what() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", ""), noted("2026-05-02T00:00:00Z", "")]);
    ledger.key("default", "admin");
    let ingest = ledger.key("acme", "ingest");
    let host = Host::start(&ledger.path(), &[]);
    let batch = ndjson(&[noted("2026-05-01T00:00:00Z", "")]);
    assert_eq!(host.ask(&post(&ingest, "1", "application/x-ndjson", batch)).status, 201);
    insta::assert_snapshot!(said(&remove(&ledger, "default"), &ledger), @"
    error: the account `default` cannot be removed: it has 2 entries, 1 imported file, 1 key that is not revoked
    hint: what was recorded is never removed; `billing keys revoke ID` revokes a key, and an import ends by itself
    exit code 1
    ");
    ledger.key("acme", "admin");
    insta::assert_snapshot!(said(&remove(&ledger, "acme"), &ledger), @"
    error: the account `acme` cannot be removed: it has 1 entry, 1 batch, 2 keys that are not revoked
    hint: what was recorded is never removed; `billing keys revoke ID` revokes a key, and an import ends by itself
    exit code 1
    ");
    ledger.revoke_keys_of("acme");
    remove(&ledger, "acme").failed(1, "it has 1 entry, 1 batch\n");
    insta::assert_snapshot!(said(&remove(&ledger, "nobody"), &ledger), @"
    error: there is no account `nobody` in `LEDGER`
    hint: billing accounts list shows them; billing keys create --account makes one
    exit code 1
    ");
    assert_eq!(names(&ledger), ["acme", "default"]);
}

#[test]
fn an_account_in_which_nothing_was_recorded_goes_with_its_revoked_keys() {
    let ledger = Ledger::of(&[]);
    for account in ["amce", "default"] {
        ledger.key(account, "admin");
    }
    let set =
        ["accounts", "set", "--ledger", &ledger.path(), "--account", "amce", "--diem-allocation", "10.5"];
    run(&set).done();
    remove(&ledger, "amce").failed(1, "it has 1 key that is not revoked\n");
    ledger.revoke_keys_of("amce");
    insta::assert_snapshot!(said(&remove(&ledger, "amce"), &ledger), @"
    removed account `amce`, in which nothing was recorded
    note: it got 10.5 DIEM a day
    note: its revoked key is no longer listed
    exit code 0
    ");
    // The one that is meant when none is named is like any other.
    ledger.revoke_keys_of("default");
    remove(&ledger, "default").done();
    assert!(names(&ledger).is_empty() && ledger.listed("keys").keys.is_empty());
    run(&["check", "--ledger", &ledger.path()]).done();
    // A new one of the same name is another account, with a number that none had.
    ledger.key("amce", "admin");
    assert_eq!(ledger.listed("accounts").accounts[0].id, 3);
}

#[test]
fn a_server_goes_on_while_an_account_is_removed() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let [admin, ingest] = ["admin", "ingest"].map(|kind| ledger.key("default", kind));
    let gone = ledger.key("acme", "admin");
    let host = Host::start(&ledger.path(), &[]);
    let status = |key: &str| host.ask(&Request::get(HISTORY).bearing(key)).status;
    assert_eq!((status(&admin), status(&gone)), (200, 200));
    ledger.revoke_keys_of("acme");
    remove(&ledger, "acme").done();
    assert_eq!((status(&admin), status(&gone)), (200, 401));
    let batch = ndjson(&[noted("2026-05-02T00:00:00Z", "")]);
    assert_eq!(host.ask(&post(&ingest, "1", "application/x-ndjson", batch)).status, 201);
    assert_eq!(host.ask(&Request::get("/readyz")).status, 200);
    // Its end records when keys were used, of one that is gone too.
    let said = host.stop();
    assert!(!said.contains("WARN") && !said.contains("ERROR"), "{said}");
    run(&["check", "--ledger", &ledger.path()]).done();
}

/// The key was valid when the batch began to come, and its account is gone when the batch has come.
#[test]
fn a_batch_on_its_way_to_an_account_that_goes_is_told_that_its_key_is_none() {
    let ledger = Ledger::of(&[]);
    let (ingest, other) = (ledger.key("acme", "ingest"), ledger.key("default", "ingest"));
    let host = Host::start(&ledger.path(), &[]);
    let body = ndjson(&[noted("2026-05-01T00:00:00Z", "")]);
    let batch = post(&ingest, "1", "application/x-ndjson", body.clone());
    let batch = batch.header("expect", "100-continue").bytes();
    let (head, rest) = batch.split_at(batch.len() - body.len());
    let mut sender = host.connect();
    sender.send(head).unwrap();
    sender.is_asked_to_go_on().unwrap();
    ledger.revoke_keys_of("acme");
    remove(&ledger, "acme").done();
    sender.send(rest).unwrap();
    assert_eq!(sender.answer().unwrap().status, 401);
    assert_eq!(host.ask(&post(&other, "1", "application/x-ndjson", body)).status, 201);
    assert_eq!(names(&ledger), ["default"]);
}

#[test]
fn a_program_reads_the_keys_and_none_of_their_secrets() {
    let ledger = Ledger::of(&[]);
    let path = ledger.path();
    let empty = run(&["keys", "list", "--ledger", &path, "--json"]).done();
    insta::assert_snapshot!(empty.text().replace(&path, "LEDGER"), @r#"
    {
      "ledger": "LEDGER",
      "keys": []
    }
    "#);
    let create = ["keys", "create", "--ledger", &path, "--kind", "ingest", "--description", "of \"one\""];
    let secret = run(&create).done().text().trim_end().to_owned();
    let list = run(&["keys", "list", "--ledger", &path, "--json"]).done();
    assert_eq!(list.stderr, "");
    let key = &ledger.listed("keys").keys[0];
    assert_eq!(key.last_six, &secret[secret.len() - 6..]);
    assert!(!list.text().contains(&secret[..secret.len() - 6]), "{}", list.text());
    let same = list.text().replace(&path, "LEDGER").replace(&key.id, "ID").replace(&key.created_at, "TIME");
    let same = same.replace(&format!("\"{}\"", key.last_six), "\"SIX\"");
    insta::assert_snapshot!(same, @r#"
    {
      "ledger": "LEDGER",
      "keys": [
        {
          "id": "ID",
          "account": "default",
          "kind": "ingest",
          "description": "of \"one\"",
          "lastSix": "SIX",
          "createdAt": "TIME",
          "lastUsedAt": null,
          "revokedAt": null
        }
      ]
    }
    "#);
    ledger.revoke_keys_of("default");
    assert!(ledger.listed("keys").keys[0].revoked_at.is_some());
}
