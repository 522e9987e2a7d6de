//! A report on a terminal: its pager, its colours, its room.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use billing_model::UsageEntry;

use super::charge;
use crate::billing::command;
use crate::ledger::Ledger;
use crate::place::Place;
use crate::terminals::on_a_terminal_of;

/// A ledger with so many models, so that their table is long.
fn ledger(models: u32) -> Ledger {
    let entry = |model| charge("2026-06-01T00:00:00Z", &format!("model-{model}-llm-input-mtoken"), "1");
    Ledger::of(&(0..models).map(entry).collect::<Vec<UsageEntry>>())
}

fn report(ledger: &Ledger, args: &[&str]) -> Command {
    let path = ledger.path();
    let mut command = command(&[&["report", "--ledger", &path, "--by", "model"], args].concat());
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("TERM", "xterm");
    command
}

/// A pager that says how it was called, and reads as much as it is told.
fn pager(place: &Place, name: &str, reads: &str) -> String {
    let path = place.write(name, format!("#!/bin/sh\n{reads}\necho \"paged with $LESS $*\"\n"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_long_table_goes_through_the_pager() {
    let (ledger, place) = (ledger(60), Place::new());
    let whole = pager(&place, "whole", "cat");
    let (run, shown) = on_a_terminal_of(
        {
            let mut long = report(&ledger, &[]);
            long.env("PAGER", format!("{whole} -x 'a b'"));
            long
        },
        80,
    );
    run.done();
    assert!(shown.contains("model-59") && shown.ends_with("paged with FRX -x a b\n"), "{shown}");
    // What is set goes before what is not, and the own variable before that of all programs.
    let mut long = report(&ledger, &[]);
    long.env("PAGER", "false").env("BILLING_PAGER", &whole).env("LESS", "-S");
    let (run, shown) = on_a_terminal_of(long, 80);
    run.done();
    assert!(shown.ends_with("paged with -S \n"), "{shown}");
}

#[test]
fn a_pager_that_is_left_early_is_no_failure() {
    let (ledger, place) = (ledger(3_000), Place::new());
    let mut long = report(&ledger, &[]);
    long.env("PAGER", pager(&place, "early", "head -n 1"));
    let (run, shown) = on_a_terminal_of(long, 80);
    run.done();
    assert!(shown.ends_with("paged with FRX \n") && !shown.contains("model-59"), "{shown}");
}

/// Whatever it has shown of it: nothing, or as much as the pipe took.
#[test]
fn a_pager_that_fails_loses_no_report() {
    let (long, place) = (ledger(60), Place::new());
    for failing in ["false", "exit 3", "kill -9 $$", &pager(&place, "dies", "head -n 1 >&2; exit 2")] {
        let mut command = report(&long, &[]);
        command.env("PAGER", failing);
        let (run, shown) = on_a_terminal_of(command, 80);
        run.done();
        assert!(shown.contains("model-0") && shown.contains("model-59"), "{failing}: {shown}");
    }
}

#[test]
fn there_is_no_pager_where_none_is_wanted_or_needed() {
    let (long_one, short_one, place) = (ledger(60), ledger(2), Place::new());
    let whole = pager(&place, "whole", "cat");
    for (ledger, args, pager) in [
        (&short_one, &[][..], whole.as_str()),
        (&long_one, &["--no-pager"], &whole),
        (&long_one, &[], ""),
        (&long_one, &[], "cat"),
        // One that is not there: the table is printed all the same.
        (&long_one, &[], "/no/such/pager"),
    ] {
        let mut command = report(ledger, args);
        command.env("PAGER", pager);
        let (run, shown) = on_a_terminal_of(command, 80);
        run.done();
        assert!(shown.contains("model-1") && !shown.contains("paged with"), "{pager}: {shown}");
    }
    // Nobody turns pages in a pipe.
    let mut piped = report(&long_one, &[]);
    let piped = piped.env("PAGER", &whole).output().unwrap();
    assert!(!String::from_utf8(piped.stdout).unwrap().contains("paged with"));
}

#[test]
fn colours_are_for_terminals() {
    let ledger = ledger(2);
    let shown = |variables: &[(&str, &str)]| {
        let mut command = report(&ledger, &[]);
        command.envs(variables.iter().copied());
        let (run, shown) = on_a_terminal_of(command, 80);
        run.done();
        shown
    };
    assert!(shown(&[]).contains('\u{1b}'));
    assert!(!shown(&[("NO_COLOR", "1")]).contains('\u{1b}'));
    assert!(!shown(&[("TERM", "dumb")]).contains('\u{1b}'));
    let piped = |variable: &str| report(&ledger, &[]).env(variable, "1").output().unwrap().stdout;
    assert!(!piped("COLUMNS_NOT").contains(&0x1b));
    assert!(piped("CLICOLOR_FORCE").contains(&0x1b));
}

#[test]
fn a_locale_without_utf_8_gets_ascii() {
    let ledger = ledger(2);
    let is_ascii = |variables: &[(&str, &str)], args: &[&str]| {
        report(&ledger, args).envs(variables.iter().copied()).output().unwrap().stdout.is_ascii()
    };
    assert!(!is_ascii(&[], &[]));
    assert!(is_ascii(&[], &["--ascii"]));
    for (variables, ascii) in [
        (&[("LANG", "C")][..], true),
        (&[("LANG", "en_US.ISO-8859-1")], true),
        (&[("LANG", "de_DE.UTF-8")], false),
        (&[("LANG", "C.utf8")], false),
        (&[("LANG", "C"), ("LC_ALL", "C.UTF-8")], false),
        (&[("LANG", "C.UTF-8"), ("LC_CTYPE", "POSIX")], true),
        (&[("LANG", "")], false),
        (&[("TERM", "dumb")], true),
    ] {
        assert_eq!(is_ascii(variables, &[]), ascii, "{variables:?}");
    }
}

#[test]
fn a_page_does_not_fill_a_terminal_unasked() {
    let ledger = ledger(2);
    let (run, printed) = on_a_terminal_of(report(&ledger, &["--format", "html"]), 80);
    assert_eq!(printed, "");
    run.failed(2, "stdout is a terminal, and a whole page would be printed to it");
    let (run, printed) = on_a_terminal_of(report(&ledger, &["--format", "html", "-o", "-"]), 80);
    run.done();
    assert!(printed.contains("model-1"));
}
