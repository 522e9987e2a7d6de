//! `billing verify`: a copy is proven against the service, and mended where it differs.

use billing_model::{Timestamp, UsageEntry};
use billing_testkit::entry_at;

use crate::billing::{Run, command, finish, run};
use crate::ledger::{Ledger, noted};
use crate::source::Source;

fn some() -> Vec<UsageEntry> {
    ["2025-05-01T00:00:00Z", "2025-05-02T00:00:00Z", "2025-05-02T00:00:00Z", "2025-05-03T00:00:00Z"]
        .map(|time| noted(time, "kept"))
        .into()
}

/// A copy, and a service that has other entries since.
fn differing() -> Source {
    let source = Source::of(some());
    source.sync(&[]).done();
    source.change(|entries| {
        entries.remove(2);
        entries[0].api_key_id = Some("key-1".to_owned());
        entries.push(UsageEntry {
            amount: "-34.2430983650000000176".parse().unwrap(),
            ..noted("2025-05-02T12:00:00Z", "late")
        });
    });
    source
}

#[test]
fn what_agrees_is_proven() {
    let source = Source::of(some());
    source.sync(&[]).done();
    let proven = source.run("verify", &[]).done();
    insta::assert_snapshot!(source.said(&proven), @"
    account `default`: 4 entries in 1 window agree with URL
    its usage analytics were not compared: GET URL/billing/usage-analytics: 404 Not found
    2 requests in TIME s
    exit code 0
    ");
    assert_eq!(proven.text(), "");
    let json = source.run("verify", &["--json"]).done();
    assert_eq!(json.stderr, "");
    for piece in ["\"proven\": true", "\"entries\": 4", "\"different\": []", "\"compared\": 0"] {
        assert!(json.text().contains(piece), "{piece} in {}", json.text());
    }
    source.is_in_line();
}

#[test]
fn what_differs_is_shown_whole() {
    let source = differing();
    let before = crate::source::held(&source.path());
    let differs = source.run("verify", &[]);
    insta::assert_snapshot!(source.said(&differs), @"
    note: the service does not have all that is held; asking once more before that is believed
    account `default`: 1 window of 1 differs from URL
    its usage analytics were not compared: GET URL/billing/usage-analytics: 404 Not found
    3 requests in TIME s
    error: account `default` differs from URL
    hint: --repair replaces what differs, whoever changed it, and makes counts and sums anew
    exit code 3
    ");
    insta::assert_snapshot!(source.said_of(differs.text()), @"
    from           to                        held  found  missing  changed  vanished
    the beginning  TIME     4      4        1        1         1

    from           currency               difference
    the beginning  USD       -34.1430983650000000176
    ");
    assert!(differs.text().lines().all(|line| line.chars().count() <= 80), "{}", differs.text());
    let mut wide = source.command("verify", &[]);
    wide.env("COLUMNS", "120");
    insta::assert_snapshot!(source.said_of(finish(wide, b"").text()), @"
    from           to                        held  found  missing  changed  vanished
    the beginning  TIME     4      4        1        1         1

    from           currency  ledger                  service               difference
    the beginning  USD         -0.4  -34.5430983650000000176  -34.1430983650000000176
    ");
    let json = source.run("verify", &["--json"]);
    assert_eq!(json.code, Some(3));
    for piece in [
        "\"proven\": false",
        "\"missing\": 1",
        "\"changed\": 1",
        "\"vanished\": 1",
        "\"USD\": \"-0.4\"",
        "\"USD\": \"-34.5430983650000000176\"",
    ] {
        assert!(json.text().contains(piece), "{piece} in {}", json.text());
    }
    assert_eq!(crate::source::held(&source.path()), before);
}

#[test]
fn what_differs_is_repaired() {
    let source = differing();
    let repaired = source.run("verify", &["--repair"]).done();
    insta::assert_snapshot!(source.said(&repaired), @"
    note: the service does not have all that is held; asking once more before that is believed
    account `default`: 1 window of 1 differs from URL
    repaired: 1 entry added, 1 of them late, 1 changed, 1 vanished; counts, sums and blocks were made anew
    its usage analytics were not compared: GET URL/billing/usage-analytics: 404 Not found
    4 requests in TIME s
    exit code 0
    ");
    source.is_in_line();
    source.run("verify", &[]).done();
}

/// Somebody wrote to the file: it is found, although the service has changed nothing, and sums are made anew.
#[test]
fn a_ledger_that_somebody_else_wrote_to_is_repaired() {
    for damage in [
        "DELETE FROM entries WHERE sequence = 2",
        // Where nothing is held: ten years on.
        "UPDATE entries SET timestamp_ns = timestamp_ns + 315360000000000000 WHERE sequence = 2",
    ] {
        let source = Source::of(some());
        source.sync(&[]).done();
        let connection = rusqlite::Connection::open(source.path()).unwrap();
        assert_eq!(connection.execute(damage, []).unwrap(), 1);
        drop(connection);
        assert_eq!(run(&["check", "--ledger", &source.path()]).code, Some(3));
        // The record of what was walked is as it was, so a proof has to look at the entries.
        let differs = source.run("verify", &[]);
        assert_eq!(differs.code, Some(3), "{}", differs.stderr);
        source.run("verify", &["--repair"]).done();
        source.is_in_line();
    }
}

/// A sync that finds what somebody did to the file makes the sums anew: to add to wrong ones would make them wrong for good.
#[test]
fn a_sync_mends_what_somebody_else_wrote() {
    for damage in
        ["DELETE FROM entries WHERE sequence = 2", "UPDATE entries SET notes = 1 WHERE sequence = 2"]
    {
        let source = Source::of(some());
        source.sync(&[]).done();
        rusqlite::Connection::open(source.path()).unwrap().execute(damage, []).unwrap();
        let synced = source.sync(&[]).done();
        assert!(
            synced.stderr.contains("warning: somebody else has written to this account"),
            "{}",
            synced.stderr
        );
        source.is_in_line();
        let again = source.sync(&[]).done();
        assert!(!again.stderr.contains("warning"), "{}", again.stderr);
    }
}

/// So much comes late that the record is cut. What somebody else did to it is seen with the part that is stored first, or never.
#[test]
fn a_sync_that_cuts_a_record_mends_it_too() {
    let at = |second: i64| {
        entry_at(Timestamp::from_unix_ns(1_746_057_600_000_000_000 + second * 1_000_000_000), "-0.1")
    };
    // A day and a half.
    let some = |many: i64, apart: i64| (0..many).map(move |number| at(number * apart));
    for damage in [
        "DELETE FROM entries WHERE sequence IN (5, 2990)",
        "INSERT INTO entries SELECT account, timestamp_ns, 3000, sku, currency, notes, api_key, numbers, request_id, other_fields
             FROM entries WHERE sequence = 5;
         UPDATE accounts SET next_sequence = 3001",
    ] {
        let source = Source::of(some(3_000, 43).collect());
        source.sync(&[]).done();
        let connection = rusqlite::Connection::open(source.path()).unwrap();
        connection.execute_batch(damage).unwrap();
        drop(connection);
        source.change(|entries| entries.extend(some(18_000, 7)));
        source.sync(&["--full"]).done();
        source.is_in_line();
    }
}

/// Who loses much is asked first.
#[test]
fn a_great_loss_is_believed_by_who_says_so() {
    let at = |second: i64| {
        entry_at(Timestamp::from_unix_ns(1_746_057_600_000_000_000 + second * 1_000_000_000), "-0.1")
    };
    // Two records, and the first one lies before what is walked each time.
    let source = Source::of((0..6_000).map(at).collect());
    source.sync(&[]).done();
    source.change(|entries| drop(entries.drain(..1_200)));
    for args in [&["sync", "--full"][..], &["sync", "--full", "--dry-run"], &["verify", "--repair"]] {
        let run = source.run(args[0], &args[1..]);
        run.failed(6, "the service does not have 1200 of the 6000 entries any more that are held");
        assert!(run.stderr.contains("--accept-vanished"), "{}", run.stderr);
    }
    // The account goes on as before.
    source.sync(&["--overlap", "1h"]).done();
    assert_eq!(crate::source::held(&source.path()).len(), 6_000);
    source.sync(&["--full", "--accept-vanished"]).done();
    source.is_in_line();
}

/// The entries are right, and what is kept beside them is not: a proof agrees, a check does not, and a repair makes it anew.
#[test]
fn what_somebody_changed_beside_the_entries_is_made_anew() {
    for damage in [
        "UPDATE rollups SET amount = '-7'",
        "DELETE FROM counts",
        "UPDATE balances SET entries = 9",
        "UPDATE blocks SET entry_set = 'v1:4:00000000000000000000000000000000'",
        "UPDATE coverage SET whole_set = 'v1:4:00000000000000000000000000000000'",
        "INSERT INTO entries SELECT account, timestamp_ns, 99, sku, currency, notes, api_key, numbers, request_id, other_fields
         FROM entries WHERE sequence = 2",
    ] {
        let source = Source::of(some());
        source.sync(&[]).done();
        rusqlite::Connection::open(source.path()).unwrap().execute(damage, []).unwrap();
        assert_eq!(run(&["check", "--ledger", &source.path()]).code, Some(3), "{damage}");
        source.run("verify", &[]).done();
        source.run("verify", &["--repair"]).done();
        source.is_in_line();
    }
}

#[test]
fn what_cannot_be_proven_is_said() {
    let source = Source::of(some());
    source.run("verify", &[]).failed(1, "there is no ledger at");
    assert!(source.place.names().is_empty(), "{:?}", source.place.names());
    crate::ledger::record(&source.path(), &some());
    let not_synced = source.run("verify", &[]);
    insta::assert_snapshot!(source.said(&not_synced), @"
    error: the account is kept in step with no service
    hint: billing sync makes an account a copy of a service, if it has nothing yet
    exit code 1
    ");
    source.run("verify", &["--account", "nobody"]).failed(1, "there is no account `nobody`");
    source.run("verify", &["--since", "soon"]).failed(2, "--since");
    assert_eq!(source.requests(), 0);
}

#[test]
fn the_key_of_another_account_proves_nothing() {
    let source = Source::of(some());
    source.sync(&[]).done();
    source.state().entries.insert("a-key-of-another-account".to_owned(), Vec::new());
    for args in [&[][..], &["--repair"]] {
        finish(source.command_with("a-key-of-another-account", "verify", args), b"")
            .failed(4, "the key opens another account");
    }
    source.is_in_line();
}

/// A copy of a real server, which has usage analytics.
fn copied(server: &crate::ledger::Server, name: &str, path: &str) -> Run {
    let mut command = command(&[name, "--base-url", &server.base_url, "--ledger", path]);
    command.env("BILLING_API_KEY", &server.key);
    finish(command, b"")
}

#[test]
fn days_are_compared_with_usage_analytics() {
    let place = crate::place::Place::new();
    let days_ago = |days: i64| {
        let time = chrono::Utc::now() - chrono::TimeDelta::days(days);
        noted(&Timestamp::from(time).floor_ms().to_string(), "")
    };
    let server = Ledger::of(&[days_ago(4), days_ago(3), days_ago(3)]).serve();
    copied(&server, "sync", &place.path("copy.db")).done();
    let proven = copied(&server, "verify", &place.path("copy.db")).done();
    // Today is not compared in the first quarter of an hour, in which nothing of it is final.
    let is_told = |days| proven.stderr.contains(&format!("\n{days} days agree with its usage analytics\n"));
    assert!(is_told(4) || is_told(3), "{}", proven.stderr);
    assert!(proven.stderr.contains("3 entries in 1 window agree with"), "{}", proven.stderr);
}
