//! The check on ledgers of every kind: an undamaged ledger is clean, and a damaged one never is.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_ledger::{Batch, Change, DifferenceKind, ErrorKind, Ledger as _, Report};
use billing_model::{Currency, Timestamp, UsageEntry};
use billing_sample::History;
use billing_sqlite::SqliteLedger;
use billing_testkit::ledger_suite::house::taking;
use billing_testkit::{OwnedLedger as _, entry_at};
use proptest::prelude::*;
use rusqlite::Connection;

use crate::house::{House, any_mixed_entries, import};

#[track_caller]
fn check(path: &Path) -> Report {
    SqliteLedger::check(path, |_| ()).unwrap()
}

fn files(house: &House) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(house.path().parent().unwrap()).unwrap().map(|file| file.unwrap());
    // The index of the log is left out, because the engine makes it anew.
    files
        .map(|file| (file.file_name().into_string().unwrap(), file.path()))
        .filter(|(name, _)| !name.ends_with("-shm"))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect()
}

fn batch(house: &House, name: String, entries: Vec<UsageEntry>) {
    let received_at = "2026-06-15T00:00:00Z".parse().unwrap();
    let batch = Batch {
        account: house.account,
        idempotency_key: name,
        digest: [0; 32],
        received_at,
        entries: entries.into(),
    };
    house.ledger.store_batches(&[batch]).unwrap();
}

/// All columns whose value follows from another one, or from which another value follows. The time at which entries
/// were taken out is stored once, so of `removed_ns` only its presence can be checked.
const COLUMNS: [(&str, &[&str]); 8] = [
    ("counts", &["account", "level", "slot", "currency", "entries"]),
    ("rollups", &["account", "day", "sku", "currency", "api_key", "is_credit", "entries", "amount", "units"]),
    ("balances", &["account", "currency", "is_credit", "entries", "amount"]),
    ("entries", &ENTRY),
    ("accounts", &["next_sequence"]),
    ("removed", &REMOVED),
    ("blocks", &BLOCK),
    ("block_sums", &["block", "currency", "amount"]),
];

const ENTRY: [&str; 10] = [
    "account",
    "timestamp_ns",
    "sequence",
    "sku",
    "currency",
    "notes",
    "api_key",
    "numbers",
    "request_id",
    "other_fields",
];

const REMOVED: [&str; 7] =
    ["account", "removal", "timestamp_ns", "sequence", "sku", "numbers", "other_fields"];

const BLOCK: [&str; 9] = [
    "number",
    "account",
    "first_sequence",
    "removed_ns",
    "entries",
    "first_ns",
    "last_ns",
    "entry_set",
    "whole_set",
];

/// SQL for another value of a column: far from all others, another digit in a text, and a value in the place of NULL.
fn another(column: &str) -> String {
    match column {
        "amount" | "units" | "request_id" => format!("CASE {column} WHEN '1' THEN '2' ELSE '1' END"),
        "numbers" => "CASE numbers WHEN '[1,1,1]' THEN '[1,1,2]' ELSE '[1,1,1]' END".to_owned(),
        "other_fields" => r#"CASE WHEN other_fields IS NULL THEN '{"a":1}' END"#.to_owned(),
        "removed_ns" => "CASE WHEN removed_ns IS NULL THEN 1 END".to_owned(),
        "entry_set" | "whole_set" => {
            let last = format!("CASE substr({column}, -1) WHEN '1' THEN '2' ELSE '1' END");
            format!("substr({column}, 1, length({column}) - 1) || {last}")
        }
        // More than an hour, in nanoseconds.
        "timestamp_ns" | "first_ns" | "last_ns" => {
            format!("{column} + CASE WHEN {column} < 0 THEN 1 ELSE -1 END * 4000000000007")
        }
        _ => format!("{column} + 1000003"),
    }
}

/// What happens to a ledger.
#[derive(Clone, Copy, Debug)]
enum Comes {
    Batch,
    Import,
    /// New entries in the place of some that are there.
    Change,
}

fn comes(house: &House, name: String, how: Comes, entries: Vec<UsageEntry>) {
    match how {
        Comes::Batch => batch(house, name, entries),
        Comes::Import => import(&house.ledger, house.account, &entries),
        Comes::Change => {
            let places = house.ledger.placed_entries(house.account).unwrap();
            let removed = places.iter().step_by(3).map(|(place, _)| *place);
            let change = Change { add: entries.into(), ..taking(house.account, removed) };
            house.ledger.change(&change).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_comes_in_is_clean_and_any_change_of_it_is_found(
        lots in prop::collection::vec((
            prop::sample::select(vec![Comes::Batch, Comes::Import, Comes::Change]), any_mixed_entries(25),
        ), 1..5),
        column in any::<prop::sample::Index>(), row in any::<prop::sample::Index>(),
    ) {
        let house = House::new();
        let entries: usize = lots.iter().map(|(_, entries)| entries.len()).sum();
        for (n, (how, entries)) in lots.into_iter().enumerate() {
            comes(&house, n.to_string(), how, entries);
        }
        let report = check(&house.path());
        prop_assert_eq!(&report.differences, &[]);
        let came = report.checked.entries + report.checked.removed_entries;
        prop_assert_eq!(came, u64::try_from(entries).unwrap());

        let columns: Vec<_> = COLUMNS.iter().flat_map(|(table, columns)| columns.iter().map(move |c| (table, c))).collect();
        let (table, column) = column.get(&columns);
        let mut file = Connection::open(house.path()).unwrap();
        let change = file.transaction().unwrap();
        let rows: i64 = change.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        if rows == 0 {
            return Ok(());
        }
        let row = i64::try_from(row.index(usize::try_from(rows).unwrap())).unwrap();
        let value = another(column);
        let key: String = change
            .query_row(
                "SELECT group_concat(name) FROM pragma_table_info(?1) WHERE pk > 0", [table], |row| row.get(0),
            )
            .unwrap();
        let sql = format!(
            "UPDATE {table} SET {column} = {value} WHERE ({key}) IN
             (SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET {row})"
        );
        prop_assert_eq!(change.execute(&sql, []).unwrap(), 1);
        change.commit().unwrap();
        let report = check(&house.path());
        prop_assert!(!report.is_clean(), "{}", sql);
    }
}

/// Damages each page of the file in turn, in every way in which a disk does.
#[test]
fn a_page_that_is_damaged_is_found_whatever_it_holds() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, 2_000).collect::<Vec<_>>());
    batch(&house, "one".to_owned(), History::new(2, 100).collect());
    let house = house.reopened();
    let (path, directory) = (house.path(), tempfile::tempdir().unwrap());
    drop(house.ledger);
    let whole = fs::read(&path).unwrap();
    let file = Connection::open(&path).unwrap();
    let page_size = file.query_row("PRAGMA page_size", [], |row| row.get::<_, u32>(0)).unwrap() as usize;
    // The other pages are free and have no content.
    let mut select = file.prepare("SELECT pageno FROM dbstat ORDER BY pageno").unwrap();
    let used = select.query_map([], |row| row.get::<_, u32>(0)).unwrap();
    let used: Vec<usize> = used.map(|number| number.unwrap() as usize).collect();
    assert!(used.len() > 50, "{}", used.len());
    let other = used[used.len() / 2];
    let page_of = |bytes: &[u8], number: usize| bytes[(number - 1) * page_size..number * page_size].to_vec();
    let noise: Vec<u8> = (0..=250u8).cycle().map(|n| n.wrapping_mul(31)).take(page_size).collect();
    for (name, ruin) in [("zeros", vec![0; page_size]), ("noise", noise), ("another", page_of(&whole, other))]
    {
        for number in used.iter().copied().filter(|number| *number != other) {
            let mut bytes = whole.clone();
            bytes[(number - 1) * page_size..number * page_size].copy_from_slice(&ruin);
            let copy = directory.path().join("ledger.db");
            fs::write(&copy, bytes).unwrap();
            match SqliteLedger::check(&copy, |_| ()) {
                Ok(report) => assert!(!report.is_clean(), "page {number} of {name}"),
                // Without its first page the file cannot be recognised as a ledger.
                Err(error) => {
                    assert_eq!((number, error.kind()), (1, ErrorKind::NotALedger), "page of {name}: {error}");
                }
            }
        }
    }
    // The file is cut off.
    for length in [whole.len() / 2, whole.len() - page_size] {
        let copy = directory.path().join("ledger.db");
        fs::write(&copy, &whole[..length]).unwrap();
        assert!(check(&copy).found.contains_key(&DifferenceKind::Integrity));
    }
}

#[test]
fn a_check_writes_nothing_and_leaves_nothing() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, 2_000).collect::<Vec<_>>());
    // The ledger is open and has a log.
    let before = files(&house);
    assert!(before["ledger.db-wal"].len() > 1000, "the test needs a log");
    assert!(check(&house.path()).is_clean());
    assert!(files(&house) == before);

    // The ledger of a killed process: a log that no process has open. A copy of both files is the same.
    let directory = tempfile::tempdir().unwrap();
    for (name, bytes) in &before {
        fs::write(directory.path().join(name), bytes).unwrap();
    }
    let copy = directory.path().join("ledger.db");
    let report = check(&copy);
    assert_eq!((report.is_clean(), report.checked.entries), (true, 2_000));
    for (name, bytes) in &before {
        assert!(fs::read(directory.path().join(name)).unwrap() == *bytes, "{name}");
    }

    // The ledger is closed and has no log.
    let path = house.path();
    drop(house.ledger);
    let names = || {
        let names = fs::read_dir(path.parent().unwrap()).unwrap();
        names.map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let (names_before, bytes) = (names(), fs::read(&path).unwrap());
    assert_eq!(names_before, ["ledger.db"]);
    assert!(check(&path).is_clean());
    assert!(names() == names_before && fs::read(&path).unwrap() == bytes);
}

/// A check reads one moment: whole batches, with all their sums and counts.
#[test]
fn a_check_beside_a_writer_sees_one_moment() {
    let house = House::new();
    let now = "2026-06-15T00:00:00Z".parse().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (house, is_over) = (&house, &is_over);
        scope.spawn(move || {
            for n in 0.. {
                batch(house, n.to_string(), vec![entry_at(now, "-1"); 100]);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut last = 0;
        for _ in 0..10 {
            let report = check(&house.path());
            assert_eq!(report.differences, []);
            let entries = report.checked.entries;
            assert!(
                entries >= last && entries.is_multiple_of(100) && report.checked.receipts == entries / 100
            );
            last = entries;
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Files of several kinds are refused, and each stays as it was.
#[test]
fn what_is_no_ledger_of_today_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let refused = |name: &str, kind, said: &str| {
        let path = directory.path().join(name);
        let before = fs::read(&path).ok();
        let error = SqliteLedger::check(&path, |_| ()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(said), "{error}");
        assert!(fs::read(&path).ok() == before, "{name}");
    };
    refused("missing", ErrorKind::NotFound, "there is no ledger at");
    fs::write(directory.path().join("empty"), "").unwrap();
    refused("empty", ErrorKind::NotALedger, "it is empty");
    fs::write(directory.path().join("text"), "a,b\n".repeat(1000)).unwrap();
    refused("text", ErrorKind::NotALedger, "it is not an SQLite file");
    Connection::open(directory.path().join("other")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    refused("other", ErrorKind::NotALedger, "another application");
    for (name, version, kind) in
        [("older", 1, ErrorKind::OlderVersion), ("newer", 1000, ErrorKind::NewerVersion)]
    {
        let path = directory.path().join(name);
        drop(SqliteLedger::open_or_create(&path).unwrap());
        Connection::open(&path).unwrap().execute_batch(&format!("PRAGMA user_version = {version}")).unwrap();
        refused(name, kind, &format!("version {version}"));
    }
    let mut names: Vec<_> =
        fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["empty", "newer", "older", "other", "text"], "nothing is left beside them");
}

/// One day has more sums than a check holds in memory, in no order, and a minute and 64 days have more counts. The last
/// one of each is then changed.
#[test]
fn a_day_of_very_many_sums_is_compared_to_its_end() {
    const MANY: u32 = 17_000;
    let house = House::new();
    let start = "2026-06-14T19:52:45.087Z".parse::<Timestamp>().unwrap().unix_ns().unwrap();
    let entry = |n: u32| UsageEntry {
        sku: format!("sku {n}"),
        currency: Currency::from(format!("C{n}").as_str()),
        ..entry_at(Timestamp::from_unix_ns(start + i64::from(n * 7919 % MANY)), "-0.1")
    };
    // One import of many currencies in one minute would be slow. Many small imports are not.
    let entries: Vec<_> = (0..MANY).chain(0..500).map(entry).collect();
    entries.chunks(400).for_each(|chunk| import(&house.ledger, house.account, chunk));
    let report = check(&house.path());
    assert_eq!(report.differences, []);
    assert_eq!((report.checked.rollups, report.checked.counts), (MANY.into(), u64::from(MANY) * 4));
    for table in ["rollups", "balances", "counts"] {
        let file = Connection::open(house.path()).unwrap();
        let last = "(SELECT max(currency) FROM balances)";
        file.execute_batch(&format!("UPDATE {table} SET entries = 3 WHERE currency = {last}")).unwrap();
        // A log with commits of another program fits no state of the ledger, so it is copied into the file.
        file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    }
    let found = [(DifferenceKind::Count, 4), (DifferenceKind::Rollup, 1), (DifferenceKind::Balance, 1)];
    assert_eq!(check(&house.path()).found, found.into());
}

/// Rows that every ledger has. Without them it cannot be opened, and there is nothing to compare.
#[test]
fn a_file_that_lacks_a_part_of_a_ledger_is_not_clean_and_is_not_restored() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, 300).collect::<Vec<_>>());
    let directory = tempfile::tempdir().unwrap();
    let good = directory.path().join("good.db");
    house.ledger.back_up(&good).unwrap();
    let now = "2026-06-15T00:00:00Z".parse().unwrap();
    let tables = [
        "meta",
        "accounts",
        "keys",
        "strings",
        "entries",
        "receipts",
        "counts",
        "rollups",
        "balances",
        "imports",
        "unused",
        "files",
        "removed",
        "blocks",
        "block_sums",
    ];
    let lost = tables.map(|table| (format!("DROP TABLE {table}"), true));
    let other = [
        ("DELETE FROM meta WHERE name = 'secret'".to_owned(), true),
        ("UPDATE meta SET value = x'00' WHERE name = 'secret'".to_owned(), true),
        ("ALTER TABLE entries DROP COLUMN request_id".to_owned(), true),
        ("ALTER TABLE entries DROP COLUMN other_fields".to_owned(), true),
        ("UPDATE rollups SET entries = entries + 1".to_owned(), true),
        ("DELETE FROM entries WHERE sequence = 7".to_owned(), true),
        ("CREATE TABLE more (a)".to_owned(), false),
    ];
    for (place, (sql, is_wrong)) in lost.into_iter().chain(other).enumerate() {
        let copy = directory.path().join(format!("{place}.db"));
        fs::copy(&good, &copy).unwrap();
        Connection::open(&copy).unwrap().execute_batch(&sql).unwrap();
        // Without the secret the ledger is refused before the check, or the check finds that it is missing.
        let report = SqliteLedger::check(&copy, |_| {});
        assert_eq!(report.is_ok_and(|report| report.is_clean()), !is_wrong, "{sql}");
        let target = directory.path().join("target.db");
        fs::copy(&good, &target).unwrap();
        let before = fs::read(&target).unwrap();
        let restored = SqliteLedger::restore(&copy, &target, now);
        assert_eq!(restored.is_err(), is_wrong, "{sql}: {restored:?}");
        if is_wrong {
            assert!(fs::read(&target).unwrap() == before, "{sql}: nothing is touched");
            let left: Vec<_> =
                fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            let target_files =
                left.iter().filter(|name| name.to_string_lossy().starts_with("target")).count();
            assert_eq!(target_files, 1, "{sql}: {left:?}");
        }
    }
}

/// An import beside batches leaves sequence numbers without an entry. While it runs, its entries do not count yet.
#[test]
fn an_import_beside_batches_is_clean_at_every_moment() {
    let house = House::new();
    let (path, account) = (house.path(), house.account);
    let many: Vec<_> = History::new(1, 12_000).collect();
    let record = |name: &str| {
        let entries = many[..7].into();
        let received_at = "2026-06-15T00:00:00Z".parse().unwrap();
        let batch =
            Batch { account, idempotency_key: name.to_owned(), digest: [0; 32], received_at, entries };
        house.ledger.store_batches(&[batch]).unwrap();
    };
    let is_clean = |entries: u64, hidden: u64, moment: &str| {
        let report = check(&path);
        let counted = (report.checked.entries, report.checked.hidden_entries);
        assert_eq!((report.differences, counted), (vec![], (entries, hidden)), "{moment}");
    };
    record("before");
    let mut whole = house.ledger.import(account).unwrap();
    whole.write(&many).unwrap();
    record("meanwhile");
    is_clean(14, 12_000, "running");
    assert_eq!(whole.finish().unwrap(), 12_000);
    is_clean(12_014, 0, "shown");
    let mut dropped = house.ledger.import(account).unwrap();
    dropped.write(&many).unwrap();
    record("beside one that is dropped");
    drop(dropped);
    is_clean(12_021, 0, "dropped");
    import(&house.ledger, account, &many);
    record("after");
    is_clean(24_028, 0, "with nobody beside it");

    // A missing entry is still found, and so is one whose number no entry may have.
    let file = Connection::open(&path).unwrap();
    file.execute_batch(
        "DELETE FROM entries WHERE sequence = 5; UPDATE entries SET sequence = (SELECT last_sequence FROM unused) WHERE sequence = 6",
    )
    .unwrap();
    file.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    let found = check(&path).found;
    assert_eq!(found.get(&DifferenceKind::Sequence), Some(&2), "{found:?}");
}

/// The differences would be those of a file that is not the ledger any more.
#[test]
fn a_ledger_that_is_replaced_meanwhile_is_not_judged() {
    let house = House::new();
    import(&house.ledger, house.account, &History::new(1, 5_000).collect::<Vec<_>>());
    let (path, other) = (house.path(), house.path().with_file_name("other.db"));
    drop(SqliteLedger::open_or_create(&other).unwrap());
    let error = SqliteLedger::check(&path, |_| fs::rename(&other, &path).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Replaced, "{error}");
}

#[test]
fn a_ledger_beside_the_log_of_another_is_not_judged() {
    let (house, other) = (House::new(), House::new().reopened());
    import(&house.ledger, house.account, &History::new(1, 100).collect::<Vec<_>>());
    let directory = tempfile::tempdir().unwrap();
    let (path, log) = (directory.path().join("ledger.db"), directory.path().join("ledger.db-wal"));
    fs::copy(other.path(), &path).unwrap();
    fs::copy(house.path().with_file_name("ledger.db-wal"), &log).unwrap();
    let before = (fs::read(&path).unwrap(), fs::read(&log).unwrap());
    let error = SqliteLedger::check(&path, |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ForeignLog, "{error}");
    assert!((fs::read(&path).unwrap(), fs::read(&log).unwrap()) == before);
}
