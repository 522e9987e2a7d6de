//! What the program says of itself.

use crate::billing::run;

#[test]
fn every_command_explains_itself() {
    for (command, flags) in [
        (&["demo"][..], &["--entries", "--seed", "--dir", "--serve"][..]),
        (&["serve"], &["--ledger", "--listen", "127.0.0.1:8787"]),
        (
            &["import"],
            &["<FILE>...", "--ledger", "--account", "--format", "ndjson", "--again", "--dry-run", "--json"],
        ),
        (&["check"], &["--ledger", "--json", "Examples:", "Exit code 3"]),
        (&["accounts", "list"], &["--ledger", "--json", "nets"]),
        (&["accounts", "remove"], &["--ledger", "<NAME>"]),
        (&["keys"], &["create", "list", "revoke"]),
        (&["keys", "create"], &["--ledger", "--account", "--kind", "inference"]),
        (&["keys", "list"], &["--ledger", "--json"]),
        (&["keys", "revoke"], &["--ledger", "<ID>"]),
        (
            &["export"],
            &[
                "--since",
                "--until",
                "--currency",
                "--format",
                "-o,",
                "--output",
                "--endpoint",
                "usage-history",
                "--page-size",
                "--wire",
                "--with-api-key-id",
                "--quiet",
                "--base-url",
                "--api-key-file",
                "BILLING_API_KEY",
                "VENICE_API_KEY",
                "BILLING_BASE_URL",
                "https://api.venice.ai/api/v1",
            ],
        ),
    ] {
        let help = run(&[command, &["--help"]].concat()).done();
        assert_eq!(help.stderr, "");
        for flag in flags {
            assert!(help.text().contains(flag), "{command:?} does not speak of {flag}:\n{}", help.text());
        }
        assert!(help.text().lines().all(|line| line.chars().count() <= 100), "{}", help.text());
        run(&[command, &["-h"]].concat()).done();
    }
}

#[test]
fn the_front_page_names_the_commands_and_the_exit_codes() {
    let help = run(&["--help"]).done();
    for piece in ["check", "demo", "export", "import", "keys", "serve"] {
        assert!(help.text().contains(&format!("\n  {piece} ")), "{}", help.text());
    }
    let codes = help.text().split_once("Exit codes:\n").unwrap().1;
    insta::assert_snapshot!(codes, @"
      0 done   1 failed   2 wrong usage   3 ledger differs (check)   4 key refused or missing
      5 service or endpoint gone, unreachable or failing   6 incomplete   130 interrupted
    ");
}

#[test]
fn the_version_is_one_line() {
    let version = run(&["--version"]).done();
    assert_eq!(version.text(), format!("billing {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(
        run(&["export", "--version"]).done().text(),
        format!("billing-export {}\n", env!("CARGO_PKG_VERSION"))
    );
}

/// Those that work on a ledger: as wide as the narrowest terminal, with examples that the program takes as they stand.
#[test]
fn what_works_on_a_ledger_is_explained_by_three_examples() {
    for command in [
        &["serve"][..],
        &["keys", "create"],
        &["keys", "list"],
        &["keys", "revoke"],
        &["accounts", "list"],
        &["accounts", "remove"],
        &["accounts", "set"],
        &["check"],
        &["backup"],
        &["restore"],
    ] {
        for flag in ["-h", "--help"] {
            let help = run(&[command, &[flag]].concat()).done();
            let text = help.text();
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            assert!(text.contains("[env: BILLING_LEDGER]"), "{text}");
            let examples: Vec<_> = text.split_once("Examples:\n").unwrap().1.lines().collect();
            assert_eq!(examples.len(), 6, "{text}");
            for example in examples.chunks(2) {
                let typed = example[0].strip_prefix("  billing ").unwrap();
                assert!(example[1].starts_with("      ") && example[1].ends_with('.'), "{}", example[1]);
                let typed = typed.split(['|', '>']).next().unwrap().split_whitespace();
                run(&typed.chain(["--help"]).collect::<Vec<_>>()).done();
            }
        }
    }
    for parent in ["keys", "accounts"] {
        let help = run(&[parent, "--help"]).done();
        assert!(help.text().lines().all(|line| line.chars().count() <= 80), "{}", help.text());
    }
}

#[test]
fn what_a_server_takes_stands_in_groups() {
    let help = run(&["serve", "-h"]).done();
    let headings: Vec<_> =
        help.text().lines().filter(|line| line.ends_with(':') && !line.starts_with(' ')).collect();
    insta::assert_snapshot!(headings.join("\n"), @"
    Options:
    Address:
    Limits:
    Batches:
    Log:
    Tests of clients:
    Examples:
    ");
}
