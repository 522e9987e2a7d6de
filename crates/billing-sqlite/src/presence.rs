//! Whether anybody else has a ledger open.

use std::io;
use std::path::Path;

use crate::handles::Handles;

/// True when somebody else has the file of these handles open, in this process or in another one: each connection of the engine to a file
/// with a log has a shared lock on a part of it for as long as it is open.
pub(crate) fn is_open_elsewhere(handles: &Handles, path: &Path) -> io::Result<bool> {
    if handles.users() > 1 {
        return Ok(true);
    }
    match handles.read(path)? {
        Some(file) => is_locked_by_another(&file),
        // It is not the file at the path any more.
        None => Ok(true),
    }
}

/// Where the engine's shared locks stand: "shared bytes" of its locking protocol, behind the first GiB.
#[cfg(unix)]
const SHARED: (u64, u64) = ((1 << 30) + 2, 510);

#[cfg(unix)]
fn is_locked_by_another(file: &std::fs::File) -> io::Result<bool> {
    use rustix::process::{Flock, FlockType, fcntl_getlk};
    let mut wanted = Flock::from(FlockType::WriteLock);
    (wanted.start, wanted.length) = SHARED;
    // Locks of this process do not count here.
    Ok(fcntl_getlk(file, &wanted)?.is_some())
}

/// There is no way to ask for the locks of others.
#[cfg(not(unix))]
fn is_locked_by_another(_: &std::fs::File) -> io::Result<bool> {
    Ok(false)
}
