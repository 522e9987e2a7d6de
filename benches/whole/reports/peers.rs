//! Programs of others that make a report: DuckDB over the exported file, ccusage over as many lines of its own kind.

use std::fs::{self, File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::ACCOUNT;
use crate::process::clear;
use crate::sync::job::Job;
use xtask::{command, python, workspace};

pub(super) const DUCKDB: &str = "DuckDB 2.0.1";
const DUCKDB_REQUIREMENTS: &str = "duckdb==2.0.1\n";
const DUCKDB_SCRIPT: &str = include_str!("duckdb.py");

pub(super) const CCUSAGE: &str = "ccusage 20.0.24";
const CCUSAGE_PACKAGE: &str = "ccusage@20.0.24";

/// Lines in one session log. A session of Claude Code has some thousands.
const LINES_OF_A_LOG: u64 = 5_000;

/// The span of the lines: as long as the made-up history, from 2026-01-01 on.
const FIRST_UNIX_S: u64 = 1_767_225_600;
const SPAN_S: u64 = 181 * 86_400;

/// Exports the ledger as CSV, and has DuckDB sum it up so many times.
///
/// # Errors
/// When DuckDB cannot be installed or fails, or when it does not have all entries.
pub(super) fn duckdb(billing: &Path, ledger: &Path, entries: u64, turns: usize) -> Result<Job> {
    let directory = directory("duckdb")?;
    let file = directory.join("usage.csv");
    let mut export = Command::new(billing);
    export.args(["export", "--account", ACCOUNT, "--quiet", "-o"]).arg(&file);
    export.arg("--from-ledger").arg(ledger);
    command::output(export)?;
    let tool = python::environment("duckdb", DUCKDB_REQUIREMENTS)?;
    let script = directory.join("duckdb_sums.py");
    fs::write(&script, DUCKDB_SCRIPT)?;
    let (mut job, said) = (Job::default(), directory.join("said"));
    for _ in 0..turns {
        let mut run = Command::new(tool.join("bin").join("python"));
        run.arg(&script).arg(&file).env("PYTHONDONTWRITEBYTECODE", "1");
        run.stdin(Stdio::null()).stdout(File::create(&said)?);
        job.add(run, DUCKDB)?;
        let said = fs::read_to_string(&said)?;
        ensure!(
            said.lines().last() == Some(&*entries.to_string()),
            "it has another number of entries: {said}"
        );
    }
    clear(&directory)?;
    Ok(job)
}

/// Writes as many lines as the ledger has entries, as Claude Code writes them, and has ccusage sum them up by day so many times.
///
/// # Errors
/// When npm cannot install ccusage, or it fails or finds no usage.
pub(super) fn ccusage(lines: u64, turns: usize) -> Result<Job> {
    let program = install()?;
    let directory = directory("ccusage")?;
    let logs = directory.join("projects").join("bench");
    fs::create_dir_all(&logs)?;
    for first in (0..lines).step_by(usize::try_from(LINES_OF_A_LOG)?) {
        write_log(&logs, first, lines)?;
    }
    let (mut job, said) = (Job::default(), directory.join("said"));
    for _ in 0..turns {
        let mut run = Command::new(&program);
        run.args(["daily", "--offline", "--json"])
            .env("CLAUDE_CONFIG_DIR", &directory)
            .env("HOME", &directory);
        run.stdin(Stdio::null()).stdout(File::create(&said)?).stderr(Stdio::null());
        job.add(run, CCUSAGE)?;
        let said = fs::read_to_string(&said)?;
        // Each line has one token that is written, and `totals` stands last.
        ensure!(said.contains(&format!("\"outputTokens\": {lines}")), "it has not found all lines");
    }
    clear(&directory)?;
    Ok(job)
}

/// Installs ccusage under `target/tools`, unless it is there, and says where its program is: the native one, without node, which
/// its own starter would add.
fn install() -> Result<PathBuf> {
    let place = workspace::target_directory()?.join("tools").join("ccusage");
    let program = place.join("node_modules/@ccusage/ccusage-linux-x64/bin/ccusage");
    if !program.exists() {
        fs::create_dir_all(&place)?;
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--no-save", CCUSAGE_PACKAGE]).current_dir(&place);
        command::output(npm).context("ccusage is installed by npm")?;
    }
    ensure!(program.exists(), "npm has no ccusage for this machine");
    // Its package has the program as a file like any other, which its own starter makes one that can be run.
    fs::set_permissions(&program, Permissions::from_mode(0o755))?;
    Ok(program)
}

fn write_log(logs: &Path, first: u64, all: u64) -> Result<()> {
    let mut log = BufWriter::new(File::create(logs.join(format!("session-{first}.jsonl")))?);
    for line in first..all.min(first + LINES_OF_A_LOG) {
        let at = billing_model::Timestamp::from_unix_ns(
            i64::try_from(FIRST_UNIX_S + line * SPAN_S / all)? * 1_000_000_000,
        );
        let model = ["claude-sonnet-4-20250514", "claude-opus-4-20250514"][usize::from(line % 5 == 0)];
        writeln!(
            log,
            r#"{{"parentUuid":null,"isSidechain":false,"userType":"external","cwd":"/srv/app","sessionId":"session-{first}","version":"2.0.0","gitBranch":"main","type":"assistant","timestamp":"{at}","message":{{"id":"msg_{line}","type":"message","role":"assistant","model":"{model}","content":[{{"type":"text","text":"Done: the function has a test now, and the gate is green."}}],"stop_reason":"end_turn","usage":{{"input_tokens":{},"cache_creation_input_tokens":{},"cache_read_input_tokens":{},"output_tokens":1,"service_tier":"standard"}}}},"requestId":"req_{line}","uuid":"00000000-0000-4000-8000-{line:012}"}}"#,
            line % 4_000,
            line % 900,
            line % 60_000,
        )?;
    }
    log.flush()?;
    Ok(())
}

fn directory(name: &str) -> Result<PathBuf> {
    let directory = workspace::target_directory()?.join(super::DIRECTORY).join(name);
    clear(&directory)?;
    fs::create_dir_all(&directory)?;
    Ok(directory)
}
