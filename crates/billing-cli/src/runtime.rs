//! The runtime of the commands that talk HTTP.

use crate::exit::Failure;

/// The runtime of a command that talks HTTP. The commands run on the main thread; the workers fetch and read pages, and
/// see an interrupt while the main thread waits for a slow pipe.
pub(crate) fn runtime(workers: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build().map_err(
        |error| Failure::failed(anyhow::Error::new(error).context("the async runtime cannot be started")),
    )
}
