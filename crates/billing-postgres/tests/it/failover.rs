//! Standbys: a server that only follows another one, and a commit that waits for one.

use std::time::{Duration, Instant};
use std::{fs, thread};

use billing_ledger::{Error, ErrorKind, Ledger};
use billing_postgres::{PostgresLedger, Settings};
use billing_testkit::{Postgres, Stop};

use crate::house::{open, target};

/// Tries until the gate of new connections is open again.
fn in_time<T>(mut attempt: impl FnMut() -> Result<T, Error>) -> T {
    let start = Instant::now();
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Away, "{error}");
                assert!(start.elapsed() < Duration::from_secs(20), "{error}");
                thread::yield_now();
            }
        }
    }
}

/// Where another server has taken over, what was the ledger's is a standby until that one's address leads elsewhere.
#[test]
fn a_standby_takes_no_writes_and_serves_nobody_until_it_is_promoted() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let url = postgres.database();
    let command = open(&url);
    let server = PostgresLedger::open(target(&url), Settings::SERVER).unwrap();
    command.create_account("before").unwrap();
    postgres.stop(Stop::Fast);
    fs::write(postgres.directory().join("data/standby.signal"), "").unwrap();
    postgres.start();
    assert_eq!(in_time(|| command.accounts()).len(), 1, "a command may read from a standby");
    // Not that it may not be written to: there is a server that takes it.
    let error = command.create_account("during").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Away, "{error}");
    assert!(error.to_string().contains("standby"), "{error}");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        let error = server.accounts().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Away, "a key may be revoked since: {error}");
    }
    let error = PostgresLedger::open(target(&url), Settings::SERVER).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Away, "{error}");
    assert!(error.to_string().contains("standby"), "{error}");
    assert_eq!(postgres.sql(&url, "SELECT pg_promote()"), "t");
    in_time(|| command.create_account("after"));
    in_time(|| server.create_account("later"));
    assert_eq!(server.accounts().unwrap().len(), 3);
}

/// An administrator who cancels the wait for a standby makes COMMIT succeed, with a warning.
#[test]
fn a_cancelled_wait_for_a_standby_is_no_success() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let url = postgres.database();
    let ledger = open(&url);
    let set = |names: &str| {
        postgres.sql(&url, &format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'"));
        postgres.sql(&url, "SELECT pg_reload_conf()");
    };
    set("nowhere");
    let (error, name) = thread::scope(|scope| {
        // It takes the server a moment to wait.
        let storing = scope.spawn(|| {
            (0..500)
                .map(|number| number.to_string())
                .find_map(|name| Some((ledger.create_account(&name).err()?, name)))
        });
        let waits = "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        while !storing.is_finished() {
            postgres.sql(&url, waits);
        }
        storing.join().unwrap().unwrap()
    });
    assert_eq!(error.kind(), ErrorKind::OutcomeNotKnown, "{error}");
    set("");
    assert!(ledger.account(&name).unwrap().is_some(), "it is stored here, and on no standby");
    ledger.create_account("next").unwrap();
}
