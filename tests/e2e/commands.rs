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
        (&["keys"], &["create", "list", "revoke"]),
        (&["keys", "create"], &["--ledger", "--account", "--kind", "inference"]),
        (&["keys", "list"], &["--ledger"]),
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
      0 done   1 failed   2 wrong usage   3 ledger differs (check)
      4 key refused or missing   5 service or endpoint gone, unreachable or failing
      6 incomplete   130 interrupted (Ctrl-C)   143 terminated (SIGTERM)
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
