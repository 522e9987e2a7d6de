//! Where the tests of one run note what they left out. `billing-testkit` writes there, and builds this file too.

use std::env;
use std::path::{Path, PathBuf};

/// The file of the run that this process belongs to.
///
/// All test programs of a run, and rustdoc, are children of one cargo process. Its number tells runs apart, also two at
/// the same time, so notes of an earlier run are not taken for this one's.
pub(crate) fn of_this_run() -> PathBuf {
    directory().join(run())
}

fn directory() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into())).join("left-out")
}

#[cfg(unix)]
fn run() -> String {
    let cargo = std::os::unix::process::parent_id();
    // Process numbers are used again. On Linux the start time of the process tells them apart: it is the twentieth
    // field behind the name.
    let stat = std::fs::read_to_string(format!("/proc/{cargo}/stat")).unwrap_or_default();
    let start = stat.rsplit(')').next().and_then(|fields| fields.split_whitespace().nth(19));
    format!("{cargo}-{}", start.unwrap_or_default())
}

#[cfg(not(unix))]
fn run() -> String {
    "run".to_owned()
}
