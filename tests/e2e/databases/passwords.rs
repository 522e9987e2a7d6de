//! The password of a database: where it is looked for, and that nobody is shown it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use billing_testkit::{Postgres, Stop};

use crate::billing::{Run, command, finish, ndjson, run};
use crate::conversation::Request;
use crate::host::Host;
use crate::ledger::noted;
use crate::place::Place;

const PASSWORD: &str = "s3cret";

/// A server that asks for the password, and the URL of a database of it, without and with the password.
fn guarded() -> Option<(Postgres, String, String)> {
    let postgres = Postgres::need_own(&[])?;
    let url = postgres.database();
    postgres.sql(&url, &format!("ALTER USER billing PASSWORD '{PASSWORD}'"));
    fs::write(postgres.directory().join("data/pg_hba.conf"), "local all all scram-sha-256\n").unwrap();
    postgres.stop(Stop::Fast);
    postgres.start();
    let with_password = url.replace("billing@", &format!("billing:{PASSWORD}@"));
    Some((postgres, url, with_password))
}

fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = command(args);
    command.envs(variables.iter().copied());
    finish(command, b"")
}

#[test]
fn it_is_looked_for_where_other_programs_look() {
    let Some((_postgres, url, with_password)) = guarded() else { return };
    let place = Place::new();
    let line = |password: &str| format!("# ours\nlocalhost:5432:*:billing:{password}\n");
    let mode = |path: &str, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (good, bad) = (place.write("good", line(PASSWORD)), place.write(".pgpass", line("wrong")));
    let make = ["keys", "create", "--ledger"];
    let with = |url: &str, variables: &[(&str, &str)]| run_with(&[&make[..], &[url]].concat(), variables);
    for path in [&good, &bad] {
        mode(path, 0o600);
    }
    let home = good.strip_suffix("/good").unwrap();
    with(&with_password, &[("PGPASSWORD", "wrong")]).done();
    with(&url, &[("PGPASSWORD", PASSWORD), ("PGPASSFILE", &bad)]).done();
    with(&url, &[("PGPASSWORD", ""), ("PGPASSFILE", &good), ("HOME", home)]).done();
    with(&url, &[("HOME", home)]).failed(1, "password authentication failed");
    place.write(".pgpass", line(PASSWORD));
    with(&url, &[("HOME", home)]).done();
    mode(&bad, 0o640);
    let open = with(&url, &[("HOME", home)]);
    open.failed(1, "password missing");
    assert!(open.stderr.starts_with(&format!("note: others than you may use `{bad}`")), "{}", open.stderr);
    assert!(open.stderr.contains("hint: the password is that of the URL, of PGPASSWORD"), "{}", open.stderr);
}

#[test]
fn nobody_is_shown_it() {
    let Some((postgres, url, secret)) = guarded() else { return };
    let place = Place::new();
    let file = place.write("some.ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")]));
    let (out, ndjson) = (place.path("out.ndjson"), place.path("named.ndjson"));
    let hidden = |run: &Run| {
        let all = format!("{}{}", run.text(), run.stderr);
        assert!(!all.contains(PASSWORD), "{all}");
    };
    let far = "postgres://billing:s3cret@db.example.org/ledger?sslmode=disable";
    for (code, args) in [
        (0, &["import", &file, "--ledger", &secret, "--json"][..]),
        (1, &["import", &file, "--ledger", &secret]),
        (0, &["status", "--ledger", &secret]),
        (0, &["status", "--ledger", &secret, "--json"]),
        (0, &["keys", "list", "--ledger", &secret, "--json"]),
        (0, &["accounts", "list", "--ledger", &secret, "--json"]),
        (1, &["accounts", "remove", "nobody", "--ledger", &secret]),
        (0, &["report", "--ledger", &secret, "--format", "json"]),
        (0, &["report", "--ledger", &secret, "--format", "html", "-o", &place.path("report.html")]),
        (0, &["export", "--from-ledger", &secret, "-o", &out, "--manifest"]),
        (1, &["export", "--from-ledger", &secret, "--account", "nobody", "-o", &ndjson]),
        (2, &["backup", "--ledger", &secret, "--to", &place.path("copy.db")]),
        (2, &["backup", "--ledger", &place.path("no.db"), "--to", &secret]),
        (2, &["restore", "--ledger", &secret, "--from", &place.path("copy.db")]),
        (2, &["restore", "--ledger", &place.path("no.db"), "--from", &secret]),
        (2, &["status", "--ledger", far]),
        (2, &["status", "--ledger", "postgres://billing:s3cret@localhost/b?nonsense=s3cret"]),
        // Where it does not belong.
        (2, &["report", &secret]),
        (2, &["import", &secret, "--ledger", &place.path("no.db")]),
        (2, &["status", &secret]),
        (2, &["status", &format!("--ledgr={secret}")]),
        (2, &["status", "--account", "a", "--account", &secret]),
        (2, &["render", &secret]),
        (1, &["export", "--from-ledger", &url, "-o", &secret]),
    ] {
        let mut command = command(args);
        command.env("PGPASSWORD", PASSWORD);
        let run = finish(command, b"");
        hidden(&run);
        assert_eq!(run.code, Some(code), "{args:?}: {}", run.stderr);
    }
    for name in place.names() {
        let text = String::from_utf8_lossy(&place.read(&name)).into_owned();
        assert!(!text.contains(PASSWORD), "{name}: {text}");
    }
    let noted = run(&["status", "--ledger", &secret]).done().stderr;
    assert!(noted.contains("sees the password; PGPASSWORD and ~/.pgpass keep it to yourself"), "{noted}");
    let told = run_with(&["status"], &[("BILLING_LEDGER", &secret)]).done();
    assert_eq!(told.stderr, "", "the variables of a process are its user's alone");

    for args in [&["--log-level", "debug"][..], &["--log-level", "debug", "--log-format", "json"]] {
        let host = Host::start(&secret, args);
        assert_eq!(host.ask(&Request::get("/readyz")).status, 200);
        postgres.stop(Stop::Fast);
        assert_eq!(host.ask(&Request::get("/readyz")).status, 503);
        postgres.start();
        let said = host.stop();
        assert!(
            said.contains("does not answer") && !said.contains("deadpool") && !said.contains(PASSWORD),
            "{said}"
        );
    }
}
