//! Prints the results of criterion as one table: medians, rates, and the ratio to the floor of the group.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The result of one benchmark.
#[derive(Debug)]
struct Measured {
    group: String,
    name: String,
    median_ns: u64,
    entries: u64,
    bytes: u64,
}

impl Measured {
    fn is_floor(&self) -> bool {
        self.name.starts_with("floor")
    }
}

/// A table of what was measured since `start`. The floor of a group is the slowest benchmark whose name starts with
/// `floor`.
///
/// # Errors
/// When criterion's files have another form than expected.
pub(super) fn of(results: &Path, start: SystemTime) -> Result<String> {
    let mut measured = Vec::new();
    for group in directories(results)? {
        for benchmark in directories(&group)? {
            let directory = benchmark.join("new");
            let is_new = fs::metadata(directory.join("estimates.json"))
                .and_then(|file| file.modified())
                .is_ok_and(|at| at >= start);
            if is_new {
                measured
                    .push(read(&directory).with_context(|| format!("cannot read {}", directory.display()))?);
            }
        }
    }
    measured.sort_by_key(|one| (one.group.clone(), !one.is_floor(), one.median_ns));
    Ok(table(&measured))
}

fn table(measured: &[Measured]) -> String {
    let mut table =
        String::from("\nbenchmark                                   median    entries/s     MB/s  × floor\n");
    for Measured { group, name, median_ns, entries, bytes } in measured {
        let floors = measured.iter().filter(|other| other.group == *group && other.is_floor());
        let floor_ns = floors.map(|floor| floor.median_ns).max().filter(|_| !name.starts_with("floor"));
        let rate = |count: u64| u128::from(count) * 1_000_000_000 / u128::from(*median_ns).max(1);
        let megabytes = if *bytes > 0 { (rate(*bytes) / 1_000_000).to_string() } else { String::new() };
        let ratio = floor_ns
            .map(|floor_ns| tenths((median_ns * 10 + floor_ns / 2) / floor_ns.max(1)))
            .unwrap_or_default();
        let _ = writeln!(
            table,
            "{:<38} {:>9} µs {:>12} {megabytes:>8} {ratio:>8}",
            format!("{group}/{name}"),
            tenths(median_ns / 100),
            rate(*entries),
        );
    }
    table
}

fn tenths(number: u64) -> String {
    format!("{}.{}", number / 10, number % 10)
}

#[derive(Deserialize)]
struct Benchmark {
    group_id: String,
    function_id: String,
    throughput: Throughput,
}

#[derive(Deserialize)]
enum Throughput {
    Elements(u64),
    ElementsAndBytes { elements: u64, bytes: u64 },
}

#[derive(Deserialize)]
struct Estimates<'a> {
    #[serde(borrow)]
    median: Estimate<'a>,
}

#[derive(Deserialize)]
struct Estimate<'a> {
    #[serde(borrow)]
    point_estimate: &'a RawValue,
}

fn read(directory: &Path) -> Result<Measured> {
    let benchmark = fs::read_to_string(directory.join("benchmark.json"))?;
    let Benchmark { group_id, function_id, throughput } = serde_json::from_str(&benchmark)?;
    let estimates = fs::read_to_string(directory.join("estimates.json"))?;
    let estimates: Estimates<'_> = serde_json::from_str(&estimates)?;
    // Criterion writes nanoseconds with a fraction. Whole ones are precise enough.
    let median = estimates.median.point_estimate.get();
    let whole = median.split('.').next().unwrap_or(median);
    let (entries, bytes) = match throughput {
        Throughput::Elements(elements) => (elements, 0),
        Throughput::ElementsAndBytes { elements, bytes } => (elements, bytes),
    };
    let median_ns = whole.parse().with_context(|| format!("`{median}` is not a number of nanoseconds"))?;
    Ok(Measured { group: group_id, name: function_id, median_ns, entries, bytes })
}

fn directories(parent: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(parent).with_context(|| format!("cannot list {}", parent.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    Ok(paths.into_iter().filter(|path| path.is_dir()).collect())
}
