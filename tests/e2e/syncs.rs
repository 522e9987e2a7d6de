//! `billing sync`: a copy of a service's ledger that is kept in step with it, whatever happens on the way.

#[cfg(target_os = "linux")]
mod disks;
mod refused;
mod rounds;

use std::fs;

use billing_model::UsageEntry;
use billing_testkit::Reply;

use crate::billing::{command, finish, run};
use crate::ledger::noted;
use crate::process::Process;
use crate::source::{Source, held};

/// Some entries of long ago.
fn some() -> Vec<UsageEntry> {
    ["2025-05-01T00:00:00Z", "2025-05-02T00:00:00Z", "2025-05-02T00:00:00Z", "2025-05-03T00:00:00Z"]
        .map(|time| noted(time, "kept"))
        .into()
}

/// So many entries that they are stored in several windows.
fn many() -> Vec<UsageEntry> {
    let time = |n: usize| format!("2025-05-{:02}T{:02}:{:02}:00Z", 1 + n / 1440, n / 60 % 24, n % 60);
    (0..6_000).map(|n| noted(&time(n), &n.to_string())).collect()
}

#[test]
fn the_first_sync_brings_all_and_the_next_one_asks_once() {
    let source = Source::of(some());
    let first = source.sync(&[]).done();
    insta::assert_snapshot!(source.said(&first), @"
    synced account `default` with URL
    4 entries added; 1 request in TIME s
    held up to TIME, provisional from TIME
    note: account `default` of `PATH` was not there and was made
    exit code 0
    ");
    source.is_in_line();
    let requests = source.requests();
    let second = source.sync(&[]).done();
    insta::assert_snapshot!(source.said(&second), @"
    synced account `default` with URL
    nothing changed; 1 request in TIME s
    held up to TIME, provisional from TIME
    exit code 0
    ");
    assert_eq!(source.requests() - requests, 1);
    assert_eq!(source.sync(&["--quiet"]).done().stderr, "");
    source.is_in_line();
}

#[test]
fn what_came_late_changed_and_vanished_is_brought_in_line_and_told() {
    let source = Source::of(some());
    source.sync(&[]).done();
    source.change(|entries| {
        entries.remove(2);
        entries[0].api_key_id = Some("key-1".to_owned());
        entries.push(noted("2025-05-02T12:00:00Z", "late"));
    });
    insta::assert_snapshot!(source.said(&source.sync(&["--dry-run"]).done()), @"
    note: the service does not have all that is held; asking once more before that is believed
    dry run: account `default` with URL
    1 entry would be added, 1 of them late, 1 changed, 1 vanished; 2 requests in TIME s
    held up to TIME, provisional from TIME
    note: late is what came after its time was final
    note: changed is what has another API key or other fields than before
    note: what vanished at the service would be taken out of the sums and kept apart
    exit code 0
    ");
    insta::assert_snapshot!(source.said(&source.sync(&[]).done()), @"
    note: the service does not have all that is held; asking once more before that is believed
    synced account `default` with URL
    1 entry added, 1 of them late, 1 changed, 1 vanished; 2 requests in TIME s
    held up to TIME, provisional from TIME
    note: late is what came after its time was final
    note: changed is what has another API key or other fields than before
    note: what vanished at the service was taken out of the sums and kept apart
    exit code 0
    ");
    source.is_in_line();
}

#[test]
fn a_program_reads_what_was_done() {
    let source = Source::of(some());
    let run = source.sync(&["--json", "--since", "2025-05-02"]).done();
    assert_eq!(run.stderr, "");
    assert_eq!(run.text().lines().count(), 1, "{}", run.text());
    for piece in [
        r#""account":"default","#,
        r#""dryRun":false,"walked":3,"added":3,"late":0,"changed":0,"vanished":0,"held":[{"since":"2025-05-02T00:00:00.000Z","until":"#,
        r#""requests":1,"retries":0,"#,
        r#""warnings":[]}"#,
    ] {
        assert!(run.text().contains(piece), "{piece} in {}", run.text());
    }
}

#[test]
fn a_dry_run_tells_what_would_come_and_leaves_nothing() {
    let source = Source::of(some());
    let before = source.sync(&["--dry-run"]).done();
    insta::assert_snapshot!(source.said(&before), @"
    dry run: account `default` with URL
    4 entries would be added; 1 request in TIME s
    exit code 0
    ");
    assert!(source.place.names().is_empty(), "{:?}", source.place.names());
    // Nor does it make an account.
    run(&["keys", "create", "--ledger", &source.path(), "--account", "other"]).done();
    source.sync(&["--dry-run"]).done();
    let accounts = run(&["accounts", "list", "--ledger", &source.path()]).done();
    assert!(!accounts.text().contains("default"), "{}", accounts.text());
    // What a sync would refuse, it refuses.
    crate::ledger::record(&source.path(), &some());
    source.sync(&["--dry-run"]).failed(1, "account `default` is no copy of a service, and has 4 entries");
}

#[test]
fn several_accounts_stand_in_one_ledger() {
    let (one, other) = (Source::of(some()), Source::of(many()));
    one.sync(&[]).done();
    let mut command = other.command("sync", &["--account", "other"]);
    command.args(["--ledger", &one.path()]);
    // A flag that is given twice is a slip.
    assert_eq!(finish(command, b"").code, Some(2));
    let args = ["sync", "--account", "other", "--base-url", &other.base_url(), "--ledger", &one.path()];
    let mut command = crate::billing::command(&args);
    command.env("BILLING_API_KEY", crate::source::KEY);
    finish(command, b"").done();
    one.is_in_line();
}

#[test]
fn an_own_ledger_is_made_where_it_belongs() {
    let source = Source::of(some());
    let mut command = command(&["sync", "--base-url", &source.base_url()]);
    command.env("BILLING_API_KEY", crate::source::KEY).env("XDG_DATA_HOME", source.place.path("data"));
    let run = finish(command, b"").done();
    let own = source.place.path("data/billing/ledger.db");
    assert!(run.stderr.contains(&format!("`{own}` was not there and was made")), "{}", run.stderr);
    assert_eq!(held(&own).len(), 4);
}

#[test]
fn an_interrupted_sync_keeps_what_was_stored() {
    for (signal, code, word) in [("INT", 130, "interrupted"), ("TERM", 143, "terminated")] {
        let source = Source::of(many());
        // Five pages have more than a window, and the sixth never comes.
        source.state().good = Some(5);
        source.state().afterwards = Some(Reply::json(200, "{}").stalled());
        let process = Process::start(source.command("sync", &["--concurrency", "1"]));
        while held_so_far(&source) == 0 {
            std::thread::yield_now();
        }
        process.signal(signal);
        let (ended, printed, said) = process.end();
        assert_eq!((ended, printed.as_str()), (Some(code), ""), "{said}");
        assert!(said.starts_with(&format!("error: {word}\nhint: ")), "{said}");
        assert!(said.contains("run it again to go on"), "{said}");
        source.state().afterwards = None;
        let run = source.sync(&[]).done();
        assert!(run.stderr.contains(" entries added; ") && !run.stderr.contains("6,000"), "{}", run.stderr);
        source.is_in_line();
    }
}

/// Entries that others can see by now.
fn held_so_far(source: &Source) -> u64 {
    let accounts = run(&["accounts", "list", "--json", "--ledger", &source.path()]);
    let text = accounts.text().split_once("\"entries\": ").map_or("0", |(_, rest)| rest);
    text.split_once(',').and_then(|(number, _)| number.parse().ok()).unwrap_or_default()
}

#[test]
fn what_was_added_before_a_failure_is_kept_and_told() {
    let source = Source::of(many());
    source.state().good = Some(5);
    source.state().afterwards = Some(Reply::error(401, "Your key was revoked"));
    let failed = source.sync(&["--concurrency", "1"]);
    failed.failed(4, "Your key was revoked");
    assert!(failed.stderr.contains(" entries were added before; run it again to go on"), "{}", failed.stderr);
    source.state().afterwards = None;
    source.sync(&[]).done();
    source.is_in_line();
}

/// Who restores a copy has less than before, and the next sync finds what is missing.
#[test]
fn a_restored_copy_catches_up() {
    let source = Source::of(some());
    source.sync(&[]).done();
    let copy = source.place.path("backup.db");
    run(&["backup", "--ledger", &source.path(), "--to", &copy]).done();
    source.change(|entries| entries.push(noted("2025-05-04T00:00:00Z", "new")));
    source.sync(&[]).done();
    run(&["restore", "--from", &copy, "--ledger", &source.path()]).done();
    let run = source.sync(&[]).done();
    assert!(run.stderr.contains("\n1 entry added"), "{}", run.stderr);
    fs::remove_file(&copy).unwrap();
    source.is_in_line();
}
