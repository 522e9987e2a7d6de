//! Syncs that are refused: each says why, and leaves the ledger as it was.

use std::fs;

use billing_ledger::{Ledger as _, Turn};
use billing_sqlite::SqliteLedger;

use super::some;
use crate::billing::{finish, run};
use crate::ledger::{noted, record};
use crate::process::Process;
use crate::source::{KEY, Source, held};

#[test]
fn a_key_that_is_refused_leaves_nothing() {
    let source = Source::of(some());
    let refused = finish(source.command_with("an-inference-key-of-it", "sync", &[]), b"");
    insta::assert_snapshot!(source.said(&refused), @"
    error: GET URL/billing/usage-history: 401 Admin API key required
    hint: the key is that of BILLING_API_KEY, which ends in `-of-it`
    hint: an admin key of this service is needed; an inference key is refused
    exit code 4
    ");
    assert!(source.place.names().is_empty(), "{:?}", source.place.names());
    // Nor an account, where the ledger is somebody's.
    run(&["keys", "create", "--ledger", &source.path(), "--account", "other"]).done();
    assert_eq!(finish(source.command_with("an-inference-key-of-it", "sync", &[]), b"").code, Some(4));
    let accounts = run(&["accounts", "list", "--ledger", &source.path()]).done();
    assert!(!accounts.text().contains("default"), "{}", accounts.text());
}

#[test]
fn a_key_of_another_account_changes_nothing_and_a_renewed_one_goes_on() {
    let source = Source::of(some());
    source.sync(&[]).done();
    let other = vec![noted("2025-05-01T00:00:00Z", "of another account"); 5];
    source.state().entries.insert("a-key-of-another-account".to_owned(), other);
    let refused = finish(source.command_with("a-key-of-another-account", "sync", &[]), b"");
    insta::assert_snapshot!(source.said(&refused), @"
    note: the key is another one than before; comparing what it opens with what is held
    error: the key opens another account than the one that is held: of 4 entries that were compared, it has 0
    hint: the key is that of BILLING_API_KEY, which ends in `ccount`
    hint: give a key of the account that is held, or keep this one in another --account; nothing was changed
    exit code 4
    ");
    source.is_in_line();

    source.state().entries.insert("a-renewed-key-of-it".to_owned(), some());
    let renewed = finish(source.command_with("a-renewed-key-of-it", "sync", &[]), b"").done();
    insta::assert_snapshot!(source.said(&renewed), @"
    note: the key is another one than before; comparing what it opens with what is held
    synced account `default` with URL
    nothing changed; 2 requests in TIME s
    held up to TIME, provisional from TIME
    exit code 0
    ");
    source.is_in_line();
}

#[test]
fn an_account_is_a_copy_of_one_service() {
    let (source, other) = (Source::of(some()), Source::of(Vec::new()));
    source.sync(&[]).done();
    let args = ["sync", "--base-url", &other.base_url(), "--ledger", &source.path()];
    let mut command = crate::billing::command(&args);
    command.env("BILLING_API_KEY", KEY);
    let refused = finish(command, b"");
    refused.failed(1, "the account is kept in step with ");
    let hint = format!("hint: go on with --base-url {}", source.base_url());
    assert!(refused.stderr.contains(&hint), "{}", refused.stderr);
    assert_eq!(other.requests(), 0);
    source.is_in_line();
}

#[test]
fn an_account_with_entries_from_elsewhere_stays_as_it_is() {
    let source = Source::of(some());
    record(&source.path(), &[noted("2025-01-01T00:00:00Z", "from a file")]);
    let refused = source.sync(&[]);
    insta::assert_snapshot!(source.said(&refused), @"
    error: the account `default` cannot become a copy of a service: it has 1 entry, 1 imported file
    hint: a copy of a service has what that says and nothing else: name an --account that is not there yet
    exit code 1
    ");
    assert_eq!(held(&source.path()), [noted("2025-01-01T00:00:00Z", "from a file")]);
}

#[test]
fn what_is_no_ledger_of_this_version_is_not_touched() {
    let source = Source::of(some());
    let path = source.place.write("copy.db", b"notes, and no ledger");
    source.sync(&[]).failed(1, "copy.db`");
    assert_eq!(source.place.read("copy.db"), b"notes, and no ledger");
    fs::remove_file(path).unwrap();

    source.sync(&[]).done();
    let mut bytes = source.place.read("copy.db");
    // The `user_version` of an SQLite file: a big-endian number at byte 60.
    bytes[60..64].copy_from_slice(&99u32.to_be_bytes());
    source.place.write("copy.db", &bytes);
    source.sync(&[]).failed(1, "is from a newer version of this program");
    assert_eq!(source.place.read("copy.db"), bytes);
}

#[test]
fn clocks_that_are_a_year_apart_change_nothing() {
    let source = Source::of(some());
    // Whatever this machine's clock says, one of them is far from it in either direction.
    for date in ["Thu, 15 Mar 2001 12:00:00 GMT", "Sun, 15 Mar 2082 12:00:00 GMT"] {
        source.state().date = Some(date.to_owned());
        for args in [&["--since", "2001-03-01"][..], &[]] {
            let refused = source.sync(args);
            refused.failed(1, "one of them is wrong");
            assert!(refused.stderr.contains("hint: set this machine's clock"), "{}", refused.stderr);
            assert!(source.place.names().is_empty(), "{:?}", source.place.names());
        }
    }
    source.state().date = None;
    source.sync(&[]).done();
    for date in ["Thu, 15 Mar 2001 12:00:00 GMT", "Sun, 15 Mar 2082 12:00:00 GMT"] {
        source.state().date = Some(date.to_owned());
        source.sync(&[]).failed(1, "one of them is wrong");
    }
    source.is_in_line();
}

#[test]
fn wrong_usage_is_said_before_anything_is_made() {
    let source = Source::of(some());
    for (args, said) in [
        (&["--since", "soon"][..], "--since: `soon` is not a time"),
        (&["--since", "2025-06", "--until", "2025-05"], "the window is empty"),
        (&["--page-size", "5000"], "--page-size: 5000 is out of range"),
        (&["--settle", "15"], "give 90s, 15m, 24h or 7d"),
        (&["--account", ""], "--account"),
        (&["--account", "", "--dry-run"], "--account"),
        (&["--every", "5m", "--full"], "cannot be used with"),
        (&["--every", "5m", "--dry-run"], "cannot be used with"),
        (&["--every", "5m", "--until", "1h"], "cannot be used with"),
        (&["--every", "0s"], "some time between them"),
        (&["--json", "--quiet"], "cannot be used with"),
    ] {
        source.sync(args).failed(2, said);
    }
    let mut command = source.command("sync", &[]);
    command.env_remove("BILLING_API_KEY");
    finish(command, b"").failed(4, "no API key");
    assert_eq!((source.place.names(), source.requests()), (vec![], 0));
}

/// The turn of an account, taken by the test.
fn turn(source: &Source) -> billing_ledger::TakenTurn {
    let ledger = SqliteLedger::open(source.path().as_ref()).unwrap();
    let account = ledger.account("default").unwrap().unwrap();
    match ledger.take_turn(account, "process 4711, since 2025-06-01T00:00:00Z").unwrap() {
        Turn::Taken(turn) => turn,
        Turn::HeldBy(holder) => panic!("{holder}"),
    }
}

#[test]
fn another_sync_is_waited_for() {
    let source = Source::of(some());
    source.sync(&[]).done();
    let turn = turn(&source);
    source.change(|entries| entries.push(noted("2025-05-04T00:00:00Z", "new")));
    let mut process = Process::start(source.command("sync", &[]));
    assert_eq!(
        process.said_line(),
        "note: another sync of this account runs (process 4711, since 2025-06-01T00:00:00Z); waiting for it"
    );
    // A dry run changes nothing, and waits for nobody.
    source.sync(&["--dry-run"]).done();
    drop(turn);
    let (code, _, said) = process.end();
    assert_eq!(code, Some(0), "{said}");
    source.is_in_line();
}

#[test]
fn whoever_has_the_account_for_long_is_named() {
    let source = Source::of(some());
    source.sync(&[]).done();
    let turn = turn(&source);
    let refused = source.sync(&[]);
    insta::assert_snapshot!(source.said(&refused), @"
    note: another sync of this account runs (process 4711, since 2025-06-01T00:00:00Z); waiting for it
    error: another sync of this account runs: process 4711, since 2025-06-01T00:00:00Z
    hint: run it again when that one has ended
    exit code 1
    ");
    drop(turn);
    source.sync(&[]).done();
}

/// A place where nothing can be made.
#[test]
fn a_ledger_that_cannot_be_made_is_said() {
    let source = Source::of(some());
    let mut command = crate::billing::command(&["sync", "--base-url", &source.base_url(), "--ledger"]);
    command.arg(source.place.path("missing/copy.db")).env("BILLING_API_KEY", KEY);
    finish(command, b"").failed(1, "missing/copy.db");
    assert_eq!((source.place.names(), source.requests()), (vec![], 0));
}
