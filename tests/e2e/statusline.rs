//! `billing statusline`: one line for a prompt, and nothing but that.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use billing_ledger::{Ledger as _, Source};
use billing_model::{Timestamp, UsageEntry};
use billing_sqlite::SqliteLedger;
use billing_testkit::entry_at;
use rusqlite::Connection;

use crate::billing::{command, finish, run};
use crate::copies::SERVICE;
use crate::ledger::{Ledger, at};
use crate::place::Place;

/// An entry of no day that has a prompt.
fn old() -> Vec<UsageEntry> {
    vec![entry_at(at("2026-06-14T00:00:00Z"), "-1")]
}

/// The names and bytes of what is beside a ledger.
fn beside(ledger: &Ledger) -> Vec<(String, Vec<u8>)> {
    let path = ledger.path();
    let directory = std::path::Path::new(&path).parent().unwrap();
    let mut files: Vec<_> = std::fs::read_dir(directory).unwrap().map(|file| file.unwrap()).collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let read = |file: std::fs::DirEntry| {
        (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())
    };
    files.into_iter().map(read).collect()
}

#[test]
fn the_line_is_one_and_leaves_no_trace() {
    let ledger = Ledger::of(&old());
    run(&["accounts", "set", "--ledger", &ledger.path(), "--diem-allocation", "10"]).done();
    let before = beside(&ledger);
    let said = run(&["statusline", "--ledger", &ledger.path()]).done();
    let (line, reset) = said.text().split_at(said.text().rfind(' ').unwrap());
    assert_eq!(line, "$0 today · 10.00 of 10 DIEM left ·");
    assert!(reset.ends_with('\n') && reset.contains(':') && reset.len() <= 7, "{reset:?}");
    assert_eq!(said.stderr, "");
    assert!(beside(&ledger) == before, "something was left or written");
}

#[test]
fn a_template_is_filled_in() {
    let ledger = Ledger::of(&old());
    let line = |template: &str| {
        run(&["statusline", "--ledger", &ledger.path(), "--template", template]).done().text().to_owned()
    };
    assert_eq!(
        line("{spend} {spend.USD} {diem_left} {entries} {tokens} {top_model} {age}"),
        "0 0 - 0 0 - -\n"
    );
    assert_eq!(line("{{\u{1b}[1m{entries}\u{1b}[0m}}"), "{\u{1b}[1m0\u{1b}[0m}\n");
    assert_eq!(line(""), "\n");
    for (template, said) in [
        ("{spent}", "`{spent}` is no placeholder; give {spend}, {spend.USD}, {burn}"),
        ("{spend", "a `{` stands alone; write `{{` for the character"),
    ] {
        let run = run(&["statusline", "--ledger", &ledger.path(), "--template", template]);
        run.failed(2, said);
    }
}

#[test]
fn a_prompt_without_a_ledger_stays_empty() {
    let place = Place::new();
    run(&["statusline", "--ledger", &place.path("none.db")]).failed(1, "there is no ledger at");
    let ledger = Ledger::of(&old());
    run(&["statusline", "--ledger", &ledger.path(), "--account", "none"]).failed(1, "no account `none`");
}

/// A prompt reads beside a writer, and beside a server. It gives up where a program has the ledger alone. And it does not take an
/// older ledger forward, which may take minutes.
#[test]
fn nobody_is_waited_for() {
    let ledger = Ledger::of(&old());
    let line = || run(&["statusline", "--ledger", &ledger.path(), "--template", "{entries}"]);
    let writer = Connection::open(ledger.path()).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; UPDATE accounts SET diem_allocation = '1'").unwrap();
    assert_eq!(line().done().text(), "0\n");
    drop(writer);
    let alone = Connection::open(ledger.path()).unwrap();
    alone.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE").unwrap();
    let asked = Instant::now();
    line().failed(1, "is being written to");
    // Whoever waits for a lock does so for five seconds.
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
    drop(alone);
    let server = ledger.serve();
    assert_eq!(line().done().text(), "0\n");
    drop(server);
    let older = Connection::open(ledger.path()).unwrap();
    older.execute_batch("PRAGMA user_version = 5").unwrap();
    drop(older);
    let refused = line();
    refused.failed(1, "is of version 5");
    assert!(refused.stderr.contains("hint: `billing today` brings it up to date"), "{}", refused.stderr);
}

/// Seconds since 1970.
fn now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn charged(at_s: i64, amount: &str) -> UsageEntry {
    entry_at(Timestamp::from_unix_ns(at_s * 1_000_000_000), amount)
}

/// A zone in the environment is for whoever uses it everywhere. In Kathmandu a day begins at 18:15 UTC.
#[test]
fn today_is_the_day_of_the_zone() {
    const DAY_S: i64 = 86_400;
    const KATHMANDU_S: i64 = 20_700;
    let starts = |now_s: i64| {
        let start_of_day = |ahead_s: i64| (now_s + ahead_s).div_euclid(DAY_S) * DAY_S - ahead_s;
        [start_of_day(0), start_of_day(KATHMANDU_S)]
    };
    loop {
        let now = now_s();
        let [utc, kathmandu] = starts(now);
        let (earlier, later) = (utc.min(kathmandu), utc.max(kathmandu));
        let entries = [charged(now, "-1"), charged(later - 1, "-2"), charged(earlier - 1, "-4")];
        let ledger = Ledger::of(&entries);
        let line = |zone: &str| {
            let mut line =
                command(&["statusline", "--ledger", &ledger.path(), "--template", "{spend.USD} {entries}"]);
            line.env("BILLING_TIMEZONE", zone);
            finish(line, b"").done().text().to_owned()
        };
        let found = [line("UTC"), line("Asia/Kathmandu")];
        // Where a day has begun meanwhile, all is made anew.
        if starts(now_s()) == [utc, kathmandu] {
            let begun = |start: i64| if start == earlier { "3.00 2\n" } else { "1.00 1\n" };
            assert_eq!(found, [utc, kathmandu].map(begun));
            break;
        }
    }
}

/// An account whose first sync has not ended waits longest for one, whatever the others say.
#[test]
fn a_first_sync_that_has_not_ended_is_said() {
    let ledger = Ledger::of(&old());
    let age =
        || run(&["statusline", "--ledger", &ledger.path(), "--template", "{age}"]).done().text().to_owned();
    let open = SqliteLedger::open(std::path::Path::new(&ledger.path())).unwrap();
    let source = |synced_at| Source {
        base_url: SERVICE.to_owned(),
        key_fingerprint: "f".to_owned(),
        settle: Source::SETTLE,
        synced_at,
    };
    let synced = Some(Timestamp::from_unix_ns((now_s() - 7_300) * 1_000_000_000));
    open.set_source(open.create_account("one").unwrap(), &source(synced)).unwrap();
    assert_eq!(age(), "2 h\n");
    open.set_source(open.create_account("other").unwrap(), &source(None)).unwrap();
    assert_eq!(age(), "never\n");
    let today = run(&["today", "--ledger", &ledger.path()]).done();
    let last = today.text().lines().last().unwrap().to_owned();
    assert_eq!(last, "the first sync of an account has not ended: `billing sync` goes on with it");
}
