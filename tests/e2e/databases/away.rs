//! A database that does not answer: a command ends as it does where a service does not.

use billing_testkit::{Postgres, Stop};

use crate::billing::{ndjson, run};
use crate::ledger::noted;
use crate::place::Place;

#[test]
fn a_command_ends_at_once_with_the_code_of_a_service_that_is_not_there() {
    let Some(postgres) = Postgres::need_own(&[]) else { return };
    let (url, place) = (postgres.database(), Place::new());
    let file = place.write("some.ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")]));
    run(&["import", &file, "--ledger", &url]).done();
    postgres.stop(Stop::Fast);
    for args in [
        &["status"][..],
        &["serve"],
        &["import", &file],
        &["import", &file, "--dry-run"],
        &["keys", "create"],
        &["report"],
        &["today"],
        &["statusline"],
    ] {
        let ended = run(&[args, &["--ledger", &url]].concat());
        ended.failed(5, "does not answer");
        assert!(ended.stderr.contains("hint: check the host and the port in the URL"), "{}", ended.stderr);
    }
    run(&["export", "--from-ledger", &url]).failed(5, "does not answer");
    postgres.start();
    let exported = run(&["export", "--from-ledger", &url, "--format", "ndjson"]).done();
    assert_eq!(exported.entries(), [noted("2026-05-01T00:00:00Z", "")]);
}
