//! A ledger of a test's own.

use billing_postgres::{PostgresLedger, Settings, Target};
use billing_testkit::Postgres;

/// An empty ledger in a database of its own; `None` leaves the test out.
#[track_caller]
pub(crate) fn empty() -> Option<(PostgresLedger, &'static Postgres, String)> {
    let postgres = Postgres::need()?;
    let url = postgres.database();
    Some((open(&url), postgres, url))
}

/// The ledger at a URL, which is made where there is none.
pub(crate) fn open(url: &str) -> PostgresLedger {
    PostgresLedger::open_or_create(target(url), Settings::COMMAND).unwrap()
}

pub(crate) fn target(url: &str) -> Target {
    url.parse().unwrap()
}
