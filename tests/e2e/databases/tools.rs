//! What PostgreSQL's own programs do: `backup` and `restore` name them, with the command to type.

use std::process::Command;

use billing_testkit::Postgres;

use crate::billing::{ndjson, run};
use crate::ledger::real_entries;
use crate::place::Place;

#[test]
fn the_commands_that_are_named_back_up_and_restore() {
    let Some(postgres) = Postgres::need() else { return };
    let (url, other, place) = (postgres.database(), postgres.database(), Place::new());
    let file = place.write("some.ndjson", ndjson(&real_entries()[..500]));
    run(&["import", &file, "--ledger", &url]).done();
    let key = run(&["keys", "create", "--ledger", &url]).done();

    let typed = |args: &[&str], program: &str| {
        let refused = run(args);
        refused.failed(2, "PostgreSQL's own programs");
        let hint = refused.stderr.lines().find_map(|line| line.split_once(&format!("{program} ")));
        format!("{program} {}", hint.unwrap().1)
    };
    let in_shell = |line: &str| {
        let path = format!("{}:{}", postgres.programs().display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(place.path("")).env("PATH", path);
        let done = shell.output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
    };
    in_shell(&typed(&["backup", "--ledger", &url, "--to", "ledger.dump"], "pg_dump"));
    in_shell(&typed(&["restore", "--ledger", &other, "--from", "ledger.dump"], "pg_restore"));

    let [before, after] = [&url, &other].map(|ledger| {
        run(&["export", "--until", "2026-07", "--format", "ndjson", "--from-ledger", ledger]).done().stdout
    });
    assert!(before == after && before.len() > 50_000);
    run(&["check", "--ledger", &other]).done();
    let [before, after] = [&url, &other].map(|ledger| run(&["keys", "list", "--ledger", ledger]).done());
    assert_eq!(before.text(), after.text());
    let host = crate::host::Host::start(&other, &[]);
    let exported =
        host.export(key.text().trim_end(), &["--format", "ndjson", "--until", "2026-07", "-o", "-"]);
    assert_eq!(exported.done().entries().len(), 500, "its keys open it too");
}
