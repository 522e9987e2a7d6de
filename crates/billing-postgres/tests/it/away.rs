//! A database that is away, that may not be written to, or that is full.

use std::thread;
use std::time::{Duration, Instant};

use billing_ledger::{Error, ErrorKind, Filter, KeyDigest, Ledger};
use billing_model::{Day, SortOrder};
use billing_postgres::{PostgresLedger, Settings};
use billing_testkit::{OwnedLedger, Postgres, Stop};

use crate::house::{empty, open, target};

/// Who reads hears within the patience that the database is away, and reads again soon after it is back.
#[test]
fn reads_hear_that_the_database_is_away_and_go_on_when_it_is_back() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let url = postgres.database();
    let patience = Duration::from_secs(2);
    let settings = Settings { patience, ..Settings::SERVER };
    let ledger = PostgresLedger::open_or_create(target(&url), settings).unwrap();
    let account = ledger.create_account("ours").unwrap();
    let read = |number: usize| -> Result<(), Error> {
        match number % 6 {
            0 => ledger.numbered_page(account, &Filter::default(), SortOrder::Asc, 10, 1).map(drop),
            1 => ledger.positioned_page(account, &Filter::default(), None, None, 10).map(drop),
            2 => ledger.principal(&KeyDigest([1; 32])).map(drop),
            3 => ledger.owned_rollups(account, None).map(drop),
            4 => ledger.funds(account, Day(0)).map(drop),
            _ => ledger.try_writing(1),
        }
    };
    (0..6).for_each(|number| read(number).unwrap());
    for how in [Stop::Fast, Stop::Immediate, Stop::Kill] {
        postgres.stop(how);
        // The other processes answer until they notice that the first one is gone.
        while how == Stop::Kill && read(0).is_ok() {
            thread::yield_now();
        }
        for number in 0..12 {
            let start = Instant::now();
            let error = read(number).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Away, "{how:?} {number}: {error:?}");
            assert!(error.is_busy(), "it may succeed later");
            assert!(start.elapsed() < patience * 2, "{:?}", start.elapsed());
        }
        postgres.start();
        let back = Instant::now();
        // The gate lets one through each second.
        while let Err(error) = read(0) {
            assert_eq!(error.kind(), ErrorKind::Away, "{error}");
            assert!(back.elapsed() < Duration::from_secs(10), "{error}");
            thread::yield_now();
        }
        (0..6).for_each(|number| read(number).unwrap());
    }
}

#[test]
fn trying_to_write_leaves_nothing_behind() {
    let Some((ledger, postgres, url)) = empty() else { return };
    ledger.create_account("ours").unwrap();
    let see = || {
        let tables = "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relkind = 'r' AND relname !~ '^(pg|sql)_'";
        (postgres.sql(&url, tables), postgres.sql(&url, "TABLE billing.numbers"), ledger.accounts().unwrap())
    };
    let before = see();
    for room in [0, 1, 2048, 2049, 16 << 20] {
        ledger.try_writing(room).unwrap();
        assert_eq!(see(), before);
    }
}

#[test]
fn a_database_that_may_not_be_written_to_is_told() {
    let Some((_, postgres, url)) = empty() else { return };
    let name = postgres.sql(&url, "SELECT current_database()");
    postgres.sql(&url, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on"));
    let ledger = open(&url);
    assert_eq!(ledger.accounts().unwrap(), []);
    for error in [ledger.try_writing(1).unwrap_err(), ledger.create_account("ours").unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::CannotOpen, "{error}");
        assert!(error.to_string().contains("read-only"), "{error}");
    }
    // It goes on by itself, although its sessions began before.
    let reset = format!("ALTER DATABASE {name} RESET default_transaction_read_only");
    postgres.sql(&postgres.url("postgres"), &reset);
    ledger.try_writing(1).unwrap();
    ledger.create_account("ours").unwrap();
}

/// Statements that are sent together fail together, and the first of them says why.
#[test]
fn a_table_that_somebody_has_is_busy_to_connections_that_are_new() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let account = ledger.create_account("ours").unwrap();
    let settings = Settings { patience: Duration::from_secs(1), ..Settings::SERVER };
    let ledgers: Vec<_> = (0..3).map(|_| PostgresLedger::open(target(&url), settings).unwrap()).collect();
    let _held = postgres.hold(&url, "LOCK TABLE billing.entries");
    for ledger in &ledgers {
        for _ in 0..2 {
            let page = ledger.numbered_page(account, &Filter::default(), SortOrder::Asc, 10, 1);
            let error = page.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
        }
    }
}

/// A role that may not make tables of a transaction's own may keep a ledger.
#[test]
fn a_role_that_may_not_make_temporary_tables_tries_to_write_all_the_same() {
    let Some((ledger, postgres, url)) = empty() else { return };
    let name = postgres.sql(&url, "SELECT current_database()");
    postgres.sql(
        &url,
        &format!(
            "REVOKE TEMPORARY ON DATABASE {name} FROM PUBLIC; CREATE ROLE modest_{name} LOGIN;
             GRANT USAGE ON SCHEMA billing TO modest_{name};
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA billing TO modest_{name}"
        ),
    );
    let modest = open(&url.replace("billing@", &format!("modest_{name}@")));
    modest.try_writing(1 << 20).unwrap();
    let account = modest.create_account("ours").unwrap();
    assert_eq!(Ledger::account(&ledger, "ours").unwrap(), Some(account));
}

/// A caller may be in a task of a runtime that gives each task only so much to do before it has to yield.
#[test]
fn calls_in_a_task_of_another_runtime_come_to_an_end() {
    let Some((ledger, ..)) = empty() else { return };
    let (ended, has_ended) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            for number in 0..1000 {
                assert!(Ledger::account(&ledger, "ours").unwrap().is_none(), "{number}");
            }
        });
        ended.send(()).unwrap();
    });
    has_ended.recv_timeout(Duration::from_secs(60)).expect("it goes on for ever");
}
