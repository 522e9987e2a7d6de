//! Runs a program from its start to its end, and measures its time and peak memory.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::program::Running;

/// The limit for the peak memory of any export.
pub(super) const LIMIT_KIB: u64 = 48 << 10;

/// How often the kernel's peak value is read. It never falls, so only a peak in the last moments of a program is missed.
const POLL: Duration = Duration::from_millis(1);

/// The measurements of a program that ended well.
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
    // A thread of its own reads the memory, so that the wait sees the end of the process at once.
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
    // The thread ends by itself, because a process that has ended has no memory.
    let peak = watch.join().ok().flatten();
    succeeded(status?, name)?;
    let peak_kib = peak.context("peak memory is read from /proc, which only Linux has")?;
    Ok(Ended { elapsed, peak_kib })
}

/// The same for a program that may not end. It is killed after the limit. Its end is seen a moment late.
///
/// # Errors
/// Those of [`measure`], and when the program was killed.
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

/// The CPU time of a running process.
///
/// # Errors
/// When the kernel does not tell; only Linux does.
pub(super) fn cpu(process: u32) -> Result<Duration> {
    let Stat { own, .. } = stat(process).with_context(|| format!("process {process} is gone"))?;
    Ok(own)
}

/// The CPU time of a process and of all that it started, also of those that have ended.
///
/// # Errors
/// As [`cpu`].
pub(super) fn family_cpu(process: u32) -> Result<Duration> {
    let Stat { own, ended, .. } = stat(process).with_context(|| format!("process {process} is gone"))?;
    let children = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let children = children.filter_map(stat).filter(|stat| stat.parent == process);
    Ok(own + ended + children.map(|child| child.own).sum::<Duration>())
}

/// What `/proc` says of a process.
struct Stat {
    parent: u32,
    /// The CPU time of its own, and of the processes that it started and that have ended, in hundredths of a second.
    own: Duration,
    ended: Duration,
}

fn stat(process: u32) -> Option<Stat> {
    let status = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program, in brackets, may hold anything. The state and numbers follow it.
    let fields: Vec<_> = status.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |first: usize| {
        let times = fields.get(first..first + 2)?.iter().map(|ticks| ticks.parse::<u64>().ok());
        Some(Duration::from_millis(times.sum::<Option<u64>>()? * 10))
    };
    Some(Stat { parent: fields.get(1)?.parse().ok()?, own: ticks(11)?, ended: ticks(13)? })
}

/// The CPU time of all processes that we started and that have ended. It is in hundredths of a second: the kernel
/// rounds the sum, not the time of each process.
///
/// # Errors
/// When the kernel does not tell; only Linux does.
pub(super) fn children_cpu() -> Result<Duration> {
    let status = fs::read_to_string("/proc/self/stat").context("only Linux has /proc")?;
    // The name of the program, in brackets, may hold anything. The state and numbers follow it.
    let (_, fields) = status.rsplit_once(')').context("/proc/self/stat has no name")?;
    let ticks: std::result::Result<Vec<u64>, _> =
        fields.split_whitespace().skip(13).take(2).map(str::parse).collect();
    Ok(Duration::from_millis(ticks.context("/proc/self/stat has no times")?.iter().sum::<u64>() * 10))
}

/// Checks that the file has so many lines.
///
/// # Errors
/// When it has not, or when it cannot be read.
pub(super) fn check_lines(path: &Path, expected: u64) -> Result<()> {
    let found = lines(path)?;
    if found != expected {
        bail!("{} should have {expected} lines and has {found}", path.display());
    }
    Ok(())
}

/// Counts in pieces, because the file may be larger than the memory.
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

/// Removes what an earlier run left, if there is anything.
///
/// # Errors
/// When it cannot be removed.
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
