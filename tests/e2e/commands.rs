//! What the program says of itself.

use crate::billing::{self, finish, run};

#[test]
fn every_command_explains_itself() {
    for (command, flags) in [
        (&["demo"][..], &["--entries", "--seed", "--dir", "--serve"][..]),
        (&["serve"], &["--ledger", "--listen", "127.0.0.1:8787"]),
        (&["balance"], &["--json", "--base-url", "--api-key-file", "--proxy", "--cacert", "--max-wait"]),
        (
            &["analytics"],
            &[
                "--lookback",
                "--since",
                "--until",
                "--month",
                "--json",
                "--base-url",
                "--api-key-file",
                "--proxy",
            ],
        ),
        (
            &["record"],
            &["<FILE>", "--idempotency-key", "--format", "ndjson", "--base-url", "--api-key-file", "--proxy"],
        ),
        (
            &["import"],
            &["<FILE>...", "--ledger", "--account", "--format", "ndjson", "--again", "--dry-run", "--json"],
        ),
        (&["check"], &["--ledger", "--json", "Examples:", "Exit code 3"]),
        (&["completions"], &["<SHELL>", "bash, zsh, fish", "powershell", "Examples:"]),
        (&["man"], &["<DIR>", "Examples:"]),
        (&["accounts", "list"], &["--ledger", "--json", "nets"]),
        (&["accounts", "remove"], &["--ledger", "<NAME>"]),
        (
            &["sync"],
            &[
                "--ledger",
                "--account",
                "--since",
                "--settle",
                "--overlap",
                "--full",
                "--dry-run",
                "--every",
                "--json",
            ],
        ),
        (
            &["verify"],
            &["--ledger", "--account", "--since", "--repair", "--json", "Examples:", "Exit code 3"],
        ),
        (
            &["report"],
            &[
                "[FILE]...",
                "--ledger",
                "--account",
                "--since",
                "--month",
                "--days",
                "--timezone",
                "BILLING_TIMEZONE",
                "--week-start",
                "--compare",
                "--by",
                "--top",
                "--usd",
                "--format",
                "markdown",
                "--output",
                "--jq",
                "--charts",
                "--no-pager",
                "Examples:",
            ],
        ),
        (
            &["daily"],
            &["--ledger", "--account", "--timezone", "--format", "billing report --by day --days 30"],
        ),
        (&["weekly"], &["--ledger", "--account", "--format"]),
        (&["monthly"], &["--ledger", "--account", "--format"]),
        (&["models"], &["--ledger", "--account", "--format"]),
        (&["render"], &["<REPORT.json>", "--format", "--output", "--jq", "Examples:"]),
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
                "--with-other-fields",
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

/// The help of the commands that people type first.
#[test]
fn help_fits_a_terminal_and_has_examples() {
    for command in ["demo", "export", "import"] {
        for flag in ["-h", "--help"] {
            // Whatever the width of the terminal.
            let mut asked = billing::command(&[command, flag]);
            asked.env("COLUMNS", "200");
            let help = finish(asked, b"").done();
            let longest = help.text().lines().max_by_key(|line| line.chars().count()).unwrap();
            assert!(longest.chars().count() <= 80, "{longest}");
            let examples = help.text().split_once("\nExamples:\n").unwrap().1;
            assert_eq!(examples.lines().count(), 3, "{examples}");
            assert!(examples.lines().all(|line| line.starts_with("  billing ")), "{examples}");
        }
    }
}

#[test]
fn the_options_of_an_export_are_in_groups() {
    let help = run(&["export", "-h"]).done();
    insta::assert_snapshot!(help.text(), @"
    Exports a window of the ledger from a service, oldest first

    Usage: billing export [OPTIONS]

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Window:
          --since <T>        First instant of the window [default: first entry]
          --until <T>        First instant after the window [default: now]
          --month <YYYY-MM>  That month, whole and in UTC
          --days <N>         The last N days, as `--since Nd`; not with --until
          --currency <C>     Only entries charged in this currency, such as USD,
                             DIEM or BUNDLED_CREDITS

    Output:
      -o, --output <FILE>      Write to FILE, `-` for stdout [default: stdout,
                               unless it is a terminal]. FILE appears only when it
                               is complete; run the same command again to resume
          --format <FORMAT>    Format of the export [default: as the name of FILE
                               ends, or csv]. A name in .gz makes it gzip [possible
                               values: csv, json, ndjson]
          --with-api-key-id    Add the column apiKeyId to csv, after the documented
                               ones; json and ndjson always have it
          --with-other-fields  Add the column otherFields to csv, last: fields that
                               nobody documented, as JSON; json and ndjson always
                               have them
          --manifest           Write a manifest beside FILE: window, sums, checksum,
                               requests
          --restart            Throw away what an interrupted export to FILE left,
                               and begin anew
          --json               Write the summary to stderr as one JSON object, and
                               nothing else but errors
      -q, --quiet              Say nothing but errors
      -v, --verbose            Show each request on stderr, with its time and what
                               came of it; never the key

    Ledger:
          --from-ledger [<PATH>]  Read a ledger, a file or
                                  postgres://USER@HOST/DATABASE, and ask no service;
                                  without PATH that of BILLING_LEDGER, else your own
          --account <NAME>        Account of the ledger [default: default]

    Service:
          --base-url <URL>       Base URL of the service: https, or http to this
                                 machine; the scheme may be left out [env:
                                 BILLING_BASE_URL] [default:
                                 https://api.venice.ai/api/v1]
          --api-key-file <FILE>  File with the API key, `-` for stdin; otherwise
                                 BILLING_API_KEY, else VENICE_API_KEY
          --proxy <URL>          Go by this proxy, but never to this machine: http,
                                 https, socks5 or socks5h; otherwise HTTPS_PROXY,
                                 else ALL_PROXY, but for the hosts in NO_PROXY
          --no-proxy             Go by no proxy, whatever the environment says
          --cacert <FILE>        PEM file with the certificates to trust in the
                                 place of the system's; otherwise SSL_CERT_FILE
          --endpoint <ENDPOINT>  Endpoint to read from; auto is usage-history, or
                                 usage where there is no other [default: auto]
                                 [possible values: auto, usage, usage-history]
          --wire <WIRE>          Format in which pages travel [default: json]
                                 [possible values: json, csv]

    Pace:
          --concurrency <N>       Requests at the same time, 1 to 16; the service's
                                  limits slow all of them down [default: 4]
          --page-size <N>         Entries a page: 1 to 500 on usage, otherwise 10 to
                                  1000 [default: the most]
          --max-wait <S>          Longest wait that the service may ask for, in
                                  seconds [default: 900]
          --checkpoint-every <S>  Seconds of work that a kill may cost, about; 0
                                  keeps as much as can be kept [default: 1]

    Times T: 2026-06-15T19:05:10.504Z; 2026-06-15, today and yesterday (00:00 UTC);
    2026-06 (its first instant); or a span back from now in hours, days or weeks:
    12h, 7d, 2w. A window that ends now is not final: entries may arrive hours late.

    Examples:
      billing export --month 2026-06 -o june.csv
      billing export --days 7 --currency USD -o week.json
      billing export --from-ledger --since yesterday --until today -o day.ndjson.gz
    ");
}

#[test]
fn the_front_page_names_the_commands_and_the_exit_codes() {
    let help = run(&["--help"]).done();
    for piece in [
        "analytics",
        "balance",
        "check",
        "completions",
        "demo",
        "export",
        "import",
        "keys",
        "man",
        "record",
        "serve",
        "sync",
        "verify",
    ] {
        assert!(help.text().contains(&format!("\n  {piece} ")), "{}", help.text());
    }
    let codes = help.text().split_once("Exit codes:\n").unwrap().1;
    insta::assert_snapshot!(codes, @"
      0 done   1 failed   2 wrong usage   3 ledger differs (check, verify)
      4 key refused or missing   5 service or endpoint gone, unreachable or failing
      6 incomplete   130 interrupted (Ctrl-C)   143 terminated (SIGTERM)
    ");
}

#[test]
fn the_front_page_fits_a_terminal() {
    assert!(run(&["--help"]).done().text().lines().all(|line| line.chars().count() <= 80));
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

/// The help of the commands for a ledger fits the narrowest terminal, and its examples work as they stand.
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
        &["status"],
    ] {
        for flag in ["-h", "--help"] {
            let help = run(&[command, &[flag]].concat()).done();
            let text = help.text();
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(words.contains("[env: BILLING_LEDGER]"), "{text}");
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
