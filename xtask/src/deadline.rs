//! Waits for a process with a time limit.

use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

/// Time between two looks.
const POLL: Duration = Duration::from_millis(50);

/// How the process ended; `None` when it did not end within the limit.
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
