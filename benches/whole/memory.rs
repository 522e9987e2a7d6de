//! Measures the peak memory of `billing export`: the real program, with the real server, over ledgers of two sizes.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::process::{LIMIT_KIB, check_lines, clear, measure, mebibytes, peak_kib, succeeded};
use super::program::{self, Server};
use super::say;
use xtask::workspace;

/// The entries of the two ledgers. Memory that grows with the ledger shows as a difference between them.
const SIZES: [u64; 2] = [100_000, 1_000_000];

/// Measures and prints a table.
///
/// # Errors
/// When something cannot be run, or when an export is not whole or takes too much memory.
pub(super) fn run() -> Result<()> {
    let billing = program::billing()?;
    let directory = workspace::target_directory()?.join("bench-memory");
    let mut over = 0;
    say("\nentries    endpoint       format  export, peak MiB  server, peak MiB");
    for entries in SIZES {
        clear(&directory)?;
        let demo = Command::new(&billing)
            .args(["demo", "--entries", &entries.to_string(), "--dir"])
            .arg(&directory)
            .stdout(Stdio::null())
            .status();
        succeeded(demo.context("cannot start billing")?, "billing demo")?;
        for (endpoint, format) in
            [("usage-history", "csv"), ("usage-history", "json"), ("usage", "csv"), ("usage", "json")]
        {
            // Each export has a server of its own, so that the server's peak belongs to this export.
            let server = Server::start(&billing, &directory.join("ledger.db"))?;
            let export_kib = export(&billing, &directory, server.base_url(), endpoint, format, entries)?;
            let server_kib = peak_kib(server.id()).context("the server is gone")?;
            say(&format!(
                "{entries:<9}  {endpoint:<13}  {format:<6}  {:>16}  {:>16}",
                mebibytes(export_kib),
                mebibytes(server_kib)
            ));
            over += u32::from(export_kib > LIMIT_KIB);
        }
    }
    clear(&directory)?;
    if over > 0 {
        bail!("{over} exports took more than {} MiB", LIMIT_KIB >> 10);
    }
    Ok(())
}

/// Exports the whole ledger, and returns the peak memory.
fn export(
    billing: &Path,
    directory: &Path,
    base_url: &str,
    endpoint: &str,
    format: &str,
    entries: u64,
) -> Result<u64> {
    let file = directory.join("export").with_extension(format);
    let mut process = Command::new(billing);
    process
        .args(["export", "--quiet", "--base-url", base_url, "--endpoint", endpoint, "--format", format])
        // The made-up history is of 2026, whatever the date of today.
        .args(["--until", "2027-01", "--api-key-file"])
        .arg(directory.join("api-key"))
        .arg("--output")
        .arg(&file);
    let ended = measure(process, "billing export")?;
    // CSV has a header; JSON has a bracket at either end.
    check_lines(&file, entries + if format == "csv" { 1 } else { 2 })?;
    Ok(ended.peak_kib)
}
