//! The same story over SQLite and PostgreSQL: what both ledgers lend, and what their servers answer, is the same, byte by byte.
//!
//! It is a program of its own, because it starts others all the time. What is being started holds the locks of its parent's files for a
//! moment, and the model test locks files that it closes and opens again.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::sync::Arc;

use billing_ledger::Ledger;
use billing_postgres::{PostgresLedger, Settings, Target};
use billing_sqlite::SqliteLedger;
use billing_testkit::Postgres;
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use tempfile::TempDir;

use crate::said::Said;
use crate::side::Side;
use crate::story::{Story, any_long_story, any_story};

mod requests;
mod said;
mod side;
mod story;

/// As many stories as are told in some 20 seconds, or in `PROPTEST_CASES`.
fn cases() -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    // A story that failed is printed, and kept nowhere.
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases.unwrap_or(24)) }
}

/// Both ledgers, without anything.
fn sides(postgres: &Postgres, url: &str) -> (Side, Side, TempDir) {
    postgres.sql(url, "DROP SCHEMA IF EXISTS billing CASCADE");
    // In memory where there is such a place: nobody takes the power away.
    let directory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = directory.path().join("ledger.db");
    let file = Side::new(Box::new(move || {
        Arc::new(SqliteLedger::open_or_create(&path).unwrap()) as Arc<dyn Ledger>
    }));
    let target: Target = url.parse().unwrap();
    let database = Side::new(Box::new(move || {
        Arc::new(PostgresLedger::open_or_create(target.clone(), Settings::COMMAND).unwrap())
            as Arc<dyn Ledger>
    }));
    (file, database, directory)
}

fn assert_same(step: &str, one: &Said, other: &Said) -> Result<(), TestCaseError> {
    one.difference(other)
        .map_or(Ok(()), |difference| Err(TestCaseError::fail(format!("{step}:\n{difference}"))))
}

#[test]
fn both_engines_say_the_same() {
    tell_all(cases(), any_story(14));
}

#[test]
fn both_engines_say_the_same_of_many_entries() {
    tell_all(ProptestConfig { cases: 1, ..cases() }, any_long_story());
}

fn tell_all(cases: ProptestConfig, stories: impl Strategy<Value = Story>) {
    let Some(postgres) = Postgres::need() else { return };
    let url = postgres.database();
    let tell = |story: Story| {
        let (mut file, mut database, _directory) = sides(postgres, &url);
        for (number, (step, look)) in story.steps.iter().enumerate() {
            let place = format!("after step {number}");
            assert_same(&place, &file.tell(step, look), &database.tell(step, look))?;
        }
        let Some((_, look)) = story.steps.last() else { return Ok(()) };
        assert_same("at the end", &file.tell_all(look), &database.tell_all(look))
    };
    if let Err(failed) = TestRunner::new(cases).run(&stories, tell) {
        panic!("{failed}");
    }
}
