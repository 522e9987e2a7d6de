//! The tokio runtime of commands that use HTTP.

use crate::exit::Failure;

/// The runtime of a command that uses HTTP. The command runs on the main thread. The workers fetch and read pages, and
/// see a signal while the main thread waits for a slow pipe.
pub(crate) fn runtime(workers: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().map_err(
        |error| Failure::failed(anyhow::Error::new(error).context("the async runtime cannot be started")),
    )
}
