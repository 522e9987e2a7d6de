//! Tests the server against its own document, `/openapi.json`.
//!
//! schemathesis makes requests of the document, good ones and bad ones, sends them to a server that runs as it does for
//! users, and checks what is answered: status, type, headers, schema; whether good data is taken and bad data refused;
//! whether keys are asked for. Its settings are in `tests/conformance`. They exclude only what OpenAPI cannot express.

mod report;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use report::Report;

use crate::server::Server;
use crate::{deadline, python, workspace};

/// With fewer cases something was left out: a run has about half as many again.
const CASES_MIN: u64 = 2_000;

/// The seed of the gate, so that every run has the same cases. Any other seed must pass too.
const SEED: &str = "1";

/// A run takes about two minutes. One that takes this long hangs.
const TIME_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Runs the cases of a seed, `--seed N` or the usual one, and prints the results.
///
/// # Errors
/// When a tool is missing or does not start, when the server does anything that its document does not say, has an error
/// in its log or does not end well, and when there were too few cases to tell.
pub fn run(arguments: &[&str]) -> Result<()> {
    let seed = match arguments {
        [] => SEED,
        ["--seed", seed] => seed,
        _ => bail!("`conformance` takes `--seed N` or nothing, not `{}`", arguments.join(" ")),
    };
    let settings = workspace::root().join("tests").join("conformance");
    let requirements = fs::read_to_string(settings.join("requirements.txt"))?;
    let tool = python::environment("schemathesis", &requirements)?;
    let directory = workspace::target_directory()?.join("conformance");
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    fs::create_dir_all(&directory)?;

    let mut server = Server::start(&directory)?;
    let examined = examine(&tool, &settings, &directory, &server, seed);
    let stopped = server.stop();
    let mut complaints: Vec<String> = [examined.as_ref().err(), stopped.as_ref().err()]
        .into_iter()
        .flatten()
        .map(|error| format!("{error:#}"))
        .collect();
    if let Ok(report) = Report::read(&directory.join("report.json"), &directory.join("checks.json"))
        .inspect_err(|error| complaints.push(format!("{error:#}")))
    {
        say(&format!("\nconformance: {}, seed {seed}", report.summary()));
        complaints.extend(report.complaints(CASES_MIN));
    }
    match server.errors() {
        Ok(errors) if errors.is_empty() => {}
        Ok(errors) => complaints.push(format!("the server's log has errors:\n{}", errors.join("\n"))),
        Err(error) => complaints.push(format!("{error:#}")),
    }
    if complaints.is_empty() {
        return Ok(());
    }
    // The fault is reported even when the log cannot be read.
    say(&server.last_words().unwrap_or_else(|error| format!("{error:#}")));
    bail!("the server and its document differ, or it could not be told:\n{}", complaints.join("\n"))
}

/// Runs schemathesis. Its output is shown as it comes.
fn examine(tool: &Path, settings: &Path, directory: &Path, server: &Server, seed: &str) -> Result<()> {
    let mut command = Command::new(tool.join("bin").join("schemathesis"));
    command.arg("--config-file").arg(settings.join("schemathesis.toml"));
    command.args(["run", &format!("{}/openapi.json", server.origin), "--checks", "all", "--seed", seed]);
    // Without this, it would leave out the route of the document itself.
    command.args(["--include-path-regex", "^/", "--no-color", "--report", "json"]);
    command.arg("--report-json-path").arg(directory.join("report.json"));
    command
        .env("BILLING_ADMIN_KEY", &server.admin_key)
        .env("BILLING_INGEST_KEY", &server.ingest_key)
        .env("BILLING_CHECKS_REPORT", directory.join("checks.json"))
        .env("PYTHONPATH", settings)
        // Leaves no compiled files among the sources.
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .current_dir(directory)
        .stdin(Stdio::null());
    let mut process = command.spawn().context("cannot start schemathesis")?;
    let Some(status) = deadline::wait(&mut process, TIME_LIMIT)? else {
        process.kill()?;
        process.wait()?;
        bail!("schemathesis did not end in {} s", TIME_LIMIT.as_secs());
    };
    ensure!(status.success(), "schemathesis ended with {status}");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "the run reports to whoever started it")]
fn say(text: &str) {
    eprintln!("{text}");
}
