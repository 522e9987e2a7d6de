//! What an account and a ledger are called: names that are refused, that were there before, that come from the environment.

use crate::billing::{Run, command, finish, ndjson, run};
use crate::conversation::Request;
use crate::host::{HISTORY, Host};
use crate::ledger::{Ledger, Listed, noted};
use crate::place::Place;

#[test]
fn a_name_that_nobody_can_read_is_wrong_usage() {
    let place = Place::new();
    let (path, file) =
        (place.path("ledger.db"), place.write("may.ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")])));
    let long = "x".repeat(129);
    for (name, fault) in [
        ("", "it is empty"),
        (" acme", "it begins or ends with a space"),
        ("acme ", "it begins or ends with a space"),
        ("ac\nme", "it has control characters"),
        ("ac\u{1b}[31mme", "it has control characters"),
        ("ac\u{202e}me", "it has characters that change the direction of reading"),
        (long.as_str(), "it is longer than 128 characters"),
    ] {
        for args in [
            &["keys", "create", "--ledger", &path, "--account", name][..],
            &["import", &file, "--ledger", &path, "--account", name],
            &["import", "--dry-run", &file, "--ledger", &path, "--account", name],
        ] {
            run(args).failed(2, &format!("` is no name for an account: {fault}\n"));
            assert_eq!(place.names(), ["may.ndjson"], "no ledger is left behind");
        }
    }
    let refused = run(&["keys", "create", "--ledger", &path, "--account", "ac\u{202e}me"]);
    insta::assert_snapshot!(refused.said("no address"), @r"
    error: --account: `ac\u{202e}me` is no name for an account: it has characters that change the direction of reading
    hint: a name has 1 to 128 characters, no space at either end, no control characters and none that change the direction of reading
    exit code 2
    ");
    let refused = run(&["keys", "create", "--ledger", &path, "--description", "a\nb"]);
    insta::assert_snapshot!(refused.said("no address"), @r"
    error: `a\nb` is no description for a key: it has control characters
    hint: give --description one line of plain text
    exit code 2
    ");
    run(&["keys", "create", "--ledger", &path, "--account", &"é".repeat(128)]).done();
}

#[test]
fn an_account_that_is_made_is_said() {
    let place = Place::new();
    let (path, file) =
        (place.path("ledger.db"), place.write("may.ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")])));
    let made = |run: Run| run.done().stderr.contains("was not there and was made\n");
    let import =
        |account: &str| made(run(&["import", "--again", &file, "--ledger", &path, "--account", account]));
    assert_eq!(
        [import("default"), import("default"), import("acme"), import("acme")],
        [true, false, true, false]
    );
    let create = |account: &str| made(run(&["keys", "create", "--ledger", &path, "--account", account]));
    assert_eq!([create("default"), create("new"), create("new")], [false, true, false]);
}

/// A ledger from before there were rules has an account whose name turns the direction of reading.
#[test]
fn a_name_that_was_there_before_stays_and_steers_nothing() {
    let ledger = Ledger::of(&[noted("2026-05-01T00:00:00Z", "")]);
    let (path, old) = (ledger.path(), "a\u{202e}b");
    let key = ledger.key("a課b", "admin");
    let mut bytes = std::fs::read(&path).unwrap();
    let placeholder = "a課b".as_bytes();
    for at in 0..bytes.len() - placeholder.len() {
        if bytes[at..].starts_with(placeholder) {
            bytes[at..at + placeholder.len()].copy_from_slice(old.as_bytes());
        }
    }
    std::fs::write(&path, bytes).unwrap();
    run(&["check", "--ledger", &path]).done();
    let host = Host::start(&path, &[]);
    assert_eq!(host.ask(&Request::get(HISTORY).bearing(&key)).status, 200);
    host.stop();
    let list = run(&["accounts", "list", "--ledger", &path]).done();
    insta::assert_snapshot!(list.text(), @"
    account  entries  DIEM a day
    ab             0           -
    default        1           -
    ");
    for what in ["accounts", "keys"] {
        let list = run(&[what, "list", "--ledger", &path, "--json"]).done();
        assert!(list.text().contains(r#""a\u202eb""#), "{}", list.text());
    }
    // It can be used, and removed.
    let file = format!("{path}.ndjson");
    std::fs::write(&file, ndjson(&[noted("2026-05-01T00:00:00Z", "")])).unwrap();
    run(&["import", "--dry-run", &file, "--ledger", &path, "--account", old]).done();
    run(&["accounts", "remove", old, "--ledger", &path]).failed(1, "it has 1 key that is not revoked");
    let table = run(&["keys", "list", "--ledger", &path]).done();
    let id = table.text().lines().nth(1).unwrap().split_whitespace().next().unwrap();
    run(&["keys", "revoke", id, "--ledger", &path]).done();
    let removed = run(&["accounts", "remove", old, "--ledger", &path]).done();
    assert_eq!(removed.stderr.lines().next(), Some("removed account `ab`, in which nothing was recorded"));
}

#[test]
fn the_ledger_may_come_from_the_environment() {
    let (ledger, place) = (Ledger::of(&[]), Place::new());
    let (copy, file) =
        (place.path("copy.db"), place.write("may.ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")])));
    let with = |ledger: &str, args: &[&str]| {
        let mut command = command(args);
        command.env("BILLING_LEDGER", ledger);
        finish(command, b"")
    };
    let here = ledger.path();
    with(&here, &["keys", "create"]).done();
    with(&here, &["import", &file]).done();
    let list = with(&here, &["keys", "list", "--json"]).done();
    let list: Listed = serde_json::from_str(list.text()).unwrap();
    assert_eq!(list.ledger, here);
    with(&here, &["keys", "revoke", &list.keys[0].id]).done();
    assert!(with(&here, &["accounts", "list"]).done().text().contains("default"));
    with(&here, &["accounts", "set", "--diem-allocation", "1"]).done();
    with(&here, &["accounts", "remove", "default"]).failed(1, "it has 1 entry");
    with(&here, &["check"]).done();
    with(&here, &["status"]).done();
    with(&here, &["backup", "--to", &copy]).done();
    with(&here, &["restore", "--from", &copy]).done();
    with(&here, &["serve", "--listen", "everywhere"]).failed(2, "--listen");
    // A flag goes before the variable.
    with(&place.path("missing.db"), &["check", "--ledger", &here]).done();
    with(&place.path("missing.db"), &["serve", "--listen", "0"]).failed(1, "missing.db`");
    // An empty one counts as not given.
    for args in [
        &["serve"][..],
        &["import", &file],
        &["keys", "create"],
        &["keys", "list"],
        &["keys", "revoke", "0"],
        &["accounts", "list"],
        &["accounts", "set", "--diem-allocation", "1"],
        &["accounts", "remove", "x"],
        &["check"],
        &["status"],
        &["backup", "--to", &copy],
        &["restore", "--from", &copy],
    ] {
        let said = with("", args);
        assert!([1, 2].contains(&said.code.unwrap()), "{}", said.stderr);
        assert!(said.stderr.contains("/dev/null/"), "{}", said.stderr);
    }
    with("", &["check", "--ledger", &here]).done();
    // It is named, and not shown.
    let help = with("/a/secret/place.db", &["serve", "--help"]).done();
    assert!(
        help.text().contains("[env: BILLING_LEDGER]") && !help.text().contains("secret"),
        "{}",
        help.text()
    );
}
