//! The check on ledgers of every kind: an undamaged ledger is clean, and a damaged one never is.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::sync::atomic::{AtomicBool, Ordering};

use billing_ledger::{AccountId, Change, DifferenceKind, ErrorKind, Ledger};
use billing_model::{Currency, Timestamp, UsageEntry};
use billing_postgres::{PostgresLedger, Settings};
use billing_sample::History;
use billing_testkit::check_cases::{batch, changed, small};
use billing_testkit::ledger_suite::house::{any_mixed_entries, import, taking};
use billing_testkit::{OwnedLedger as _, Postgres, Stop, entry_at};
use proptest::prelude::*;

use crate::check::{Original, check};
use crate::house::{empty, open, target};

/// Bytes of a page of the database.
const PAGE: usize = 8192;

/// All columns whose value follows from another one, or from which another value follows. The time at which entries
/// were taken out is stored once, so of `removed_ns` only its presence can be checked.
const COLUMNS: [(&str, &str); 7] = [
    ("counts", "account level slot currency entries"),
    ("rollups", "account day line sku currency api_key_id is_credit entries amount units"),
    ("balances", "account indexed_currency currency entries amount"),
    (
        "entries",
        "account timestamp_ns sequence sku price_per_unit_usd units amount currency notes request_id execution_time_ms \
         prompt_tokens completion_tokens api_key_id other_fields",
    ),
    ("accounts", "id next_sequence"),
    ("removed", "account removal timestamp_ns sequence sku units amount currency other_fields"),
    (
        "blocks",
        "number account first_sequence removed_ns entries first_ns last_ns currencies amounts entry_set whole_set",
    ),
];

/// SQL for another value of a column: far from all others, another digit in a text, and a value in the place of NULL.
fn another(table: &str, column: &str) -> String {
    match column {
        "amount" | "units" if matches!(table, "rollups" | "balances") => {
            format!("CASE {column} WHEN 1 THEN 2 ELSE 1 END")
        }
        "amount" | "units" | "price_per_unit_usd" | "execution_time_ms" | "prompt_tokens"
        | "completion_tokens" => {
            format!("CASE {column} WHEN '1' THEN '2' ELSE '1' END")
        }
        "sku" | "currency" | "notes" | "request_id" | "api_key_id" | "indexed_currency" => {
            format!("coalesce({column}, '') || 'x'")
        }
        "other_fields" => r#"CASE WHEN other_fields IS NULL THEN '{"a":1}' END"#.to_owned(),
        "removed_ns" => "CASE WHEN removed_ns IS NULL THEN 1 END".to_owned(),
        "is_credit" => "NOT is_credit".to_owned(),
        "line" => "sha256(line)".to_owned(),
        "currencies" | "amounts" => format!("{column} || '{{7}}'"),
        "entry_set" | "whole_set" => {
            let last = format!("CASE right({column}, 1) WHEN '1' THEN '2' ELSE '1' END");
            format!("left({column}, -1) || {last}")
        }
        // More than an hour, in nanoseconds.
        "timestamp_ns" | "first_ns" | "last_ns" => {
            format!("{column} + CASE WHEN {column} < 0 THEN 1 ELSE -1 END * 4000000000007")
        }
        "level" => "level + 13".to_owned(),
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

fn comes(ledger: &dyn Ledger, account: AccountId, name: &str, how: Comes, entries: Vec<UsageEntry>) {
    match how {
        Comes::Batch => batch(ledger, account, name, entries),
        Comes::Import => import(ledger, account, &entries),
        Comes::Change => {
            let places = ledger.placed_entries(account).unwrap();
            let removed = places.iter().step_by(3).map(|(place, _)| *place);
            let change = Change { add: entries.into(), ..taking(account, removed) };
            ledger.change(&change).unwrap();
        }
    }
}

#[test]
fn what_comes_in_is_clean_and_any_change_of_it_is_found() {
    let Some((first, postgres, template)) = empty() else { return };
    drop(first);
    let lots = prop::collection::vec(
        (prop::sample::select(vec![Comes::Batch, Comes::Import, Comes::Change]), any_mixed_entries(25)),
        1..5,
    );
    let config = ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() };
    let picks = prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 6);
    proptest!(config, |(lots in lots, picks in picks)| {
        let url = postgres.copy_of(&template);
        let ledger = open(&url);
        let account = ledger.create_account("ours").unwrap();
        let entries: usize = lots.iter().map(|(_, entries)| entries.len()).sum();
        for (n, (how, entries)) in lots.into_iter().enumerate() {
            comes(&ledger, account, &n.to_string(), how, entries);
        }
        let report = check(&url);
        prop_assert_eq!(&report.differences, &[]);
        let came = report.checked.entries + report.checked.removed_entries;
        prop_assert_eq!(came, entries as u64);

        let columns: Vec<_> = COLUMNS
            .iter()
            .flat_map(|(table, columns)| columns.split_whitespace().map(move |column| (table, column)))
            .collect();
        for (column, row) in picks {
            let (table, column) = column.get(&columns);
            let rows: usize = postgres.sql(&url, &format!("SELECT count(*) FROM billing.{table}")).parse().unwrap();
            if rows == 0 {
                continue;
            }
            let free = "SET search_path TO billing; SET session_replication_role = replica;";
            let sql = format!(
                "{free} CREATE TABLE public.kept AS SELECT ctid AS place, {table}.* FROM {table} LIMIT 1 OFFSET {};
                 UPDATE {table} SET {column} = {} WHERE ctid = (SELECT place FROM public.kept) RETURNING ctid",
                row.index(rows),
                another(table, column),
            );
            let place = postgres.sql(&url, &sql);
            let is_clean = check(&url).is_clean();
            prop_assert!(!is_clean, "{}", sql);
            // The value is put back, so that one ledger does for several changes.
            postgres.sql(&url, &format!(
                "{free} UPDATE {table} SET {column} = (SELECT {column} FROM public.kept) WHERE ctid = '{place}';
                 DROP TABLE public.kept"
            ));
        }
        prop_assert_eq!(check(&url).differences, []);
    });
}

/// A check reads one moment: whole batches, with all their sums and counts.
#[test]
fn a_check_beside_a_writer_sees_one_moment() {
    let Some((ledger, _, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let now = "2026-06-15T00:00:00Z".parse().unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (ledger, is_over) = (&ledger, &is_over);
        scope.spawn(move || {
            for n in 0.. {
                batch(ledger, account, &n.to_string(), vec![entry_at(now, "-1"); 10]);
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let mut last = 0;
        for _ in 0..5 {
            let report = check(&url);
            assert_eq!(report.differences, []);
            let entries = report.checked.entries;
            assert!(entries >= last && entries.is_multiple_of(10) && report.checked.receipts == entries / 10);
            last = entries;
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// One day has more sums than a check holds in memory, in no order, and a minute and 64 days have more counts. The last
/// one of each is then changed.
#[test]
fn a_day_of_very_many_sums_is_compared_to_its_end() {
    const MANY: u32 = 17_000;
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let start = "2026-06-14T19:52:45.087Z".parse::<Timestamp>().unwrap().unix_ns().unwrap();
    let entry = |n: u32| UsageEntry {
        sku: format!("sku {n}"),
        currency: Currency::from(format!("C{n}").as_str()),
        ..entry_at(Timestamp::from_unix_ns(start + i64::from(n * 7919 % MANY)), "-0.1")
    };
    let entries: Vec<_> = (0..MANY).chain(0..500).map(entry).collect();
    import(&ledger, account, &entries);
    let report = check(&url);
    assert_eq!(report.differences, []);
    assert_eq!((report.checked.rollups, report.checked.counts), (MANY.into(), u64::from(MANY) * 4));
    for table in ["rollups", "balances", "counts"] {
        postgres.sql(&url, &format!("UPDATE billing.{table} SET entries = 3 WHERE currency = 'C9999'"));
    }
    let found = [(DifferenceKind::Count, 4), (DifferenceKind::Rollup, 1), (DifferenceKind::Balance, 1)];
    assert_eq!(check(&url).found, found.into());
}

/// More rows than are fetched at a time, long ones and short ones, in several accounts.
#[test]
fn rows_of_every_length_are_read_to_the_last_one() {
    let Some((ledger, postgres, url)) = empty() else { return };
    for (n, name) in ["one", "two", "three"].into_iter().enumerate() {
        let account = ledger.create_account(name).unwrap();
        let mut entries: Vec<_> = History::new(n as u64, 2_500).collect();
        let long = entries.iter_mut().step_by(97).zip(1..);
        long.for_each(|(entry, length)| entry.notes = "note ".repeat(length * 1000));
        import(&ledger, account, &entries);
    }
    let report = check(&url);
    assert_eq!(report.differences, []);
    assert_eq!((report.checked.entries, report.checked.accounts), (7_500, 3));
    postgres.sql(&url, "DELETE FROM billing.entries WHERE account = 3 AND sequence = 2499");
    assert_eq!(check(&url).found[&DifferenceKind::Sequence], 1);
}

#[test]
fn a_database_that_lacks_a_part_of_a_ledger_is_not_clean() {
    let Some(original) = Original::of(small) else { return };
    let differs = |sql: &str, expect: &str| original.differs(sql, expect);
    differs("DROP TABLE turns", "integrity, the database: `schema` is missing and should be the table turns");
    differs(
        "ALTER TABLE entries DROP COLUMN request_id",
        "integrity, the database: `schema` is missing and should be the column request_id of the table entries, of the type text C",
    );
    differs(
        "ALTER TABLE counts ALTER COLUMN entries TYPE integer",
        "integrity, the database: `schema` is missing and should be the column entries of the table counts, of the type bigint",
    );
    // What is there is compared all the same.
    differs(
        "ALTER TABLE balances DROP CONSTRAINT balances_pkey; DELETE FROM balances WHERE is_credit",
        "integrity, the database: `schema` is missing and should be the key (account, indexed_currency, is_credit) of the table balances
         balance, `USD`, credits: `entries` is missing and should be 1",
    );
    differs(
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'blocks_by_number'::regclass",
        "integrity, the index blocks_by_number: `integrity` is it is not fit for use and should be ok",
    );
    let report = check(&original.damaged("UPDATE ledger SET secret = '\\x00'"));
    assert_eq!(report.found, [(DifferenceKind::Integrity, 1)].into());
}

#[test]
fn an_older_ledger_is_left_as_it_is() {
    let Some(original) = Original::of(small) else { return };
    let url = original.damaged("UPDATE ledger SET version = 0");
    let error = PostgresLedger::check(target(&url), Settings::COMMAND, |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OlderVersion, "{error}");
    assert_eq!(original.postgres.sql(&url, "SELECT version FROM billing.ledger"), "0");
}

/// The list of tables in the check is that of a new ledger. Without the table `ledger` none is recognised.
#[test]
fn the_check_looks_for_every_column() {
    let Some(original) = Original::of(small) else { return };
    let url = original.damaged("SELECT 1");
    let tables = "SELECT relname, string_agg(attname, ',') FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
        WHERE relnamespace = 'billing'::regnamespace AND relkind = 'r' AND attnum > 0 AND relname <> 'ledger' GROUP BY 1";
    let tables = original.postgres.sql(&url, tables);
    assert!(tables.lines().count() > 10, "{tables}");
    for (table, columns) in tables.lines().map(|line| line.split_once('|').unwrap()) {
        let rename = |from: &str, to: &str| {
            let renames = columns.split(',').map(|column| {
                format!("ALTER TABLE billing.{table} RENAME COLUMN {column}{from} TO {column}{to};")
            });
            original.postgres.sql(&url, &renames.collect::<String>());
        };
        rename("", "_2");
        let report = check(&url);
        let expected: Vec<_> = report.differences.iter().filter_map(|it| it.expected.as_deref()).collect();
        for column in columns.split(',') {
            let words = format!("the column {column} of the table {table}, of the type ");
            assert!(expected.iter().any(|expected| expected.starts_with(&words)), "{table}.{column}");
        }
        rename("_2", "");
    }
}

/// A row that an index does not have is not found by those who look for it.
#[test]
fn a_row_that_its_index_lacks_is_missed() {
    let Some(original) = Original::of(changed) else { return };
    let indexed = |is_ready: bool| {
        format!("UPDATE pg_index SET indisready = {is_ready} WHERE indexrelid = 'removed_pkey'::regclass;")
    };
    let insert = "INSERT INTO removed SELECT account, removal, timestamp_ns + 1, sequence, sku, price_per_unit_usd, units,
        amount, currency, notes FROM removed WHERE sequence = 1";
    let url = original.damaged(&indexed(false));
    original.postgres.sql(&url, &format!("SET search_path TO billing; {insert}"));
    original.postgres.sql(&url, &format!("SET search_path TO billing; {}", indexed(true)));
    let differences: Vec<_> = check(&url).differences.iter().map(ToString::to_string).collect();
    assert_eq!(differences, ["integrity, the index of the table removed: `rows` is 2 and should be 3"]);
}

/// Damages pages, as a disk does.
#[test]
fn a_page_that_is_damaged_is_found_whatever_it_holds() {
    let Some(postgres) = Postgres::need_own(&[("fsync", "off")]) else { return };
    let url = postgres.database();
    let ledger = open(&url);
    small(&ledger, ledger.create_account("ours").unwrap());
    let many = ledger.create_account("many").unwrap();
    import(&ledger, many, &History::new(1, 300).collect::<Vec<_>>());
    drop(ledger);
    assert!(check(&url).is_clean());
    let noise: Vec<u8> = (0..=250u8).cycle().map(|n| n.wrapping_mul(31)).take(PAGE).collect();
    for (table, ruin) in [
        ("entries", &noise),
        ("entries", &vec![0; PAGE]),
        ("entries_pkey", &noise),
        ("rollups", &noise),
        ("keys", &noise),
    ] {
        let path = postgres.sql(&url, &format!("SELECT pg_relation_filepath('billing.{table}')"));
        // What is read after a start is read from the disk.
        postgres.stop(Stop::Fast);
        let path = postgres.directory().join("data").join(path);
        let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let last = file.metadata().unwrap().len() - PAGE as u64;
        let mut whole = vec![0; PAGE];
        file.read_exact_at(&mut whole, last).unwrap();
        file.write_all_at(ruin, last).unwrap();
        postgres.start();
        assert!(!check(&url).is_clean(), "{table}");
        postgres.stop(Stop::Immediate);
        file.write_all_at(&whole, last).unwrap();
        postgres.start();
        assert_eq!(check(&url).differences, [], "{table}");
    }
}
