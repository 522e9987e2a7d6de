//! Repairs: after somebody else wrote to the database, a window is made anew, and the check finds nothing.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use billing_ledger::{AccountId, Block, Change, Filter, Import, Ledger, WalkQuery};
use billing_model::{Currency, TimeWindow, Timestamp, UsageEntry, parse_decimal};
use billing_postgres::PostgresLedger;
use billing_sample::History;
use billing_testkit::{OwnedBlock, OwnedLedger as _, Postgres, entry_at};

use crate::check::check;
use crate::house::{empty, open};

/// The first day of which there are entries, in nanoseconds, and a day's length.
const START: i64 = 20_600 * DAY;
pub(crate) const DAY: i64 = 86_400_000_000_000;

pub(crate) fn at(ns: i64) -> Timestamp {
    Timestamp::from_unix_ns(START + ns)
}

/// Entries of four days, one every 24 minutes, in two currencies, with and without keys; some of them credits.
pub(crate) fn entries(amount: i64) -> Vec<UsageEntry> {
    let entry = |n: i64| UsageEntry {
        sku: format!("sku {}", n % 3),
        currency: Currency::from(if n % 5 == 0 { "DIEM" } else { "USD" }),
        amount: parse_decimal(&format!("{}e-3", if n % 7 == 0 { amount + n } else { -amount - n })).unwrap(),
        api_key_id: (n % 2 == 0).then(|| "key".to_owned()),
        ..entry_at(at(n * DAY / 60), "0")
    };
    (0..240).map(entry).collect()
}

/// The accounts that are here.
pub(crate) const OURS: AccountId = AccountId(1);
pub(crate) const THEIRS: AccountId = AccountId(2);

/// The URL of a ledger of two accounts with these entries, and the blocks of the other account. Each block reaches over two days. Of each
/// account an entry of the second day was taken out.
static ORIGINAL: LazyLock<(String, Vec<OwnedBlock>)> = LazyLock::new(|| {
    let (ledger, _, url) = empty().unwrap();
    assert_eq!(["ours", "theirs"].map(|name| ledger.create_account(name).unwrap()), [OURS, THEIRS]);
    for (account, amount) in [(OURS, 1000), (THEIRS, 5000)] {
        let mut all = entries(amount);
        all.insert(70, entry_at(at(DAY + 17), "-7"));
        for lot in all.chunks(81) {
            let add = lot.to_vec().into();
            ledger.change(&Change { add, ..Change::of(account, at(9 * DAY)) }).unwrap();
        }
        let places = ledger.placed_entries(account).unwrap();
        let (taken, _) = places.iter().find(|(place, _)| place.timestamp_ns == START + DAY + 17).unwrap();
        ledger.change(&Change { remove: vec![*taken], ..Change::of(account, at(9 * DAY)) }).unwrap();
    }
    (url, their_blocks(&ledger))
});

pub(crate) fn window(first: i64, end: i64) -> TimeWindow {
    TimeWindow::new(Some(at(first)), Some(at(end))).unwrap()
}

pub(crate) fn text(entry: &UsageEntry) -> String {
    let mut text = Vec::new();
    entry.write_json(&mut text);
    String::from_utf8(text).unwrap()
}

/// What brings a window of an account in line with what it should have.
pub(crate) fn line(
    ledger: &PostgresLedger,
    account: AccountId,
    window: TimeWindow,
    right: &[UsageEntry],
) -> Change {
    let mut missing = BTreeMap::<String, Vec<UsageEntry>>::new();
    let is_within = |entry: &&UsageEntry| window.contains(entry.timestamp);
    for entry in right.iter().filter(is_within) {
        missing.entry(text(entry)).or_default().push(entry.clone());
    }
    let query = WalkQuery { account, filter: &Filter::default(), snapshot: None, after: None, limit: 1 };
    let seen = ledger.page_by_position(&query, &mut |_, _| Ok(())).unwrap().snapshot.end;
    let mut change = Change { seen: Some(seen), ..Change::of(account, at(10 * DAY)) };
    for (place, entry) in ledger.placed_entries(account).unwrap() {
        if window.contains(entry.timestamp) && missing.get_mut(&text(&entry)).and_then(Vec::pop).is_none() {
            change.remove.push(place);
        }
    }
    change.add = missing.into_values().flatten().collect::<Vec<_>>().into();
    change
}

/// A ledger that somebody else writes to.
pub(crate) struct Damaged {
    pub(crate) postgres: &'static Postgres,
    pub(crate) url: String,
    pub(crate) ledger: PostgresLedger,
}

/// A copy of the ledger after this SQL; `None` leaves the test out.
#[track_caller]
pub(crate) fn damaged(sql: &str) -> Option<Damaged> {
    let postgres = Postgres::need()?;
    let url = postgres.copy_of(&ORIGINAL.0);
    // A superuser's statements need not keep to what refers to what.
    postgres.sql(&url, &format!("SET search_path TO billing; SET session_replication_role = replica; {sql}"));
    let ledger = open(&url);
    Some(Damaged { postgres, url, ledger })
}

/// The blocks of the other account. Their numbers may be others after a repair.
fn their_blocks(ledger: &PostgresLedger) -> Vec<OwnedBlock> {
    let mut blocks = ledger.owned_blocks(0).unwrap();
    blocks.retain(|(block, _)| block.account == THEIRS);
    blocks.sort_by_key(|(block, _)| block.first_sequence);
    blocks.iter_mut().for_each(|(block, _)| block.number = 0);
    blocks
}

/// Repairs these windows of our account after this SQL, and checks that all is as it should be.
#[track_caller]
fn is_repaired(sql: &str, windows: &[TimeWindow]) {
    let Some(damaged) = damaged(sql) else { return };
    assert!(!check(&damaged.url).is_clean(), "{sql}: nothing is damaged");
    for window in windows {
        let change = line(&damaged.ledger, OURS, *window, &entries(1000));
        damaged.ledger.repair(&change, *window).unwrap();
    }
    damaged.is_right(sql);
}

impl Damaged {
    /// Nothing is damaged any more, each account has its entries, and it goes on as any other.
    #[track_caller]
    pub(crate) fn is_right(&self, sql: &str) {
        let Self { url, ledger, .. } = self;
        assert_eq!(check(url).differences, [], "{sql}");
        assert!(their_blocks(ledger) == ORIGINAL.1, "{sql}");
        for (account, amount) in [(OURS, 1000), (THEIRS, 5000)] {
            let found = ledger.placed_entries(account).unwrap();
            let mut found: Vec<_> = found.iter().map(|(_, entry)| text(entry)).collect();
            let mut right: Vec<_> = entries(amount).iter().map(text).collect();
            found.sort();
            right.sort();
            assert!(found == right, "{sql}");
        }
        let more = vec![entry_at(at(3), "-1"), entry_at(at(5 * DAY), "-1")];
        ledger.change(&Change { add: more.into(), ..Change::of(OURS, at(11 * DAY)) }).unwrap();
        let (place, _) = ledger.placed_entries(OURS).unwrap().remove(3);
        ledger.change(&Change { remove: vec![place], ..Change::of(OURS, at(11 * DAY)) }).unwrap();
        assert_eq!(check(url).differences, [], "{sql}");
    }
}

/// The row of the first account at this instant.
fn row(ns: i64) -> String {
    format!("account = 1 AND timestamp_ns = {}", START + ns)
}

/// An entry of the second day.
fn middle() -> String {
    row(DAY + DAY / 60 * 30)
}

/// The second day, and a part of it.
fn second_day() -> [TimeWindow; 2] {
    [window(DAY, 2 * DAY), window(DAY + DAY / 60 * 29 + 1, DAY + DAY / 60 * 31)]
}

/// Repairs the second day, a part of it, or everything: one of them for each SQL, in turn.
#[track_caller]
fn are_repaired_on_the_second_day(damages: &[String]) {
    let windows = [second_day()[0], second_day()[1], TimeWindow::default()];
    for (sql, window) in damages.iter().zip(windows.iter().cycle()) {
        is_repaired(sql, &[*window]);
    }
}

#[test]
fn a_row_that_was_deleted_comes_back() {
    are_repaired_on_the_second_day(&vec![format!("DELETE FROM entries WHERE {}", middle()); 3]);
    // At both ends of a block, and a block as a whole.
    for numbers in
        ["BETWEEN 81 AND 81", "BETWEEN 161 AND 161", "BETWEEN 81 AND 100", "BETWEEN 81 AND 161", "% 2 = 0"]
    {
        let sql = format!("DELETE FROM entries WHERE account = 1 AND sequence {numbers}");
        is_repaired(&sql, &[window(0, 5 * DAY)]);
    }
    is_repaired("DELETE FROM entries WHERE account = 1", &[TimeWindow::default()]);
    let days: Vec<_> = (0..5).map(|day| window(day * DAY, (day + 1) * DAY)).collect();
    is_repaired("DELETE FROM entries WHERE account = 1", &days);
}

/// What an entry has beside its account and its place.
pub(crate) const REST: &str = "sku, price_per_unit_usd, units, amount, currency, notes, request_id, execution_time_ms, prompt_tokens, \
     completion_tokens, api_key_id, other_fields";

#[test]
fn a_row_that_was_put_in_goes() {
    // Behind all numbers, and the very next one; a number that another row has, at another time; that of a removal.
    let put_in = [
        ("timestamp_ns", "9999"),
        ("timestamp_ns", "(SELECT next_sequence FROM accounts WHERE id = 1)"),
        ("timestamp_ns + 1", "sequence"),
        ("timestamp_ns - 1", "sequence"),
        ("timestamp_ns", "(SELECT first_sequence FROM blocks WHERE account = 1 AND removed_ns IS NOT NULL)"),
    ]
    .map(|(at_ns, number)| {
        format!(
            "INSERT INTO entries SELECT account, {at_ns}, {number}, {REST} FROM entries WHERE {}",
            middle()
        )
    });
    are_repaired_on_the_second_day(&put_in);
    // Several at once, the first of which has the number that the second one gets.
    let several = format!(
        "INSERT INTO entries SELECT account, timestamp_ns, next_sequence + n, {REST}
         FROM entries JOIN accounts ON id = account CROSS JOIN (VALUES (0), (1), (2), (7)) AS numbers (n) WHERE {}",
        middle()
    );
    are_repaired_on_the_second_day(&vec![several; 3]);
    // What was taken out is back.
    is_repaired(
        &format!(
            "INSERT INTO entries SELECT account, timestamp_ns, sequence, {REST} FROM removed WHERE account = 1"
        ),
        &[window(DAY, 2 * DAY)],
    );
}

/// No page can show it, so no comparison can name it.
#[test]
fn a_row_with_a_number_below_zero_goes() {
    let sql = format!(
        "INSERT INTO entries SELECT account, timestamp_ns, -3, {REST} FROM entries WHERE {}",
        middle()
    );
    let Some(damaged) = damaged(&sql) else { return };
    damaged.ledger.repair(&Change::of(OURS, at(10 * DAY)), second_day()[0]).unwrap();
    damaged.is_right(&sql);
}

#[test]
fn blocks_that_are_made_anew_are_not_too_large() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let sent: Vec<_> = History::new(1, 2 * Block::MOST_ENTRIES + 5).collect();
    let mut import = ledger.import(account).unwrap();
    import.write(&sent).unwrap();
    Import::finish(import).unwrap();
    let before = ledger.owned_blocks(0).unwrap();
    assert_eq!(before.len(), 3);
    postgres.sql(&url, "DELETE FROM billing.blocks");
    ledger.repair(&Change::of(account, at(0)), TimeWindow::default()).unwrap();
    assert!(ledger.owned_blocks(0).unwrap() == before);
    assert_eq!(check(&url).differences, []);
}

#[test]
fn a_value_that_was_changed_is_right_again() {
    for set in [
        "amount = '-99'",
        "amount = '99'",
        "units = '1'",
        "api_key_id = 'USD'",
        "api_key_id = NULL, notes = 'USD'",
        "sku = 'USD'",
        "currency = 'sku'",
        "request_id = 'r'",
        "other_fields = '{\"a\":1}'",
        "timestamp_ns = timestamp_ns + 1",
        "sequence = 77777",
        "timestamp_ns = timestamp_ns - 60000000000",
    ] {
        is_repaired(&format!("UPDATE entries SET {set} WHERE {}", middle()), &second_day()[..1]);
    }
    // An entry of another day.
    let days: Vec<_> = (0..4).map(|day| window(day * DAY, (day + 1) * DAY)).collect();
    let sql = format!("UPDATE entries SET timestamp_ns = timestamp_ns + 2 * {DAY} WHERE {}", middle());
    is_repaired(&sql, &days);
    let sql = format!("UPDATE entries SET timestamp_ns = timestamp_ns - {DAY} WHERE {}", middle());
    is_repaired(&sql, &days.into_iter().rev().collect::<Vec<_>>());
}

#[test]
fn sums_that_were_changed_are_right_again() {
    let damages = [
        "UPDATE rollups SET amount = 5 WHERE account = 1 AND day = 20601",
        "UPDATE rollups SET amount = 'NaN', units = 'NaN' WHERE account = 1 AND day = 20601",
        "UPDATE rollups SET entries = -3 WHERE account = 1 AND day = 20601",
        "DELETE FROM rollups WHERE account = 1 AND day = 20601",
        "UPDATE rollups SET sku = 'other', is_credit = true WHERE account = 1 AND day = 20601",
        "UPDATE rollups SET line = sha256(line) WHERE account = 1 AND day = 20601",
        "UPDATE balances SET amount = 1 WHERE account = 1",
        "UPDATE balances SET amount = 'NaN', entries = -1 WHERE account = 1",
        "DELETE FROM balances WHERE account = 1",
        "INSERT INTO balances VALUES (1, 'VCU', false, 'VCU', 5, 5)",
        "UPDATE counts SET entries = entries + 1 WHERE account = 1 AND level = 3 AND slot = 20601 * 1440",
        "UPDATE counts SET entries = entries - 1 WHERE account = 1 AND level = 2 AND slot = 20601 * 24",
        "DELETE FROM counts WHERE account = 1 AND level = 1 AND slot = 20601",
        "UPDATE counts SET entries = 1 WHERE account = 1 AND level = 0",
        "DELETE FROM counts WHERE account = 1 AND level = 0",
    ];
    are_repaired_on_the_second_day(&damages.map(str::to_owned));
}

#[test]
fn blocks_that_were_changed_are_right_again() {
    let of_day = "account = 1 AND first_sequence = 81";
    for set in [
        "entries = 3",
        "entries = 300",
        "entries = 0",
        "first_ns = first_ns - 5, last_ns = last_ns + 5",
        "first_ns = last_ns, last_ns = first_ns",
        "entry_set = 'v1:1:00000000000000000000000000000001'",
        "whole_set = 'none'",
        "removed_ns = 5",
        "first_sequence = 82",
        "first_sequence = 80",
        "number = 77",
        "number = 0",
        "number = 5",
        "currencies = '{}', amounts = '{}'",
        "amounts = '{1,2}'",
    ] {
        is_repaired(&format!("UPDATE blocks SET {set} WHERE {of_day}"), &[window(0, 4 * DAY)]);
    }
    for sql in [
        format!("DELETE FROM blocks WHERE {of_day}"),
        "DELETE FROM blocks WHERE account = 1 AND first_sequence = 0".to_owned(),
        "DELETE FROM blocks WHERE account = 1".to_owned(),
        "DELETE FROM blocks WHERE account = 1 AND removed_ns IS NOT NULL".to_owned(),
        "UPDATE blocks SET removed_ns = NULL WHERE account = 1".to_owned(),
        inserted(70),
        inserted(7000),
    ] {
        is_repaired(&sql, &[window(0, 4 * DAY)]);
    }
}

/// SQL that puts in a block whose numbers are another block's, or nobody's.
fn inserted(first_sequence: u32) -> String {
    format!(
        "INSERT INTO blocks SELECT 1, {first_sequence}, 99, NULL, 5, first_ns, last_ns, currencies, amounts, entry_set, whole_set
         FROM blocks WHERE number = 1"
    )
}

#[test]
fn what_was_taken_out_is_in_its_blocks_again() {
    for sql in [
        "UPDATE removed SET amount = '-8' WHERE account = 1",
        "DELETE FROM removed WHERE account = 1",
        "UPDATE removed SET timestamp_ns = timestamp_ns + 1 WHERE account = 1",
    ] {
        is_repaired(sql, &[window(DAY, 2 * DAY)]);
    }
}
