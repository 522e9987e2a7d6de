//! How the database finds what is read: along an index, whatever it knows of the tables. A plan is kept as long as its connection, so one
//! that is made for small tables must be the one for large tables.

use std::ops::ControlFlow;

use billing_ledger::{AccountId, Batch, Filter, KeyDigest, Ledger, PackedEntries};
use billing_model::{Currency, Day, SortOrder, TimeWindow, Timestamp, UsageEntry};
use billing_postgres::PostgresLedger;
use billing_testkit::{OwnedLedger, Postgres, entry_at};

use crate::house::open;

/// Tables that grow with entries. The others are of few rows for each account.
const LARGE: [&str; 7] = ["entries", "removed", "counts", "rollups", "blocks", "receipts", "files"];

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix_ns(1_780_000_000_000_000_000 + second * 1_000_000_000)
}

/// Asks for everything that is read while somebody waits.
fn read_all(ledger: &PostgresLedger, account: AccountId) {
    let window = TimeWindow::new(Some(at(5)), Some(at(100_000))).unwrap();
    for (currency, window) in [None, Some(Currency::Vcu)]
        .iter()
        .flat_map(|c| [TimeWindow::ALL, window].map(|window| (c.clone(), window)))
    {
        let filter = Filter { currency, window };
        for order in [SortOrder::Asc, SortOrder::Desc] {
            for page in [1, 3, 1_000_000] {
                ledger.numbered_page(account, &filter, order, 10, page).unwrap();
            }
        }
        let page = ledger.positioned_page(account, &filter, None, None, 10).unwrap();
        ledger.positioned_page(account, &filter, Some(page.snapshot), page.next, 10).unwrap();
    }
    for days in [None, Some((Day(20_601), Day(20_691)))] {
        ledger.owned_rollups(account, days).unwrap();
    }
    ledger.charges(account, (Day(20_601), Day(20_691)), &mut |_| ControlFlow::Continue(())).unwrap();
    ledger.funds(account, Day(20_601)).unwrap();
    ledger.accounts().unwrap();
    ledger.principal(&KeyDigest([1; 32])).unwrap();
    ledger.key_descriptions(account).unwrap();
    ledger.find_batch(account, "batch 0", &[1; 32]).unwrap();
    ledger.imported_file(account, &[1; 32]).unwrap();
    ledger.has_imported_files(account).unwrap();
    ledger.removed_entries(account).unwrap();
    ledger.blocks(5, &mut |_| ControlFlow::Continue(())).unwrap();
}

/// The plans that the database has noted since `from`: each with its statement.
fn plans(log: &str) -> Vec<&str> {
    let plans: Vec<_> = log.split("Query Text: ").skip(1).collect();
    // What follows a plan begins at the start of a line; what belongs to it is indented.
    plans
        .into_iter()
        .map(|plan| {
            let end = plan.match_indices('\n').find(|(at, _)| !plan[at + 1..].starts_with('\t'));
            end.map_or(plan, |(at, _)| &plan[..at])
        })
        .filter(|plan| plan.contains("  (cost="))
        .collect()
}

fn check_plans(log: &str) {
    let plans = plans(log);
    assert!(plans.len() > 20, "{log}");
    for plan in plans {
        for table in LARGE {
            for scan in ["Seq Scan", "Bitmap Heap Scan"] {
                assert!(!plan.contains(&format!("{scan} on {table}")), "{plan}");
            }
        }
        assert!(!plan.contains("Gather"), "{plan}");
        // Where entries or sums are read, nothing is put into another order, which would read all of them before the first.
        let is_of_rows =
            ["FROM entries", "FROM rollups", "FROM removed"].iter().any(|rows| plan.contains(rows));
        let sorts = plan.matches("Sort Key").count();
        // The few currencies of an account are sorted.
        let may_sort = plan.contains("FROM balances");
        assert!(!is_of_rows || may_sort || sorts == 0, "{plan}");
        // Each index condition begins with the account, and those of pages with the place.
        if plan.contains("LIMIT $8") {
            assert!(plan.contains("ROW(timestamp_ns, sequence) > ROW("), "{plan}");
            assert!(
                plan.contains("Index Scan using entries_pkey")
                    || plan.contains("Index Scan Backward using entries_pkey"),
                "{plan}"
            );
        }
    }
}

#[test]
fn what_is_read_is_found_along_an_index() {
    let settings = [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("autovacuum", "off"),
    ];
    let Some(postgres) = Postgres::need_own(&settings) else { return };
    let url = postgres.database();
    let early = open(&url);
    let account = early.create_account("ours").unwrap();
    let mut log_end = postgres.log().len();
    let mut check = |ledger: &PostgresLedger| {
        read_all(ledger, account);
        let log = postgres.log();
        check_plans(&log[log_end..]);
        log_end = log.len();
    };
    // Of empty tables nothing is known.
    check(&early);
    let entries: Vec<_> = (0..20_000)
        .map(|n| {
            let entry = entry_at(at(n * 7), "-0.1");
            if n % 1_000 == 0 { UsageEntry { currency: Currency::Vcu, ..entry } } else { entry }
        })
        .collect();
    for (number, part) in entries.chunks(1_000).enumerate() {
        let batch = Batch {
            account,
            idempotency_key: format!("batch {number}"),
            digest: [1; 32],
            received_at: at(0),
            entries: PackedEntries::from(part),
        };
        early.store_batches(&[batch]).unwrap();
    }
    check(&early);
    check(&open(&url));
    postgres.sql(&url, "ANALYZE");
    check(&early);
    check(&open(&url));
}
