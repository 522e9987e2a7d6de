//! Refuses an output that would replace what it is made of.

use std::fs;
use std::path::Path;

use anyhow::anyhow;

use crate::exit::Failure;

/// Refuses a place that is one of the files to be read, under whatever name. A file of output replaces what was there: a ledger, or
/// the only export of a month, would be gone.
///
/// # Errors
/// Wrong usage, with the name of the file.
pub(crate) fn refuse<'a>(
    output: Option<&Path>,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Failure> {
    // Only a file can be replaced. A pipe must not even be opened: that would end its reader's wait. What cannot be looked at is not
    // there yet, or is told of when it is opened.
    let is_file = |path: &&Path| fs::metadata(path).is_ok_and(|found| found.is_file());
    let Some(output) = output.filter(is_file) else { return Ok(()) };
    let is_same = |input: &Path| same_file::is_same_file(output, input).unwrap_or(false);
    match inputs.into_iter().find(|input| is_file(input) && is_same(input)) {
        Some(input) => Err(Failure::usage(anyhow!(
            "`{}` would replace `{}`, which it is made of",
            output.display(),
            input.display()
        ))
        .hint("write to another file")),
        None => Ok(()),
    }
}
