//! `cargo xtask`: reads the command and hands over to the library.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a chore talks to whoever started it")]

use std::process::ExitCode;

use anyhow::{Result, bail};
use xtask::{bench, clients, conformance, dist, gate, picture, tidy};

const COMMANDS: &str = "\
usage: cargo xtask COMMAND

  ci              every check that a change must pass, in order, with the time of each and of the slowest tests
  tidy            the rules of the house alone: dependencies, names, front pages, links
  conformance [--seed N]
                  `billing serve` held to its own OpenAPI document by schemathesis, with thousands of requests
  clients [--write] [--venice-cli DIR]
                  clients of others (PyPI's, each in an environment of its own) against `billing serve`, as a table of what
                  each gets; `--write` puts it into docs/compatibility.md; DIR is a checkout of the provider's tool, built
  bench [FILTER]  the benchmarks, all or those whose name holds FILTER; more arguments go to criterion as they are
  bench memory    the peak memory of an export, of 100,000 and of 1,000,000 entries
  bench walk      an export with 1 and with 8 windows side by side, and beside curl; `bench walk-` is criterion's
  bench walk --vs PROGRAM
                  the same exports by PROGRAM, the `billing` of before, and by that of the present code, by turns
  bench hangs [--entries N] [--usage] [--by PROGRAM]
                  an export from a service that hangs on narrow and empty windows, beside a plain walk of its pages;
                  `--by` exports with another `billing` than that of the present code
  bench pace      what refusals cost beside the best possible time, on real sockets
  bench server [--entries N] [--keep] [SECTION…]
                  the server over a ledger of 5,000,000 entries: deep pages, analytics, ingest, readers beside it, pages
                  beside datasette, encodings; `--keep` leaves the ledger for the next run
  bench postgres [--entries N] [--setting NAME=VALUE]… [--keep] [SECTION…]
                  the server over a ledger of 5,000,000 entries in PostgreSQL, with PostgreSQL's own settings, beside the same in
                  SQLite: `billing ledger copy` there and back, deep pages, analytics, ingest; `--setting shared_buffers=1GB`
                  sets what the database has otherwise; `--keep` leaves the ledger in SQLite for the next run
  bench sync [--entries N] [--turns N] [--keep] [--without-dlt]
                  `billing sync` of 1,000,000 entries from `billing serve`, alone and beside batches; a sync of nothing new;
                  `billing verify`; the first job by dlt into duckdb; `--keep` leaves the service's ledger for the next run
  bench report [--entries N] [--turns N] [--keep] [--without-peers]
                  `billing report`, `today` and `statusline` of a ledger of 1,000,000 entries, beside DuckDB over the exported
                  CSV file and ccusage over as many lines of its own kind; `--keep` leaves the ledger for the next run
  picture         docs/billing-export.svg, the picture in README.md: a terminal after a real export from a demo
  dist            a release in target/dist: a tarball, a Debian package on Linux, and SHA256SUMS of them
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match *arguments {
        [] | ["help" | "--help" | "-h"] => {
            print!("{COMMANDS}");
            Ok(())
        }
        ["ci"] => gate::run(),
        ["tidy"] => print_violations(),
        ["conformance", ref rest @ ..] => conformance::run(rest),
        ["clients", ref rest @ ..] => clients::run(rest),
        ["bench", ref rest @ ..] => bench::run(rest),
        ["picture"] => picture::run(),
        ["dist", ref rest @ ..] => dist::run(rest),
        _ => {
            eprint!("error: `{}` is not a command\n{COMMANDS}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn print_violations() -> Result<()> {
    let violations = tidy::check()?;
    for violation in &violations {
        println!("{violation}");
    }
    match violations.len() {
        0 => Ok(()),
        1 => bail!("a rule of the house is broken"),
        count => bail!("rules of the house are broken in {count} places"),
    }
}
