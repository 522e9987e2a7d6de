//! What is acknowledged is on the standby too, where there is a synchronous one.

use std::time::{Duration, Instant};

use billing_ledger::{Error, ErrorKind, Ledger, Receipt};
use billing_postgres::{PostgresLedger, Settings};
use billing_testkit::{Postgres, entry_at};

use crate::house::target;
use crate::writing::{at, batch};

/// Calls until the outcome is as wanted. The database takes a moment to hear of its new settings.
fn until<T>(call: impl Fn() -> Result<T, Error>, is_wanted: impl Fn(&Result<T, Error>) -> bool) {
    let begun = Instant::now();
    while !is_wanted(&call()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it stays as it is");
    }
}

/// After a crash of the database, a batch is seen that the standby may not have yet. Who sends it again hears of it only once it is there.
#[test]
fn a_batch_that_is_known_is_acknowledged_once_the_standby_has_it() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let url = postgres.database();
    let settings = Settings { patience: Duration::from_secs(2), ..Settings::SERVER };
    let ledger = PostgresLedger::open_or_create(target(&url), settings).unwrap();
    let account = ledger.create_account("ours").unwrap();
    let sent = [batch(account, "key", &[entry_at(at(0), "-1")])];
    let send = || ledger.store_batches(&sent);
    let find = |digest: u8| ledger.find_batch(account, "key", &[digest; 32]);
    assert_eq!(send().unwrap(), [Receipt::Stored(1)]);
    assert_eq!((send().unwrap(), find(1).unwrap()), (vec![Receipt::Repeated(1)], Some(1)));

    // The same of one beside a batch for an account that somebody else has.
    let held = postgres.hold(&url, "SELECT FROM billing.accounts FOR NO KEY UPDATE");
    let beside = [sent[0].clone(), batch(account, "new", &[entry_at(at(0), "-1")])];
    let send_beside = || ledger.store_free_batches(&beside, Duration::ZERO);
    let told = [Receipt::Repeated(1), Receipt::Busy];
    assert_eq!(send_beside().unwrap(), told);

    let set = |sql: &str| {
        postgres.sql(&url, sql);
        postgres.sql(&url, "SELECT pg_reload_conf()");
    };
    set("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    let is_open = |kind: ErrorKind| kind == ErrorKind::OutcomeNotKnown;
    until(send, |sent| sent.as_ref().is_err_and(|error| is_open(error.kind())));
    until(send_beside, |sent| sent.as_ref().is_err_and(|error| is_open(error.kind())));
    until(|| find(1), |found| found.as_ref().is_err_and(|error| is_open(error.kind())));
    // Nothing is said of what is not there, so nothing is waited for.
    until(|| find(2), |found| matches!(found, Ok(None)));
    set("ALTER SYSTEM RESET synchronous_standby_names");
    until(send, |sent| sent.as_ref().is_ok_and(|receipts| *receipts == [Receipt::Repeated(1)]));
    until(send_beside, |sent| sent.as_ref().is_ok_and(|receipts| *receipts == told));
    until(|| find(1), |found| matches!(found, Ok(Some(1))));
    drop(held);
}
