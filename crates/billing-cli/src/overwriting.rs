//! Refuses an output that would replace what it is made of, or what an export has kept.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use same_file::Handle;

use crate::exit::Failure;
use crate::ledger_place::LedgerPlace;

/// Refuses a place that is one of the files to be read, under whatever name; `-` is stdin. A file of output replaces what was there: the
/// only export of a month would be gone.
///
/// # Errors
/// Wrong usage, with the name of the file.
pub(crate) fn refuse<'a>(
    output: Option<&Path>,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Failure> {
    let Some(output) = output else { return Ok(()) };
    // Only a file can be replaced. A pipe must not even be opened: that would end its reader's wait. What cannot be looked at is not
    // there yet, or is told of when it is opened.
    let is_file = |path: &Path| fs::metadata(path).is_ok_and(|found| found.is_file());
    if !is_file(output) {
        return Ok(());
    }
    let is_same = |input: &Path| match input.as_os_str() == "-" {
        true => {
            Handle::stdin().ok().zip(Handle::from_path(output).ok()).is_some_and(|(one, other)| one == other)
        }
        false => is_file(input) && same_file::is_same_file(output, input).unwrap_or(false),
    };
    match inputs.into_iter().find(|input| is_same(input)) {
        Some(input) => Err(Failure::usage(anyhow!(
            "`{}` would replace `{}`, which it is made of",
            output.display(),
            input.display()
        ))
        .hint("write to another file")),
        None => Ok(()),
    }
}

/// Refuses a ledger that is read, and what it has beside it: its log holds what was recorded last.
///
/// # Errors
/// As [`refuse`].
pub(crate) fn refuse_ledger(output: Option<&Path>, ledger: &LedgerPlace) -> Result<(), Failure> {
    // No file stands for a database.
    let Some(ledger) = ledger.file() else { return Ok(()) };
    // What is beside a ledger is beside its file, and not beside a link to it.
    let real = fs::canonicalize(ledger).unwrap_or_else(|_| ledger.to_owned());
    let beside = |end: &str| -> PathBuf {
        let mut name = OsString::from(&real);
        name.push(end);
        name.into()
    };
    let files = ["", "-wal", "-shm", "-journal", "-import"].map(beside);
    refuse(output, files.iter().map(PathBuf::as_path))
}

/// Refuses a place at which an export has kept what it had when it broke off. An export looks itself, because it may go on with it.
///
/// # Errors
/// Wrong usage, with what to do.
pub(crate) fn refuse_kept(output: &Path) -> Result<(), Failure> {
    let mut kept = OsString::from(output);
    kept.push(".checkpoint");
    match fs::symlink_metadata(&kept).is_ok() {
        true => Err(Failure::usage(anyhow!(
            "an export to `{}` has not ended, and what it has kept would be lost",
            output.display()
        ))
        .hint("the same `billing export` goes on with it; or write to another file")),
        false => Ok(()),
    }
}
