//! What a request holds.

use std::sync::Arc;

use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::OwnedSemaphorePermit;

use crate::budget::Share;

/// What a request holds until its answer is sent, or its client has gone: its place among those that are answered at the
/// same time, and the memory of its answer.
#[derive(Debug)]
pub(crate) struct Holding {
    in_progress: Gauge,
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    pub(crate) memory: Option<Arc<Share>>,
}

impl Holding {
    /// The holding of a request that counts as in progress from now on.
    pub(crate) fn new(in_progress: Gauge, permit: Option<OwnedSemaphorePermit>) -> Self {
        in_progress.inc();
        Self { in_progress, permit, memory: None }
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.in_progress.dec();
    }
}
