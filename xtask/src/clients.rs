//! Clients that others wrote, against our server.
//!
//! Each client is installed from PyPI into its own environment. A short driver, `xtask/clients/*.py`, uses it as its
//! users would: for the whole ledger, analytics and the balance. A table shows the results beside the exact figures. A
//! client that cannot be installed or that fails is in the table too. This needs the network, so it is not in the gate.

mod table;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use table::{Line, Table};

use crate::server::{HISTORY, Server};
use crate::{deadline, python, workspace};

/// The slowest client needs a minute or two of processor time. One that takes this long hangs.
const TIME_LIMIT: Duration = Duration::from_secs(20 * 60);

/// Where the table is kept.
const DOCUMENT: &str = "docs/compatibility.md";

/// A client: its name, what pip installs for it, and its driver.
struct Client {
    name: &'static str,
    requirements: &'static str,
    driver: &'static str,
}

/// What pip installs for dlt. `cargo xtask bench sync` measures it too.
pub const DLT: &str = "dlt[duckdb]==1.31.0\nduckdb==2.0.1\n";

const CLIENTS: [Client; 4] = [
    Client { name: "venice-py 2.9.0", requirements: "venice-py==2.9.0\n", driver: "venice_py.py" },
    Client { name: "venice-ai 1.3.0", requirements: "venice-ai==1.3.0\n", driver: "venice_ai_sdk.py" },
    Client { name: "dlt 1.31.0, duckdb 2.0.1", requirements: DLT, driver: "dlt_duckdb.py" },
    Client { name: "HTTPie 3.2.4", requirements: "httpie==3.2.4\n", driver: "httpie_cli.py" },
];

/// What was asked for on the command line.
#[derive(Default)]
struct Asked {
    writes: bool,
    venice_cli: Option<PathBuf>,
}

/// Runs every client and prints the table; `--write` keeps it, `--venice-cli DIR` adds the provider's own tool.
///
/// # Errors
/// When the server cannot be started, its own figures cannot be had, or the table cannot be kept. A failing client is
/// no error: the table shows it.
pub fn run(arguments: &[&str]) -> Result<()> {
    let asked = asked(arguments)?;
    let directory = workspace::target_directory()?.join("clients");
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    fs::create_dir_all(&directory)?;
    let mut server = Server::start(&directory)?;

    say("the exact figures");
    let history = workspace::root().join(HISTORY);
    let mut exact = drive(&directory, &server, Path::new("python3"), ("exact.py", Some(&history)))?;
    let exact = exact.pop().context("the exact figures were not said")?;
    let mut table = Table::beside(exact);
    for client in &CLIENTS {
        say(client.name);
        let lines = python::environment(client.driver.trim_end_matches(".py"), client.requirements)
            .and_then(|tool| drive(&directory, &server, &tool.join("bin/python"), (client.driver, None)));
        table.add(client.name, lines);
    }
    let tool = "the provider's `veniceai-cli`";
    match &asked.venice_cli {
        Some(checkout) => {
            say(tool);
            let driver = ("venice_cli.py", Some(checkout.as_path()));
            table.add(tool, drive(&directory, &server, Path::new("python3"), driver));
        }
        None => table.add(tool, Ok(vec![Line::without("not run: no checkout was given")])),
    }
    server.stop()?;

    let text = table.markdown();
    say_table(&text);
    if asked.writes { keep(&text) } else { Ok(()) }
}

fn asked(arguments: &[&str]) -> Result<Asked> {
    let mut asked = Asked::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match (*argument, rest.as_slice().first()) {
            ("--write", _) => asked.writes = true,
            ("--venice-cli", Some(directory)) => {
                rest.next();
                let directory = fs::canonicalize(directory).with_context(|| format!("`{directory}`"))?;
                let program = directory.join("dist").join("index.js");
                ensure!(
                    program.is_file(),
                    "there is no `{}`: build the checkout first, with `npm install` and `npm run build`",
                    program.display()
                );
                asked.venice_cli = Some(directory);
            }
            ("--venice-cli", None) => bail!("`--venice-cli` takes the directory of a checkout"),
            (other, _) => bail!("`clients` takes `--write` and `--venice-cli DIR`, not `{other}`"),
        }
    }
    Ok(asked)
}

/// Runs a driver in its own directory, and gives its results. Other output of the client is kept in the directory.
fn drive(
    directory: &Path,
    server: &Server,
    python: &Path,
    (driver, argument): (&str, Option<&Path>),
) -> Result<Vec<Line>> {
    let own = directory.join(driver.trim_end_matches(".py"));
    fs::create_dir_all(&own)?;
    let (said, log) = (own.join("said.ndjson"), own.join("stderr.log"));
    let mut command = Command::new(python);
    command.arg(workspace::root().join("xtask").join("clients").join(driver)).args(argument);
    command
        .env("BILLING_URL", &server.origin)
        .env("BILLING_KEY", &server.admin_key)
        // Leaves no compiled files among the sources, and sends no telemetry.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("RUNTIME__DLTHUB_TELEMETRY", "false")
        .current_dir(&own)
        .stdin(Stdio::null())
        .stdout(File::create(&said)?)
        .stderr(File::create(&log)?);
    let mut process = command.spawn().with_context(|| format!("cannot start `{}`", python.display()))?;
    let Some(status) = deadline::wait(&mut process, TIME_LIMIT)? else {
        process.kill()?;
        process.wait()?;
        bail!("it did not end in {} s", TIME_LIMIT.as_secs());
    };
    ensure!(status.success(), "its driver ended with {status}: see {}", log.display());
    let said = fs::read_to_string(&said)?;
    let lines = said.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("{driver} said {line}"))).collect()
}

/// Puts the table into the document, in the place of the one that is there.
fn keep(table: &str) -> Result<()> {
    let path = workspace::root().join(DOCUMENT);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = table::replaced(&text, table).with_context(|| {
        format!("{DOCUMENT} has no place for the table: {} … {}", table::BEGIN, table::END)
    })?;
    fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[expect(clippy::print_stdout, reason = "the table is what was asked for")]
fn say_table(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the run reports to whoever started it")]
fn say(text: &str) {
    eprintln!("== {text}");
}
