//! A program as it is measured: from its start to its end, with the most memory that it had.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::program::Running;

/// What an export may take, whatever it exports.
pub(super) const LIMIT_KIB: u64 = 48 << 10;

/// How often the kernel's mark is read. It never falls, so only what a program takes in its last moments escapes.
const POLL: Duration = Duration::from_millis(1);

/// A program that ended well.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub(super) elapsed: Duration,
    pub(super) peak_kib: u64,
}

/// Runs a program to its end.
///
/// # Errors
/// When it cannot be started, does not end well, or its memory cannot be read.
pub(super) fn measure(mut command: Command, name: &str) -> Result<Ended> {
    let start = Instant::now();
    let mut process = command.spawn().with_context(|| format!("cannot start `{name}`"))?;
    let id = process.id();
    // Beside the wait, not between looks at the process: its end is seen when it comes.
    let watch = thread::spawn(move || {
        let mut peak = None;
        while let Some(kib) = peak_kib(id) {
            peak = Some(kib);
            thread::sleep(POLL);
        }
        peak
    });
    let status = process.wait();
    let elapsed = start.elapsed();
    // It ends by itself: a process that is gone has no memory.
    let peak = watch.join().ok().flatten();
    succeeded(status?, name)?;
    let peak_kib = peak.context("peak memory is read from /proc, which only Linux has")?;
    Ok(Ended { elapsed, peak_kib })
}

/// The same of a program that may not end: it is killed when it takes longer than this. Its end is seen a moment late.
///
/// # Errors
/// As those of [`measure`], and when it was killed.
pub(super) fn measure_within(mut command: Command, name: &str, patience: Duration) -> Result<Ended> {
    let start = Instant::now();
    let mut process = Running(command.spawn().with_context(|| format!("cannot start `{name}`"))?);
    let id = process.0.id();
    let mut peak = None;
    let status = loop {
        peak = peak_kib(id).or(peak);
        if let Some(status) = process.0.try_wait()? {
            break status;
        }
        if start.elapsed() > patience {
            bail!("`{name}` was not done after {} s", patience.as_secs());
        }
        thread::sleep(POLL);
    };
    let elapsed = start.elapsed();
    succeeded(status, name)?;
    let peak_kib = peak.context("peak memory is read from /proc, which only Linux has")?;
    Ok(Ended { elapsed, peak_kib })
}

pub(super) fn succeeded(status: ExitStatus, name: &str) -> Result<()> {
    if !status.success() {
        bail!("`{name}` ended with {status}");
    }
    Ok(())
}

/// The most memory that a process has had so far, as the kernel counts it; `None` when it has ended.
pub(super) fn peak_kib(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches("kB").trim_end().parse().ok()
}

/// What the processes that we started, and that have ended, have had of the processors so far. In hundredths of a second:
/// the kernel rounds the sum, not each of them.
///
/// # Errors
/// When the kernel does not say so, which only Linux does.
pub(super) fn children_cpu() -> Result<Duration> {
    let status = fs::read_to_string("/proc/self/stat").context("only Linux has /proc")?;
    // The name of the program, in brackets, may hold anything; behind it come the state and numbers.
    let (_, fields) = status.rsplit_once(')').context("/proc/self/stat has no name")?;
    let ticks: std::result::Result<Vec<u64>, _> =
        fields.split_whitespace().skip(13).take(2).map(str::parse).collect();
    Ok(Duration::from_millis(ticks.context("/proc/self/stat has no times")?.iter().sum::<u64>() * 10))
}

/// Fails unless the file has so many lines.
///
/// # Errors
/// When it has not, or cannot be read.
pub(super) fn check_lines(path: &Path, expected: u64) -> Result<()> {
    let found = lines(path)?;
    if found != expected {
        bail!("{} should have {expected} lines and has {found}", path.display());
    }
    Ok(())
}

/// Counted in pieces: the file may be larger than the memory.
fn lines(path: &Path) -> Result<u64> {
    let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut buffer = vec![0; 1 << 20];
    let mut count = 0;
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(count);
        }
        count += buffer[..read].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
    }
}

/// Removes what an earlier run left, if it left anything.
///
/// # Errors
/// When what is there cannot be removed.
pub(super) fn clear(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot clear {}", directory.display()))?;
    }
    Ok(())
}

pub(super) fn mebibytes(kib: u64) -> String {
    let tenths = kib * 10 / 1024;
    format!("{}.{}", tenths / 10, tenths % 10)
}
