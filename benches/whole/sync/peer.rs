//! The same first job by dlt, a well-known program for it: from the same server into duckdb.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::job::{Job, Source};
use crate::process::clear;
use xtask::{clients, python, workspace};

pub(super) const NAME: &str = "dlt 1.31.0, duckdb 2.0.1";

/// Runs the driver `xtask/clients/dlt_incremental.py` once. It ends in the directory that it gets.
///
/// # Errors
/// When dlt cannot be installed or fails, or when it does not have all entries.
pub(super) fn run(source: &Source, entries: u64) -> Result<Job> {
    let tool = python::environment("dlt_duckdb", clients::DLT)?;
    let directory = workspace::target_directory()?.join("bench-sync").join("dlt");
    clear(&directory)?;
    fs::create_dir_all(&directory)?;
    let said = directory.join("said");
    let mut dlt = Command::new(tool.join("bin/python"));
    dlt.arg(workspace::root().join("xtask").join("clients").join("dlt_incremental.py"))
        .env("BILLING_URL", source.base_url.trim_end_matches("/api/v1"))
        .env("BILLING_KEY", &source.key)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("RUNTIME__DLTHUB_TELEMETRY", "false")
        .current_dir(&directory)
        .stdin(Stdio::null())
        .stdout(File::create(&said)?)
        .stderr(File::create(directory.join("stderr.log"))?);
    let mut job = Job::default();
    job.add(dlt, NAME).with_context(|| format!("see stderr.log in {}", directory.display()))?;
    let said = fs::read_to_string(said)?;
    ensure!(said.lines().last() == Some(&*entries.to_string()), "it has another number of entries: {said}");
    clear(&directory)?;
    Ok(job)
}
