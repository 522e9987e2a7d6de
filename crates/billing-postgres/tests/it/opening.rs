//! Opening and making a ledger.

use std::thread;

use billing_ledger::{AccountId, ErrorKind, Filter, Ledger};
use billing_model::SortOrder;
use billing_postgres::{PostgresLedger, Settings};
use billing_testkit::{OwnedLedger, Postgres};

use crate::house::{empty, open, target};

#[test]
fn a_ledger_is_made_once_by_however_many() {
    let Some(postgres) = Postgres::need() else { return };
    let url = postgres.database();
    let absent = PostgresLedger::open(target(&url), Settings::COMMAND).unwrap_err();
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    let signing_keys = thread::scope(|scope| {
        let makers: Vec<_> =
            (0..6).map(|_| scope.spawn(|| open(&url).key_material().signing_key())).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(signing_keys.iter().all(|key| *key == signing_keys[0]));
    PostgresLedger::open(target(&url), Settings::COMMAND).unwrap();
}

#[test]
fn what_is_no_ledger_of_this_version_is_not_touched() {
    let Some(postgres) = Postgres::need() else { return };
    let kind = |url: &str| PostgresLedger::open_or_create(target(url), Settings::COMMAND).unwrap_err().kind();
    let other = postgres.database();
    postgres.sql(&other, "CREATE SCHEMA billing; CREATE TABLE billing.invoices (id bigint)");
    assert_eq!(kind(&other), ErrorKind::NotALedger);
    assert_eq!(
        postgres.sql(&other, "SELECT count(*) FROM pg_class WHERE relnamespace = 'billing'::regnamespace"),
        "1"
    );
    let newer = postgres.database();
    let ledger = open(&newer);
    postgres.sql(&newer, "UPDATE billing.ledger SET version = 1000");
    assert_eq!(kind(&newer), ErrorKind::NewerVersion);
    // One that was open stores nothing more, and reads no tables that may have changed.
    assert_eq!(ledger.create_account("late").unwrap_err().kind(), ErrorKind::NewerVersion);
    let page = ledger.numbered_page(AccountId(1), &Filter::default(), SortOrder::Asc, 10, 1);
    assert_eq!(page.unwrap_err().kind(), ErrorKind::NewerVersion);
    assert_eq!(kind(&postgres.url("nowhere")), ErrorKind::NotFound);
    let unfinished = postgres.database();
    open(&unfinished);
    postgres.sql(&unfinished, "UPDATE billing.ledger SET is_copying = true");
    assert_eq!(kind(&unfinished), ErrorKind::UnfinishedCopy);
}

#[test]
fn an_older_ledger_is_left_as_it_is_where_nothing_is_to_change() {
    let Some(postgres) = Postgres::need() else { return };
    let url = postgres.database();
    open(&url);
    let settings = Settings { may_migrate: false, ..Settings::COMMAND };
    PostgresLedger::open(target(&url), settings).unwrap();
    postgres.sql(&url, "UPDATE billing.ledger SET version = 0");
    let error = PostgresLedger::open(target(&url), settings).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OlderVersion, "{error}");
    assert_eq!(postgres.sql(&url, "SELECT version FROM billing.ledger"), "0");
}

/// A connection on which a statement was prepared before its table changed would fail with it for good.
#[test]
fn a_statement_of_a_changed_table_is_prepared_anew() {
    let Some((ledger, postgres, url)) = empty() else { return };
    ledger.create_account("ours").unwrap();
    assert_eq!(ledger.accounts().unwrap().len(), 1);
    postgres.sql(&url, "ALTER TABLE billing.accounts ALTER COLUMN name TYPE varchar COLLATE \"C\"");
    let error = ledger.accounts().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Engine, "{error}");
    assert_eq!(ledger.accounts().unwrap().len(), 1);
}
