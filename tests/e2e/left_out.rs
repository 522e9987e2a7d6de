//! A test that needs a program which is not there: left out where that is allowed, and said.

use std::fs;
use std::process::{Command, Output};

use crate::place::Place;

/// One that needs strace.
const TEST: &str = "kills::every_call::killed_at_every_fsync";

/// Runs that test in a program of its own, where no program is on the PATH. Its notes go to the place.
fn run(place: &Place, environment: &[(&str, &str)]) -> Output {
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args([TEST, "--exact"]).env_remove("CI").env_remove("BILLING_TEST_ALL");
    again.env("PATH", place.path("empty")).env("CARGO_TARGET_DIR", place.path("target"));
    again.envs(environment.iter().copied()).output().unwrap()
}

#[test]
fn a_test_without_its_program_is_left_out_and_the_run_hears_of_it() {
    let place = Place::new();
    let output = run(&place, &[("CI", "false")]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let why = "strace is not on the PATH; install it, as with `apt-get install strace`";
    assert_eq!(said, format!("left out: {TEST}: {why}\n"));
    let notes = fs::read_dir(place.path("target/left-out")).unwrap().map(|note| note.unwrap().path());
    let notes: Vec<_> = notes.map(|path| fs::read_to_string(path).unwrap()).collect();
    assert_eq!(notes, [format!("{TEST}\t{why}\n")]);
}

#[test]
fn a_test_without_its_program_fails_where_nothing_may_be_left_out() {
    for variable in ["CI", "BILLING_TEST_ALL"] {
        let place = Place::new();
        let output = run(&place, &[(variable, "1")]);
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success() && said.contains("strace is not on the PATH; install it"), "{said}");
        assert!(said.contains(&format!("{variable} is set")), "{said}");
        assert!(place.names().is_empty());
    }
}
