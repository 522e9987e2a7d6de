//! A command that is not given a ledger works on the user's own, in the data directory that the system has for them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::billing::{Run, command, finish, ndjson};
use crate::ledger::noted;
use crate::place::Place;
use crate::process::Process;

/// A command of a user whose data directory is `data`.
fn of_user(data: &str, args: &[&str]) -> Command {
    let mut command = command(args);
    command.env("XDG_DATA_HOME", data);
    command
}

fn run(data: &str, args: &[&str]) -> Run {
    finish(of_user(data, args), b"")
}

#[test]
fn every_command_finds_the_ledger_that_the_first_one_made() {
    let place = Place::new();
    let (data, copy) = (place.path("data"), place.path("copy.db"));
    let (own, may) = (
        format!("{data}/billing/ledger.db"),
        place.write("may.ndjson", ndjson(&[noted("2026-05-01T00:00:00Z", "")])),
    );
    run(&data, &["import", &may, "--json"]).done();
    let key = run(&data, &["keys", "create"]).done().text().trim_end().to_owned();
    run(&data, &["accounts", "set", "--diem-allocation", "1"]).done();
    for args in [&["keys", "list"][..], &["accounts", "list"], &["check"], &["status"]] {
        let list = run(&data, &[args, &["--json"]].concat()).done();
        assert!(args[0] == "check" || list.text().contains(&own), "{}", list.text());
    }
    run(&data, &["backup", "--to", &copy]).done();
    run(&data, &["restore", "--from", &copy]).done();
    let mut server = Process::start(of_user(&data, &["serve", "--listen", "127.0.0.1:0"]));
    let mut export = of_user(&data, &["export", "--base-url", &server.line(), "-o", "-"]);
    export.env("BILLING_API_KEY", key);
    assert_eq!(finish(export, b"").done().entries().len(), 1);
    // One that is named goes first, by the flag or the variable.
    for args in [&["accounts", "list", "--ledger", &copy][..], &["accounts", "list"]] {
        let mut command = of_user(&place.path("elsewhere"), args);
        command.env("BILLING_LEDGER", &copy);
        finish(command, b"").done();
    }
    assert!(!place.names().contains(&"elsewhere".to_owned()));
}

#[test]
fn only_a_command_that_makes_a_ledger_makes_its_directory() {
    let place = Place::new();
    let (data, copy, none) = (place.path("data"), place.path("copy.db"), place.path("none"));
    for args in [
        &["serve", "--listen", "0"][..],
        &["keys", "list"],
        &["accounts", "list"],
        &["check"],
        &["status"],
        &["export", "--from-ledger"],
        &["backup", "--to", &copy],
    ] {
        let said = run(&data, args);
        said.failed(1, &format!("there is no ledger at `{data}/billing/ledger.db`"));
        assert!(said.stderr.contains("billing keys create make one"), "{}", said.stderr);
    }
    // Nor does an import that does not get so far.
    run(&data, &["import", &none]).failed(1, "none");
    assert!(place.names().is_empty(), "{:?}", place.names());
    // Only what is missing is made, and for the user alone.
    fs::create_dir(&data).unwrap();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o755)).unwrap();
    run(&format!("{data}/below"), &["keys", "create"]).done();
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        ["data", "data/below", "data/below/billing", "data/below/billing/ledger.db"].map(mode),
        [0o755, 0o700, 0o700, 0o600]
    );
    // A path that was typed may have been mistyped.
    run(&data, &["keys", "create", "--ledger", &place.path("typo/ledger.db")]).failed(1, "typo");
    assert_eq!(place.names(), ["data"]);
    // What stands in the way is said.
    let file = place.write("file", b"");
    run(&file, &["keys", "create"]).failed(1, "the directory `");
}

#[test]
fn without_a_data_directory_it_is_the_home_and_without_that_it_has_to_be_named() {
    let place = Place::new();
    // The specification has a path that is not absolute ignored.
    for data in [None, Some(""), Some("share")] {
        let mut command = command(&["accounts", "list"]);
        command.env("HOME", place.path("home"));
        if let Some(data) = data {
            command.env("XDG_DATA_HOME", data);
        }
        let own = place.path("home/.local/share/billing/ledger.db");
        finish(command, b"").failed(1, &format!("there is no ledger at `{own}`"));
    }
    let mut command = command(&["keys", "create"]);
    command.env("HOME", "nowhere").current_dir(place.path("."));
    let said = finish(command, b"");
    said.failed(2, "there is no home directory");
    assert!(said.stderr.contains("hint: name it with --ledger, or in BILLING_LEDGER"), "{}", said.stderr);
    assert!(place.names().is_empty());
}

/// Whose machine a man page is made on, nobody has to know.
#[test]
fn the_help_says_it_in_words() {
    let help = run("/a/secret/place", &["serve", "--help"]).done();
    let words = help.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("[default: billing/ledger.db in your data directory]"), "{words}");
    assert!(!help.text().contains("secret"), "{}", help.text());
}
