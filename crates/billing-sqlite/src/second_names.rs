//! The names under which a restore keeps what it replaced.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use billing_model::Timestamp;

use crate::file_id::FileId;
use crate::paths::with_suffix;

/// What comes between the name of a ledger and the time at which it was replaced.
const REPLACED: &str = ".replaced-";

/// Another name for the file at a path, with the time in it: `ledger.db.replaced-2026-11-28T06-15-00Z`.
pub(crate) fn second_name(path: &Path, now: Timestamp) -> io::Result<PathBuf> {
    let time = now.to_string();
    let second = time.split(['.', 'Z']).next().unwrap_or(&time).replace(':', "-");
    let mut number = 1;
    loop {
        let more = if number == 1 { String::new() } else { format!("-{number}") };
        let name = with_suffix(path, &format!("{REPLACED}{second}Z{more}"));
        // Unlike a rename, a link replaces nothing.
        match fs::hard_link(path, &name) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => number += 1,
            linked => return linked.map(|()| name),
        }
    }
}

/// Removes the second names that a killed restore gave to the ledger, which is still at its path.
pub(crate) fn forget_second_names(path: &Path) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let mut start = name.to_owned();
    start.push(REPLACED);
    let id = FileId::at(path)?;
    for entry in fs::read_dir(directory)? {
        let other = entry?.path();
        let is_one = other
            .file_name()
            .is_some_and(|other| other.as_encoded_bytes().starts_with(start.as_encoded_bytes()));
        if is_one && FileId::at(&other)? == id {
            fs::remove_file(&other)?;
        }
    }
    Ok(())
}
