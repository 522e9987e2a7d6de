//! Waiting for a process, but not for ever.

use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Time between two looks.
const POLL: Duration = Duration::from_millis(50);

/// How it ended; `None` when it had not in the time that it has.
///
/// # Errors
/// When the system does not say.
pub(crate) fn wait(process: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() > limit {
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}
