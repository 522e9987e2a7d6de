//! Repairs of sequence numbers: after somebody else changed them, one by one and together, each is there once or is no entry's.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Barrier;
use std::thread;

use billing_ledger::{Change, ErrorKind, Filter, Ledger, WalkQuery};
use billing_model::{TimeWindow, UsageEntry};
use billing_postgres::PostgresLedger;
use billing_testkit::{OwnedLedger as _, Postgres};

use crate::check::check;
use crate::repairs::{DAY, Damaged, OURS, REST, THEIRS, at, damaged, entries, line, text, window};

/// What somebody else can do to the numbers of our account. Its entries have those from 0 to 240, in blocks from 0, 81 and 162 on,
/// and 241 is that of a removal.
fn tamperings() -> Vec<String> {
    let put_in = |at_ns: &str, number: &str, of: u32| {
        format!(
            "INSERT INTO entries SELECT account, {at_ns}, {number}, {REST}
             FROM entries WHERE account = 1 AND sequence = {of} ON CONFLICT DO NOTHING"
        )
    };
    let take_out = |removal: &str, number: &str, of: u32| {
        format!(
            "INSERT INTO removed (account, removal, timestamp_ns, sequence, {REST})
             SELECT account, {removal}, timestamp_ns, {number}, {REST} FROM entries WHERE account = 1 AND sequence = {of}
             ON CONFLICT DO NOTHING"
        )
    };
    let without = |number: u32| format!("DELETE FROM entries WHERE account = 1 AND sequence = {number}");
    let block = |set: &str, first: u32| {
        format!("UPDATE blocks SET {set} WHERE account = 1 AND first_sequence = {first}")
    };
    let lost = "DELETE FROM entries WHERE account = 1 AND sequence BETWEEN 81 AND 161";
    let new_block = |first: &str, entries: u32| {
        format!(
            "INSERT INTO blocks SELECT 1, {first}, 50, NULL, {entries}, first_ns, last_ns, currencies, amounts, entry_set, whole_set
             FROM blocks WHERE number = 1 ON CONFLICT DO NOTHING"
        )
    };
    let one_by_one = [
        // A whole block is gone, with its entries or what it said of them.
        format!("DELETE FROM blocks WHERE account = 1 AND first_sequence = 81; {lost}"),
        format!("{}; {lost}", block("entries = 0", 81)),
        format!("{}; {lost}", block("entries = 5", 81)),
        format!("{}; {lost}", block("entries = 500", 81)),
        block("removed_ns = 7", 0),
        block("first_sequence = 10000", 162),
        block("removed_ns = NULL", 241),
        "DELETE FROM blocks WHERE account = 1 AND first_sequence = 241".to_owned(),
        "DELETE FROM blocks WHERE account = 1".to_owned(),
        new_block("242", 1),
        new_block("7000", 20),
        format!("{}; {}", new_block("7000", 20), put_in("timestamp_ns + 7", "7003", 190)),
        new_block("9223372036854775807", 3),
        // Rows behind the last number, at other times than what is repaired first.
        format!("{}; {}", put_in("timestamp_ns + 1", "242", 200), without(17)),
        format!("{}; {}", put_in("timestamp_ns + 1", "250", 200), without(17)),
        format!("{}; {}", put_in("timestamp_ns + 1", "6921", 3), without(200)),
        put_in("timestamp_ns + 1", "9223372036854775807", 100),
        put_in("timestamp_ns + 1", "4611686018427387903", 100),
        put_in("timestamp_ns + 1", "4611686018427387904", 100),
        put_in("timestamp_ns + 1", "-1", 100),
        // Numbers that two rows have, or that no entry can have.
        put_in("timestamp_ns + 1", "sequence", 60),
        put_in("timestamp_ns", "241", 60),
        "UPDATE entries SET sequence = 55 WHERE account = 1 AND sequence = 150".to_owned(),
        "UPDATE entries SET sequence = 241 WHERE account = 1 AND sequence = 150".to_owned(),
        format!(
            "UPDATE entries SET sequence = 55 WHERE account = 1 AND sequence = 200; {}; {}",
            without(10),
            without(230)
        ),
        "UPDATE entries SET sequence = 3 WHERE account = 1 AND sequence % 10 = 3".to_owned(),
        // What was taken out.
        take_out("7000", "sequence", 30),
        format!("{}; {}", take_out("7000", "sequence", 30), without(30)),
        format!("{}; {}", take_out("-4", "sequence", 30), without(30)),
        format!("{}; {}", take_out("100", "sequence", 30), without(30)),
        format!("{}; {}", take_out("20", "sequence", 30), without(30)),
        format!("{}; {}", take_out("241", "sequence", 30), without(30)),
        take_out("241", "9000", 30),
        take_out("241", "-9", 30),
        take_out("9223372036854775807", "9223372036854775807", 30),
        "UPDATE removed SET removal = removal + 100 WHERE account = 1 AND removal < 1000".to_owned(),
        "UPDATE removed SET removal = -5, sequence = -6 WHERE account = 1".to_owned(),
        "UPDATE removed SET removal = 60 WHERE account = 1".to_owned(),
        "UPDATE removed SET sequence = 241 WHERE account = 1".to_owned(),
        "UPDATE removed SET sequence = 90 WHERE account = 1".to_owned(),
        "DELETE FROM removed WHERE account = 1".to_owned(),
    ];
    let next = [
        "LEAST(next_sequence, 1000) + 50",
        "0",
        "1",
        "81",
        "100",
        "241",
        "4611686018427387904",
        "9223372036854775807",
    ];
    let raised_or_lowered =
        next.map(|next| format!("UPDATE accounts SET next_sequence = {next} WHERE id = 1"));
    one_by_one.into_iter().chain(raised_or_lowered).collect()
}

/// Repairs each day that has not what it should have, in this order, and then makes everything anew.
fn repair(ledger: &PostgresLedger, days: &[i64]) {
    for day in days {
        let window = window(day * DAY, (day + 1) * DAY);
        let change = line(ledger, OURS, window, &entries(1000));
        if !change.remove.is_empty() || !change.add.is_empty() {
            ledger.repair(&change, window).unwrap();
        }
    }
    ledger.repair(&Change::of(OURS, at(10 * DAY)), TimeWindow::default()).unwrap();
}

/// All rows of what has numbers, as text.
fn state(postgres: &Postgres, url: &str) -> String {
    let tables = ["accounts", "numbers", "entries", "removed", "blocks"]
        .map(|table| format!("SELECT '{table}', kept::text FROM billing.{table} AS kept"));
    postgres.sql(url, &format!("{} ORDER BY 1, 2", tables.join(" UNION ALL ")))
}

#[track_caller]
fn is_mended(tamperings: &[&String], days: &[i64]) {
    let tampered: Vec<_> = tamperings.iter().map(|sql| sql.as_str()).collect();
    let sql = format!("{}, {days:?}", tampered.join("; "));
    let Some(damaged) = damaged(&tampered.join("; ")) else { return };
    let Damaged { postgres, url, ledger } = &damaged;
    repair(ledger, days);
    assert_eq!(check(url).differences, [], "{sql}");
    let mended = state(postgres, url);
    repair(ledger, days);
    assert!(state(postgres, url) == mended, "a second repair changes something: {sql}");
    damaged.is_right(&sql);
}

#[test]
fn numbers_are_right_again() {
    for (sql, is_forward) in tamperings().iter().zip([true, false].iter().cycle()) {
        is_mended(&[sql], if *is_forward { &[0, 1, 2, 3] } else { &[3, 2, 1, 0] });
    }
}

#[test]
fn numbers_are_right_again_after_several_things() {
    let all = tamperings();
    // Steps that are the same each time, and reach each pair sooner or later.
    let mut seed = 7_u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % below
    };
    for _ in 0..CASES {
        let some: Vec<_> = (0..2 + next(2)).map(|_| &all[next(all.len())]).collect();
        let mut days = [0, 1, 2, 3];
        days.rotate_left(next(4));
        is_mended(&some, &days);
    }
}

/// Each takes about a third of a second.
const CASES: usize = 30;

fn texts(ledger: &PostgresLedger) -> BTreeSet<String> {
    ledger.placed_entries(OURS).unwrap().iter().map(|(_, entry)| text(entry)).collect()
}

/// Whoever reads page by page meanwhile gets each entry that is there before and after, or is told to begin anew.
#[test]
fn a_walk_that_is_under_way_loses_nothing() {
    let all = tamperings();
    let mut told = BTreeMap::new();
    for (sql, first_page) in all.iter().zip([1, 100, 180].iter().cycle()) {
        let Some(Damaged { ledger, .. }) = damaged(sql) else { return };
        let before = texts(&ledger);
        let mut walked = BTreeSet::new();
        let mut read = |snapshot, after, limit| {
            let query = WalkQuery { account: OURS, filter: &Filter::default(), snapshot, after, limit };
            ledger.page_by_position(&query, &mut |_, entry| {
                let entry: UsageEntry = entry.to_entry()?;
                walked.insert(text(&entry));
                Ok(())
            })
        };
        let first = read(None, None, *first_page).unwrap();
        repair(&ledger, &[0, 1, 2, 3]);
        if first.next.is_none() {
            continue;
        }
        match read(Some(first.snapshot), first.next, 1000) {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WalkOutdated, "{sql}");
                told.insert(sql.clone(), first_page);
            }
            Ok(_) => {
                let after = texts(&ledger);
                let lost: Vec<_> =
                    before.intersection(&after).filter(|text| !walked.contains(*text)).collect();
                assert!(lost.is_empty(), "{sql}, {first_page}: {lost:?}");
            }
        }
    }
    assert!(told.len() < all.len(), "not every repair ends every walk: {told:?}");
}

/// A row that nobody could see stays out of sight, also where no window is repaired, and is kept with what was taken out.
#[test]
fn a_row_behind_the_last_number_is_not_shown() {
    let sql = format!(
        "INSERT INTO entries SELECT account, timestamp_ns + 1, 6921, {REST} FROM entries WHERE account = 1 AND sequence = 200;
         DELETE FROM entries WHERE account = 1 AND sequence = 17"
    );
    let Some(Damaged { ledger, .. }) = damaged(&sql) else { return };
    let first_day = window(0, DAY);
    ledger.repair(&line(&ledger, OURS, first_day, &entries(1000)), first_day).unwrap();
    let shown = ledger.placed_entries(OURS).unwrap();
    assert_eq!(shown.len(), 240);
    assert!(shown.iter().all(|(place, _)| place.sequence != 6921));
    let removed = ledger.removed_entries(OURS).unwrap();
    let numbers: Vec<_> = removed.iter().map(|(removed, _)| removed.position.sequence).collect();
    assert_eq!(numbers, [70, 6921]);
}

/// What stands outside of the window of a repair is right too: rows that could not be seen since the number of the account was
/// lowered, and numbers that are in no block.
#[test]
fn numbers_are_right_outside_of_the_window_too() {
    for sql in [
        "UPDATE accounts SET next_sequence = 100 WHERE id = 1",
        "DELETE FROM blocks WHERE account = 1 AND first_sequence = 162",
    ] {
        let Some(damaged) = damaged(sql) else { return };
        let first_day = window(0, DAY);
        let change = line(&damaged.ledger, OURS, first_day, &entries(1000));
        damaged.ledger.repair(&change, first_day).unwrap();
        damaged.is_right(sql);
    }
}

/// Both write to blocks, and lock them later: without an order each would wait for the other.
#[test]
fn two_accounts_are_repaired_at_once() {
    let sql = "DELETE FROM entries WHERE sequence = 100";
    let Some(damaged) = damaged(sql) else { return };
    let barrier = Barrier::new(2);
    for _ in 0..4 {
        thread::scope(|scope| {
            for (account, amount) in [(OURS, 1000), (THEIRS, 5000)] {
                let (ledger, barrier) = (&damaged.ledger, &barrier);
                scope.spawn(move || {
                    let window = TimeWindow::default();
                    let change = line(ledger, account, window, &entries(amount));
                    barrier.wait();
                    ledger.repair(&change, window).unwrap();
                });
            }
        });
        assert_eq!(check(&damaged.url).differences, []);
        for (account, amount) in [(OURS, 1000), (THEIRS, 5000)] {
            let missing = line(&damaged.ledger, account, TimeWindow::default(), &entries(amount));
            assert!(missing.remove.is_empty() && missing.add.is_empty(), "{account:?}");
        }
    }
}
